"""Generates answers in slots that are refilled as rows stop, behind a prefix that prompts share.

Continuous batching: https://www.usenix.org/conference/osdi22/presentation/yu
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from evalharness.engine.attention import PackedRows, PrefixCache
from evalharness.engine.base import Generation, GenerationRequest, TokenBytes
from evalharness.engine.cuda_graphs import Record, SpoiledError
from evalharness.engine.decoder import Decoder
from evalharness.engine.loglikelihood import LoglikelihoodScorer
from evalharness.engine.memory import Memory, is_out_of_memory
from evalharness.engine.prefix_sharing import prefix_groups
from evalharness.engine.slot_cache import SlotCache

_GROUP_COST = 1024  # tokens: slots run empty at the end of every group
PREFILL_TOKENS = 512
_Row = tuple[int, Generation]  # the number of its request, and the answer so far


class ContinuousBatch:
    """Generations behind one prefix: some wait for a slot, each of the others has one with its keys and values.

    `open_slots` comes before `run`. `capacity` is what the longest row needs, in tokens; `forwarded` counts the tokens
    that went through the network.
    """

    def __init__(self, decoder: Decoder, prefix: PrefixCache | None, rows: Iterable[_Row]) -> None:
        self.decoder, self.prefix = decoder, prefix
        self.waiting = deque(rows)
        self.running: list[_Row | None] = []  # by slot
        self.cache: SlotCache | None = None
        self.forwarded = 0
        shared = prefix.length if prefix is not None else 0
        longest = max(len(row.request.ids) + row.request.max_tokens for _, row in self.waiting) - shared
        self.capacity = 64 * math.ceil(longest / 64)

    def open_slots(self, count: int, record: Record | None) -> None:
        """Make `count` empty slots."""
        self.cache = SlotCache(self.decoder, count, self.capacity, self.prefix, record)
        self.running = [None] * count

    def close_slots(self) -> None:
        """Give the slots up; what is unfinished waits again, before all others, and goes on from where it is."""
        self.waiting.extendleft(row for row in self.running if row is not None)
        self.running, self.cache = [], None

    def run(self) -> Iterator[_Row]:
        """Yield rows as they are finished, until none is left."""
        while self.waiting or any(self.running):
            while self.waiting and None in self.running:
                yield from self._fill()
            slots = self._occupied()
            if not self.waiting and slots and len(slots) <= 0.75 * len(self.running):
                self._slots.keep(slots)
                self.running = [self.running[slot] for slot in slots]
            if slots:
                yield from self._step()

    @property
    def _slots(self) -> SlotCache:
        assert self.cache is not None, "no slots are open"
        return self.cache

    def _occupied(self) -> list[int]:
        return [slot for slot, row in enumerate(self.running) if row is not None]

    def _fill(self) -> Iterator[_Row]:
        """Read as many waiting prompts into free slots as one pass takes."""
        free = [slot for slot, row in enumerate(self.running) if row is None]
        filled: list[int] = []
        size = 0
        while self.waiting and len(filled) < len(free):
            size += self.waiting[0][1].length - self._slots.shared
            if filled and size > PREFILL_TOKENS:
                break
            slot = free[len(filled)]
            self.running[slot] = self.waiting.popleft()
            filled.append(slot)
        yield from self._append(filled, self._prefill(filled))

    @torch.inference_mode()
    def _prefill(self, slots: Sequence[int]) -> Tensor:
        """The logits behind the texts in these slots, their keys and values now in the cache: [len(slots), vocab]."""
        device, cache = self.decoder.device, self._slots
        texts = [[*row.request.ids, *row.tokens][cache.shared :] for row in self._rows(slots)]
        lengths = [len(text) for text in texts]
        ids = torch.tensor([i for text in texts for i in text], device=device)
        positions = torch.cat([torch.arange(n, device=device) for n in lengths]) + cache.shared
        rows = PackedRows(self.decoder.config, lengths, positions, prefix=cache.prefix)
        last = torch.tensor(lengths, device=device).cumsum(0) - 1
        logits = self.decoder.head(self.decoder.hidden(ids, positions, cache.prefill(slots, rows), last))
        self.forwarded += len(ids)
        cache.end_step([False] * len(cache.lengths))
        return logits

    def _step(self) -> Iterator[_Row]:
        """One token more for every row that has a slot."""
        logits = self._decode([row[1].tokens[-1] if row is not None else 0 for row in self.running])
        slots = self._occupied()
        self._slots.end_step([row is not None for row in self.running])
        self.forwarded += len(slots)
        yield from self._append(slots, logits if len(slots) == len(self.running) else logits[slots])

    @torch.inference_mode()
    def _decode(self, tokens: Sequence[int]) -> Tensor:
        """The logits behind each slot's newest token: [slots, vocab]."""
        cache = self._slots

        def step(ids: Tensor, ends: Tensor) -> Tensor:
            cache.begin_step(ends)
            return self.decoder.head(self.decoder.hidden(ids, cache.positions, cache))

        ids = torch.tensor(tokens, device=self.decoder.device)
        if cache.graphs is None:
            return step(ids, cache.ends)
        return cache.graphs(cache.columns, step, ids, cache.ends)

    def _append(self, slots: Sequence[int], logits: Tensor) -> Iterator[_Row]:
        """Add a token to the rows in these slots, by their logits; yield those that it finishes."""
        finished: list[_Row] = []
        for slot, likeliest, row_logits in zip(slots, _likeliest(logits), logits, strict=True):
            row = self.running[slot]
            assert row is not None
            if row[1].append(likeliest, row_logits):
                self.running[slot] = None
                finished.append(row)
        yield from finished

    def _rows(self, slots: Sequence[int]) -> list[Generation]:
        return [row[1] for slot in slots if (row := self.running[slot]) is not None]


