"""Figures of confusion tables with clusters, against the plain formulas."""

import math

import numpy as np
import pytest

from evalharness.stats.confusion import drawn_tables, f1_of, matthews_of, table_estimate


def kinds():
    """Three kinds of answers (right label by label said) and how often each came."""
    tables = np.zeros((3, 2, 2))
    tables[0, 0, 0] = tables[1, 1, 1] = tables[2, 0, 1] = 1
    return np.array([30.0, 15.0, 5.0]), tables


def test_the_error_is_that_of_leaving_each_answer_out():
    times, tables = kinds()
    found = table_estimate(times, tables, (0, 1), matthews_of, -1.0)
    total = np.einsum("k,kij->ij", times, tables)
    each = np.concatenate([np.full(int(t), matthews_of(total - one)) for t, one in zip(times, tables, strict=True)])
    assert found.value == pytest.approx(float(matthews_of(total)), rel=1e-12)
    assert found.stderr == pytest.approx(math.sqrt(49 / 50 * np.sum((each - each.mean()) ** 2)), rel=1e-12)
    assert found.n == 50 and -1 <= found.low < found.value < found.high <= 1
    assert found.high - found.low == pytest.approx(2 * 1.96 * found.stderr, rel=0.35)


def test_one_answer_has_a_figure_and_no_error():
    _, tables = kinds()
    found = table_estimate(np.array([1.0, 0, 0]), tables, (0, 1), lambda t: f1_of(t, (0,)), 0.0)
    assert (found.value, found.stderr, found.n) == (1.0, 0.0, 1)
    assert found.low < 1


def test_drawn_tables_are_of_the_size_of_the_sample_and_a_little_more():
    """What was not seen weighs two answers, shared by all cells of the labels."""
    times, tables = kinds()
    drawn = drawn_tables(times, tables, (0, 1), np.random.default_rng(0), 20_000)
    assert drawn.shape == (20_000, 2, 2)
    assert drawn.sum((-1, -2)).mean() == pytest.approx(52, abs=0.3)
    assert drawn.mean(0) == pytest.approx(np.array([[30.5, 5.5], [0.5, 15.5]]), abs=0.2)
    wide = drawn_tables(times, tables * 4, (0, 1), np.random.default_rng(0), 20_000)
    assert wide.sum((-1, -2)).mean() == pytest.approx(208, abs=1.5), "in clusters of four it weighs eight"


def test_several_samples_are_drawn_at_once():
    times, tables = kinds()
    drawn = drawn_tables(np.stack([times, times[::-1]]), tables, (0, 1), np.random.default_rng(0), 4000)
    assert drawn.shape == (2, 4000, 2, 2)
    assert drawn[:, :, 0, 0].mean(1) == pytest.approx([30.5, 5.5], abs=0.5)


def test_labels_that_never_came_and_no_labels():
    table = np.array([[3.0, 0, 0], [1.0, 4.0, 0], [0, 0, 0]])
    assert f1_of(table, (0, 1, 2)) == pytest.approx((6 / 7 + 8 / 9 + 0) / 3, rel=1e-12)
    assert f1_of(table, ()) == 0.0
    assert f1_of(np.stack([table, table.T]), (1,)) == pytest.approx([8 / 9, 8 / 9], rel=1e-12)


def test_one_label_has_one_cell_that_was_not_seen():
    times, tables = kinds()
    drawn = drawn_tables(times, tables, (1,), np.random.default_rng(0), 20_000)
    assert drawn.mean(0) == pytest.approx(np.array([[30, 5], [0, 17]]), abs=0.2)
