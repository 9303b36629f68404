"""Grouping saves as many tokens as the best recursive split, and every row is in exactly one group."""

from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalharness.engine.base import Continuation
from evalharness.engine.loglikelihood import token_trees
from evalharness.engine.prefix_sharing import common_prefix_length, prefix_groups

ROWS = st.lists(st.lists(st.integers(0, 2), max_size=12).map(lambda r: np.array(r, dtype=np.int32)), max_size=12)


def best(rows, overhead):
    """The recursion as it is written down, without tricks."""
    ordered = sorted(rows, key=lambda r: r.tolist())
    c = [common_prefix_length(a, b) for a, b in pairwise(ordered)]

    @cache
    def value(i, j):
        if i == j:
            return 0
        m = min(range(i, j), key=lambda k: c[k])
        return max((j - i) * c[m] - overhead, value(i, m) + value(m + 1, j))

    return value(0, len(rows) - 1) if rows else 0


@given(ROWS, st.integers(0, 6))
def test_groups_are_a_best_partition(rows, overhead):
    found = prefix_groups(rows, overhead)
    assert sorted(i for group in found for i in group.rows) == list(range(len(rows)))
    saved = 0
    for group in found:
        first = rows[group.rows[0]][: group.shared]
        assert all(np.array_equal(rows[i][: group.shared], first) for i in group.rows)
        saved += (len(group.rows) - 1) * group.shared - overhead if group.shared else 0
    assert saved == max(0, best(rows, overhead))


def continuation(ids, scored):
    ids = np.array(ids, dtype=np.int32)
    return Continuation(ids[: len(ids) - scored], ids[len(ids) - scored :])


def test_a_tree_reads_what_continuations_share_once():
    choices = [continuation([1, 2, 3, 7, 8], 2), continuation([1, 2, 3, 9], 1), continuation([1, 2, 3, 7, 9], 2)]
    (tree,) = token_trees(0, choices, 50)
    assert tree.ids.tolist() == [1, 2, 3, 7, 7] and tree.positions.tolist() == [0, 1, 2, 3, 3]
    assert tree.branches.tolist() == [0, 0, 0, 1, 3] and tree.shareable == 2
    assert [choice.truncation(50) for choice in choices] == [0, 0, 0]
    assert [(span.offsets.tolist(), span.targets.tolist()) for span in tree.spans] == [
        ([2, 3], [7, 8]),
        ([2], [9]),
        ([2, 4], [7, 9]),
    ]


def test_continuations_cut_differently_become_trees_of_their_own():
    choices = [continuation(range(10), 1), continuation(range(12), 3)]
    made = token_trees(0, choices, 8)
    assert [len(t.ids) for t in made] == [8, 8] and [choice.truncation(8) for choice in choices] == [1, 3]
    assert [t.ids[0] for t in made] == [1, 3]


@pytest.mark.parametrize("rows", [[], [np.array([], dtype=np.int32)]])
def test_nothing_to_group(rows):
    assert sum(len(g.rows) for g in prefix_groups(rows, 4)) == len(rows)
