"""Log-likelihoods of the labelled tokens, which every loss is made of.

Head and loss see the labelled positions only: the others' gradients are zero, and their logits are the largest tensor
of a training step.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from evalharness.engine.attention import PackedRows
from evalharness.engine.decoder import Decoder
from evalharness.training.encoding import EncodedExample, Packed, pack_examples

AT_ONCE = 4096  # rows of logits that may stand in memory together


@dataclass(frozen=True, slots=True)
class EmbeddingNoise:
    """NEFTune (https://arxiv.org/abs/2310.05914, algorithm 1): each embedded token of a row of L tokens and width d
    gets noise between -alpha / sqrt(L d) and +alpha / sqrt(L d). `seeds` has one for each row, so that a row's noise
    depends on nothing else than when it is met."""

    alpha: float
    seeds: Sequence[str]

    def drawn(self, lengths: Sequence[int], width: int) -> Tensor:
        """The noise of rows one behind the other, [sum of lengths, width]."""
        parts = []
        for length, seed in zip(lengths, self.seeds, strict=True):
            generator = torch.Generator().manual_seed(random.Random(seed).getrandbits(62))
            size = self.alpha / math.sqrt(max(1, length) * width)
            parts.append((torch.rand(length, width, generator=generator) * 2 - 1) * size)
        return torch.cat(parts)


def negative_log_likelihoods(decoder: Decoder, batch: Packed, noise: Tensor | None = None) -> Tensor:
    """-log p of each label of the batch, [n] in float32; `noise` as in `Decoder.hidden`."""
    attend = PackedRows(decoder.config, batch.lengths, batch.positions, spread=batch.spread)
    states = decoder.hidden(batch.ids, batch.positions, attend, batch.places, noise)
    if len(batch.labels) <= AT_ONCE:
        return _part(decoder, states, batch.labels).index_select(0, batch.same)
    parts = [
        checkpoint(_part, decoder, states[i : i + AT_ONCE], batch.labels[i : i + AT_ONCE], use_reentrant=False)
        for i in range(0, len(batch.labels), AT_ONCE)
    ]
    return torch.cat(parts).index_select(0, batch.same)


def _part(decoder: Decoder, states: Tensor, labels: Tensor) -> Tensor:
    return F.cross_entropy(decoder.head(states), labels, reduction="none")


def cross_entropy(decoder: Decoder, examples: Sequence[EncodedExample], noise: EmbeddingNoise | None = None) -> Tensor:
    """The sum over labelled tokens (natural logarithm). Examples without labels add exactly 0."""
    batch = pack_examples(examples, decoder.device, apart=noise is not None)
    if not len(batch.labels):
        return torch.zeros((), device=decoder.device)
    drawn = noise.drawn(batch.lengths, decoder.config.width).to(decoder.device) if noise else None
    return negative_log_likelihoods(decoder, batch, drawn).sum()


def answer_log_likelihoods(decoder: Decoder, examples: Sequence[EncodedExample], average: bool) -> Tensor:
    """log p of each example's labels, [rows]: their sum, or per token with `average` (as the book does)."""
    batch = pack_examples(examples, decoder.device)
    sums = torch.zeros(len(examples), device=decoder.device)
    sums = sums.index_add(0, batch.owners, -negative_log_likelihoods(decoder, batch))
    if not average:
        return sums
    return sums / torch.tensor([example.targets for example in examples], device=decoder.device).clamp_min(1)
