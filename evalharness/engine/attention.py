"""Attention over packed rows, in two parts joined by their log-sum-exps when the rows share a prefix.

For a query q: `o = (e^l1 o1 + e^l2 o2) / (e^l1 + e^l2) = o2 + sigmoid(l1 - l2) (o1 - o2)` where `l` is the logarithm of
the sum of exponentiated scores of a part (the rescaling of https://arxiv.org/abs/2205.14135, section 3.1): exact.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from functools import cache, cached_property
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from evalharness.engine.config import Config, Layer
from evalharness.engine.recurrence import Inputs, Recurrence, Sequences, State
from evalharness.engine.windows import Window


class AttentionScale(Protocol):
    """What attention reads of a Config: the factor and the soft cap of the scores."""

    @property
    def scale(self) -> float: ...
    @property
    def cap(self) -> float | None: ...


@dataclass(frozen=True)
class _Scale:
    scale: float
    cap: float | None = None


def explicit_attention(
    q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, scaling: AttentionScale
) -> tuple[Tensor, Tensor]:
    """Attention from written-out scores.

    q [B, H, T, D], k and v [B, KV, S, D], mask [B or 1, 1, T or 1, S]: boolean, or what is added to the scores, and
    then every query must see a key. Returns outputs [B, H, T, D] and log-sum-exps [B, H, T] in float32 (-inf where a
    query sees nothing).
    """
    shape = q.shape
    q, mask = fold_query_heads(q, k.shape[1], mask)
    scores = (q @ k.transpose(2, 3)) * scaling.scale
    if scaling.cap is not None:
        scores = scaling.cap * torch.tanh(scores / scaling.cap)
    scores = scores.float()
    if mask is not None:
        scores = scores.masked_fill(~mask, float("-inf")) if mask.dtype == torch.bool else scores + mask
    total = torch.logsumexp(scores, -1)
    weights = torch.exp(scores - total.clamp_min(-1e30).unsqueeze(-1))
    return (weights.to(v.dtype) @ v).reshape(shape), total.reshape(shape[:3])


def fold_query_heads(q: Tensor, kv_heads: int, mask: Tensor | None) -> tuple[Tensor, Tensor | None]:
    """Query heads that share keys as more queries of one head, so that no key is copied, and the mask to them.

    q [B, H, T, D] -> [B, KV, H / KV * T, D]; masks as in `explicit_attention`.
    """
    groups = q.shape[1] // kv_heads
    if mask is not None and mask.shape[2] > 1 and groups > 1:
        mask = mask.repeat(1, 1, groups, 1)
    return q.reshape(q.shape[0], kv_heads, groups * q.shape[2], q.shape[3]), mask


def additive_mask(mask: Tensor, dtype: torch.dtype) -> Tensor:
    """What a boolean mask adds to the scores: 0, or -inf where nothing is seen."""
    return torch.zeros(mask.shape, dtype=dtype, device=mask.device).masked_fill_(~mask, float("-inf"))


def _fused_cpu(
    q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, scaling: AttentionScale, causal: bool
) -> tuple[Tensor, Tensor]:
    blind = mask if mask is not None and mask.dtype == torch.bool else None
    adding = additive_mask(blind, q.dtype) if blind is not None else mask
    op = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
    out, total = op(q, k, v, 0.0, causal, attn_mask=adding, scale=scaling.scale)
    if total.shape[1] != q.shape[1]:  # older versions return [B, T, H]
        total = total.transpose(1, 2)
    if blind is not None:  # the operator returns 0, not -inf, where a query sees nothing
        total = total.masked_fill(~blind.any(-1), float("-inf"))
    return out, total


def _fused_cuda(
    q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, scaling: AttentionScale, causal: bool
) -> tuple[Tensor, Tensor]:
    shape, groups = q.shape, q.shape[1] // k.shape[1]
    if causal and groups > 1:
        k, v = k.repeat_interleave(groups, 1), v.repeat_interleave(groups, 1)
    q, mask = fold_query_heads(q, k.shape[1], mask)
    if mask is None and q.dtype in (torch.bfloat16, torch.float16):
        flash = torch.ops.aten._scaled_dot_product_flash_attention
        out, total = flash(q, k, v, 0.0, causal, False, scale=scaling.scale)[:2]
        return out.reshape(shape), total.reshape(shape[:3])
    blind = mask if mask is not None and mask.dtype == torch.bool else None
    adding = additive_mask(blind, q.dtype) if blind is not None else mask
    if adding is not None:
        adding = adding.expand(q.shape[0], q.shape[1], q.shape[2], k.shape[2])
    efficient = torch.ops.aten._scaled_dot_product_efficient_attention
    out, total = efficient(q, k, v, adding, True, 0.0, causal, scale=scaling.scale)[:2]
    total = total[..., : q.shape[2]]  # rounded up to the kernel's block
    if blind is not None:
        total = total.masked_fill(~blind.any(-1), float("-inf"))
    return out.reshape(shape), total.reshape(shape[:3])


@cache
def _fused_works(device: str, dtype: torch.dtype, head_dim: int, groups: int) -> bool:
    """The fused operators are private to torch: used only where they agree with the written-out scores here."""
    scaling = _Scale(scale=head_dim**-0.5)
    generator = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(2, h, 5, head_dim, generator=generator).to(device, dtype) for h in (2 * groups, 2, 2))
    fused = _fused_cuda if device == "cuda" else _fused_cpu
    causal = torch.ones(5, 5, dtype=torch.bool, device=device).tril()[None, None]
    nothing = causal & (torch.arange(5, device=device) > 1)[None, None, :, None]
    try:
        for is_causal, mask, equal in ((True, None, causal), (False, None, None), (False, nothing, nothing)):
            out, total = fused(q, k, v, mask, scaling, is_causal)
            right, right_total = explicit_attention(q.float(), k.float(), v.float(), equal, scaling)
            bar = 1e-5 if dtype == torch.float32 else 3e-2
            live = right_total.isfinite()
            if not torch.allclose(out.float()[live], right[live], atol=bar, rtol=bar):
                return False
            if not torch.allclose(total.float(), right_total, atol=bar, rtol=bar):
                return False
    except (RuntimeError, AttributeError, TypeError, NotImplementedError, ValueError):
        return False
    return True


def partial_attention(
    q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, scaling: AttentionScale, causal: bool = False
) -> tuple[Tensor, Tensor]:
    """Attention with its log-sum-exp, fused where torch can. Shapes as `explicit_attention`; without gradient."""
    kind = q.device.type
    usable = scaling.cap is None and kind in ("cpu", "cuda") and not torch.is_grad_enabled()
    if usable and _fused_works(kind, q.dtype, q.shape[-1], q.shape[1] // k.shape[1]):
        return (_fused_cuda if kind == "cuda" else _fused_cpu)(q, k, v, mask, scaling, causal)
    if causal:
        mask = torch.ones(q.shape[2], k.shape[2], dtype=torch.bool, device=q.device).tril()[None, None]
    return explicit_attention(q, k, v, mask, scaling)


def join_attention(first: tuple[Tensor, Tensor], second: tuple[Tensor, Tensor]) -> Tensor:
    """The attention over two sets of keys from that over each. Every query must see a key of the second."""
    weight = torch.sigmoid(first[1] - second[1]).unsqueeze(-1)
    return (second[0] + weight * (first[0] - second[0])).to(second[0].dtype)


def with_sinks(own: tuple[Tensor, Tensor], sinks: Tensor) -> tuple[Tensor, Tensor]:
    """Outputs [T, H, D] and log-sum-exps [T, H] with one more key in each head, of score `sinks` [H] and value 0: what
    a head that finds nothing looks at (https://arxiv.org/abs/2309.17453)."""
    out, total = own
    sinks = sinks.to(total.dtype)
    return out * torch.sigmoid(total - sinks).unsqueeze(-1).to(out.dtype), torch.logaddexp(total, sinks)


class PrefixCache:
    """Keys and values of tokens that rows share, per layer [1, KV, capacity, D]; `length` of them are filled.

    `states` are those of each recurrent layer, by the number of tokens that they are behind.
    """

    def __init__(self, config: Config, capacity: int, dtype: torch.dtype, device: torch.device) -> None:
        shape = (1, config.kv_heads, capacity, config.head_dim)
        nothing = (1, config.kv_heads, 0, config.head_dim)
        shapes = [nothing if layer.recurrent else shape for layer in config.layers]
        self.keys = [torch.empty(each, dtype=dtype, device=device) for each in shapes]
        self.values = [torch.empty(each, dtype=dtype, device=device) for each in shapes]
        self.states: list[dict[int, State]] = [{} for _ in config.layers]
        self.length = 0

    def read(self, layer: Layer, oldest: int) -> tuple[Tensor, Tensor, int]:
        """Keys, values and the position of the first of them, leaving out what no query from `oldest` on can see."""
        start = 0 if layer.window is None else max(0, min(self.length - 1, layer.window.first(oldest)))
        rows = slice(start, self.length)
        return self.keys[layer.index][:, :, rows], self.values[layer.index][:, :, rows], start

    def keep(self, layer: Layer, k: Tensor, v: Tensor) -> None:
        """Write the keys and values [T, KV, D] of the next tokens; `length` moves on once all layers have."""
        rows = slice(self.length, self.length + k.shape[0])
        self.keys[layer.index][0, :, rows] = k.transpose(0, 1)
        self.values[layer.index][0, :, rows] = v.transpose(0, 1)

    def keep_state(self, layer: Layer, tokens: int, state: State) -> None:
        """The state behind the next `tokens`; `length` moves on once all layers have theirs."""
        self.states[layer.index][self.length + tokens] = state

    def forget(self, kept: int) -> None:
        """Give up states but those behind the first `kept` tokens and behind all."""
        for states in self.states:
            for length in states.keys() - {kept, self.length}:
                del states[length]


def prefix_attention(
    scaling: AttentionScale, prefix: PrefixCache, layer: Layer, q: Tensor, positions: Tensor, span: tuple[int, int]
) -> tuple[Tensor, Tensor]:
    """Attention of queries [T, H, D] to the prefix all stand behind, in one call: [T, H, D] and [T, H].

    `span` are the least and the largest of `positions`: a window is masked only where it bites.
    """
    keys, values, start = prefix.read(layer, span[0])
    mask = None
    if layer.window is not None and layer.window.first(span[1]) > start:
        keyed = torch.arange(start, start + keys.shape[2], device=q.device)
        mask = (keyed[None] >= layer.window.first(positions)[:, None])[None, None]
    out, total = partial_attention(q.transpose(0, 1)[None], keys, values, mask, scaling)
    return out[0].transpose(0, 1), total[0].transpose(0, 1)


@dataclass(eq=False)
class PackedRows:
    """Attention of rows packed one behind the other: block-diagonal, causal inside a row, all behind one prefix.

    `branches`, where given, has a number per token: a token of branch b > 0 sees branch 0 and its own only (several
    continuations of one text in one row). `positions` are the tokens' places in their texts. With `keep` the only
    row's keys and values are added to the prefix. `spread` [sum of lengths], where given, says which token stands at
    each place of the rows: rows that begin alike may have their first tokens in common.
    """

    scaling: AttentionScale
    lengths: Sequence[int]
    positions: Tensor
    _: KW_ONLY
    prefix: PrefixCache | None = None
    branches: Tensor | None = None
    keep: bool = False
    spread: Tensor | None = None

    def __post_init__(self) -> None:
        self.behind = self.prefix is not None and self.prefix.length > 0
        self.span = (int(self.positions.min()), int(self.positions.max())) if self.behind else (0, 0)
        self._masks: dict[Window | None, Tensor | None] = {}

    @cached_property
    def padded_index(self) -> Tensor | None:
        """Where each token stands in the padded [B * S] order; None when rows are equally long."""
        longest = max(self.lengths)
        if min(self.lengths) == longest:
            return None
        device = self.positions.device
        lengths = torch.tensor(self.lengths, device=device)
        starts = torch.arange(len(self.lengths), device=device) * longest - (lengths.cumsum(0) - lengths)
        return torch.repeat_interleave(starts, lengths) + torch.arange(int(lengths.sum()), device=device)

    @cached_property
    def source_index(self) -> Tensor | None:
        """Which token stands at each place of the padded order [B * S], any where a row has ended; None without
        `spread`."""
        if self.spread is None or self.padded_index is None:
            return self.spread
        table = self.spread.new_zeros(len(self.lengths) * max(self.lengths))
        return table.index_copy(0, self.padded_index, self.spread)

    @cached_property
    def packed_index(self) -> Tensor | None:
        """One place of each token in the padded order; None where they stand in it one behind the other."""
        if self.spread is None:
            return self.padded_index
        places = (
            torch.arange(len(self.spread), device=self.spread.device)
            if self.padded_index is None
            else self.padded_index
        )
        return places.new_empty(len(self.positions)).index_copy(0, self.spread, places)

    @cached_property
    def last(self) -> int:
        """The largest of the positions."""
        return int(self.positions.max())

    def padded(self, x: Tensor) -> Tensor:
        """[T, ...] -> [B, S, ...]; where a row has ended stands something finite that nobody may look at."""
        shape = (len(self.lengths), max(self.lengths), *x.shape[1:])
        if self.source_index is not None:
            return x.index_select(0, self.source_index).reshape(shape)
        if self.padded_index is None:
            return x.reshape(shape)
        wide = x.new_zeros(shape[0] * shape[1], *x.shape[1:])
        return wide.index_copy(0, self.padded_index, x).reshape(shape)

    def packed(self, x: Tensor) -> Tensor:
        """[B, S, ...] -> [T, ...]"""
        flat = x.flatten(0, 1)
        return flat if self.packed_index is None else flat.index_select(0, self.packed_index)

    def mask(self, window: Window | None) -> Tensor | None:
        """Which tokens of its row a token sees, [B, 1, S, S]; None where plain causality says it all."""
        if window is not None and window.hides_nothing(max(self.lengths), self.last if window.chunked else 0):
            window = None
        if window not in self._masks:
            self._masks[window] = self._mask(window) if window is not None or self.branches is not None else None
        return self._masks[window]

    def _mask(self, window: Window | None) -> Tensor:
        longest = max(self.lengths)
        seen = torch.ones(longest, longest, dtype=torch.bool, device=self.positions.device).tril()[None]
        if self.branches is not None:
            branch = self.padded(self.branches)
            seen = seen & ((branch[:, None, :] == 0) | (branch[:, None, :] == branch[:, :, None]))
        if window is not None:
            position = self.padded(self.positions)
            seen = seen & (position[:, None, :] >= window.first(position)[:, :, None])
        return seen[:, None]

    def __call__(self, layer: Layer, q: Tensor, k: Tensor, v: Tensor, sinks: Tensor | None = None) -> Tensor:
        """q [T, H, D], k and v [T, KV, D], sinks [H] -> [T, H, D]."""
        mask = self.mask(layer.window)
        wide = [self.padded(x).transpose(1, 2) for x in (q, k, v)]
        if self.behind or sinks is not None:
            both = partial_attention(wide[0], wide[1], wide[2], mask, self.scaling, causal=mask is None)
            own = self.packed(both[0].transpose(1, 2)), self.packed(both[1].transpose(1, 2))
            own = own if sinks is None else with_sinks(own, sinks)
            out = own[0]
            if self.behind:
                assert self.prefix is not None
                first = prefix_attention(self.scaling, self.prefix, layer, q, self.positions, self.span)
                out = join_attention(first, own)
        else:
            out = self.packed(_self_attention(wide, mask, self.scaling).transpose(1, 2))
        if self.keep and self.prefix is not None:
            self.prefix.keep(layer, k, v)
        return out

    @cached_property
    def sequences(self) -> Sequences:
        """The rows as a recurrence reads them."""
        made = Sequences.of_rows(self.lengths, self.branches, self.spread, len(self.positions))
        return made.to(self.positions.device)

    def recurred(self, layer: Layer, inputs: Inputs, rule: Recurrence) -> tuple[Tensor, State]:
        """Outputs [T, heads, values] of a recurrent layer, and the state behind each row (of a tree: each branch)."""
        before = None
        if self.prefix is not None and self.behind:
            before = self.prefix.states[layer.index][self.prefix.length]
        return self.sequences.run(inputs, rule, before)

    def recur(self, layer: Layer, inputs: Inputs, rule: Recurrence) -> Tensor:
        """Outputs [T, heads, values] of a recurrent layer."""
        out, after = self.recurred(layer, inputs, rule)
        if self.keep and self.prefix is not None:
            self.prefix.keep_state(layer, len(inputs.mixed), after)
        return out


def _self_attention(wide: Sequence[Tensor], mask: Tensor | None, scaling: AttentionScale) -> Tensor:
    """Rows without prefix, [B, H, S, D]: torch's own attention, which training can differentiate."""
    q, k, v = wide
    if scaling.cap is not None:
        if mask is None:
            mask = torch.ones(q.shape[2], q.shape[2], dtype=torch.bool, device=q.device).tril()[None, None]
        return explicit_attention(q, k, v, mask, scaling)[0]
    grouped = q.shape[1] != k.shape[1]
    return F.scaled_dot_product_attention(
        q, k, v, attn_mask=mask, is_causal=mask is None, scale=scaling.scale, enable_gqa=grouped
    )
