"""Writes answers in slots that are refilled as rows stop, behind a prefix that prompts share.

Continuous batching: https://www.usenix.org/conference/osdi22/presentation/yu
"""

from __future__ import annotations

import math
import random
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from evalharness.engine.attention import PackedRows, Prefix, added, before, join_attention, part
from evalharness.engine.config import Config, Layer
from evalharness.engine.cuda_graphs import Graphs, Record, SpoiledError
from evalharness.engine.decode_attention import Ragged, works
from evalharness.engine.decoder import Decoder
from evalharness.engine.memory import Memory, is_out_of_memory
from evalharness.engine.prefix_sharing import prefix_groups

_GROUP_COST = 1024  # tokens: slots run empty at the end of every group
FILL_TOKENS = 512
STEP = {"cpu": 16, "cuda": 128}  # columns of the cache are read in multiples of this, where rows are padded


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationRequest:
    """One answer to write: prompt ids, the ids and byte strings that end it, and how tokens are drawn.

    `seed` decides the draws alone: neither batch nor order matters. `top`: so many likeliest first tokens are noted.
    """

    ids: tuple[int, ...]
    max_tokens: int
    ends: frozenset[int] = frozenset()
    stop: tuple[bytes, ...] = ()
    temperature: float = 0.0
    top_p: float = 1.0
    seed: str = ""
    top: int = 0


class Generation:
    """An answer as far as it is written. `spell` gives a token's bytes (nothing for control tokens)."""

    def __init__(self, job: GenerationRequest, spell: Callable[[int], bytes]) -> None:
        self.job, self.spell = job, spell
        self.tokens: list[int] = []
        self.written = b""
        self.finish: Literal["stop", "length", ""] = ""
        self.top: tuple[tuple[int, float], ...] = ()
        self._draws = random.Random(job.seed)
        self._reach = max((len(s) for s in job.stop), default=0)

    @property
    def text(self) -> str:
        return self.written.decode("utf-8", errors="replace")

    @property
    def length(self) -> int:
        """Prompt and answer so far."""
        return len(self.job.ids) + len(self.tokens)

    def take(self, likeliest: int, logits: Tensor) -> bool:
        """Add the next token, drawn from logits [vocabulary]; True when the answer is finished."""
        job = self.job
        if not self.tokens and job.top:
            values, ids = torch.log_softmax(logits, -1).topk(min(job.top, len(logits)))
            self.top = tuple(zip(ids.tolist(), values.tolist(), strict=True))
        token = (
            likeliest if job.temperature == 0 else draw_token(logits, job.temperature, job.top_p, self._draws.random())
        )
        self.tokens.append(token)
        if token in job.ends:
            self.finish = "stop"
        else:
            start = max(0, len(self.written) + 1 - self._reach)
            self.written += self.spell(token)
            found = [at for stop in job.stop if (at := self.written.find(stop, start)) >= 0]
            if found:
                self.written, self.finish = self.written[: min(found)], "stop"
            elif len(self.tokens) >= job.max_tokens:
                self.finish = "length"
        return bool(self.finish)


def draw_token(logits: Tensor, temperature: float, top_p: float, chance: float) -> int:
    """The token that `chance` in [0, 1) falls on, among the likeliest that make up `top_p` together."""
    p = torch.softmax(logits.double() / temperature, -1)
    if top_p < 1:
        ordered, ids = p.sort(descending=True, stable=True)
        kept = ids[(ordered.cumsum(0) - ordered) < top_p]
        p = torch.zeros_like(p).index_copy(0, kept, p[kept])
    bounds = p.cumsum(0)
    token = int(torch.searchsorted(bounds, chance * bounds[-1], right=True))
    return min(token, int(p.nonzero()[-1]))


def _likeliest(logits: Tensor) -> list[int]:
    """The token of the largest logit of each row; numpy finds it in a tenth of the time that torch takes on a CPU."""
    if logits.device.type == "cpu":
        return list(map(int, logits.numpy().argmax(-1)))
    return logits.argmax(-1).tolist()


