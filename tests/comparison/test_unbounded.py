"""Metrics whose values are not held to 0 … 1: log-probabilities, grades of 1 to 10, seconds."""

import html
import json
import math
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from run_folders import line, write_run

from evalharness.comparison.compare import Options, compare_runs
from evalharness.comparison.document import comparison_document
from evalharness.comparison.inputs import open_side
from evalharness.errors import Exit
from evalharness.report.formats import comparison_as


def compared(tmp_path, base, new, metric="logprob", statuses=None):
    """Both sides' values per item, None for an answer that failed; `statuses` are NEW's where they differ."""
    sides = []
    for name, values in (("a", base), ("b", new)):
        marks = statuses if statuses and name == "b" else ["scored"] * len(values)
        lines = [
            line("lm", f"q/{i}", "error" if v is None else mark, v, metric=metric)
            for i, (v, mark) in enumerate(zip(values, marks, strict=True))
        ]
        sides.append(open_side(str(write_run(tmp_path / name, lines))))
    return compare_runs(*sides, Options(metric=metric))


def values(seed, mean, n=60):
    return np.random.default_rng(seed).normal(mean, 1.0, n).tolist()


@pytest.mark.parametrize(("shift", "verdict", "gate"), [(2.0, "better", "pass"), (-2.0, "worse", "fail")])
def test_log_probabilities_get_a_plain_t_interval(tmp_path, shift, verdict, gate):
    task = compared(tmp_path, values(0, -50), values(1, -50 + shift)).tasks[0]
    assert (task.verdict, task.gate, task.method) == (verdict, gate, "paired t")
    assert task.low < task.difference < task.high
    assert any("not held to 0 … 1: large drops" in note for note in task.notes)
    assert abs(task.difference) > 1 and task.high - task.difference == pytest.approx(task.difference - task.low)


def test_grades_of_one_to_ten_are_not_cut_at_one(tmp_path):
    draw = np.random.default_rng(2)
    base = draw.integers(1, 10, 60).astype(float)
    task = compared(tmp_path, base.tolist(), (base + draw.integers(0, 3, 60)).tolist(), metric="grade").tasks[0]
    assert task.high > 1 and task.verdict == "better"


@pytest.mark.parametrize(("base", "new"), [([-300.0], [-50.0]), ([-300.0, -200.0, -9.5], [-298.0, -198.0, -7.5])])
def test_one_item_or_equal_differences_decide_nothing(tmp_path, base, new):
    task = compared(tmp_path, base, new).tasks[0]
    assert (task.verdict, task.gate, task.p_change, task.items_to_decide) == ("can't tell", "inconclusive", 1.0, None)
    assert (task.low, task.high) == (-math.inf, math.inf)
    assert "nothing tells how far it varies" in task.reason
    assert not any("whatever the margin" in note for note in task.notes)


def with_a_gap(tmp_path):
    return compared(tmp_path, values(0, -50), [None, *values(1, -40)[1:]])


def test_what_is_missing_could_be_worth_anything(tmp_path):
    task = with_a_gap(tmp_path).tasks[0]
    assert (task.verdict, task.gate, task.missing) == ("can't tell", "inconclusive", 1)
    assert (task.low, task.high, task.p_worse) == (-math.inf, math.inf, 1.0)
    assert "could be worth anything" in task.reason


def test_missing_values_of_a_metric_with_a_range_stay_bounded(tmp_path):
    draw = np.random.default_rng(3)
    base = draw.random(200).tolist()
    task = compared(tmp_path, base, [None, *base[1:]], metric="f1").tasks[0]
    assert -1 < task.low < 0 < task.high < 1


def test_unread_answers_are_bounded_only_where_the_metric_has_a_range(tmp_path):
    marks = ["unparsed", *["scored"] * 59]
    task = compared(tmp_path / "wide", values(0, -50), values(1, -50), statuses=marks).tasks[0]
    assert task.unread_bounds is None
    assert any("could not be read" in note for note in task.notes)
    unit = np.random.default_rng(4).random(60).tolist()
    assert compared(tmp_path / "unit", unit, unit, metric="f1", statuses=marks).tasks[0].unread_bounds is not None


def test_an_interval_without_ends_is_written_in_every_form(tmp_path):
    document = comparison_document(
        with_a_gap(tmp_path), exit_code=Exit.FINE, gated=False, policy="block-on-fail", command="evalh compare a b"
    )
    for form in ("terminal", "markdown", "html"):
        assert "−inf … +inf" in html.unescape(comparison_as(document, form)), form
    assert ET.fromstring(comparison_as(document, "junit")).find(".//property[@name='low']").get("value") == "-inf"

    def no_number(word):
        raise AssertionError(f"{word} is not JSON")

    task = json.loads(comparison_as(document, "json"), parse_constant=no_number)["tasks"][0]
    assert (task["low"], task["high"], task["verdict"]) == (None, None, "can't tell")


def test_grades_that_hardly_differ_are_no_more_bounded_than_others(tmp_path):
    """No drop of more than 1 was seen, and nothing says that none comes."""
    same = compared(tmp_path / "same", [7.0] * 300, [7.0] * 300, metric="grade").tasks[0]
    assert (same.verdict, same.detectable, same.underpowered) == ("can't tell", None, True)
    once = compared(tmp_path / "once", [7.0] * 300, [6.0, *[7.0] * 299], metric="grade").tasks[0]
    assert once.method == "paired t"


def test_a_hair_beyond_one_is_rounding(tmp_path):
    task = compared(tmp_path, [1.0000000000000002, *[1.0] * 299], [None, *[1.0] * 299], metric="f1").tasks[0]
    assert -1 < task.low <= 0 <= task.high < 1
