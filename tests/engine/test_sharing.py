"""Grouping saves as many tokens as the best recursive split, and every row is in exactly one group."""

from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalharness.engine.loglikelihood import Continuation, trees
from evalharness.engine.prefix_sharing import common, prefix_groups

ROWS = st.lists(st.lists(st.integers(0, 2), max_size=12).map(lambda r: np.array(r, dtype=np.int32)), max_size=12)


def best(rows, overhead):
    """The recursion as it is written down, without tricks."""
    ordered = sorted(rows, key=lambda r: r.tolist())
    c = [common(a, b) for a, b in pairwise(ordered)]

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


def option(ids, scored):
    ids = np.array(ids, dtype=np.int32)
    return Continuation(ids[: len(ids) - scored], ids[len(ids) - scored :])


def test_a_tree_reads_what_options_share_once():
    (tree,), cut = trees(0, [option([1, 2, 3, 7, 8], 2), option([1, 2, 3, 9], 1), option([1, 2, 3, 7, 9], 2)], 50)
    assert tree.ids.tolist() == [1, 2, 3, 7, 7] and tree.places.tolist() == [0, 1, 2, 3, 3]
    assert tree.branch.tolist() == [0, 0, 0, 1, 3] and (tree.free, cut) == (2, 0)
    assert [(r.offsets.tolist(), r.targets.tolist()) for r in tree.reads] == [
        ([2, 3], [7, 8]),
        ([2], [9]),
        ([2, 4], [7, 9]),
    ]


def test_options_cut_differently_become_trees_of_their_own():
    made, cut = trees(0, [option(range(10), 1), option(range(12), 3)], 8)
    assert [len(t.ids) for t in made] == [8, 8] and cut == 3
    assert [t.ids[0] for t in made] == [1, 3]


@pytest.mark.parametrize("rows", [[], [np.array([], dtype=np.int32)]])
def test_nothing_to_group(rows):
    assert sum(len(g.rows) for g in prefix_groups(rows, 4)) == len(rows)
