"""A text longer than the context: every token once, each window as full as it can be."""

import numpy as np
import pytest

from evalharness.engine.base import rolling_windows


@pytest.mark.parametrize(("length", "context"), [(1, 4), (4, 4), (5, 4), (8, 4), (9, 4), (11, 4), (3, 1)])
def test_every_token_is_scored_once_behind_what_precedes_it(length, context):
    ids = np.arange(10, 10 + length)
    windows = rolling_windows(np.array([0]), ids, context)
    assert [int(i) for window in windows for i in window.ids] == list(ids)
    whole = [0, *map(int, ids)]
    for window in windows:
        read = [*map(int, window.prompt), *map(int, window.ids)]
        end = whole.index(read[-1]) + 1
        assert read == whole[end - len(read) : end]
        assert len(window.prompt) >= 1 and window.truncation(context) == 0
    assert all(len(window) == context + 1 for window in windows[1:])
