"""Two runs become a verdict: what is worse, what is not, and what cannot be compared."""

import numpy as np
import pytest
from run_folders import letters, line, make_run, write_run

from evalharness.comparison.align import align_scores
from evalharness.comparison.compare import Options, compare_runs, exit_code
from evalharness.comparison.decide import Noise, paired
from evalharness.comparison.inputs import open_side
from evalharness.comparison.rules import TaskRule
from evalharness.errors import Exit, UserError


def compared(base, new, **options):
    return compare_runs(open_side(str(base)), open_side(str(new)), Options(**options))


def one(base, new, **options):
    return compared(base, new, **options).tasks[0]


def test_flips_add_up_with_the_difference_exactly(tmp_path):
    base, new = make_run(tmp_path / "a", "1" * 90 + "0" * 10), make_run(tmp_path / "b", "1" * 60 + "0" * 33 + "1" * 7)
    task = one(base, new)
    assert (task.fixed, task.broke, task.n) == (7, 30, 100)
    assert task.difference == (task.fixed - task.broke) / task.n
    assert (task.verdict, task.gate, task.method) == ("worse", "fail", "tango")
    back = one(new, base)
    assert (back.verdict, back.gate) == ("better", "pass")


@pytest.mark.parametrize(("n", "verdict", "gate"), [(132, "can't tell", "inconclusive"), (133, "same", "pass")])
def test_a_run_against_itself_passes_only_with_enough_items(tmp_path, n, verdict, gate):
    run = make_run(tmp_path / "a", "10" * (n // 2) + "1" * (n % 2))
    task = one(run, run)
    assert (task.verdict, task.gate, task.fixed, task.broke) == (verdict, gate, 0, 0)
    assert task.detectable > 0
    if gate == "inconclusive":
        assert task.items_to_decide == 133
        assert "133 items" in task.reason


def test_a_gain_that_rules_a_loss_out_passes_though_its_size_is_open(tmp_path):
    base, new = make_run(tmp_path / "a", "0" * 20 + "1" * 180), make_run(tmp_path / "b", "1" * 5 + "0" * 15 + "1" * 180)
    task = one(base, new)
    assert (task.verdict, task.gate) == ("can't tell", "pass")
    assert "surely a gain" in task.reason


def test_graded_scores_that_lean_take_the_score_test_and_crossings_of_one_half_are_flips(tmp_path):
    draw = np.random.default_rng(0)
    values = draw.random(200)
    lower = np.clip(values - 0.3, 0, 1)
    runs = [
        make_run(
            tmp_path / name, lines=[line("qa", f"q/{i}", "scored", float(v), metric="f1") for i, v in enumerate(vs)]
        )
        for name, vs in (("a", values), ("b", lower))
    ]
    task = one(*runs)
    assert (task.verdict, task.metric, task.method) == ("worse", "f1", "paired score")
    assert task.broke == int(np.sum((values > 0.5) & (lower <= 0.5)))
    assert task.samples[0].base - task.samples[0].new >= task.samples[1].base - task.samples[1].new


def test_several_answers_per_item_are_compared_by_their_means(tmp_path):
    def lines(p, seed):
        draw = np.random.default_rng(seed)
        return [
            line("code", f"p/{i}", "correct" if right else "wrong", float(right), repeat=k)
            for i in range(80)
            for k, right in enumerate(draw.random(4) < p)
        ]

    base, new = write_run(tmp_path / "a", lines(0.9, 1)), write_run(tmp_path / "b", lines(0.5, 2))
    task = one(base, new)
    assert (task.n, task.method, task.verdict) == (80, "paired score", "worse")
    assert task.difference == pytest.approx(task.new - task.base)


def test_clusters_widen_the_interval_and_never_fall_below_tango(tmp_path):
    base, new = (
        make_run(tmp_path / "a", "1" * 200, groups=20),
        make_run(tmp_path / "b", "1" * 180 + "0" * 20, groups=20),
    )
    plain, clustered = one(base, new), one(base, new, clusters="group")
    assert (clustered.method, clustered.clusters) == ("clustered score", 20)
    assert clustered.high - clustered.low > plain.high - plain.low
    same = one(base, base, clusters="group")
    assert same.low <= one(base, base).low
    with pytest.raises(UserError, match=r"clusters=author: .* has no such field; there is group"):
        one(base, new, clusters="author")


def test_what_a_verdict_cannot_promise_is_said(tmp_path):
    runs = [make_run(tmp_path / name, "1" * 140, groups=20) for name in "ab"]
    plain, clustered = one(*runs), one(*runs, clusters="group")
    assert plain.gate == "pass" and any("in 5.9 % of runs" in note for note in plain.notes)
    assert clustered.gate == "inconclusive" and any("only 20 clusters" in note for note in clustered.notes)
    broken = make_run(tmp_path / "c", "1" * 133 + "0" * 7, groups=20)
    told = one(runs[0], broken, clusters="group")
    assert told.gate == "inconclusive", "one broken cluster of twenty"
    assert any("few clusters carry the change" in note for note in told.notes)


def test_a_field_of_the_sample_can_be_the_cluster(tmp_path):
    lines = [line("quiz", f"g/{i}", "correct", 1.0, extra={"passage": f"p{i // 4}"}) for i in range(40)]
    run = write_run(tmp_path / "a", lines)
    assert one(run, run, clusters="passage").clusters == 10


def test_missing_and_failed_items_are_counted_and_bounded(tmp_path):
    base = make_run(tmp_path / "a", "1" * 500)
    new = make_run(tmp_path / "b", "1" * 495 + "e" * 5)
    task = one(base, new)
    assert (task.n, task.total, task.missing, task.missing_base, task.missing_new) == (495, 500, 5, 0, 5)
    assert task.difference == 0
    assert task.low < -0.01
    assert any("5 in NEW" in note for note in task.notes)


def test_the_p_value_of_a_loss_is_that_of_the_best_the_missing_values_could_be(tmp_path):
    """Every value that is missing counts for NEW: right where NEW lacks it, wrong where BASE does."""
    base, new = "1" * 180 + "0" * 15 + "e" * 5, "1" * 165 + "0" * 15 + "e" * 10 + "0" * 10
    best_base, best_new = base.replace("e", "0"), new.replace("e", "1")
    worst_base, worst_new = base.replace("e", "1"), new.replace("e", "0")
    one_side = [make_run(tmp_path / "a", base), make_run(tmp_path / "b", new)]
    task = one(*one_side)
    best = one(make_run(tmp_path / "c", best_base), make_run(tmp_path / "d", best_new))
    worst = one(make_run(tmp_path / "e", worst_base), make_run(tmp_path / "f", worst_new))
    assert (task.missing, task.missing_base, task.missing_new) == (15, 5, 10)
    assert task.p_worse == best.p_worse > 5 * worst.p_worse
    assert (task.low, task.high) == (worst.low, best.high)
    found = measured_alone(*one_side)
    assert task.p_worse > found.p_worse(task.margin), "the items that are there prove more than all of them do"


def test_values_that_are_missing_never_prove_a_loss(tmp_path):
    """Eight of four hundred are gone: twelve that broke prove what they would had the eight been right."""
    base = make_run(tmp_path / "a", "1" * 400)
    few = one(base, make_run(tmp_path / "b", "1" * 380 + "0" * 12 + "e" * 8))
    assert few.missing == 8 and few.p_worse == one(base, make_run(tmp_path / "c", "1" * 388 + "0" * 12)).p_worse
    assert few.p_worse > 0.05 and few.gate == "inconclusive"


def measured_alone(base, new):
    """The paired figures of the items that both sides have."""
    sides = [open_side(str(side)).scores({"quiz": "accuracy"})["quiz"] for side in (base, new)]
    joined = align_scores(*sides, common_only=False)
    rows = joined.known
    return paired(joined, joined.new[rows] - joined.base[rows], rows, 0.90)


def test_answers_without_a_verdict_are_missing_not_zero(tmp_path):
    base = make_run(tmp_path / "a", lines=[line("qa", f"q/{i}", "scored", 1.0, metric="win_rate") for i in range(100)])
    new = [
        line("qa", f"q/{i}", "scored" if i else "unparsed", 1.0 if i else None, metric="win_rate") for i in range(100)
    ]
    task = one(base, write_run(tmp_path / "b", new))
    assert (task.n, task.missing_new, task.difference, task.p_change) == (99, 1, 0, 1)
    assert not any("counted as 0" in note for note in task.notes)


def test_errors_cannot_hide_a_loss(tmp_path):
    base = make_run(tmp_path / "a", "1" * 400)
    new = make_run(tmp_path / "b", "1" * 392 + "e" * 8)
    task = one(base, new)
    assert task.gate == "inconclusive"


def test_too_many_missing_items_leave_the_comparison_incomplete(tmp_path):
    base, new = make_run(tmp_path / "a", "1" * 200), make_run(tmp_path / "b", "1" * 180 + "e" * 20)
    found = compared(base, new)
    assert found.verdict == "incomplete"
    assert exit_code(found, gate=True) == Exit.NOT_WHOLE


def test_a_proven_drop_stays_worse_whatever_the_missing_items_are(tmp_path):
    base, new = make_run(tmp_path / "a", "1" * 200), make_run(tmp_path / "b", "0" * 180 + "e" * 20)
    found = compared(base, new)
    assert found.verdict == "worse"
    assert exit_code(found, gate=True) == Exit.GATE_FAILED


def test_a_drop_that_rests_on_unread_answers_says_so(tmp_path):
    base, new = make_run(tmp_path / "a", "1" * 100), make_run(tmp_path / "b", "1" * 70 + "u" * 25 + "t" * 5)
    task = one(base, new)
    assert task.verdict == "worse"
    assert task.unread_bounds == pytest.approx((-0.3, 0.0))
    assert "could not be read" in task.reason
    assert task.counts["flips"] == {"correct → unparsed": 25, "correct → truncated": 5}


@pytest.mark.parametrize(
    ("field", "facts"),
    [
        ("data", {"data": {"sha256": "f" * 64}}),
        ("prompt", {"prompt_sha256": "b" * 64}),
        ("mode", {"mode": "rank"}),
        ("shots", {"shots": 5}),
        ("judge", {"judge": {"judging": "pairwise"}}),
        ("items", {"items": 12}),
    ],
)
def test_runs_that_differ_in_what_decides_are_refused_by_name(tmp_path, field, facts):
    base, new = make_run(tmp_path / "a", "1" * 200), make_run(tmp_path / "b", "1" * 200, facts=facts)
    found = compared(base, new)
    assert found.verdict == "not comparable"
    assert found.tasks[0].reason.startswith(f"{field} differs (")
    assert f"--allow-mismatch {field}" in found.tasks[0].reason
    assert exit_code(found, gate=False) == Exit.NOT_COMPARABLE
    allowed = compared(base, new, allow=frozenset({field}))
    assert allowed.verdict == "same"
    assert allowed.allowed[0].startswith(f"quiz: {field} differs")


def test_other_sampling_is_refused_but_not_another_seed(tmp_path):
    base = make_run(tmp_path / "a", "1" * 200)
    hot = make_run(tmp_path / "b", "1" * 200, sampling={"temperature": 1.0, "seed": 0})
    seed = make_run(tmp_path / "c", "1" * 200, sampling={"temperature": 0.0, "seed": 7})
    assert one(base, hot).reason.startswith("sampling differs (temperature 0.0 in BASE, temperature 1.0 in NEW)")
    assert one(base, seed).verdict == "same"


def test_runs_of_different_benchmarks_are_not_comparable(tmp_path):
    base, new = make_run(tmp_path / "a", "1" * 200), make_run(tmp_path / "b", "1" * 200, benchmark="other")
    found = compared(base, new)
    assert {task.verdict for task in found.tasks} == {"not comparable"}
    assert "only BASE has it" in found.tasks[0].reason


def test_what_both_have_is_compared_when_asked(tmp_path):
    base = make_run(tmp_path / "a", lines=letters("x", "1" * 200) + letters("y", "1" * 200))
    new = make_run(tmp_path / "b", "1" * 200, benchmark="x")
    assert compared(base, new).verdict == "not comparable"
    assert compared(base, new, allow=frozenset({"benchmarks"})).verdict == "same"
    assert compared(base, new, benchmarks=("x",)).verdict == "same"
    with pytest.raises(UserError, match="neither run has a benchmark 'z'"):
        compared(base, new, benchmarks=("z",))
    with pytest.raises(UserError, match=r"allow_mismatch 'dta' \(did you mean data\?\)"):
        compared(base, new, allow=frozenset({"dta"}))


def test_holm_over_tasks_and_a_pass_needs_every_task(tmp_path):
    names = [f"t{i}" for i in range(12)]
    same = [one for name in names[1:] for one in letters(name, "1" * 200)]
    base = make_run(tmp_path / "a", lines=letters("t0", "1" * 100) + same)
    # Alone t0 is worse at 5 % (p = .02), not after Holm over twelve tasks.
    new = make_run(tmp_path / "b", lines=letters("t0", "0" * 6 + "1" * 94) + same)
    alone, among = compared(base, new, benchmarks=("t0",)), compared(base, new)
    assert (alone.verdict, alone.gate) == ("worse", "fail")
    assert (among.tasks[0].verdict, among.gate) == ("can't tell", "inconclusive")
    assert "Holm" in among.tasks[0].reason
    assert all(task.gate == "pass" for task in among.tasks[1:])


def test_margins_per_benchmark_and_family():
    options = Options(margin=0.02, margins={"glue": 0.05, "glue/cola": 0.1})
    assert [options.margin_of(name) for name in ("mmlu", "glue/rte", "glue/cola")] == [0.02, 0.05, 0.1]


def test_exit_codes_of_the_gate(tmp_path):
    good, small = make_run(tmp_path / "a", "1" * 200), make_run(tmp_path / "b", "1" * 20)
    inconclusive, passing = compared(small, small), compared(good, good)
    assert exit_code(inconclusive, gate=True) == Exit.FINE
    assert exit_code(inconclusive, gate=True, policy="require-pass") == Exit.INCONCLUSIVE
    assert exit_code(inconclusive, gate=False) == Exit.FINE
    assert exit_code(passing, gate=True, policy="require-pass") == Exit.FINE


def test_below_thirty_items_a_bootstrap_interval_stands_beside(tmp_path):
    base, new = make_run(tmp_path / "a", "1" * 20), make_run(tmp_path / "b", "1" * 15 + "0" * 5)
    task = one(base, new)
    assert task.bootstrap is not None
    assert any("small sample" in note for note in task.notes)


def test_slices_show_where_it_broke(tmp_path):
    base, new = make_run(tmp_path / "a", "1" * 200, groups=4), make_run(tmp_path / "b", "0" * 40 + "1" * 160, groups=4)
    first = next(part for part in one(base, new).slices if part.field == "group")
    assert (first.value, first.broke, first.n) == ("g0", 40, 50)
    assert first.p < 1e-6


def test_slice_p_values_are_fishers(tmp_path):
    from scipy.stats import fisher_exact

    base, new = (
        make_run(tmp_path / "a", "1" * 100, groups=2),
        make_run(tmp_path / "b", "0" * 9 + "1" * 86 + "0" * 5, groups=2),
    )
    part = {one.value: one for one in one(base, new).slices if one.field == "group"}
    wanted = [fisher_exact([[k, 50 - k], [14 - k, 36 + k]], alternative="greater").pvalue for k in (9, 5)]
    assert part["g0"].p == pytest.approx(min(2 * wanted[0], wanted[1]))


def test_flaky_items_of_an_aa_run_are_marked(tmp_path):
    import json

    base, new = make_run(tmp_path / "a", "1" * 100), make_run(tmp_path / "b", "0" * 10 + "1" * 90)
    (base / "flaky.json").write_text(json.dumps({"benchmarks": {"quiz": {"rate": 0.02, "n": 100, "ids": ["g0/3"]}}}))
    task = one(base, new)
    assert [s.id for s in task.samples if s.flaky] == ["g0/3"]
    assert task.flaky == Noise(rate=0.02, n=100, expected=2.0)


def test_few_clusters_do_not_contradict_their_own_interval(tmp_path):
    """All of a group breaks together: what the interval leaves open, no p value and no power may close."""
    base = [line("quiz", f"{g}/{i}", "correct", 1.0, group=str(g)) for g in range(3) for i in range(20)]
    new = [
        line("quiz", f"{g}/{i}", "wrong" if g < 2 and i else "correct", float(not (g < 2 and i)), group=str(g))
        for g in range(3)
        for i in range(20)
    ]
    sides = [open_side(str(write_run(tmp_path / name, lines))) for name, lines in (("a", base), ("b", new))]
    task = compare_runs(*sides, Options(clusters="group")).tasks[0]
    assert task.low < -0.02 < task.high and task.p_change > 0.01
    assert task.detectable > abs(task.difference) or task.verdict == "worse"
    assert task.items_to_decide is None and not any("whatever the margin" in note for note in task.notes)
    assert "more clusters would have to decide (there are 3)" in task.reason
    back = compare_runs(*reversed(sides), Options(clusters="group")).tasks[0]
    assert back.p_change == pytest.approx(task.p_change), "a gain is as uncertain as the drop"


def test_a_relative_margin_decides_and_is_shown(tmp_path):
    base, new = make_run(tmp_path / "a", "1" * 40 + "0" * 960), make_run(tmp_path / "b", "1" * 25 + "0" * 975)
    wide = one(base, new)
    assert (wide.verdict, wide.margin) == ("can't tell", 0.02)
    guarded = one(base, new, rules={"quiz": TaskRule(relative_guard=0.1)})
    assert (guarded.verdict, guarded.gate, guarded.margin) == ("worse", "fail", pytest.approx(0.004, rel=1e-12))
    assert "10 % of BASE" in guarded.notes[0]
    assert one(base, new, rules={"quiz": TaskRule(relative_margin=0.9)}).gate == "pass"


def test_an_unknown_metric_is_a_mistake_in_the_command(tmp_path, evalh):
    base, new = make_run(tmp_path / "a", "10" * 20), make_run(tmp_path / "b", "10" * 20)
    said = evalh("compare", base, new, "--metric", "accurracy")
    assert (said.code, "did you mean accuracy?" in said.err) == (2, True)
    assert evalh("compare", base, new, "--metric", "accuracy").code == 0
    assert evalh("baseline", "set", base, "--metric", "f1").code == 2


@pytest.mark.parametrize("top", [1.0, 30.0])
def test_where_less_is_better_a_rise_is_the_loss(tmp_path, monkeypatch, top):
    less = lambda benchmark, figure=None: figure == "wer"
    monkeypatch.setattr("evalharness.comparison.by_content.lower_is_better", less)
    draw = np.random.default_rng(3)
    values = draw.random(300) * 0.5
    sides = {}
    for name, rises in (("a", np.zeros(300)), ("b", 0.2 + 0.01 * (np.arange(300) % 3 - 1))):
        worth = (top * (values + rises)).tolist()
        lines = [line("asr", f"q/{i}", "scored", v, metric="wer") for i, v in enumerate(worth)]
        sides[name] = make_run(tmp_path / name, lines=lines)
    margin = {"asr": 0.02}
    rise, fall = one(sides["a"], sides["b"], margins=margin), one(sides["b"], sides["a"], margins=margin)
    assert (rise.verdict, rise.gate, fall.verdict, fall.gate) == ("worse", "fail", "better", "pass")
    assert rise.difference == pytest.approx(0.2 * top, rel=1e-9)
    assert rise.new - rise.base == pytest.approx(rise.difference, rel=1e-9)
    assert rise.low <= rise.difference <= rise.high
    if top == 1.0:
        assert (rise.broke > 0, rise.fixed) == (True, 0)
        assert rise.samples[0].new > 0.5 > rise.samples[0].base, "values are shown as they are"
