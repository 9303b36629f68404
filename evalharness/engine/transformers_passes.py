"""Several texts in one pass of a model of transformers, those that begin alike behind one cache: where that is exact.

What a class of transformers does with caches, padding and positions is its own affair, so it is tried on a few tokens
when the model is opened, and each way is used only where it gives what the texts give alone.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

# Layers of a cache that hold keys and values of attention, which rows can be added to and taken from, or nothing at all
# where a model's last layers read those of others (Gemma 3n, Gemma 4).
_KEYS_AND_VALUES = ("DynamicLayer", "DynamicSlidingWindowLayer", "DummyLayer")
_LENGTH_DEPENDENT = ("dynamic", "longrope", "su")  # positions of a text change with the longest text beside it
# What models call the state that they go on from: since transformers 5.24 `cache` throughout.
_CACHES = ("cache", "past_key_values", "cache_params")


@dataclass(eq=False)
class Passes:
    """Passes of one model. `cached`: a text can be gone on with; `batched`: texts stand side by side, padded behind;
    `shared`: behind a common prefix too; `padded`: answers may be written side by side, prompts padded before.
    """

    model: Any
    device: torch.device
    batched: bool = False
    shared: bool = False
    padded: bool = False
    cached: bool = False

    def __post_init__(self) -> None:
        self.takes = frozenset(inspect.signature(self.model.forward).parameters)

    @torch.inference_mode()
    def forward(self, ids: Tensor, cache: Any = None, *, last: int = 0, mask: Tensor | None = None) -> Pass:
        """Logits [rows, S, vocabulary] of ids [rows, S] behind a cache, of the `last` places alone where that is not 0.

        `mask` [rows, tokens of the cache and S] is 0 where there is padding.
        """
        name = next((name for name in _CACHES if name in self.takes), None)
        fields: dict[str, Any] = {} if name is None else {name: cache, "use_cache": True}
        if last and "logits_to_keep" in self.takes:
            fields["logits_to_keep"] = last
        if mask is not None:
            fields["attention_mask"] = mask
            if "position_ids" in self.takes:
                fields["position_ids"] = (mask.cumsum(-1) - 1).clamp_min(0)[:, -ids.shape[1] :]
        out = self.model(input_ids=ids, **fields)
        return Pass(out.logits[:, -last:].float() if last else out.logits.float(), getattr(out, name or "", None), mask)

    def texts(self, rows: Sequence[Sequence[int]], cache: Any = None, *, last: int = 0) -> Pass:
        """A pass over rows of ids, padded behind with their own last id: nothing that counts sees it."""
        longest = max(map(len, rows))
        padded = [[*row, *[row[-1]] * (longest - len(row))] for row in rows]
        return self.forward(torch.tensor(padded, device=self.device), cache, last=last)

    def prompts(self, rows: Sequence[Sequence[int]]) -> Pass:
        """The logits behind rows of ids [rows, 1, vocabulary], padded before where they are not equally long."""
        longest = max(map(len, rows))
        mask = None
        if any(len(row) < longest for row in rows):
            mask = torch.tensor([[0] * (longest - len(row)) + [1] * len(row) for row in rows], device=self.device)
        padded = [[*[row[0]] * (longest - len(row)), *row] for row in rows]
        return self.forward(torch.tensor(padded, device=self.device), last=1, mask=mask)

    def step(self, before: Pass, tokens: Sequence[int]) -> Pass:
        """The logits behind one more token of each row."""
        mask = None if before.mask is None else F.pad(before.mask, (0, 1), value=1)
        return self.forward(torch.tensor(tokens, device=self.device)[:, None], before.cache, last=1, mask=mask)

    def behind(self, cache: Any, rows: int) -> Any:
        """A copy of a prefix' cache for that many rows."""
        made = copy.deepcopy(cache)
        made.batch_repeat_interleave(rows)
        return made


@dataclass(frozen=True, slots=True)
class Pass:
    """What a pass gave; no cache where the model has none. `mask`: see `Passes.forward`."""

    logits: Tensor
    cache: Any
    mask: Tensor | None = None

    def keep(self, rows: Sequence[int]) -> Pass:
        """Of these rows alone, without what is padding in all of them; the cache is cut in place."""
        if len(rows) == len(self.logits):
            return self
        chosen = torch.tensor(rows, device=self.logits.device)
        self.cache.batch_select_indices(chosen)
        if self.mask is None:
            return Pass(self.logits[chosen], self.cache)
        mask = self.mask[chosen]
        length = int(mask.sum(-1).max())
        for layer in _filled(self.cache):
            _hold(layer, layer.keys[..., -length:, :], layer.values[..., -length:, :], length)
        return Pass(self.logits[chosen], self.cache, mask[:, -length:])

    def beside(self, other: Pass) -> Pass:
        """These rows and the other's below them, padded before to one length; the cache is widened in place."""
        masks = [self.shown, other.shown]
        length = max(mask.shape[1] for mask in masks)
        for layer, more in zip(_filled(self.cache), _filled(other.cache), strict=True):
            _hold(layer, _stacked(layer.keys, more.keys), _stacked(layer.values, more.values), length)
        mask = torch.cat([F.pad(mask, (length - mask.shape[1], 0)) for mask in masks])
        return Pass(torch.cat([self.logits, other.logits]), self.cache, mask)

    @property
    def shown(self) -> Tensor:
        """The mask, also where nothing is padding."""
        if self.mask is not None:
            return self.mask
        rows, length = len(self.logits), self.cache.get_seq_length()
        return torch.ones(rows, length, dtype=torch.long, device=self.logits.device)


