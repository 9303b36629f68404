"""Weights of four bits with a power of two per 32 of them (MXFP4), read as the numbers that they stand for.

https://www.opencompute.org/documents/ocp-microscaling-formats-mx-v1-0-spec-final-pdf, section 6.3: a byte holds two
numbers, the lower half the first. gpt-oss's files have a matrix [experts, outputs, inputs] as NAME_blocks
[experts, outputs, inputs / 32, 16] and NAME_scales [experts, outputs, inputs / 32].
"""

from __future__ import annotations

import torch
from torch import Tensor

FOUR_BIT_BLOCKS, FOUR_BIT_SCALES = "_blocks", "_scales"
_HALVES = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0)
_VALUES = (*_HALVES, *(-value for value in _HALVES))
_BIAS = 127  # of the scales' exponents; 255 is not a number


def dequantised(blocks: Tensor, scales: Tensor) -> Tensor:
    """The matrices [experts, inputs, outputs] in float32, NaN where a scale is none.

    ValueError where the two do not belong together.
    """
    if blocks.dtype != torch.uint8 or scales.dtype != torch.uint8 or blocks.shape != (*scales.shape, 16):
        raise ValueError(f"blocks {list(blocks.shape)} of {blocks.dtype} and scales {list(scales.shape)}")
    if scales.dim() != 3:
        raise ValueError(f"scales {list(scales.shape)}; wanted [experts, outputs, inputs / 32]")
    values = torch.tensor(_VALUES)
    halves = torch.stack((blocks & 15, blocks >> 4), -1).flatten(-2).int()
    powers = torch.ldexp(torch.ones(scales.shape), scales.int() - _BIAS).masked_fill(scales == 255, float("nan"))
    return (values[halves] * powers[..., None]).flatten(-2).transpose(1, 2).contiguous()
