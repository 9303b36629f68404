"""Each check of an audit by itself: what it counts, where it warns, and where it says that nothing can be known."""

import json
import math
from dataclasses import replace

import pytest
from judged_runs import ITEMS, fair, make

from evalharness.errors import DataError, UserError
from evalharness.judging.audit import checks
from evalharness.judging.audit.evidence import Evidence
from evalharness.judging.audit.examine import calibrate_judge, latest, read_labels, run_audit
from evalharness.runs.manifest import JudgingFacts, JudgingUsage
from evalharness.stats.intervals import bounded_mean, wilson


def evidence(tmp_path, items, seats, **rest):
    run = make(tmp_path, items, seats, **rest)
    return Evidence(run, "j", tuple(run.results()))


def once(value):
    """A judge that is asked in both orders and never again: `value` is a number, or made from answer, order, place."""
    return lambda answer, reference, order, n: (
        "skip" if n >= 1000 else value(answer, order, n) if callable(value) else value
    )


def in_turn(first, second):
    """A judge that sees each item in one order, every other item's answer first, with its value for either place."""
    return once(lambda answer, order, n: (first if order == "AB" else second) if order == ("AB", "BA")[n % 2] else "skip")  # fmt: skip # noqa: E501


def test_one_order_each_shows_a_preference_between_the_halves(tmp_path):
    (found,) = checks.position(evidence(tmp_path, ITEMS, {"a": in_turn(0.9, 0.3)}))
    assert found.name == "shown first minus shown second" and found.verdict == "WARN"
    assert (found.figure.value, found.figure.n) == (pytest.approx(0.6), 40)
    assert "order-balanced mean 0.6000" in found.says
    (found,) = checks.position(evidence(tmp_path, ITEMS, {"a": in_turn(0.53, 0.5)}, name="even"))
    assert found.verdict == "OK", "within .05 nobody is warned"
    (found,) = checks.position(evidence(tmp_path, ITEMS[:4], {"a": in_turn(0.9, 0.3)}, name="four"))
    assert found.figure.n == 4
    (found,) = checks.position(evidence(tmp_path, ITEMS[:3], {"a": in_turn(0.9, 0.3)}, name="three"))
    assert found.verdict == "not identifiable" and "too few verdicts" in found.says


def test_a_judge_that_prefers_the_second_is_told_and_ties_count_for_neither(tmp_path):
    second = once(lambda answer, order, n: 0.5 if n < 20 else 0.0 if order == "AB" else 1.0)
    same, prefers = checks.position(evidence(tmp_path, ITEMS, {"a": second}))
    assert (same.figure.value, same.verdict) == (0.5, "WARN")
    assert (prefers.figure.value, prefers.figure.n, prefers.verdict) == (0.0, 20, "WARN")
    assert "prefers the answer shown second" in prefers.says
    tie_in_one = once(lambda answer, order, n: 0.5 if order == "AB" else 0.0)
    _, prefers = checks.position(evidence(tmp_path, ITEMS, {"a": tie_in_one}, name="tie"))
    assert prefers.figure.value == 1.0, "the tie says nothing, the other verdict went to what was shown first"
    same, prefers = checks.position(evidence(tmp_path, ITEMS, {"a": once(0.5)}, name="ties"))
    assert same.verdict == "OK" and prefers.verdict == "not identifiable"


def test_equal_answers_which_no_judge_saw_are_in_no_position_figure(tmp_path):
    items = [("the same", "the same") if n < 30 else ("one", f"two {n}") for n in range(40)]
    same, prefers = checks.position(evidence(tmp_path, items, {"a": once(lambda a, order, n: float(order == "AB"))}))
    assert (same.figure.n, prefers.figure.n) == (10, 10)


FORMATS = {"lists": "Here:\n- one\n- two", "headers": "## Here\none", "bold": "It is **one**."}


@pytest.mark.parametrize("kind", FORMATS)
def test_a_taste_for_a_format_is_seen_where_one_of_two_answers_has_it(tmp_path, kind):
    formatted, plain = FORMATS[kind], "Here: one"
    items = [(formatted, plain) if n % 2 else (plain, formatted) for n in range(20)] + [
        (formatted, formatted + ".")
    ] * 5
    likes = once(lambda answer, order, n: 1.0 if answer == formatted else 0.0)
    found = {c.name: c for c in checks.formatting(evidence(tmp_path, items, {"a": likes}))}
    own = found.pop(f"prefers {kind}")
    assert (own.figure.value, own.figure.n, own.verdict) == (1.0, 20, "WARN")
    assert {c.verdict for c in found.values()} == {"not identifiable"}
    dislikes = once(lambda answer, order, n: 0.0 if answer == formatted else 1.0)
    found = {c.name: c for c in checks.formatting(evidence(tmp_path, items, {"a": dislikes}, name="other"))}
    assert (found[f"prefers {kind}"].figure.value, found[f"prefers {kind}"].verdict) == (0.0, "OK")


