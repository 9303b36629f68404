"""What layers pass from token to token that have no keys: states, and how rows that share tokens are read in order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from evalharness.engine.config import Layer


class State(NamedTuple):
    """What texts have left behind in a layer: the last inputs of its convolution [B, taps - 1, channels], and each
    head's memory [B, heads, keys, values]."""

    tail: Tensor
    memory: Tensor


class Inputs(NamedTuple):
    """What a layer reads of each token: the convolution's inputs [..., channels], and for each head the logarithm of
    what the memory keeps, and how far it is corrected [..., heads]. Zeros change no memory."""

    mixed: Tensor
    kept: Tensor
    corrected: Tensor


# Inputs [B, L, ...], the rows' lengths [B] and the state before them -> outputs [B, L, heads, values], the state behind
Recurrence = Callable[[Inputs, Tensor, State | None], tuple[Tensor, State]]


class Recur(Protocol):
    """What runs a layer's rule over the texts at hand: inputs [T, ...] -> outputs [T, heads, values]."""

    def recur(self, layer: Layer, inputs: Inputs, rule: Recurrence) -> Tensor: ...


@dataclass(frozen=True, slots=True)
class Sequences:
    """Packed tokens in the order in which a recurrence reads them: `index` [B, L], `lengths` [B], and where among
    [B * L] each token's output is. Behind a sequence's end `index` names the place behind the last token."""

    index: Tensor
    lengths: Tensor
    places: Tensor

    @classmethod
    def of_rows(cls, lengths: Sequence[int], branches: Tensor | None, spread: Tensor | None, tokens: int) -> Sequences:
        """The rows of `attention.PackedRows`. Of a row with branches each is a sequence of its own behind the trunk,
        which is read with each of them."""
        order = torch.arange(sum(lengths)) if spread is None else spread.cpu()
        rows = list(torch.split(order, list(lengths)))
        if branches is not None:
            numbers = branches.cpu()
            rows = [sequence for row in rows for sequence in _unfolded(row, numbers[row])]
        index = pad_sequence(rows, batch_first=True, padding_value=tokens)
        flat = index.flatten()
        real = flat < tokens
        places = flat.new_zeros(tokens)
        places[flat[real]] = real.nonzero()[:, 0]
        return cls(index, torch.tensor([len(row) for row in rows]), places)

    def to(self, device: torch.device) -> Sequences:
        return Sequences(self.index.to(device), self.lengths.to(device), self.places.to(device))

    def run(self, inputs: Inputs, rule: Recurrence, before: State | None) -> tuple[Tensor, State]:
        """Outputs [T, heads, values] of inputs [T, ...], and each sequence's state at its end."""
        wide = Inputs(*(torch.cat((each, each.new_zeros(1, each.shape[1])))[self.index] for each in inputs))
        if before is not None:
            before = State(*(each.expand(len(self.lengths), *each.shape[1:]) for each in before))
        out, after = rule(wide, self.lengths, before)
        return out.flatten(0, 1)[self.places], after


def _unfolded(row: Tensor, branches: Tensor) -> list[Tensor]:
    """The texts of a tree: its trunk and one branch each."""
    numbers = sorted(set(branches.tolist()) - {0})
    return [row[(branches == 0) | (branches == number)] for number in numbers] or [row]
