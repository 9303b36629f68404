"""Where a checkpoint is: a folder, a hub id in the hub's cache or from the hub, the base that an adapter names."""

from __future__ import annotations

from pathlib import Path

from evalharness.engine.adapter_config import adapter_base, adapter_fingerprint, base_missing, is_adapter
from evalharness.engine.fingerprint import checkpoint_fingerprint
from evalharness.errors import UserError, option_name


def model_folder(argument: str) -> Path:
    """The folder of `argument`: a path, or a hub id (`org/name`, `org/name@revision`), from the hub's cache if there.

    UserError where neither is to be had.
    """
    if not argument:
        raise UserError(f"local needs a checkpoint: say {option_name('model', 'local:FOLDER')} or local:ORG/NAME")
    folder = Path(argument).expanduser()
    if folder.exists() or argument.count("/") != 1 or argument.startswith((".", "/", "~")):
        if not folder.is_dir():
            raise UserError(f"{argument}: there is no such folder; name one with config.json and *.safetensors")
        return folder
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    name, _, revision = argument.partition("@")
    wanted = ["*.safetensors", "*.json", "*.jinja", "*.txt", "*.tiktoken", "vocab.bpe"]
    try:
        return Path(snapshot_download(name, revision=revision or None, allow_patterns=wanted))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        first = str(error).strip().splitlines()[0][:200]
        raise UserError(
            f"{argument}: there is no such folder, and the hub gives no such model ({first}); name a folder, or check "
            "the name and the network"
        ) from error


def weights_digest(folder: Path, adapter: Path | None) -> str:
    """What decides the answers of a checkpoint, and of the adapter on it."""
    if adapter is None:
        return checkpoint_fingerprint(folder)
    return f"{checkpoint_fingerprint(folder)}/adapter {adapter_fingerprint(adapter)[:16]}"


def base_folder(adapter: Path, said: str | None) -> Path:
    """The folder of an adapter's base: what the user says, else what the adapter names. UserError without one."""
    named = said or adapter_base(adapter)
    if not named:
        raise base_missing(adapter, "adapter_config.json names none")
    beside = adapter / named  # a path may be meant from where the adapter is
    try:
        folder = model_folder(str(beside) if not said and not Path(named).exists() and beside.is_dir() else named)
    except UserError as error:
        raise base_missing(adapter, str(error)) from error
    if is_adapter(folder):
        raise base_missing(adapter, f"{named} is an adapter itself")
    return folder