def test_five_decided_pairs_are_the_fewest_that_say_anything_of_a_format(tmp_path):
    items = [(f"- a list {n}", "plain") for n in range(7)]
    for decided, verdict in ((5, "OK"), (4, "not identifiable")):
        judge = once(lambda answer, order, n, decided=decided: (0.0 if n % 2 else 1.0) if n < decided else 0.5)
        lists = checks.formatting(evidence(tmp_path, items, {"a": judge}, name=f"of{decided}"))[0]
        assert lists.verdict == verdict and (lists.figure is None or lists.figure.n == decided)
    assert lists.says == "4 decided pairs differ in that"


def test_only_lengths_that_differ_clearly_say_whether_the_longer_wins(tmp_path):
    items = [("x" * (100 + 31 * (n % 2)) + f"{n:3}", "y" * 100 + f"{n:3}") for n in range(40)]
    longer, _ = checks.length(evidence(tmp_path, items, {"a": once(1.0)}))
    assert (longer.figure.value, longer.figure.n) == (1.0, 20)
    near = [("x" * 130, "y" * (100 + n % 2)) for n in range(40)]
    longer, _ = checks.length(evidence(tmp_path, near, {"a": once(1.0)}, name="near"))
    assert longer.verdict == "not identifiable" and "over 30 characters" in longer.says
    shorter, rate = checks.length(
        evidence(tmp_path, items, {"a": once(lambda a, o, n: float(n % 3 > 0))}, name="mixed")
    )
    assert shorter.verdict == "OK" and rate.name == "rate at equal length" and 0.5 < rate.figure.value < 0.8


def test_a_member_far_from_the_others_is_named(tmp_path):
    found = evidence(tmp_path, ITEMS, {"a": once(0.9), "b": once(0.5), "c": once(0.6)})
    gaps = {c.name: c for c in checks.panel_member_checks(found)}
    assert {name: round(c.figure.value, 6) for name, c in gaps.items()} == {
        "a minus the others": 0.35, "b minus the others": -0.25, "c minus the others": -0.1,
    }  # fmt: skip
    assert [c.verdict for c in gaps.values()] == ["WARN", "WARN", "OK"]
    silent = evidence(tmp_path, ITEMS, {"a": once(0.9), "b": once(None)}, name="silent")
    assert [c.figure for c in checks.panel_member_checks(silent)] == [None, None], "nobody is left to differ from"
    assert checks.panel_member_checks(evidence(tmp_path, ITEMS, {"a": once(0.9)}, name="one")) == []


@pytest.mark.parametrize(("cost", "price"), [(0.25, "$0.2500"), (None, "unknown price")])
def test_what_the_judging_took(tmp_path, cost, price):
    used = JudgingUsage(calls=10, cached=4, tokens_in=100, tokens_out=20, cost=cost)
    (found,) = checks.cost_checks(evidence(tmp_path, ITEMS, {"a": fair}, about=JudgingFacts(score="w", usage=used)))
    assert (found.figure.value, found.figure.n, found.verdict) == (0.4, 10, "OK")
    assert found.says == f"10 replies, 100 + 20 tokens, {price}"
    none = JudgingFacts(score="w", usage=JudgingUsage())
    (found,) = checks.cost_checks(evidence(tmp_path, ITEMS, {"a": fair}, about=none, name="none"))
    assert found.figure is None and found.says.startswith("0 replies")


@pytest.mark.parametrize(("empty", "verdict"), [(1, "OK"), (2, "WARN")])
def test_more_than_one_empty_answer_in_fifty_is_told(tmp_path, empty, verdict):
    items = [("  \n" if n < empty else f"answer {n}", f"reference {n}") for n in range(50)]
    found = {c.name: c for c in checks.outputs(evidence(tmp_path, items, {"a": fair}))}
    assert (found["empty answers"].verdict, found["empty answers"].figure.value) == (verdict, empty / 50)
    assert found["identical answers"].figure.value == (0.0 if empty == 1 else 0.04)


