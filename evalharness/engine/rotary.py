"""What a config.json says of rotary positions (https://arxiv.org/abs/2104.09864), as one frozen record.

The kinds follow https://github.com/huggingface/transformers, `modeling_rope_utils.py`; `positions.py` computes them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from evalharness.engine.families import UnsupportedError

LONGROPE = ("longrope", "su")  # two names of one thing


@dataclass(frozen=True, slots=True, kw_only=True)
class Rope:
    """Rotary positions: base, rotated dimensions of a head, and how long contexts rescale the frequencies.

    `stretch` divides each frequency (longrope's, `long` in longer texts), `magnitude` multiplies cosines and sines.
    `low` and `high` are the turns within the original context between which llama3 and yarn blend; yarn may round where
    they lie (`truncate`). `adjacent`: a pair is two dimensions side by side, not half a head apart.
    """

    theta: float
    dims: int
    kind: str = "default"
    factor: float = 1.0
    low: float = 1.0
    high: float = 4.0
    original: int = 0
    stretch: tuple[float, ...] = ()
    long: tuple[float, ...] = ()
    magnitude: float = 1.0
    truncate: bool = True
    adjacent: bool = False


@dataclass(frozen=True, slots=True)
class Tempered:
    """Queries that grow with their position p: times 1 + strength log(1 + floor((p + 1) / every))."""

    every: float
    strength: float


def _longrope(theta: float, dims: int, scaling: Mapping[str, Any], values: Mapping[str, Any]) -> Rope:
    """The short factors, which hold for texts up to the original context, and the long ones for all longer ones
    (https://arxiv.org/abs/2402.13753)."""
    original = _original(values, scaling)
    factor = float(scaling.get("factor") or int(values["max_position_embeddings"]) / original)
    magnitude = 1.0 if factor <= 1 else math.sqrt(1 + math.log(factor) / math.log(original))
    return Rope(
        theta=theta,
        dims=dims,
        kind="longrope",
        original=original,
        stretch=tuple(float(f) for f in scaling["short_factor"]),
        long=tuple(float(f) for f in scaling["long_factor"]),
        magnitude=float(scaling.get("attention_factor") or magnitude),
    )


def _yarn(theta: float, dims: int, scaling: Mapping[str, Any], values: Mapping[str, Any]) -> Rope:
    """https://arxiv.org/abs/2309.00071; DeepSeek's `mscale` and `mscale_all_dim` as transformers takes them."""
    original = int(scaling.get("original_max_position_embeddings") or values["max_position_embeddings"])
    factor = float(scaling.get("factor") or int(values["max_position_embeddings"]) / original)

    def magnitude(share: float = 1.0) -> float:
        return 1.0 if factor <= 1 else 0.1 * share * math.log(factor) + 1.0

    one, all_dims = scaling.get("mscale"), scaling.get("mscale_all_dim")
    said = scaling.get("attention_factor")
    if said is None:
        said = magnitude(one) / magnitude(all_dims) if one and all_dims else magnitude()
    return Rope(
        theta=theta,
        dims=dims,
        kind="yarn",
        factor=factor,
        low=float(scaling.get("beta_slow") or 1),
        high=float(scaling.get("beta_fast") or 32),
        original=original,
        magnitude=float(said),
        truncate=bool(scaling.get("truncate", True)),
    )


def _original(values: Mapping[str, Any], scaling: Mapping[str, Any]) -> int:
    found = scaling.get("original_max_position_embeddings") or values.get("original_max_position_embeddings")
    return int(found or values["max_position_embeddings"])


def original_context(values: Mapping[str, Any]) -> int:
    """The longest text; with longrope the original context."""
    scaling = values.get("rope_parameters") or values.get("rope_scaling") or {}
    if scaling.get("rope_type", scaling.get("type")) in LONGROPE:
        return min(int(values["max_position_embeddings"]), _original(values, scaling))
    return int(values["max_position_embeddings"])


def read_rope(family: str, values: Mapping[str, Any], head_dim: int, local: bool) -> Rope:
    """transformers 5 writes `rope_parameters`, flat or by layer kind; 4 wrote `rope_theta` and `rope_scaling`."""
    given = values.get("rope_parameters") or {}
    kind_key = "sliding_attention" if local else "full_attention"
    by_kind = isinstance(given.get(kind_key), Mapping)
    scaling = dict(given[kind_key] if by_kind else given)
    theta = float(scaling.get("rope_theta") or values["rope_theta"])
    if family == "gemma3_text" and local and not by_kind:
        theta, scaling = float(values["rope_local_base_freq"]), {}
    elif not given and not (family == "olmo3" and local):  # its windows are never stretched
        scaling = dict(values.get("rope_scaling") or {})
    kind = str(scaling.get("rope_type", scaling.get("type", "default")))
    if kind == "mrope":  # of text alone, all three coordinates of a position are equal
        kind = "default"
    if kind not in ("default", "linear", "llama3", "yarn", "dynamic", *LONGROPE):
        raise UnsupportedError(f"rope type {kind!r}")
    partial = float(scaling.get("partial_rotary_factor") or values["partial_rotary_factor"])
    if kind in LONGROPE:
        return _longrope(theta, int(head_dim * partial), scaling, values)
    if kind == "yarn":
        return _yarn(theta, int(head_dim * partial), scaling, values)
    return Rope(
        theta=theta,
        dims=int(head_dim * partial),
        adjacent=family == "llama4_text",
        kind=kind,
        factor=float(scaling.get("factor", 1.0)),
        low=float(scaling.get("low_freq_factor", 1.0)),
        high=float(scaling.get("high_freq_factor", 4.0)),
        original=int(scaling.get("original_max_position_embeddings") or values["max_position_embeddings"]),
    )
