"""Keys and values of the texts that are being generated, one slot each, and the attention of a step to them."""

from __future__ import annotations

import math
from collections.abc import Sequence

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
        self.keys = [new(shape, **kind) for _ in config.layers]  # type: ignore[call-overload]  # dtype, device
        self.values = [new(shape, **kind) for _ in config.layers]  # type: ignore[call-overload]
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

    def prefill(self, slots: Sequence[int], rows: PackedRows) -> Attend:
        """Attention of whole prompts, one row per slot, that leaves their keys and values in the slots."""
        for slot, length in zip(slots, rows.lengths, strict=True):
            self.lengths[slot] = length

        def attend(layer: Layer, q: Tensor, k: Tensor, v: Tensor, sinks: Tensor | None) -> Tensor:
            start = 0
            for slot, length in zip(slots, rows.lengths, strict=True):
                own = slice(start, start + length)
                self.keys[layer.index][slot, :, :length] = k[own].transpose(0, 1)
                self.values[layer.index][slot, :, :length] = v[own].transpose(0, 1)
                start += length
            return rows(layer, q, k, v, sinks)

        return attend

    def keep(self, slots: Sequence[int]) -> None:
        """Drop all other slots."""
        chosen = torch.tensor(slots, device=self.ends.device)
        for cache in (self.keys, self.values):
            for i, tensor in enumerate(cache):
                cache[i] = tensor[chosen]
        self.lengths = [self.lengths[slot] for slot in slots]
        if self.graphs is not None:  # recordings write where the caches were
            self.graphs = Graphs(self.graphs.record)
        self._prepare_step()
