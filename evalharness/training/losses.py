"""What is minimised: cross-entropy of the labelled tokens, or the preference of one answer over another.

Head and loss see the labelled positions only: the others' gradients are zero, and their logits are the largest tensor
of a training step.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from evalharness.engine.attention import PackedRows
from evalharness.engine.decoder import Decoder
from evalharness.training.encoding import EncodedExample, Packed, pack_examples

AT_ONCE = 4096  # rows of logits that may stand in memory together


def negative_log_likelihoods(decoder: Decoder, batch: Packed) -> Tensor:
    """-log p of each label of the batch, [n] in float32."""
    attend = PackedRows(decoder.config, batch.lengths, batch.positions, spread=batch.spread)
    states = decoder.hidden(batch.ids, batch.positions, attend, batch.places)
    if len(batch.labels) <= AT_ONCE:
        return _part(decoder, states, batch.labels).index_select(0, batch.same)
    parts = [
        checkpoint(_part, decoder, states[i : i + AT_ONCE], batch.labels[i : i + AT_ONCE], use_reentrant=False)
        for i in range(0, len(batch.labels), AT_ONCE)
    ]
    return torch.cat(parts).index_select(0, batch.same)


def _part(decoder: Decoder, states: Tensor, labels: Tensor) -> Tensor:
    return F.cross_entropy(decoder.head(states), labels, reduction="none")


def cross_entropy(decoder: Decoder, examples: Sequence[EncodedExample]) -> Tensor:
    """The sum over labelled tokens (natural logarithm). Examples without labels add exactly 0."""
    batch = pack_examples(examples, decoder.device)
    if not len(batch.labels):
        return torch.zeros((), device=decoder.device)
    return negative_log_likelihoods(decoder, batch).sum()


def answer_log_likelihoods(decoder: Decoder, examples: Sequence[EncodedExample], average: bool) -> Tensor:
    """log p of each example's labels, [rows]: their sum, or per token with `average` (as the book does)."""
    batch = pack_examples(examples, decoder.device)
    sums = torch.zeros(len(examples), device=decoder.device)
    sums = sums.index_add(0, batch.owners, -negative_log_likelihoods(decoder, batch))
    if not average:
        return sums
    return sums / torch.tensor([example.targets for example in examples], device=decoder.device).clamp_min(1)


def dpo_losses(better: Tensor, worse: Tensor, reference: Tensor, beta: float) -> tuple[Tensor, Tensor]:
    """DPO (https://arxiv.org/abs/2305.18290, equation 7): the sum of the losses and of the margins over pairs.

    `better`, `worse` [n] are log-likelihoods, `reference` [n] is the reference model's difference of the two.
    """
    margin = beta * (better - worse - reference)
    return -F.logsigmoid(margin).sum(), margin.detach().sum()
