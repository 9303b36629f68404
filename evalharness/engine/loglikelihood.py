"""Log-probabilities of continuations, at the least work: shared prefixes once, no padding, head on scored rows only.

Scores are those of lm-evaluation-harness (https://github.com/EleutherAI/lm-evaluation-harness, models/huggingface.py):
the ids of prompt and continuation, cut from the left to the context, the continuation's tokens summed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from evalharness.engine.attention import PackedRows, Prefix
from evalharness.engine.decoder import Decoder
from evalharness.engine.memory import Memory, is_out_of_memory
from evalharness.engine.prefix_sharing import Group, Ids, common, prefix_groups

_GROUP_COST = 64  # tokens: what a prefix pass of its own and a half-filled last batch cost
HEAD_ROWS = 64  # states that wait for one product with the head, which is slow for few rows
HEAD_FLOATS = 16_000_000  # logits held at a time


@dataclass(frozen=True, slots=True)
class Continuation:
    """One continuation to score: the ids of the prompt (one array for all its continuations) and its own."""

    prompt: Ids
    own: Ids

    def __len__(self) -> int:
        return len(self.prompt) + len(self.own)

    def fed(self, cut: int) -> Ids:
        """The ids that go through the network: all but the last, without the first `cut`."""
        return np.concatenate((self.prompt, self.own))[cut:-1]


@dataclass(frozen=True, slots=True)
class ContinuationScore:
    """Of one continuation: summed log-probability, whether each token was the likeliest, number of tokens."""

    logprob: float
    greedy: bool
    tokens: int


@dataclass(frozen=True, slots=True)
class Read:
    """Where one continuation's log-probabilities are read: token offsets in the tree, and the tokens to come."""

    option: int
    offsets: Ids
    targets: Ids


@dataclass(frozen=True, slots=True)
class Tree:
    """Continuations of one prompt as one row: the `trunk` all share, then each one's own tokens (`branch` 1, 2, ...).

    `free` tokens of the trunk are read only as context: they may be computed elsewhere, once for several trees.
    """

    owner: int
    ids: Ids
    places: Ids
    branch: Ids | None
    free: int
    reads: tuple[Read, ...]


def trees(owner: int, options: Sequence[Continuation], context: int) -> tuple[list[Tree], int]:
    """The trees of one prompt's continuations and the most tokens cut from the left to fit `context`.

    The last token of a continuation is never read, so `context` + 1 ids fit. Continuations of which different numbers
    of tokens were cut stand at different positions and form trees of their own.
    """
    by_cut: dict[int, list[int]] = {}
    for i, option in enumerate(options):
        by_cut.setdefault(max(0, len(option) - context - 1), []).append(i)
    made = [_tree(owner, members, options, cut) for cut, members in by_cut.items()]
    return made, max(by_cut)


def _tree(owner: int, members: Sequence[int], options: Sequence[Continuation], cut: int) -> Tree:
    inputs = [options[i].fed(cut) for i in members]
    trunk = len(inputs[0])
    for other in inputs[1:]:
        trunk = min(trunk, common(inputs[0], other))
    ids, places = [inputs[0][:trunk]], [np.arange(trunk)]
    branch = [np.zeros(trunk, dtype=np.int32)]
    reads, at, free = [], trunk, trunk
    for number, (i, entered) in enumerate(zip(members, inputs, strict=True), 1):
        own = len(entered) - trunk
        ids.append(entered[trunk:])
        places.append(np.arange(trunk, len(entered)))
        branch.append(np.full(own, number, dtype=np.int32))
        offsets = np.arange(len(entered) - len(options[i].own), len(entered), dtype=np.int32)
        free = min(free, int(offsets[0]))
        placed = np.where(offsets < trunk, offsets, offsets - trunk + at).astype(np.int32)
        reads.append(Read(i, placed, options[i].own))
        at += own
    return Tree(
        owner=owner,
        ids=np.concatenate(ids),
        places=np.concatenate(places).astype(np.int32),
        branch=np.concatenate(branch) if at > trunk else None,
        free=min(free, trunk),
        reads=tuple(reads),
    )


@dataclass(frozen=True, slots=True)
class _Waiting:
    """Trees that went through the network and wait for the head: their scored states [n, d], and for each target which
    of these states it is read from."""

    trees: Sequence[int]
    hidden: Tensor
    back: NDArray[Any]
    targets: Ids