@pytest.mark.parametrize(("same", "of", "verdict"), [(2, 20, "OK"), (3, 20, "WARN"), (4, 100, "OK"), (5, 100, "WARN")])
def test_a_constant_answer_is_three_and_a_twentieth_of_all(tmp_path, same, of, verdict):
    items = [("The best." if n < same else f"answer {n}", f"reference {n}") for n in range(of)]
    identical = checks.outputs(evidence(tmp_path, items, {"a": fair}))[0]
    assert (identical.verdict, identical.figure.value) == (verdict, same / of)
    assert (f"{same} of {of} answers are the same text: 'The best.'" in identical.says) == (verdict == "WARN")


def test_the_noise_of_one_verdict_is_that_of_a_second_asking(tmp_path):
    def judge(answer, reference, order, n):
        return "skip" if order == "BA" else (0.7 if n % 2 else 0.3) if n < 1000 else (0.9 if n % 2 else 0.6)

    (found,) = checks.retest(evidence(tmp_path, ITEMS, {"a": judge}))
    assert (found.figure.value, found.figure.n, found.verdict) == (0.5, 40, "WARN")
    noise = math.sqrt((0.2**2 + 0.3**2) / 2 / 2)
    assert found.says == f"standard deviation of one verdict {noise:.4f}"


def test_the_answers_of_another_run_are_what_it_is_compared_with(tmp_path):
    make(tmp_path, [(f"other answer {n}", "r") for n in range(40)], {"a": fair}, name="other")
    found = evidence(tmp_path, ITEMS, {"a": fair}, about=JudgingFacts(score="w", against="other"))
    assert found.opponents["i3"] == "other answer 3"
    gone = evidence(tmp_path, ITEMS, {"a": fair}, about=JudgingFacts(score="w", against="gone"), name="alone")
    assert gone.opponents == {} and checks.length(gone)[0].verdict == "not identifiable"


def labels_of(tmp_path, rows):
    path = tmp_path / "labels.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_labels_drawn_with_unequal_chances_count_by_them(tmp_path):
    run = make(tmp_path, ITEMS, {"a": fair})
    rows = [{"id": f"i{n}", "label": 1.0, "chance": 0.5 if n % 2 else 0.25} for n in range(12)]
    human = read_labels(labels_of(tmp_path, rows), Evidence(run, "j", tuple(run.results())))
    assert human.weights(["i0", "i1"]) == [4.0, 2.0]
    # The judge agrees on the odd items only, each of which stands for two where an even one stands for four.
    agreement = {c.name: c for c in run_audit(run, labels=tmp_path / "labels.jsonl").checks}["agreement"]
    assert agreement.figure.value == pytest.approx(1 / 3)
    alike = [{"id": f"i{n}", "label": 1.0} for n in range(12)]
    human = read_labels(labels_of(tmp_path, alike), Evidence(run, "j", tuple(run.results())))
    assert human.weights(["i0"]) is None and human.share(["i0", "i1"], [True, False]) == wilson(1, 2)


@pytest.mark.parametrize("chance", [0, 1.5, True, "half"])
def test_a_chance_is_above_0_and_up_to_1(tmp_path, chance):
    found = evidence(tmp_path, ITEMS, {"a": fair})
    rows = [{"id": "i0", "label": 0, "chance": 1}, {"id": "i1", "label": 1, "chance": chance}]
    with pytest.raises(DataError, match=r"row 2: wanted a chance above 0 and up to 1, there is "):
        read_labels(labels_of(tmp_path, rows), found)


def test_chances_are_of_all_labels_or_of_none(tmp_path):
    found = evidence(tmp_path, ITEMS, {"a": fair})
    rows = [{"id": "i0", "label": 0, "chance": 1}, {"id": "i1", "label": 1}]
    with pytest.raises(DataError, match="1 of 2 labels have a chance"):
        read_labels(labels_of(tmp_path, rows), found)


def test_calibration_says_what_was_left_out_and_how_people_and_judge_differ(tmp_path):
    half_silent = once(lambda answer, order, n: None if n < 2 else 1.0 if n % 4 else 0.0)
    run = make(tmp_path, ITEMS, {"a": half_silent})
    path = labels_of(tmp_path, [{"id": f"i{n}", "label": n % 2} for n in range(14)])
    found = calibrate_judge(run, None, path, 0.05)
    assert found.notes == ("2 labelled items have no verdict and were left out",)
    # Judge: items 4, 8 and 12 are worse, all others better; people: the odd ones are better.
    assert found.confusion == {"better": {"better": 6}, "worse": {"better": 3, "worse": 3}}
    assert found.figures["agreement"] == wilson(9, 12)
    assert found.figures["judge only"].value == bounded_mean([1.0] * 29 + [0.0] * 9).value
    kept = json.loads((run.path / "labels.json").read_text())
    assert (kept["judging"], kept["score"], len(kept["labels"])) == ("j", "win_rate", 14)