def _filled(cache: Any) -> list[Any]:
    """The layers that hold something: some models' last layers read the keys and values of others."""
    return [layer for layer in cache.layers if layer.keys is not None]


def _hold(layer: Any, keys: Tensor, values: Tensor, length: int) -> None:
    """Have a layer hold these, of texts of `length` tokens; one with a window counts them beside what it holds."""
    layer.keys, layer.values = keys, values
    if hasattr(layer, "cumulative_length"):
        layer.cumulative_length = length


def _stacked(above: Tensor, below: Tensor) -> Tensor:
    """Keys or values [rows, heads, tokens, dim] of two caches in one, the shorter ones behind zeros."""
    longest = max(above.shape[-2], below.shape[-2])
    return torch.cat([F.pad(one, (0, 0, longest - one.shape[-2], 0)) for one in (above, below)])


def _agree(one: Tensor, other: Tensor) -> bool:
    """Whether two computations of the same logits differ by rounding only."""
    bar = 1e-4 if one.dtype == torch.float32 else 0.05
    return bool((one.float() - other.float()).abs().max() <= bar * other.float().abs().max())


def _rope_kinds(config: Any) -> set[str]:
    """The kinds of rotary positions that a configuration names, for all layers or by their kind."""
    said = getattr(config, "rope_parameters", None) or getattr(config, "rope_scaling", None) or {}
    each = [said, *(one for one in said.values() if isinstance(one, dict))] if isinstance(said, dict) else [{}]
    return {str(one.get("rope_type", one.get("type", "default"))) for one in each}


def _is_attention(cache: Any) -> bool:
    """Whether a cache holds nothing but keys and values."""
    layers = [type(layer).__name__ for layer in getattr(cache, "layers", ())]
    return bool(layers) and set(layers) <= set(_KEYS_AND_VALUES)


def try_passes(model: Any, device: torch.device) -> Passes:
    """The passes of a model, each way left out that it does not do right."""
    passes = Passes(model, device)
    ids = [(7 * i) % 29 + 2 for i in range(12)]
    rows = [ids, ids[:4] + ids[7:9]]
    alone = [passes.texts([row]).logits[0] for row in rows]
    passes.cached = _works(_goes_on, passes, rows, alone)
    if _rope_kinds(model.config.get_text_config()).isdisjoint(_LENGTH_DEPENDENT):
        passes.batched = _works(_side_by_side, passes, rows, alone)
        cache = passes.texts([rows[0][:4]]).cache
        if passes.batched and passes.cached and _is_attention(cache):
            passes.shared = _works(_side_by_side, passes, [row[4:] for row in rows], [a[4:] for a in alone], cache)
            passes.padded = _works(_padded, passes, rows, alone)
    return passes


def _works(attempt: Callable[..., bool], *given: Any) -> bool:
    try:
        return attempt(*given)
    except Exception:  # whatever a class raises for what it cannot do
        return False


def _goes_on(passes: Passes, rows: Sequence[Sequence[int]], alone: Sequence[Tensor]) -> bool:
    """A text gone on with, token after token."""
    so_far = passes.texts([rows[0][:-2]])
    for at in (-2, -1):
        if so_far.cache is None:
            return False
        so_far = passes.step(so_far, [rows[0][at]])
        if not _agree(so_far.logits[0, -1], alone[0][at]):
            return False
    return True


def _side_by_side(passes: Passes, rows: Sequence[Sequence[int]], alone: Sequence[Tensor], prefix: Any = None) -> bool:
    """Rows of different lengths in one pass, behind a prefix where there is one."""
    got = passes.texts(rows, None if prefix is None else passes.behind(prefix, len(rows))).logits
    return all(_agree(logits[: len(row)], want) for logits, row, want in zip(got, rows, alone, strict=True))


def _padded(passes: Passes, rows: Sequence[Sequence[int]], alone: Sequence[Tensor]) -> bool:
    """Prompts of different lengths, two more tokens of each, and one more of the second, the first anew below it."""
    so_far = passes.prompts([row[:-2] for row in rows])
    for at in (-2, -1):
        so_far = passes.step(so_far, [row[at] for row in rows])
        if not all(_agree(got[-1], want[at]) for got, want in zip(so_far.logits, alone, strict=True)):
            return False
    refilled = so_far.keep([1]).beside(passes.prompts([rows[0][:-1]]))
    end = passes.step(refilled, [rows[0][0], rows[0][-1]]).logits[:, -1]
    return _agree(end[0], passes.texts([[*rows[1], rows[0][0]]]).logits[0, -1]) and _agree(end[1], alone[0][-1])
