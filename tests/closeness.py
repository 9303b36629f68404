"""How far apart two computations of the same numbers may be.

A sum in another order (another vector width, number of threads or library) differs by rounding steps of the largest
numbers that were added, and those grow with the values: so every tolerance is a share of the largest value, never a
number by itself. A step of float32 is 1.2e-7 of a value.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pytest
import torch

BAR = 1e-5  # of float32, after some layers: about 80 rounding steps
BAR_TRAINED = 1e-4  # after several steps of an optimizer, each of which divides by what it has rounded


def apart(got: Any, want: Any, least: float = 0.0) -> float:
    """The largest difference between two tensors (or lists of numbers) as a share of the largest value of `want`.

    `least`: the size of what was added up to get there, where that is known to be larger than the result.
    """
    found, right = (torch.as_tensor(each, dtype=torch.float64) for each in (got, want))
    assert found.shape == right.shape
    gap, size = float((found - right).abs().max()), max(float(right.abs().max()), least)
    if math.isnan(gap):
        return math.inf
    return gap / size if gap else 0.0


def furthest(got: Mapping[str, torch.Tensor], want: Mapping[str, torch.Tensor]) -> tuple[float, str]:
    """Of tensors by name (weights, gradients) the one that is furthest `apart`, and its name.

    A tensor's values are sums in which those of all others took part: they are held to a hundredth of the largest.
    """
    assert got.keys() == want.keys()
    least = max(float(tensor.abs().max()) for tensor in want.values()) / 100
    return max((apart(got[name].detach(), want[name].detach(), least), name) for name in want)


def near(want: Any, size: float, bar: float = BAR) -> Any:
    """What equals `want` up to a share `bar` of `size`: the size of the largest of the numbers that were added or
    subtracted to get there, whose rounding is left over where they cancel, however small the rest is."""
    return pytest.approx(want, rel=0, abs=bar * size)


def logprobs(want: Any, bar: float = BAR) -> Any:
    """What log-probabilities equal that are a share `bar` of the largest apart; they come of logits of size 1 at least,
    however near 0 they are."""
    values = want if isinstance(want, list | tuple) else [want]
    return near(want, max([1.0, *map(abs, values)]), bar)
