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
from evalharness.engine.fingerprint import counted_files, files_digest
from evalharness.errors import UserError, option_name
from evalharness.text.patterns import pattern_of

ADAPTER_CONFIG, ADAPTER_WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
# Settings that compute something else than what is here where they are set.
_OTHERWISE = (
    "alora_invocation_tokens", "use_qalora", "layer_replication", "target_parameters", "use_bdlora", "arrow_config",
    "kasa_config", "monteclora_config", "velora_config", "trainable_token_indices", "ensure_weight_tying",
)  # fmt: skip
# Ways to begin a training that leave the base's weights as they are; others subtract something from them first.
_HARMLESS_STARTS = (True, False, None, "gaussian", "eva", "orthogonal")


@dataclass(frozen=True, slots=True, kw_only=True)
class AdapterConfig:
    """What adapter_config.json says: `base` is a folder or a hub id, '' where none is named."""

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


def read_adapter_config(folder: Path) -> AdapterConfig:
    """What `folder/adapter_config.json` says. UserError where it is damaged, or of a kind that is not known."""
    file = folder / ADAPTER_CONFIG
    raw = parse_json(read_text(file), file)
    if not isinstance(raw, dict):
        raise UserError(f"{file}: wanted an object, there is {type(raw).__name__}; copy it again")
    if raw.get("peft_type") != "LORA":
        raise UserError(f"{file}: peft_type {raw.get('peft_type')!r:.40}; LORA is known, merge others with PEFT")
    if other := [key for key in _OTHERWISE if raw.get(key)]:
        raise UserError(f"{file}: sets {other[0]}, which is not known here; merge the adapter into its base with PEFT")
    if raw.get("init_lora_weights", True) not in _HARMLESS_STARTS:
        raise UserError(
            f"{file}: init_lora_weights {raw['init_lora_weights']!r:.40} changes the base's own weights; let PEFT "
            "convert the adapter to plain LoRA (path_initial_model_for_weight_conversion)"
        )
    try:
        return _parsed(raw)
    except (TypeError, ValueError, AttributeError, ArithmeticError) as error:
        raise UserError(f"{file}: a field is missing or of the wrong kind: {error}; copy it again") from error


def _parsed(raw: Mapping[str, Any]) -> AdapterConfig:
    base, revision = raw.get("base_model_name_or_path") or "", raw.get("revision")
    ranks = {str(key): int(value) for key, value in (raw.get("rank_pattern") or {}).items()}
    alphas = {str(key): float(value) for key, value in (raw.get("alpha_pattern") or {}).items()}
    rank, alpha = int(raw.get("r", 8)), float(raw.get("lora_alpha", 8))
    if min([rank, *ranks.values()]) < 1 or not all(map(math.isfinite, [alpha, *alphas.values()])):
        raise ValueError("ranks must be 1 or more and alphas numbers")
    for pattern in (*ranks, *alphas):
        pattern_of(pattern)
    return AdapterConfig(
        base=f"{base}@{revision}" if revision and base else str(base),
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