class Slots:
    """Keys and values of rows of different age: [slots, KV, capacity, D] per layer, `lengths` of them filled.

    As attention of a step it takes one token per slot: [slots, H, D].
    """

    def __init__(
        self, decoder: Decoder, count: int, capacity: int, prefix: Prefix | None, record: Record | None = None
    ) -> None:
        config: Config = decoder.config
        shape = (count, config.kv_heads, capacity, config.head_dim)
        place = {"dtype": decoder.dtype, "device": decoder.device}
        self.ragged = decoder.device.type == "cpu" and decoder.dtype == torch.float32 and works(config)
        made = torch.empty if self.ragged else torch.zeros  # what padding reads must be numbers
        self.keys = [made(shape, **place) for _ in config.layers]  # type: ignore[call-overload]  # dtype, device
        self.values = [made(shape, **place) for _ in config.layers]  # type: ignore[call-overload]
        self.rule, self.capacity, self.prefix = config, capacity, prefix
        self.graphs = Graphs(record) if record is not None else None
        self.lengths = [0] * count
        self._ready()

    @property
    def shared(self) -> int:
        return self.prefix.length if self.prefix is not None else 0

    def _ready(self) -> None:
        """What a step needs to know besides the tokens."""
        device = self.keys[0].device
        step = STEP.get(device.type, STEP["cpu"])
        self.columns = min(self.capacity, step * math.ceil((max(self.lengths) + 1) / step))
        self.span = (min(self.lengths) + self.shared, max(self.lengths) + self.shared)
        self._reads: dict[int | None, Ragged] = {}
        self.at = torch.tensor(self.lengths, device=device)

    def stand(self, at: Tensor) -> None:
        """Begin a step behind `at` [slots] tokens; without a look at the numbers, so that a graph can do it."""
        heads = torch.arange(len(at) * self.rule.kv_heads, device=at.device)
        self.at, self.positions = at, at + self.shared
        self.written = heads * self.capacity + at.repeat_interleave(self.rule.kv_heads)  # where a step writes
        self._masks: dict[int | None, Tensor] = {}

    def _own(self, layer: Layer, q: Tensor) -> tuple[Tensor, Tensor]:
        """Attention to the rows' own keys, and the log-sum-exps where a prefix wants them."""
        keys, values, window = self.keys[layer.index], self.values[layer.index], layer.window
        if self.ragged:
            if window not in self._reads:
                self._reads[window] = Ragged(self.rule, [n + 1 for n in self.lengths], self.capacity, window)
            return self._reads[window](q, keys, values, summed=self.prefix is not None)
        seen = slice(0, self.columns)
        out, total = part(q[:, :, None], keys[:, :, seen], values[:, :, seen], self._mask(window), self.rule)
        return out[:, :, 0], total[:, :, 0]

    def _mask(self, window: int | None) -> Tensor:
        if window not in self._masks:
            column = torch.arange(self.columns, device=self.at.device)
            seen = column[None] <= self.at[:, None]
            if window is not None:
                seen = seen & (self.at[:, None] - column[None] < window)
            self._masks[window] = added(seen[:, None, None], self.keys[0].dtype)
        return self._masks[window]

    def __call__(self, layer: Layer, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        keys, values = self.keys[layer.index], self.values[layer.index]
        keys.view(-1, keys.shape[-1]).index_copy_(0, self.written, k.flatten(0, 1))
        values.view(-1, keys.shape[-1]).index_copy_(0, self.written, v.flatten(0, 1))
        own = self._own(layer, q)
        if self.prefix is None:
            return own[0]
        return join_attention(before(self.rule, self.prefix, layer, q, self.positions, self.span), own)

    def moved_on(self, live: Sequence[bool]) -> None:
        """The step is over: live slots hold one token more."""
        self.lengths = [n + on for n, on in zip(self.lengths, live, strict=True)]
        self._ready()

    def filling(self, slots: Sequence[int], rows: PackedRows) -> Callable[[Layer, Tensor, Tensor, Tensor], Tensor]:
        """Attention of whole prompts, one row per slot, that leaves their keys and values in the slots."""
        for slot, length in zip(slots, rows.lengths, strict=True):
            self.lengths[slot] = length

        def attend(layer: Layer, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
            start = 0
            for slot, length in zip(slots, rows.lengths, strict=True):
                own = slice(start, start + length)
                self.keys[layer.index][slot, :, :length] = k[own].transpose(0, 1)
                self.values[layer.index][slot, :, :length] = v[own].transpose(0, 1)
                start += length
            return rows(layer, q, k, v)

        return attend

    def keep(self, slots: Sequence[int]) -> None:
        """Drop all other slots."""
        chosen = torch.tensor(slots, device=self.at.device)
        for cache in (self.keys, self.values):
            for i, tensor in enumerate(cache):
                cache[i] = tensor[chosen]
        self.lengths = [self.lengths[slot] for slot in slots]
        if self.graphs is not None:  # recordings write where the caches were
            self.graphs = Graphs(self.graphs.record)
        self._ready()


@dataclass
class Generator:
    """Writes jobs on a decoder, at most `slots` at a time; fewer where memory does not allow them.

    `forwarded` counts the tokens that went through the network; `record` makes recordings of steps (`graphs`).
    """

    decoder: Decoder
    memory: Memory
    slots: int
    spell: Callable[[int], bytes]
    record: Record | None = None
    forwarded: int = 0
    shrunk: list[int] = field(default_factory=list)

    def run(self, jobs: Sequence[GenerationRequest]) -> Iterator[tuple[int, Generation]]:
        """Yield (index of the job, its finished draft) in order of completion."""
        from evalharness.engine.loglikelihood import LoglikelihoodScorer

        ids = [np.array(job.ids, dtype=np.int32) for job in jobs]
        for group in prefix_groups([row[:-1] for row in ids], _GROUP_COST):
            prefix = None
            if group.shared:
                reader = LoglikelihoodScorer(self.decoder, self.memory, self.memory.budget(FILL_TOKENS))
                prefix = reader.prefix(ids[group.rows[0]][: group.shared])
                self.forwarded += reader.forwarded
            # The longest answers first: at the end short ones fill the gaps.
            order = sorted(group.rows, key=lambda i: (-jobs[i].max_tokens, -len(jobs[i].ids)))
            yield from self._group(deque((i, Generation(jobs[i], self.spell)) for i in order), prefix)

    def _group(self, queue: deque[tuple[int, Generation]], prefix: Prefix | None) -> Iterator[tuple[int, Generation]]:
        shared = prefix.length if prefix is not None else 0
        longest = max(len(draft.job.ids) + draft.job.max_tokens for _, draft in queue) - shared
        capacity = 64 * math.ceil(longest / 64)
        count = self.memory.slots(min(self.slots, len(queue)), capacity)
        while queue:
            try:
                slots = Slots(self.decoder, count, capacity, prefix, self.record)
                live: list[tuple[int, Generation] | None] = [None] * count
                yield from self._slots(slots, live, queue)
            except RuntimeError as error:
                if not isinstance(error, SpoiledError) and not is_out_of_memory(error):
                    raise
                if count == 1 and is_out_of_memory(error):
                    raise self.memory.exhausted(1) from error
                # What was being written goes on from where it is: in half as many slots, or without recordings.
                queue.extendleft(row for row in live if row is not None)
                if isinstance(error, SpoiledError):
                    self.record = None
                    continue
                count //= 2
                self.shrunk.append(count)
                self.memory.release()

    def _slots(
        self, slots: Slots, live: list[tuple[int, Generation] | None], queue: deque[tuple[int, Generation]]
    ) -> Iterator[tuple[int, Generation]]:
        while queue or any(live):
            while queue and None in live:
                yield from self._fill(slots, live, queue)
            running = [i for i, row in enumerate(live) if row is not None]
            if not queue and len(running) <= 0.75 * len(live) and running:
                slots.keep(running)
                live[:] = [live[i] for i in running]
            if running:
                yield from self._step(slots, live)

    def _fill(
        self, slots: Slots, live: list[tuple[int, Generation] | None], queue: deque[tuple[int, Generation]]
    ) -> Iterator[tuple[int, Generation]]:
        """Read as many waiting prompts into free slots as one pass takes."""
        rows: list[tuple[int, Generation]] = []
        free = [slot for slot, row in enumerate(live) if row is None]
        size = 0
        while queue and len(rows) < len(free):
            size += queue[0][1].length - slots.shared
            if rows and size > FILL_TOKENS:
                break
            rows.append(queue.popleft())
        for slot, row in zip(free, rows, strict=False):
            live[slot] = row
        used = free[: len(rows)]
        logits = self._read(slots, used, [draft for _, draft in rows])
        yield from self._taken(live, used, logits)

    @torch.inference_mode()
    def _read(self, slots: Slots, used: Sequence[int], drafts: Sequence[Generation]) -> Tensor:
        device = self.decoder.device
        texts = [[*draft.job.ids, *draft.tokens][slots.shared :] for draft in drafts]
        lengths = [len(text) for text in texts]
        ids = torch.tensor([i for text in texts for i in text], device=device)
        places = torch.cat([torch.arange(n, device=device) for n in lengths]) + slots.shared
        rows = PackedRows(self.decoder.config, lengths, places, prefix=slots.prefix)
        last = torch.tensor(lengths, device=device).cumsum(0) - 1
        logits = self.decoder.head(self.decoder.hidden(ids, places, slots.filling(used, rows), last))
        self.forwarded += len(ids)
        slots.moved_on([False] * len(slots.lengths))
        return logits

    def _step(self, slots: Slots, live: list[tuple[int, Generation] | None]) -> Iterator[tuple[int, Generation]]:
        logits = self._next(slots, [row[1].tokens[-1] if row is not None else 0 for row in live])
        running = [i for i, row in enumerate(live) if row is not None]
        slots.moved_on([row is not None for row in live])
        self.forwarded += len(running)
        yield from self._taken(live, running, logits if len(running) == len(live) else logits[running])

    @torch.inference_mode()
    def _next(self, slots: Slots, tokens: Sequence[int]) -> Tensor:
        def step(ids: Tensor, at: Tensor) -> Tensor:
            slots.stand(at)
            return self.decoder.head(self.decoder.hidden(ids, slots.positions, slots))

        ids = torch.tensor(tokens, device=self.decoder.device)
        if slots.graphs is None:
            return step(ids, slots.at)
        return slots.graphs(slots.columns, step, ids, slots.at)

    def _taken(
        self, live: list[tuple[int, Generation] | None], used: Sequence[int], logits: Tensor
    ) -> Iterator[tuple[int, Generation]]:
        done = []
        for slot, likeliest, row in zip(used, _likeliest(logits), logits, strict=True):
            entry = live[slot]
            assert entry is not None
            if entry[1].take(likeliest, row):
                live[slot] = None
                done.append(entry)
        yield from done
