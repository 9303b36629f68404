"""Figures over judged answers, by hand."""

import numpy as np
import pytest

from evalharness.records import Estimate, Request, Response, Result, Sample, Verdict
from evalharness.runs.manifest import JudgingFacts
from evalharness.scoring.columns import ColumnWriter, columns_of
from evalharness.scoring.judgments import judgment_metrics, kept, on_scale, panel_agreement, scores_of, with_verdicts

FACTS = JudgingFacts(score="grade", aggregate="mean")


def result(identity="1", status="scored", **more):
    return Result(benchmark="b", sample=Sample(id=identity, question="?"), request=Request(messages=()),
                  response=Response(text="x"), status=status, **more)  # fmt: skip


def verdict(value, seat="s", order="", status="ok", **extra):
    return Verdict(judge="score", kind="pointwise", value=value, order=order, label=str(value),
                   status=status if value is not None or status != "ok" else "unparsable",
                   extra={"seat": seat, "judging": "j", **extra})  # fmt: skip


def judged(identity, *verdicts, owns=True, status="scored"):
    return with_verdicts(result(identity, status), verdicts, "j", FACTS, owns=owns)


def test_an_item_is_worth_the_mean_of_its_answers():
    made = [result("b", scores={"g": 1.0}), result("a", scores={"g": 0.5}), result("b", scores={"g": 0.0}), result("c")]
    assert scores_of(made, "g") == [0.5, 0.5] and scores_of(made, "h") == []


def test_an_estimate_on_another_scale():
    found = on_scale(Estimate(value=0.5, stderr=0.1, low=0.25, high=0.75, n=4), (1.0, 10.0))
    assert (found.value, found.stderr, found.low, found.high, found.n) == pytest.approx((5.5, 0.9, 3.25, 7.75, 4))
    assert on_scale(None, (1, 10)) is None


def test_verdicts_settle_an_answer_and_none_leaves_it_open():
    one = judged("1", verdict(0.75))
    assert (one.status, one.scores, len(one.verdicts)) == ("scored", {"grade": 0.75}, 1)
    none = judged("1", verdict(None))
    assert (none.status, none.scores) == ("unparsed", {})
    assert judged("1", verdict(None), owns=False).status == "scored"
    for status in ("error", "truncated"):
        assert judged("1", verdict(0.75), status=status).status == status
    again = with_verdicts(one, [verdict(0.25)], "j", FACTS, owns=True)
    assert again.scores == {"grade": 0.25} and len(again.verdicts) == 1
    lost = with_verdicts(one, [verdict(None)], "j", FACTS, owns=True)
    assert (lost.scores, lost.status) == ({}, "unparsed"), "a score that is not said any more is gone"


def test_what_judges_said_stays_when_an_answer_is_scored_anew():
    before = judged("1", verdict(0.75))
    assert kept(before, result("1"), True).scores == {"grade": 0.75}
    assert kept(result("1"), result("1", "wrong"), True) == result("1", "wrong")


def test_the_figures_of_a_judging():
    made = [judged("1", verdict(1.0), verdict(0.0, retest=1)), judged("2", verdict(0.5)), judged("3", verdict(None))]
    found = judgment_metrics(columns_of([*made, result("4")]))["j"]
    assert (found["score"], found["answers"], found["without_verdict"]) == ("grade", 3, 1)
    assert found["metrics"]["grade"]["value"] == 0.75 and found["metrics"]["grade"]["n"] == 2
    assert found["verdicts"] == {"ok": 2, "unparsable": 1, "refused": 0, "error": 0}
    assert found["labels"] == {"0.5": 1, "1.0": 1}, "a retest is counted nowhere"
    assert "panel" not in found
    assert judgment_metrics(columns_of([judged("1", verdict(None))]))["j"]["metrics"] == {}
    assert judgment_metrics(columns_of([result("4")])) == {}


def test_only_the_chosen_results_count_and_of_each_the_last():
    """Arrays of a judging go with those of the results: by group, without some, of a line that was written again."""
    writer = ColumnWriter()
    for made in (result("3"), judged("2", verdict(0.5)), judged("1", verdict(1.0)), judged("2", verdict(0.0))):
        writer.add(made)
    last = writer.columns(last=True)
    assert judgment_metrics(last)["j"]["labels"] == {"0.0": 1, "1.0": 1}
    first = judgment_metrics(last.where(np.array([True, False, True])))["j"]
    assert (first["answers"], first["labels"], first["metrics"]["grade"]["value"]) == (1, {"1.0": 1}, 1.0)
    assert judgment_metrics(last.where(np.array([2]))) == {}


@pytest.mark.parametrize("noted", ["x", {"j": "x"}, {"j": {}}, {"j": {"members": "x", "value": 1, "score": "s"}}])
def test_what_is_not_as_we_note_it_is_passed_over(noted):
    assert judgment_metrics(columns_of([result("1", detail={"judged": noted})])) == {}


def test_members_of_a_panel_are_told_apart():
    members = {"a": [1.0, 0.0, 1.0, 0.0], "b": [1.0, 0.0, np.nan, 0.0], "c": [0.0, 0.0, 1.0, 1.0]}
    found = panel_agreement({seat: np.array(values) for seat, values in members.items()}, ["a", "b", "c"])
    assert found["members"] == pytest.approx({"a": 0.5, "b": 1 / 3, "c": 0.5})
    assert found["without"]["a"] == pytest.approx((0.5 + 0 + 1 + 0.5) / 4)
    assert found["without"]["c"] == pytest.approx((1 + 0 + 1 + 0) / 4)
    assert found["split"] == 2 and list(found["kappa"]) == ["a / b", "a / c", "b / c"]
    assert found["kappa"]["a / b"] == pytest.approx(1.0) and found["kappa"]["a / c"] == pytest.approx(0.0)
    silent = panel_agreement({"a": np.array([1.0]), "b": np.array([np.nan])}, ["a", "b"])
    assert silent["members"] == {"a": 1.0, "b": None} and silent["split"] == 0


def test_how_often_both_orders_have_one_winner_is_of_the_answers_that_were_shown_in_both():
    both = [judged(str(n), verdict(1.0, order="AB"), verdict(float(n > 0), order="BA")) for n in range(4)]
    once = judged("once", verdict(1.0, order="AB"))
    (found,) = judgment_metrics(columns_of([*both, once])).values()
    assert found["same_winner_in_both_orders"]["value"] == 0.75 and found["same_winner_in_both_orders"]["n"] == 4
    (alone,) = judgment_metrics(columns_of([once])).values()
    assert "same_winner_in_both_orders" not in alone and alone["answers"] == 1
