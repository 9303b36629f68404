"""What changed sides: in which order, where it concentrates, and what is shown of it."""

import numpy as np
import pytest
from scipy.stats import hypergeom

from evalharness.comparison.align import Joined
from evalharness.comparison.flips import SLICES_SHOWN, TEXT_LIMIT, flipped_items, flips, gold_text, slices, transitions
from evalharness.comparison.scores import STATUS_CODE
from evalharness.stats.paired import benjamini_hochberg


def joined(base, new, groups=None, ids=None, base_status="correct", new_status="wrong"):
    n = len(base)
    code = lambda given: np.array(
        [STATUS_CODE[s] for s in ([given] * n if isinstance(given, str) else given)], np.uint8
    )
    return Joined(
        ids=ids or [f"q/{i}" for i in range(n)], base=np.array(base, float), new=np.array(new, float),
        at_base=np.arange(n), at_new=np.arange(n), base_status=code(base_status), new_status=code(new_status),
        groups=groups or [""] * n, clusters=None, binary=False,
    )  # fmt: skip


def test_flips_cross_one_half_and_the_largest_come_first():
    base = [0.6, 1.0, 0.5, 0.9, 0.2, 0.7, np.nan, 0.8, 0.8]
    new = [0.5, 0.0, 0.6, 0.8, 0.1, np.nan, 0.0, 0.3, 0.3]
    ids = ["a", "b", "c", "d", "e", "f", "g", "q/10", "q/9"]
    found = flips(joined(base, new, ids=ids))
    assert [ids[i] for i in found.broke] == ["b", "q/9", "q/10", "a"], "numbers in their order where sizes are equal"
    assert [ids[i] for i in found.fixed] == ["c"]


def test_slices_by_group_say_how_many_and_how_surely():
    groups = ["a"] * 20 + ["b"] * 5 + ["c"] * 4 + ["d"] * 31
    base = np.ones(60)
    new = np.ones(60)
    new[[0, 1, 2, 3, 4, 20, 25, 26]] = 0
    base[[30, 31]] = 0
    base[59] = np.nan
    pair = joined(base, new, groups)
    found = {one.value: one for one in slices(pair, flips(pair), np.full(60, -1, np.int32))}
    assert list(found) == ["a", "b", "d"], "four items say nothing"
    assert [(one.n, one.broke, one.fixed) for one in found.values()] == [(20, 5, 0), (5, 1, 0), (30, 0, 2)]
    assert [one.difference for one in found.values()] == pytest.approx([-5 / 20, -1 / 5, 2 / 30])
    chances = [float(hypergeom.sf(k - 1, 59, 8, n)) for k, n in ((5, 20), (1, 5), (0, 30))]
    assert [one.p for one in found.values()] == pytest.approx(benjamini_hochberg(chances))
    assert {one.field for one in found.values()} == {"group"}
    alone = joined(base, new)
    assert slices(alone, flips(alone), np.full(60, -1, np.int32)) == ()


def test_only_the_first_slices_are_shown_and_those_that_changed():
    groups = [f"g{i // 5:02}" for i in range(100)]
    new = np.ones(100)
    new[::5] = 0
    new[0] = 1
    pair = joined(np.ones(100), new, groups)
    found = slices(pair, flips(pair), np.full(100, -1, np.int32))
    assert len(found) == SLICES_SHOWN == 12 and [one.value for one in found] == [f"g{i:02}" for i in range(1, 13)]


def lengths_of(sizes):
    """Slices by length of as many items, half of which broke."""
    new = np.ones(len(sizes))
    new[::2] = 0
    pair = joined(np.ones(len(sizes)), new)
    return slices(pair, flips(pair), np.array(sizes, np.int32))


def test_slices_by_length_are_four_bands():
    found = {one.value: one for one in lengths_of([100 * (i + 1) for i in range(40)])}
    assert {one.field for one in found.values()} == {"question length"}
    assert {value: one.n for value, one in found.items()} == {
        "0 to 1,075 characters": 10, "1,075 to 2,050 characters": 10, "2,050 to 3,025 characters": 10,
        "3,025 to 4,000 characters": 10,
    }  # fmt: skip
    assert lengths_of([n % 7 for n in range(60)]) == (), "seven lengths are no bands"
    assert len(lengths_of([n % 8 for n in range(80)])) == 4
    assert lengths_of([-1] * 60) == ()


def test_transitions_are_counted_the_most_first():
    pair = joined(
        [1.0, 1.0, 1.0, 0.0], [0.0, 0.0, 0.0, 1.0], base_status=["correct", "correct", "correct", "wrong"],
        new_status=["unparsed", "wrong", "wrong", "correct"],
    )  # fmt: skip
    said = transitions(pair, flips(pair))
    assert list(said.items()) == [("correct → wrong", 2), ("correct → unparsed", 1), ("wrong → correct", 1)]


def test_an_item_is_shown_with_both_texts():
    pair = joined([1.0, 1.0], [0.0, 0.25], groups=["g", "h"], ids=["a", "b"])
    asked = {"question": "Why?", "choices": ["yes", "no"], "gold": [1]}
    long = "x" * (TEXT_LIMIT + 1)
    before = {
        "answer": "B",
        "response": {"text": "It is B"},
        "sample": {"question": "other"},
        "verdicts": [{"raw": "one"}, {"raw": "two"}],
    }
    after = {"answer": None, "response": {"text": long}, "sample": asked}
    (shown,) = flipped_items([1], "broke", pair, ([before], [after]), frozenset({"b"}))
    assert (shown.id, shown.group, shown.base, shown.new, shown.flaky) == ("b", "h", 1.0, 0.25, True)
    assert (shown.base_status, shown.new_status, shown.change) == ("correct", "wrong", "broke")
    assert (shown.question, shown.gold, shown.base_answer, shown.new_answer) == ("Why?", "B. no", "B", "")
    assert shown.base_text == "It is B" and shown.new_text == "x" * (TEXT_LIMIT - 1) + "…"
    assert (shown.base_reason, shown.new_reason) == ("one\ntwo", "")
    (bare,) = flipped_items([0], "broke", pair, ([before], [{"response": {"text": long[1:]}}]), frozenset({"b"}))
    assert bare.question == "other" and not bare.flaky and bare.new_text == "x" * TEXT_LIMIT == "x" * 2000


def test_the_right_answer_is_its_letters_else_the_first_text():
    choices = [f"c{i}" for i in range(30)]
    assert gold_text({"choices": choices, "gold": [0, 2], "answers": ["no"]}) == "A. c0; C. c2"
    assert gold_text({"choices": choices, "gold": [29, 30, -1, "0"]}) == "29. c29"
    assert gold_text({"choices": [], "gold": [0], "answers": [7, 8]}) == "7"
    assert gold_text({"gold": None, "answers": None}) == gold_text({}) == ""
