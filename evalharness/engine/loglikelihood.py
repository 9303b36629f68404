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

from evalharness.engine.attention import PackedRows, PrefixCache
from evalharness.engine.base import Continuation, ContinuationScore, TokenIds
from evalharness.engine.decoder import Decoder
from evalharness.engine.memory import Memory, is_out_of_memory
from evalharness.engine.prefix_sharing import Group, common_prefix_length, prefix_groups

_GROUP_COST = 64  # tokens: what a prefix pass of its own and a half-filled last batch cost
HEAD_ROWS = 64  # states that wait for one product with the head, which is slow for few rows
HEAD_FLOATS = 16_000_000  # logits held at a time
_TreeScores = tuple[int, dict[int, ContinuationScore]]  # a tree's number, and its continuations' scores by number


@dataclass(frozen=True, slots=True)
class ScoredSpan:
    """Where one continuation's log-probabilities are read: token offsets in the tree, and the tokens to come."""

    continuation: int
    offsets: TokenIds
    targets: TokenIds


@dataclass(frozen=True, slots=True)
class TokenTree:
    """Continuations of one prompt as one row: the trunk that all share (branch 0), then each one's own tokens (branch
    1, 2, ...). `prompt` is the prompt's number, `positions` are the tokens' places in their texts.

    `shareable` tokens of the trunk are read only as context: they may be computed elsewhere, once for several trees.
    """

    prompt: int
    ids: TokenIds
    positions: TokenIds
    branches: TokenIds | None
    shareable: int
    spans: tuple[ScoredSpan, ...]


def token_trees(prompt: int, continuations: Sequence[Continuation], context: int) -> list[TokenTree]:
    """The trees of one prompt's continuations, which are cut from the left to fit `context`.

    Continuations that lose different numbers of tokens stand at different positions and form trees of their own.
    """
    by_truncation: dict[int, list[int]] = {}
    for i, continuation in enumerate(continuations):
        by_truncation.setdefault(continuation.truncation(context), []).append(i)
    return [_tree(prompt, members, continuations, n) for n, members in by_truncation.items()]


def _tree(prompt: int, members: Sequence[int], continuations: Sequence[Continuation], truncation: int) -> TokenTree:
    inputs = [continuations[i].inputs(truncation) for i in members]
    trunk = len(inputs[0])
    for other in inputs[1:]:
        trunk = min(trunk, common_prefix_length(inputs[0], other))
    ids, positions = [inputs[0][:trunk]], [np.arange(trunk)]
    branches = [np.zeros(trunk, dtype=np.int32)]
    spans, end, shareable = [], trunk, trunk
    for branch, (i, fed) in enumerate(zip(members, inputs, strict=True), 1):
        own = len(fed) - trunk
        ids.append(fed[trunk:])
        positions.append(np.arange(trunk, len(fed)))
        branches.append(np.full(own, branch, dtype=np.int32))
        offsets = np.arange(len(fed) - len(continuations[i].ids), len(fed), dtype=np.int32)
        shareable = min(shareable, int(offsets[0]))
        in_tree = np.where(offsets < trunk, offsets, offsets - trunk + end).astype(np.int32)
        spans.append(ScoredSpan(i, in_tree, continuations[i].ids))
        end += own
    return TokenTree(
        prompt=prompt,
        ids=np.concatenate(ids),
        positions=np.concatenate(positions).astype(np.int32),
        branches=np.concatenate(branches) if end > trunk else None,
        shareable=shareable,
        spans=tuple(spans),
    )


@dataclass(frozen=True, slots=True)
class _Pending:
    """Trees that went through the network and wait for the head: their scored states [n, d], and for each target which
    of these states it is read from."""

    trees: Sequence[int]
    states: Tensor
    state_index: NDArray[Any]
    targets: TokenIds