def test_answers_graded_one_by_one_have_no_position_and_no_other_answer(tmp_path):
    run = make(tmp_path, ITEMS, {"a": fair})
    graded = tuple(
        replace(r, verdicts=tuple(replace(v, kind="pointwise", order="") for v in r.verdicts[:1]))
        for r in run.results()
    )
    found = Evidence(run, "j", graded)
    (position,), (length,) = checks.position(found), checks.length(found)
    assert position.verdict == "not identifiable" and "graded one by one" in position.says
    assert length.verdict == "not identifiable"


def test_answers_that_are_not_in_the_run_say_nothing(tmp_path):
    (found,) = checks.outputs(evidence(tmp_path, [("", f"r {n}") for n in range(5)], {"a": once(0.5)}))
    assert found.verdict == "not identifiable" and "not in the run" in found.says


def test_the_latest_judged_run_is_found_past_broken_ones(tmp_path):
    judged = JudgingFacts(score="w")
    with pytest.raises(UserError, match=r"no run in .* was judged; judge one first"):
        latest(tmp_path / "runs")
    make(tmp_path, ITEMS[:2], {"a": fair}, name="one", about=judged)
    two = make(tmp_path, ITEMS[:2], {"a": fair}, name="two", about=judged)
    make(tmp_path, ITEMS[:2], {"a": fair}, name="unjudged")
    broken = make(tmp_path, ITEMS[:2], {"a": fair}, name="zz-broken", about=judged)
    (broken.path / "run.json").write_text("{")
    assert latest(tmp_path / "runs").path == two.path


def test_labels_of_items_without_verdict_agree_with_nobody(tmp_path):
    silent = make(tmp_path, ITEMS[:4], {"a": once(None)})
    path = labels_of(tmp_path, [{"id": "i0", "label": 1}])
    found = {c.name: c for c in run_audit(silent, labels=path).checks}["agreement"]
    assert found.verdict == "not identifiable" and "no labelled item has a verdict" in found.says


def test_a_tie_that_a_judge_gave_counts_and_one_by_rule_does_not(tmp_path):
    run = make(tmp_path, ITEMS, {"a": once(0.5)})
    labelled = lambda label: tuple(
        replace(r, verdicts=tuple(replace(v, label=label) for v in r.verdicts)) for r in run.results()
    )
    same, _ = checks.position(Evidence(run, "j", labelled("tie")))
    assert (same.figure.value, same.figure.n) == (1.0, 40)
    (nothing,) = checks.position(Evidence(run, "j", labelled("same")))
    assert nothing.figure is None and nothing.verdict == "not identifiable"


def test_each_member_of_a_panel_is_held_against_its_own_first_verdict(tmp_path):
    seats = {"a": lambda *asked: 1.0, "b": lambda *asked: 0.0}
    (found,) = checks.retest(evidence(tmp_path, ITEMS[:10], seats))
    assert (found.figure.value, found.figure.n) == (0.0, 40) and "0.0000" in found.says


def test_an_audit_with_labels_holds_the_judge_against_people(tmp_path):
    lenient = lambda answer, reference, order, n: "skip" if n >= 1000 else (None if n == 0 and order == "AB" else 1.0)
    run = make(tmp_path, ITEMS, {"pairwise=openai:gpt-4o": lenient}, model="openai:gpt-4.1-mini")
    labels = labels_of(tmp_path, [{"id": f"i{n}", "label": n % 2} for n in range(40)])
    found = run_audit(run, labels=labels)
    kinder = next(c for c in found.checks if c.section == "self-preference")
    assert kinder.verdict == "WARN" and kinder.figure.value == pytest.approx(19 / 39)
    both = next(c for c in found.checks if c.name == "right in both orders")
    assert (both.figure.value, both.figure.n) == (pytest.approx(20 / 39), 39), "of the first there is one order only"
    said = found.as_json()
    assert said["judging"] == "j" and said["warnings"] == sum(c.verdict == "WARN" for c in found.checks) > 0
    assert len(said["checks"]) == len(found.checks)
    assert not any(c.section == "humans" for c in run_audit(run).checks)
