"""Finds what prompts have in common, on token ids, and plans which of it is computed once.

Nobody declares a preamble: sorted id lists show their common prefixes, and a run of neighbours is computed behind one
prefix where that saves more tokens than splitting it would.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from evalharness.engine.base import TokenIds


@dataclass(frozen=True, slots=True)
class Group:
    """Rows (indices) that are computed behind one common prefix of `shared` tokens; 0 = nothing in common."""

    shared: int
    rows: tuple[int, ...]


def common_prefix_length(a: TokenIds, b: TokenIds) -> int:
    """Length of the common prefix."""
    n = min(len(a), len(b))
    differ = np.flatnonzero(a[:n] != b[:n])
    return int(differ[0]) if len(differ) else n


def prefix_groups(prefixes: Sequence[TokenIds], overhead: int) -> list[Group]:
    """Group rows by what they may share: `prefixes[i]` are the ids of row i that may be computed elsewhere.

    `overhead` is what a group of its own costs, in tokens; rows that are not worth it form one group that shares
    nothing. Groups come in the order of their first row. With c the common prefixes of sorted neighbours,
    best(i, j) = max((j - i) min c - overhead, best(i, m) + best(m + 1, j)), m where c is least.
    """
    order = sorted(range(len(prefixes)), key=lambda i: prefixes[i].astype(">u4").tobytes())
    c = [common_prefix_length(prefixes[a], prefixes[b]) for a, b in pairwise(order)]
    found: list[Group] = []
    taken: set[int] = set()
    for low, high, shared in _best(c, overhead):
        rows = tuple(sorted(order[low : high + 1]))
        found.append(Group(shared, rows))
        taken.update(rows)
    if rest := tuple(i for i in range(len(prefixes)) if i not in taken):
        found.append(Group(0, rest))
    return sorted(found, key=lambda group: group.rows[0])


def _best(c: Sequence[int], overhead: int) -> list[tuple[int, int, int]]:
    """(first row, last row, shared) of the chosen runs, over the tree whose parents are the least of their range."""
    left, right, root = _least_first(c)
    value = [0] * len(c)
    spans: list[tuple[int, int, int]] = [(root, 0, len(c) - 1)] if c else []
    for node, low, high in spans:  # grows while it is read: parents before children
        if left[node] >= 0:
            spans.append((left[node], low, node - 1))
        if right[node] >= 0:
            spans.append((right[node], node + 1, high))
    whole = [False] * len(c)
    for node, low, high in reversed(spans):
        split = sum(value[child] for child in (left[node], right[node]) if child >= 0)
        together = (high - low + 1) * c[node] - overhead
        whole[node] = together > split
        value[node] = max(together, split)
    chosen: list[tuple[int, int, int]] = []
    todo = [(root, 0, len(c) - 1)] if c else []
    while todo:
        node, low, high = todo.pop()
        if value[node] <= 0:
            continue
        if whole[node]:
            chosen.append((low, high + 1, c[node]))
            continue
        if left[node] >= 0:
            todo.append((left[node], low, node - 1))
        if right[node] >= 0:
            todo.append((right[node], node + 1, high))
    return chosen


def _least_first(c: Sequence[int]) -> tuple[list[int], list[int], int]:
    """Cartesian tree of `c`: children of each position (-1 = none) and the root, the least of all."""
    left, right = [-1] * len(c), [-1] * len(c)
    stack: list[int] = []
    for i, value in enumerate(c):
        last = -1
        while stack and c[stack[-1]] > value:
            last = stack.pop()
        left[i] = last
        if stack:
            right[stack[-1]] = i
        stack.append(i)
    return left, right, stack[0] if stack else -1
