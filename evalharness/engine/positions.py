"""Rotary positions (https://arxiv.org/abs/2104.09864) and the ways in which long contexts change their frequencies.

They follow https://github.com/huggingface/transformers, `modeling_rope_utils.py`.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from evalharness.engine.rotary import Rope, Tempered


def frequencies(rope: Rope, device: torch.device) -> Tensor:
    """Radians per position of each rotated pair, [dims / 2]; llama3 and yarn keep short waves and stretch long ones.

    `dynamic` is plain as long as texts are no longer than the context, and longer ones are not read.
    """
    steps = torch.arange(0, rope.dims, 2, dtype=torch.int64, device=device).float() / rope.dims
    if rope.stretch:
        return 1.0 / (torch.tensor(rope.stretch, device=device) * rope.theta**steps)
    plain = 1.0 / (rope.theta**steps)
    if rope.kind in ("default", "dynamic"):
        return plain
    if rope.kind == "linear":
        return plain / rope.factor
    if rope.kind == "yarn":
        stretched = _yarn_ramp(rope, device)
        return 1.0 / (rope.factor * rope.theta**steps) * stretched + plain * (1 - stretched)
    turns = rope.original * plain / (2 * math.pi)
    blend = ((turns - rope.low) / (rope.high - rope.low)).clamp(0.0, 1.0)
    return (1 - blend) * plain / rope.factor + blend * plain


def _yarn_ramp(rope: Rope, device: torch.device) -> Tensor:
    """The share of each pair [dims / 2] that is stretched: 0 where it turns more than `high` times within the original
    context, 1 where less than `low` times."""

    def pair(turns: float) -> float:
        return rope.dims * math.log(rope.original / (turns * 2 * math.pi)) / (2 * math.log(rope.theta))

    first, last = pair(rope.high), pair(rope.low)
    if rope.truncate:
        first, last = math.floor(first), math.ceil(last)
    first, last = max(first, 0), min(last, rope.dims - 1)
    last = last + 0.001 if first == last else last
    return ((torch.arange(rope.dims // 2, device=device).float() - first) / (last - first)).clamp(0, 1)


def turning(rope: Rope, positions: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """cos and sin [T, 1, dims / 2] of positions [T]."""
    angles = positions.float()[:, None, None] * frequencies(rope, positions.device)
    return (angles.cos() * rope.magnitude).to(dtype), (angles.sin() * rope.magnitude).to(dtype)


def tempering(tempered: Tempered, positions: Tensor, dtype: torch.dtype) -> Tensor:
    """What queries at positions [T] are multiplied with, [T, 1, 1] (https://arxiv.org/abs/2501.19399)."""
    passed = torch.floor((positions.float() + 1.0) / tempered.every)
    return (torch.log1p(passed) * tempered.strength + 1.0).to(dtype)[:, None, None]


def rotate(x: Tensor, turn: tuple[Tensor, ...], adjacent: bool = False) -> Tensor:
    """Rotate the first dimensions of each head, by halves or (`adjacent`) by neighbours, as the family's files have
    them: x [T, H, D]."""
    cos, sin = turn
    if adjacent:
        first, second = x[..., ::2], x[..., 1::2]
        return torch.stack((first * cos - second * sin, second * cos + first * sin), -1).flatten(-2)
    half = cos.shape[-1]
    first, second, rest = x[..., :half], x[..., half : 2 * half], x[..., 2 * half :]
    turned = (first * cos - second * sin, second * cos + first * sin)
    return torch.cat((*turned, rest) if rest.shape[-1] else turned, -1)