@dataclass
class LoglikelihoodScorer:
    """Scores trees on a decoder. `budget` is the number of tokens per pass; it shrinks when memory runs out.

    `forwarded` counts the tokens that went through the network, `unshared` those that would have without sharing.
    """

    decoder: Decoder
    memory: Memory
    budget: int
    share: bool = True
    forwarded: int = 0
    unshared: int = 0
    shrunk: list[int] = field(default_factory=list)
    _pending: list[_Pending] = field(default_factory=list)

    def run(self, trees: Sequence[TokenTree]) -> Iterator[_TreeScores]:
        """Yield (index of the tree, scores by continuation) in order of completion, each tree once."""
        self.unshared += sum(len(tree.ids) for tree in trees)
        self.memory.check_prefix(max((len(tree.ids) for tree in trees), default=0))
        everything = [Group(0, tuple(range(len(trees))))]
        for group in prefix_groups([t.ids[: t.shareable] for t in trees], _GROUP_COST) if self.share else everything:
            yield from self._group(group, trees)
        yield from self._flush(trees)

    def _group(self, group: Group, trees: Sequence[TokenTree]) -> Iterator[_TreeScores]:
        # Whatever is too long for a pass is read in pieces behind the prefix, which is then cut back.
        long = [
            i
            for i in group.rows
            if trees[i].shareable - group.shared > self.budget and len(trees[i].ids) > 2 * self.budget
        ]
        longest = max([trees[i].shareable for i in long], default=group.shared)
        prefix = self._prefix(longest) if longest else None
        if prefix is not None:
            self._extend(prefix, trees[group.rows[0]].ids[: group.shared])
        read_alone = set(long)
        short = sorted((i for i in group.rows if i not in read_alone), key=lambda i: -len(trees[i].ids))
        yield from self._batches(short, trees, prefix, group.shared)
        for i in long:
            assert prefix is not None
            self._extend(prefix, trees[i].ids[group.shared : trees[i].shareable])
            yield from self._batches([i], trees, prefix, trees[i].shareable)
            prefix.length = group.shared

    def prefix(self, ids: TokenIds) -> PrefixCache:
        """The keys and values of `ids`, for rows that begin with them."""
        prefix = self._prefix(len(ids))
        self._extend(prefix, ids)
        return prefix

    def _prefix(self, capacity: int) -> PrefixCache:
        self.memory.check_prefix(capacity)
        return PrefixCache(self.decoder.config, capacity, self.decoder.dtype, self.decoder.device)

    def _extend(self, prefix: PrefixCache, ids: TokenIds) -> None:
        """Read `ids` into the prefix. Of the last layer only keys and values are needed."""
        at, begun = 0, prefix.length
        while at < len(ids):
            piece = ids[at : at + max(self.budget, 64)]
            try:
                self._read(prefix, piece)
            except RuntimeError as error:
                self._shrink(error)
                continue
            at += len(piece)
            prefix.forget(begun)

    @torch.inference_mode()
    def _read(self, prefix: PrefixCache, piece: TokenIds) -> None:
        device = self.decoder.device
        positions = torch.arange(prefix.length, prefix.length + len(piece), device=device)
        attend = PackedRows(self.decoder.config, [len(piece)], positions, prefix=prefix, keep=True)
        nothing = torch.empty(0, dtype=torch.long, device=device)
        self.decoder.hidden(torch.from_numpy(piece).long().to(device), positions, attend, nothing)
        prefix.length += len(piece)
        self.forwarded += len(piece)

    def _batches(
        self, order: Sequence[int], trees: Sequence[TokenTree], prefix: PrefixCache | None, shared: int
    ) -> Iterator[_TreeScores]:
        at = 0
        while at < len(order):
            batch, size = [order[at]], len(trees[order[at]].ids) - shared
            for i in order[at + 1 :]:
                size += len(trees[i].ids) - shared
                if size > self.budget:
                    break
                batch.append(i)
            try:
                self._pending.append(self._states(batch, trees, prefix, shared))
            except RuntimeError as error:
                self._shrink(error, smallest=len(batch) == 1)
                continue
            at += len(batch)
            if sum(len(pending.states) for pending in self._pending) >= HEAD_ROWS:
                yield from self._flush(trees)

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
    def _states(
        self, which: Sequence[int], trees: Sequence[TokenTree], prefix: PrefixCache | None, shared: int
    ) -> _Pending:
        """Run these trees through the network, up to the head."""
        device, batch = self.decoder.device, [trees[i] for i in which]
        lengths = [len(tree.ids) - shared for tree in batch]
        positions = _tensor([tree.positions[shared:] for tree in batch], device)
        branches = None
        if any(tree.branches is not None for tree in batch):
            branches = _tensor([_branches(tree)[shared:] for tree in batch], device)
        attend = PackedRows(self.decoder.config, lengths, positions, prefix=prefix, branches=branches)
        starts = np.cumsum([0, *lengths[:-1]]) - shared
        scored = np.concatenate(
            [span.offsets + s for tree, s in zip(batch, starts, strict=True) for span in tree.spans]
        )
        targets = np.concatenate([span.targets for tree in batch for span in tree.spans])
        unique, state_index = np.unique(scored, return_inverse=True)
        ids = _tensor([tree.ids[shared:] for tree in batch], device)
        states = self.decoder.hidden(ids, positions, attend, torch.from_numpy(unique).to(device))
        self.forwarded += sum(lengths)
        return _Pending(which, states, state_index, targets)

    def _flush(self, trees: Sequence[TokenTree]) -> Iterator[_TreeScores]:
        """The scores of all trees that wait."""
        pending, self._pending = self._pending, []
        if not pending:
            return
        starts = np.cumsum([0, *(len(p.states) for p in pending)])
        state_index = np.concatenate([p.state_index + start for p, start in zip(pending, starts, strict=False)])
        targets = np.concatenate([p.targets for p in pending])
        logprobs, greedy = self._gather(torch.cat([p.states for p in pending]), state_index, targets)
        which = [i for p in pending for i in p.trees]
        yield from zip(which, _collect([trees[i] for i in which], logprobs, greedy), strict=True)

    @torch.inference_mode()
    def _gather(
        self, states: Tensor, state_index: NDArray[Any], targets: TokenIds
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """Log-probability of each target and whether no token is likelier, from the states they are read from."""
        values = np.empty(len(targets), dtype=np.float64)
        greedy = np.empty(len(targets), dtype=bool)
        step = max(1, HEAD_FLOATS // self.decoder.config.vocab)
        for start in range(0, len(states), step):
            logits = self.decoder.head(states[start : start + step])
            which = np.flatnonzero((state_index >= start) & (state_index < start + step))
            local = torch.from_numpy(state_index[which] - start).to(logits.device)
            token = torch.from_numpy(targets[which].astype(np.int64)).to(logits.device)
            chosen, top = logits[local, token], logits.amax(-1)
            total = logits.sub_(top[:, None]).exp_().sum(-1).log() + top
            values[which] = (chosen - total[local]).double().cpu().numpy()
            greedy[which] = (chosen >= top[local]).cpu().numpy()
        return values, greedy


def _tensor(parts: Sequence[TokenIds], device: torch.device) -> Tensor:
    return torch.from_numpy(np.concatenate(parts).astype(np.int64)).to(device)


def _branches(tree: TokenTree) -> TokenIds:
    return tree.branches if tree.branches is not None else np.zeros(len(tree.ids), dtype=np.int32)


def _collect(
    batch: Sequence[TokenTree], logprobs: NDArray[Any], greedy: NDArray[Any]
) -> list[dict[int, ContinuationScore]]:
    results, at = [], 0
    for tree in batch:
        scores = {}
        for span in tree.spans:
            rows = slice(at, at + len(span.targets))
            scores[span.continuation] = ContinuationScore(
                float(logprobs[rows].sum()), bool(greedy[rows].all()), len(span.targets)
            )
            at += len(span.targets)
        results.append(scores)
    return results
