"""What adapter_config.json says, in PEFT's layout: https://huggingface.co/docs/peft/developer_guides/checkpoint.

LoRA (https://arxiv.org/abs/2106.09685), rsLoRA (https://arxiv.org/abs/2312.03732) and DoRA
(https://arxiv.org/abs/2402.09353) are known. Imports nothing heavy.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from evalharness.data.files import parse_json, read_text
from evalharness.engine.families import UnsupportedError
from evalharness.engine.fingerprint import counted_files, files_digest
from evalharness.errors import UserError, option_name
from evalharness.text.patterns import pattern_of

ADAPTER_CONFIG, ADAPTER_WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
# Settings that compute something else than what is here where they are set.
_OTHERWISE = (
    "alora_invocation_tokens", "use_qalora", "layer_replication", "target_parameters", "use_bdlora", "arrow_config",
    "kasa_config", "monteclora_config", "velora_config", "trainable_token_indices", "ensure_weight_tying",
)  # fmt: skip
# Those that PEFT puts into a model's own modules, and that bring all they need.
_KINDS = ("LORA", "IA3", "LOHA", "LOKR", "OFT", "BOFT", "HRA")
# Ways to begin a training that leave the base's weights as they are; others subtract something from them first.
_HARMLESS_STARTS = (True, False, None, "gaussian", "eva", "orthogonal")


@dataclass(frozen=True, slots=True, kw_only=True)
class AdapterConfig:
    """What adapter_config.json says of LoRA; `base` as in `adapter_base`, without a revision."""

    base: str
    rank: int
    alpha: float
    ranks: Mapping[str, int] = field(hash=False)
    alphas: Mapping[str, float] = field(hash=False)
    rank_stabilised: bool = False

    def rank_of(self, module: str) -> int:
        return int(_by_pattern(self.ranks, module, self.rank))

    def scale(self, module: str) -> float:
        """What the adapter's product is multiplied by: alpha / r, with rsLoRA alpha / sqrt(r)."""
        rank = self.rank_of(module)
        return float(_by_pattern(self.alphas, module, self.alpha)) / (math.sqrt(rank) if self.rank_stabilised else rank)


def _by_pattern(patterns: Mapping[str, float], module: str, otherwise: float) -> float:
    """The value of the first pattern that a module's name ends in, as PEFT looks it up."""
    for pattern, value in patterns.items():
        if pattern_of(rf"^(?:.*\.)?(?:{pattern})$").matches(module):
            return value
    return otherwise


def is_adapter(folder: Path) -> bool:
    """Whether a folder holds an adapter, and no weights of a whole model beside it."""
    if not (folder / ADAPTER_CONFIG).is_file() or (folder / "model.safetensors.index.json").is_file():
        return False
    return {file.name for file in folder.glob("*.safetensors")} <= {ADAPTER_WEIGHTS}


def adapter_fingerprint(folder: Path) -> str:
    """sha256 (hex) of the files that decide what an adapter does, and of a tokenizer beside them."""
    return files_digest([folder / ADAPTER_CONFIG, *counted_files(folder)])


def adapter_base(folder: Path) -> str:
    """The base that adapter_config.json names: a folder, ORG/NAME or ORG/NAME@REVISION; '' where it names none."""
    raw = _raw(folder)
    base, revision = raw.get("base_model_name_or_path") or "", raw.get("revision")
    return f"{base}@{revision}" if revision and base else str(base)


def read_adapter_config(folder: Path) -> AdapterConfig:
    """What `folder/adapter_config.json` says. UserError where it is damaged.

    UnsupportedError where it asks for something that PEFT may do and the native decoder does not.
    """
    file, raw = folder / ADAPTER_CONFIG, _raw(folder)
    if raw["peft_type"] != "LORA":
        raise UnsupportedError(f"an adapter of the kind {raw['peft_type']}")
    if other := [key for key in _OTHERWISE if raw.get(key)]:
        raise UnsupportedError(f"an adapter that sets {other[0]}")
    if raw.get("init_lora_weights", True) not in _HARMLESS_STARTS:
        raise UnsupportedError(f"an adapter whose start changes the base ({raw['init_lora_weights']!r:.40})")
    try:
        return _parsed(raw)
    except (TypeError, ValueError, AttributeError, ArithmeticError) as error:
        raise UserError(f"{file}: a field is missing or of the wrong kind: {error}; copy it again") from error


def _raw(folder: Path) -> Mapping[str, Any]:
    """adapter_config.json as it is. UserError where it is no such file, or would have PEFT import a module by name or
    read files from elsewhere."""
    file = folder / ADAPTER_CONFIG
    raw = parse_json(read_text(file), file)
    if not isinstance(raw, dict):
        raise UserError(f"{file}: wanted an object, there is {type(raw).__name__}; copy it again")
    if raw.get("peft_type") not in _KINDS:
        raise UserError(
            f"{file}: peft_type {raw.get('peft_type')!r:.40}; wanted {', '.join(_KINDS)}; merge others into their base"
        )
    if raw.get("megatron_config"):
        raise UserError(f"{file}: sets megatron_config, which has PEFT import a module by name; that is never done")
    return raw


def refuse_pickled(folder: Path) -> None:
    """UserError where an adapter's weights are missing, or pickled."""
    if not (folder / ADAPTER_WEIGHTS).is_file():
        pickled = next((p.name for p in (*folder.glob("*.bin"), *folder.glob("*.pth"))), None)
        hint = f"{pickled} is pickled (it can run code): convert it" if pickled else "copy it there"
        raise UserError(f"{folder}: wanted {ADAPTER_WEIGHTS} beside {ADAPTER_CONFIG}, it is missing; {hint}")


def _parsed(raw: Mapping[str, Any]) -> AdapterConfig:
    ranks = {str(key): int(value) for key, value in (raw.get("rank_pattern") or {}).items()}
    alphas = {str(key): float(value) for key, value in (raw.get("alpha_pattern") or {}).items()}
    rank, alpha = int(raw.get("r", 8)), float(raw.get("lora_alpha", 8))
    if min([rank, *ranks.values()]) < 1 or not all(map(math.isfinite, [alpha, *alphas.values()])):
        raise ValueError("ranks must be 1 or more and alphas numbers")
    for pattern in (*ranks, *alphas):
        pattern_of(pattern)
    return AdapterConfig(
        base=str(raw.get("base_model_name_or_path") or ""),
        rank=rank,
        alpha=alpha,
        ranks=ranks,
        alphas=alphas,
        rank_stabilised=bool(raw.get("use_rslora", False)),
    )


def base_missing(folder: Path, why: str) -> UserError:
    """The adapter's base model is not to be had."""
    said = option_name("base_model", "FOLDER")
    return UserError(f"{folder}: an adapter, and its base model is not here ({why}); say {said} or ORG/NAME")
