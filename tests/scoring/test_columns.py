"""Results as arrays: their order, which of several counts, and what stands where something is not known."""

import math

import numpy as np
import pytest

from evalharness.records import Request, Response, Result, Sample
from evalharness.scoring.columns import STANDINGS, STATUS_CODES, ColumnWriter, columns_of


def result(identity, status="correct", *, group="", repeat=0, answer=None, sample=(), detail=(), response=(), **scores):
    return Result(
        benchmark="b", sample=Sample(id=identity, question="?", group=group, **dict(sample)), repeat=repeat,
        request=Request(messages=()), response=Response(**{"text": "x", **dict(response)}), status=status,
        answer=answer, detail=dict(detail), scores=scores,
    )  # fmt: skip


def test_results_stand_in_the_order_of_id_and_one_id_has_one_number():
    made = columns_of([result("b", s=1.0), result("a", s=2.0), result("b", repeat=1, s=3.0), result("ä", s=4.0)])
    assert made.items.tolist() == [0, 1, 1, 2] and made.scores["s"].tolist() == [2, 1, 3, 4]
    assert (len(made), made.samples) == (4, 3)
    none = columns_of([])
    assert (len(none), none.samples, list(none.by_group())) == (0, 0, [])
    assert len(columns_of([], last=True)) == 0


@pytest.mark.parametrize(
    "ids", [("a", "a\0", "a\0\0"), ("x" * 100, "x" * 99, "x" * 64), ("b", "", "a"), ("ab", "a", "b")]
)
def test_ids_that_are_long_or_end_in_zeros_are_told_apart(ids):
    made = columns_of([result(identity, s=float(n)) for n, identity in enumerate(ids)])
    assert made.samples == 3
    assert made.scores["s"].tolist() == [float(ids.index(identity)) for identity in sorted(ids)]


def test_the_last_of_each_repeat_counts_where_that_is_wanted():
    lines = [
        result("a", repeat=1, s=1.0),
        result("b", s=2.0),
        result("a", repeat=0, s=3.0),
        result("a", repeat=1, s=4.0),
    ]
    assert columns_of(lines, last=True).scores["s"].tolist() == [3, 4, 2]
    assert columns_of(lines).scores["s"].tolist() == [1, 3, 4, 2], "else as they came"


def test_a_score_that_some_results_lack_is_not_a_number_there():
    made = columns_of([result("a"), result("b", s=0.5), result("c", t=1.0), result("d", s=1.0)])
    assert np.isnan(made.scores["s"]).tolist() == [True, False, True, False]
    assert np.isnan(made.scores["t"]).tolist() == [True, True, False, True]
    assert made.having("s").items.tolist() == [1, 3] and len(made.having("u")) == 0
    assert made.per_item("s") == [0.0, 0.5, 0.0, 1.0] and made.per_item("u") == [0.0] * 4


def test_an_items_value_is_the_mean_of_its_answers_those_without_counting_as_0():
    made = columns_of([result("a", s=1.0), result("a", repeat=1), result("b", s=0.25), result("b", repeat=1, s=0.75)])
    assert made.answers("s") == [[1.0, 0.0], [0.25, 0.75]] and made.per_item("s") == [0.5, 0.5]
    assert made.per_item("s", max) == [1.0, 0.75]
    endless = columns_of([result("a", s=math.inf), result("b", s=-math.inf)])
    assert endless.per_item("s") == [math.inf, -math.inf], "a value that no number holds stays what it is"


def test_groups_in_alphabetical_order():
    made = columns_of([result("1", group="z", s=1.0), result("2", group="a", s=2.0), result("3", group="z", s=3.0)])
    assert made.group_names == ("a", "z")
    assert [(name, part.scores["s"].tolist()) for name, part in made.by_group()] == [("a", [2.0]), ("z", [1.0, 3.0])]
    assert made.of_groups(frozenset({"z"})).items.tolist() == [0, 2]
    assert len(made.of_groups(frozenset({"b"}))) == 0


