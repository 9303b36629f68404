"""Keys and values of the texts that are being generated, one slot each, and the attention of a step to them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from evalharness.engine.attention import (
    PackedRows,
    PrefixCache,
    additive_mask,
    join_attention,
    partial_attention,
    prefix_attention,
    with_sinks,
)
from evalharness.engine.config import Config, Layer
from evalharness.engine.cuda_graphs import Graphs, Record
from evalharness.engine.decode_attention import DecodeAttention, operators_work
from evalharness.engine.decoder import Attend, Decoder
from evalharness.engine.recurrence import Inputs, Recurrence, State
from evalharness.engine.windows import Window

# Columns of the cache are read in multiples of this, where rows are padded.
COLUMN_STEP = {"cpu": 16, "cuda": 128}


class SlotCache:
    """Keys and values of rows of different age: [slots, KV, capacity, D] per layer, `lengths` of them filled.

    As attention of a step it takes one token per slot: [slots, H, D].
    """

    def __init__(
        self, decoder: Decoder, slots: int, capacity: int, prefix: PrefixCache | None, record: Record | None = None
    ) -> None:
        config: Config = decoder.config
        shape = (slots, config.kv_heads, capacity, config.head_dim)
        kind = {"dtype": decoder.dtype, "device": decoder.device}
        self.unpadded = decoder.device.type == "cpu" and decoder.dtype == torch.float32 and operators_work(config)
        new = torch.empty if self.unpadded else torch.zeros  # what padding reads must be numbers
        shapes = [(0, *shape[1:]) if layer.recurrent else shape for layer in config.layers]
        self.keys = [new(each, **kind) for each in shapes]  # type: ignore[call-overload]  # dtype, device
        self.values = [new(each, **kind) for each in shapes]  # type: ignore[call-overload]
        self.states: dict[int, State] = {}  # of recurrent layers: each row's, by the layer's number
        self.config, self.capacity, self.prefix = config, capacity, prefix
        self.graphs = Graphs(record) if record is not None else None
        self.lengths = [0] * slots
        self._prepare_step()

    @property
    def shared(self) -> int:
        """Tokens of the prefix that all rows stand behind."""
        return self.prefix.length if self.prefix is not None else 0

    def _prepare_step(self) -> None:
        """What the next step needs to know besides the tokens."""
        device = self.keys[0].device
        step = COLUMN_STEP.get(device.type, COLUMN_STEP["cpu"])
        self.columns = min(self.capacity, step * math.ceil((max(self.lengths) + 1) / step))
        self.span = (min(self.lengths) + self.shared, max(self.lengths) + self.shared)
        self._attention: dict[Window | None, DecodeAttention] = {}
        self.ends = torch.tensor(self.lengths, device=device)

    def begin_step(self, ends: Tensor) -> None:
        """Begin a step behind `ends` [slots] tokens; without a look at the numbers, so that a graph can do it."""
        heads = torch.arange(len(ends) * self.config.kv_heads, device=ends.device)
        self.ends, self.positions = ends, ends + self.shared
        self.write_index = heads * self.capacity + ends.repeat_interleave(self.config.kv_heads)
        self._masks: dict[Window | None, Tensor] = {}

    def end_step(self, occupied: Sequence[bool]) -> None:
        """The step is over: occupied slots hold one token more."""
        self.lengths = [length + more for length, more in zip(self.lengths, occupied, strict=True)]
        self._prepare_step()

    def __call__(self, layer: Layer, q: Tensor, k: Tensor, v: Tensor, sinks: Tensor | None = None) -> Tensor:
        keys, values = self.keys[layer.index], self.values[layer.index]
        keys.view(-1, keys.shape[-1]).index_copy_(0, self.write_index, k.flatten(0, 1))
        values.view(-1, keys.shape[-1]).index_copy_(0, self.write_index, v.flatten(0, 1))
        own = self._own_attention(layer, q, with_sums=self.prefix is not None or sinks is not None)
        own = own if sinks is None else with_sinks(own, sinks)
        if self.prefix is None:
            return own[0]
        return join_attention(prefix_attention(self.config, self.prefix, layer, q, self.positions, self.span), own)

    def _own_attention(self, layer: Layer, q: Tensor, *, with_sums: bool) -> tuple[Tensor, Tensor]:
        """Attention to the rows' own keys, and the log-sum-exps where they are wanted."""
        keys, values, window = self.keys[layer.index], self.values[layer.index], layer.window
        if self.unpadded:
            if window not in self._attention:
                lengths = [length + 1 for length in self.lengths]
                self._attention[window] = DecodeAttention(self.config, lengths, self.capacity, window, self.shared)
            return self._attention[window](q, keys, values, with_sums=with_sums)
        read = slice(0, self.columns)
        mask = self._mask(window)
        out, total = partial_attention(q[:, :, None], keys[:, :, read], values[:, :, read], mask, self.config)
        return out[:, :, 0], total[:, :, 0]

    def _mask(self, window: Window | None) -> Tensor:
        if window not in self._masks:
            column = torch.arange(self.columns, device=self.ends.device)
            seen = column[None] <= self.ends[:, None]
            if window is not None:
                seen = seen & (column[None] + self.shared >= window.first(self.ends + self.shared)[:, None])
            self._masks[window] = additive_mask(seen[:, None, None], self.keys[0].dtype)
        return self._masks[window]

    def recur(self, layer: Layer, inputs: Inputs, rule: Recurrence) -> Tensor:
        """Outputs [slots, heads, values] of a recurrent layer for one token a slot."""
        one = torch.ones(len(self.lengths), dtype=torch.long, device=self.ends.device)
        out, after = rule(Inputs(*(each[:, None] for each in inputs)), one, self.states[layer.index])
        self.states[layer.index] = after
        return out[:, 0]

    def prefill(self, slots: Sequence[int], rows: PackedRows) -> Attend:
        """Attention of whole prompts, one row per slot, that leaves their keys, values and states in the slots."""
        for slot, length in zip(slots, rows.lengths, strict=True):
            self.lengths[slot] = length
        return _Prefill(self, slots, rows)

    def put_state(self, layer: Layer, slots: Sequence[int], state: State) -> None:
        """The states of these slots; those of empty ones are zeros."""
        if layer.index not in self.states:
            self.states[layer.index] = State(*(x.new_zeros(len(self.lengths), *x.shape[1:]) for x in state))
        for all_slots, own in zip(self.states[layer.index], state, strict=True):
            all_slots[list(slots)] = own

    def keep(self, slots: Sequence[int]) -> None:
        """Drop all other slots."""
        chosen = torch.tensor(slots, device=self.ends.device)
        for cache in (self.keys, self.values):
            for i, tensor in enumerate(cache):
                cache[i] = tensor[chosen] if len(tensor) else tensor
        self.states = {i: State(*(each[chosen] for each in state)) for i, state in self.states.items()}
        self.lengths = [self.lengths[slot] for slot in slots]
        if self.graphs is not None:  # recordings write where the caches were
            self.graphs = Graphs(self.graphs.record)
        self._prepare_step()


@dataclass(frozen=True)
class _Prefill:
    """Attention of rows that leaves what it reads in slots of a cache."""

    cache: SlotCache
    slots: Sequence[int]
    rows: PackedRows

    def __call__(self, layer: Layer, q: Tensor, k: Tensor, v: Tensor, sinks: Tensor | None) -> Tensor:
        start = 0
        for slot, length in zip(self.slots, self.rows.lengths, strict=True):
            own = slice(start, start + length)
            self.cache.keys[layer.index][slot, :, :length] = k[own].transpose(0, 1)
            self.cache.values[layer.index][slot, :, :length] = v[own].transpose(0, 1)
            start += length
        return self.rows(layer, q, k, v, sinks)

    def recur(self, layer: Layer, inputs: Inputs, rule: Recurrence) -> Tensor:
        out, after = self.rows.recurred(layer, inputs, rule)
        self.cache.put_state(layer, self.slots, after)
        return out