@dataclass
class LoglikelihoodScorer:
    """Scores trees on a decoder. `budget` is the number of tokens per pass; it shrinks when memory runs out.

    `forwarded` counts the tokens that went through the network, `asked` those that would have without sharing.
    """

    decoder: Decoder
    memory: Memory
    budget: int
    share: bool = True
    forwarded: int = 0
    asked: int = 0
    shrunk: list[int] = field(default_factory=list)
    _waiting: list[_Waiting] = field(default_factory=list)

    def run(self, rows: Sequence[Tree]) -> Iterator[tuple[int, dict[int, ContinuationScore]]]:
        """Yield (index of the tree, scores by option) in order of completion, each tree once."""
        self.asked += sum(len(tree.ids) for tree in rows)
        self.memory.check_prefix(max((len(tree.ids) for tree in rows), default=0))
        everything = [Group(0, tuple(range(len(rows))))]
        for group in prefix_groups([t.ids[: t.free] for t in rows], _GROUP_COST) if self.share else everything:
            yield from self._group(group, rows)
        yield from self._flush(rows)

    def _group(self, group: Group, rows: Sequence[Tree]) -> Iterator[tuple[int, dict[int, ContinuationScore]]]:
        # Whatever is too long for a pass is read in pieces behind the prefix, which is then cut back.
        long = [
            i for i in group.rows if rows[i].free - group.shared > self.budget and len(rows[i].ids) > 2 * self.budget
        ]
        longest = max([rows[i].free for i in long], default=group.shared)
        prefix = self._prefix(longest) if longest else None
        if prefix is not None:
            self._extend(prefix, rows[group.rows[0]].ids[: group.shared])
        apart = set(long)
        short = sorted((i for i in group.rows if i not in apart), key=lambda i: -len(rows[i].ids))
        yield from self._batches(short, rows, prefix, group.shared)
        for i in long:
            assert prefix is not None
            self._extend(prefix, rows[i].ids[group.shared : rows[i].free])
            yield from self._batches([i], rows, prefix, rows[i].free)
            prefix.length = group.shared

    def prefix(self, ids: Ids) -> Prefix:
        """The keys and values of `ids`, for rows that begin with them."""
        prefix = self._prefix(len(ids))
        self._extend(prefix, ids)
        return prefix

    def _prefix(self, capacity: int) -> Prefix:
        self.memory.check_prefix(capacity)
        return Prefix(self.decoder.config, capacity, self.decoder.dtype, self.decoder.device)

    def _extend(self, prefix: Prefix, ids: Ids) -> None:
        """Read `ids` into the prefix. Of the last layer only keys and values are needed."""
        at = 0
        while at < len(ids):
            piece = ids[at : at + max(self.budget, 64)]
            try:
                self._read(prefix, piece)
            except RuntimeError as error:
                self._shrink(error)
                continue
            at += len(piece)

    @torch.inference_mode()
    def _read(self, prefix: Prefix, piece: Ids) -> None:
        device = self.decoder.device
        places = torch.arange(prefix.length, prefix.length + len(piece), device=device)
        attend = PackedRows(self.decoder.config, [len(piece)], places, prefix=prefix, keep=True)
        nothing = torch.empty(0, dtype=torch.long, device=device)
        self.decoder.hidden(torch.from_numpy(piece).long().to(device), places, attend, nothing)
        prefix.length += len(piece)
        self.forwarded += len(piece)

    def _batches(
        self, order: Sequence[int], rows: Sequence[Tree], prefix: Prefix | None, shared: int
    ) -> Iterator[tuple[int, dict[int, ContinuationScore]]]:
        at = 0
        while at < len(order):
            batch, size = [order[at]], len(rows[order[at]].ids) - shared
            for i in order[at + 1 :]:
                size += len(rows[i].ids) - shared
                if size > self.budget:
                    break
                batch.append(i)
            try:
                self._waiting.append(self._states(batch, rows, prefix, shared))
            except RuntimeError as error:
                self._shrink(error, smallest=len(batch) == 1)
                continue
            at += len(batch)
            if sum(len(w.hidden) for w in self._waiting) >= HEAD_ROWS:
                yield from self._flush(rows)

    def _shrink(self, error: RuntimeError, smallest: bool = False) -> None:
        """Half the tokens per pass after running out of memory; any other error goes on."""
        if not is_out_of_memory(error):
            raise error
        if smallest or self.budget <= 64:
            raise self.memory.exhausted(self.budget) from error
        self.budget //= 2
        self.shrunk.append(self.budget)
        self.memory.release()

    @torch.inference_mode()
    def _states(self, which: Sequence[int], rows: Sequence[Tree], prefix: Prefix | None, shared: int) -> _Waiting:
        """Run these trees through the network, up to the head."""
        device, batch = self.decoder.device, [rows[i] for i in which]
        lengths = [len(tree.ids) - shared for tree in batch]
        places = _tensor([tree.places[shared:] for tree in batch], device)
        branches = None
        if any(tree.branch is not None for tree in batch):
            branches = _tensor([_branches(tree)[shared:] for tree in batch], device)
        attend = PackedRows(self.decoder.config, lengths, places, prefix=prefix, branches=branches)
        starts = np.cumsum([0, *lengths[:-1]]) - shared
        wanted = np.concatenate(
            [read.offsets + s for tree, s in zip(batch, starts, strict=True) for read in tree.reads]
        )
        targets = np.concatenate([read.targets for tree in batch for read in tree.reads])
        unique, back = np.unique(wanted, return_inverse=True)
        ids = _tensor([tree.ids[shared:] for tree in batch], device)
        hidden = self.decoder.hidden(ids, places, attend, torch.from_numpy(unique).to(device))
        self.forwarded += sum(lengths)
        return _Waiting(which, hidden, back, targets)

    def _flush(self, rows: Sequence[Tree]) -> Iterator[tuple[int, dict[int, ContinuationScore]]]:
        """The scores of all trees that wait."""
        waiting, self._waiting = self._waiting, []
        if not waiting:
            return
        starts = np.cumsum([0, *(len(w.hidden) for w in waiting)])
        back = np.concatenate([w.back + start for w, start in zip(waiting, starts, strict=False)])
        targets = np.concatenate([w.targets for w in waiting])
        logprobs, greedy = self._gather(torch.cat([w.hidden for w in waiting]), back, targets)
        which = [i for w in waiting for i in w.trees]
        yield from zip(which, _collect([rows[i] for i in which], logprobs, greedy), strict=True)

    @torch.inference_mode()
    def _gather(self, hidden: Tensor, back: NDArray[Any], targets: Ids) -> tuple[NDArray[Any], NDArray[Any]]:
        """Log-probability of each target and whether no token is likelier, from the states they are read from."""
        values = np.empty(len(targets), dtype=np.float64)
        greedy = np.empty(len(targets), dtype=bool)
        step = max(1, HEAD_FLOATS // self.decoder.config.vocab)
        for start in range(0, len(hidden), step):
            logits = self.decoder.head(hidden[start : start + step])
            which = np.flatnonzero((back >= start) & (back < start + step))
            local = torch.from_numpy(back[which] - start).to(logits.device)
            token = torch.from_numpy(targets[which].astype(np.int64)).to(logits.device)
            chosen, top = logits[local, token], logits.amax(-1)
            total = logits.sub_(top[:, None]).exp_().sum(-1).log() + top
            values[which] = (chosen - total[local]).double().cpu().numpy()
            greedy[which] = (chosen >= top[local]).cpu().numpy()
        return values, greedy


def _tensor(parts: Sequence[Ids], device: torch.device) -> Tensor:
    return torch.from_numpy(np.concatenate(parts).astype(np.int64)).to(device)


def _branches(tree: Tree) -> Ids:
    return tree.branch if tree.branch is not None else np.zeros(len(tree.ids), dtype=np.int32)


def _collect(batch: Sequence[Tree], logprobs: NDArray[Any], greedy: NDArray[Any]) -> list[dict[int, ContinuationScore]]:
    results, at = [], 0
    for tree in batch:
        scores = {}
        for read in tree.reads:
            rows = slice(at, at + len(read.targets))
            scores[read.option] = ContinuationScore(
                float(logprobs[rows].sum()), bool(greedy[rows].all()), len(read.targets)
            )
            at += len(read.targets)
        results.append(scores)
    return results