def test_statuses_and_standings_have_their_codes():
    marks = [{"standing": "failed"}, {"standing": "odd"}, {"unscored": "why", "standing": "failed"}, {}]
    statuses = ("correct", "wrong", "error", "truncated")
    made = columns_of([result(str(n), s, detail=d) for n, (s, d) in enumerate(zip(statuses, marks, strict=True))])
    assert made.status.tolist() == [STATUS_CODES[s] for s in statuses]
    assert made.has_status("wrong", "error").tolist() == [False, True, True, False]
    assert made.standing.tolist() == [STANDINGS.index("failed"), -1, STANDINGS.index("unscored"), -1]


FLAGS = {
    "lost": {"response": {"error": "unanswered: no line"}},
    "variant": {"sample": {"extra": {"perturbation": "typos"}}},
    "truncated": {"response": {"tokens_truncated": 1}},
}


@pytest.mark.parametrize("flag", FLAGS)
def test_each_mark_is_of_its_own(flag):
    made = columns_of([result("a", **FLAGS[flag]), result("b", response={"error": "it was unanswered: no"})])
    assert {name: getattr(made, name).tolist() for name in FLAGS} == {
        name: [name == flag, False] for name in FLAGS
    }  # fmt: skip


def test_what_an_answer_took():
    took = {"tokens_in": 7, "tokens_out": 3, "seconds": 0.5, "cost": 0.25}
    made = columns_of([result("b", response=took), result("a", response={"tokens_in": 1})])
    assert made.tokens_in.tolist() == [1, 7] and made.tokens_out.tolist() == [0, 3]
    assert made.seconds.tolist() == [0.0, 0.5] and made.known_costs == [0.25]


@pytest.mark.parametrize(
    ("answer", "gold", "places"),
    [
        ("C", (1,), (2, 1)),
        ("B", (1,), (1, 1)),
        ("C", (1, 2), (2, 2)),
        ("A", (1, 2), (0, 1)),
        ("D", (1,), (3, 1)),
        ("E", (1,), (-1, -1)),
        ("@", (1,), (-1, -1)),
        ("b", (1,), (-1, -1)),
        ("AB", (1,), (-1, -1)),
        (None, (1,), (-1, -1)),
        ("A", (), (-1, -1)),
        ("A", (9,), (-1, -1)),
    ],
)
def test_the_letters_that_were_picked_and_that_are_right(answer, gold, places):
    made = columns_of([result("a", answer=answer, sample={"choices": tuple("wxyz"), "gold_indices": gold})])
    assert (made.picked.tolist(), made.right.tolist()) == ([places[0]], [places[1]])


def test_a_letter_of_26_choices_at_most_is_right():
    many = {"choices": tuple(map(str, range(30))), "gold_indices": (25, 27)}
    made = columns_of([result("a", answer="A", sample=many), result("b", answer="Z", sample=many)])
    assert made.picked.tolist() == [0, 25] and made.right.tolist() == [25, 25]
    made = columns_of([result("a", answer="A", sample={**many, "gold_indices": (27,)})])
    assert made.right.tolist() == [-1]


def test_parts_by_mask_or_place_and_all_as_they_are():
    made = columns_of([result("a", s=1.0, group="g"), result("b", s=2.0), result("c", s=3.0)])
    assert made.where(np.ones(3, bool)) is made
    assert made.where(np.array([True, False, True])).scores["s"].tolist() == [1.0, 3.0]
    assert made.where(np.array([0, 2])).items.tolist() == [0, 2]
    assert made.where(np.array([1])).group_names == made.group_names


def test_supposing_a_score_leaves_the_others_as_they_were():
    made = columns_of([result("a", s=0.5, t=1.0), result("b"), result("c", s=0.25)])
    chosen = np.array([True, True, False])
    supposed = made.supposing("s", 1.0, chosen)
    assert supposed.scores["s"].tolist() == [1.0, 1.0, 0.25] and np.isnan(supposed.scores["t"]).all()
    assert made.supposing("u", 0.0, chosen).per_item("u") == [0.0, 0.0, 0.0]
    assert made.supposing("u", 1.0, chosen).scores["u"][:2].tolist() == [1.0, 1.0]
    assert np.isnan(made.supposing("u", 1.0, chosen).scores["u"][2])


def test_a_writer_can_be_read_more_than_once():
    writer = ColumnWriter()
    writer.add(result("b", s=1.0))
    assert writer.columns(last=True).items.tolist() == [0]
    writer.add(result("a", s=2.0))
    assert writer.columns(last=True).scores["s"].tolist() == [2.0, 1.0]