def _likeliest(logits: Tensor) -> list[int]:
    """The token of the largest logit of each row; numpy finds it in a tenth of the time that torch takes on a CPU."""
    if logits.device.type == "cpu":
        return list(map(int, logits.numpy().argmax(-1)))
    return logits.argmax(-1).tolist()


@dataclass
class Generator:
    """Generates answers on a decoder, at most `slots` at a time; fewer where memory does not allow them.

    `forwarded` counts the tokens that went through the network; `record` makes recordings of steps (`cuda_graphs`).
    """

    decoder: Decoder
    memory: Memory
    slots: int
    token_bytes: TokenBytes
    record: Record | None = None
    forwarded: int = 0
    shrunk: list[int] = field(default_factory=list)

    def run(
        self, requests: Sequence[GenerationRequest], begun: Mapping[int, Generation] | None = None
    ) -> Iterator[tuple[int, Generation]]:
        """Yield (index of the request, its finished generation) in order of completion. What is `begun` goes on."""
        begun = begun or {}
        ids = [np.array(request.ids, dtype=np.int32) for request in requests]
        for group in prefix_groups([row[:-1] for row in ids], _GROUP_COST):
            prefix = None
            if group.shared:
                reader = LoglikelihoodScorer(self.decoder, self.memory, self.memory.budget(PREFILL_TOKENS))
                prefix = reader.prefix(ids[group.rows[0]][: group.shared])
                self.forwarded += reader.forwarded
            # The longest answers first: at the end short ones fill the gaps.
            order = sorted(group.rows, key=lambda i: (-requests[i].max_tokens, -len(requests[i].ids)))
            rows = ((i, begun.get(i) or Generation(requests[i], self.token_bytes)) for i in order)
            batch = ContinuousBatch(self.decoder, prefix, rows)
            yield from self._finish(batch)
            self.forwarded += batch.forwarded

    def _finish(self, batch: ContinuousBatch) -> Iterator[tuple[int, Generation]]:
        """Run the batch to its end: in half as many slots when memory runs out, without recordings if one is wrong."""
        count = self.memory.slots(min(self.slots, len(batch.waiting)), batch.capacity)
        while batch.waiting:
            try:
                batch.open_slots(count, self.record)
                yield from batch.run()
            except SpoiledError:
                self.record = None
                batch.close_slots()
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise
                if count == 1:
                    raise self.memory.exhausted(1) from error
                count //= 2
                self.shrunk.append(count)
                batch.close_slots()
                self.memory.release()
