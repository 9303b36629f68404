"""A trained folder on the hub: https://huggingface.co/docs/huggingface_hub/guides/upload."""

from __future__ import annotations

from pathlib import Path

from evalharness.errors import UserError

# What stays here: the state of the training, its test rows and the answers to them, leftovers, hidden files.
KEPT_HERE = ("training/*", "training/**", "runs/*", "runs/**", "*.part", ".*", "**/.*")


def push_folder(folder: Path, repository: str, *, private: bool = False) -> str:
    """Upload a model folder to `OWNER/NAME`, made where it is missing, and return the commit's address.

    UserError, in one line, for a folder that holds no model, a name that the hub refuses, no token, no network, and
    whatever else the hub says. The token is the one that `hf auth login` or HF_TOKEN gives huggingface_hub.
    """
    from huggingface_hub import HfApi, errors, get_token

    if not (folder / "config.json").is_file() and not (folder / "adapter_config.json").is_file():
        raise UserError(
            f"{folder}: wanted config.json or adapter_config.json, there is none; is this a model's folder?"
        )
    if repository.count("/") != 1:
        raise UserError(f"the hub's name of a model is OWNER/NAME, there is {repository!r}")
    if get_token() is None:
        raise UserError("the hub wants a token: set HF_TOKEN, or say `hf auth login`")
    api = HfApi(library_name="evalharness")
    try:
        made = api.create_repo(repository, private=private, exist_ok=True)
        if private and not api.model_info(made.repo_id).private:  # one that was there keeps who sees it
            raise UserError(f"{repository} is there already and is public; make it private on the hub first")
        done = api.upload_folder(
            repo_id=made.repo_id, folder_path=folder, ignore_patterns=list(KEPT_HERE),
            commit_message="Upload by evalharness",
        )  # fmt: skip
    except errors.HFValidationError as error:
        raise UserError(f"the hub takes no name like {repository!r}: {_first(error)}") from error
    except errors.OfflineModeIsEnabled as error:
        raise UserError("HF_HUB_OFFLINE is set: nothing can be uploaded; unset it") from error
    except errors.HfHubHTTPError as error:
        raise UserError(f"{repository}: {_refusal(error.response.status_code)} ({_first(error)})") from error
    except (getattr(errors, "HTTPError", OSError), OSError) as error:  # httpx's, which ships with huggingface_hub
        raise UserError(
            f"the hub at {api.endpoint} cannot be reached ({_first(error)}); is there a network?"
        ) from error
    return str(done.commit_url)


def _refusal(status: int) -> str:
    known = {
        401: "the hub does not know the token",
        403: "the token may not write there",
        404: "there is no such owner",
    }
    return known.get(status, f"the hub refuses it with status {status}")


def _first(error: BaseException) -> str:
    """The last line that says something: the hub's own words stand behind the address."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
