"""Attention of one query per row to as many keys as the row has, none of them padding: a step of generation.

It is written as two operations of torch's embedding bags on the cache as a table: dot products of a bag's query with
its rows (their gradient by weights), and a bag's weighted sum of rows. On a CPU both read each key and value once at
nearly the speed of memory; the fused operator takes as long as for a hundred keys to begin (docs/performance.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

from evalharness.engine.attention import explicit_attention
from evalharness.engine.config import Config
from evalharness.engine.windows import Window


class DecodeAttention:
    """Which keys the next tokens of rows see, `lengths` of them each, those outside a `window` left out.

    All stand behind `shared` tokens that are not among these keys. Caches are [rows, KV, capacity, D]. A bag is one
    head of one row; `index` are its keys among all of a cache.
    """

    def __init__(
        self, config: Config, lengths: Sequence[int], capacity: int, window: Window | None, shared: int = 0
    ) -> None:
        self.config = config
        rows, bags = len(lengths), len(lengths) * config.heads
        filled = torch.tensor(lengths).repeat_interleave(config.heads)
        counts = filled
        if window is not None:
            position = filled + (shared - 1)
            counts = torch.minimum(filled, position + 1 - window.first(position))
        head = torch.arange(config.kv_heads).repeat_interleave(config.heads // config.kv_heads).repeat(rows)
        row = torch.arange(rows).repeat_interleave(config.heads)
        table = (row * config.kv_heads + head) * capacity + filled - counts  # where a bag's first key stands
        starts = counts.cumsum(0) - counts
        bag = torch.repeat_interleave(torch.arange(bags), counts)
        column = torch.arange(len(bag)) - starts[bag]
        self.shape = (bags, int(counts.max()))
        self.places = bag * self.shape[1] + column  # in the padded [bags, widest]
        self.index, self.starts, self.bag = (table[bag] + column).int(), starts.int(), bag.int()

    def __call__(self, q: Tensor, keys: Tensor, values: Tensor, *, with_sums: bool) -> tuple[Tensor, Tensor]:
        """q [rows, H, D] -> outputs [rows, H, D], and log-sum-exps [rows, H] where they are asked for, else nothing."""
        dim = q.shape[-1]
        dots = torch.ops.aten._embedding_bag_per_sample_weights_backward
        flat = q.reshape(-1, dim) * self.config.scale
        scores = dots(flat, keys.view(-1, dim), self.index, self.starts, self.bag, 0)
        if self.config.cap is not None:
            scores = self.config.cap * torch.tanh(scores / self.config.cap)
        padded = scores.new_full((self.shape[0] * self.shape[1],), float("-inf"))
        padded = padded.scatter_(0, self.places, scores).view(self.shape)
        weights = torch.softmax(padded, -1)
        mixed = F.embedding_bag(
            self.index, values.view(-1, dim), self.starts, mode="sum",
            per_sample_weights=weights.view(-1).index_select(0, self.places),
        )  # fmt: skip
        # The largest weight is exp(0) over the sum.
        total = padded.amax(-1) - weights.amax(-1).log() if with_sums else padded[:0, 0]
        return mixed.view(q.shape), total.view(-1, self.config.heads)


@cache
def operators_work(config: Config) -> bool:
    """Whether this torch has the operators, and they agree with the written-out scores: the first is private to it."""
    generator = torch.Generator().manual_seed(0)
    lengths, capacity = [3, 7], 8
    q = torch.randn(2, config.heads, config.head_dim, generator=generator)
    keys, values = (torch.randn(2, config.kv_heads, capacity, config.head_dim, generator=generator) for _ in range(2))
    seen = torch.arange(capacity)[None] < torch.tensor(lengths)[:, None]
    right, right_total = explicit_attention(q[:, :, None], keys, values, seen[:, None, None], config)
    try:
        with torch.inference_mode():
            out, total = DecodeAttention(config, lengths, capacity, None)(q, keys, values, with_sums=True)
    except (RuntimeError, AttributeError, TypeError, NotImplementedError, ValueError):
        return False
    return torch.allclose(out, right[:, :, 0], atol=1e-5) and torch.allclose(total, right_total[:, :, 0], atol=1e-5)
