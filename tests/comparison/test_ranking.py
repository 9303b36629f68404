"""Several runs in one table: ranks, and the ranks that are possible."""

import csv
import io
import re

import numpy as np
import pytest
from run_folders import letters, line, make_run, write_run

from evalharness.comparison.ranking import rank_runs
from evalharness.errors import Exit, UserError
from evalharness.report.ranking import ranking_as


def many(tmp_path, shares, n=300, benchmarks=("quiz", "exam"), seed=0):
    """Runs of several benchmarks whose models are right with these shares."""
    draw = np.random.default_rng(seed)
    made = []
    for name, share in shares.items():
        lines = []
        for benchmark in benchmarks:
            lines += letters(benchmark, "".join("1" if right else "0" for right in draw.random(n) < share))
        made.append(str(write_run(tmp_path / name, lines, model={"name": f"model-{name}", "fingerprint": name})))
    return made


def test_ranks_and_the_ranks_that_are_possible(tmp_path):
    found = rank_runs(many(tmp_path, {"low": 0.3, "twin": 0.7, "other": 0.7, "top": 0.95}))
    assert next(run.name for run in found.runs) == "top"
    overall = {run.name: run.overall for run in found.runs}
    assert (overall["top"].rank, overall["top"].best, overall["top"].worst) == (1, 1, 1)
    assert (overall["low"].rank, overall["low"].best, overall["low"].worst) == (4, 4, 4)
    for name in ("twin", "other"):
        assert (overall[name].best, overall[name].worst) == (2, 3)
    top = found.runs[0]
    assert top.mean.value == pytest.approx(np.mean([one.value for one in top.figures.values()]), rel=1e-12)
    assert found.joint == ("quiz", "exam")


@pytest.mark.slow
def test_models_that_are_alike_are_seldom_told_apart(tmp_path):
    apart = 0
    for seed in range(20):
        found = rank_runs(many(tmp_path / str(seed), {"a": 0.6, "b": 0.6, "c": 0.6}, n=100, seed=seed))
        apart += any(run.overall.best > 1 or run.overall.worst < 3 for run in found.runs)
    assert apart <= 4, "5 % are promised: more than 4 of 20 come in less than 3 of 1,000 tries"


def test_a_benchmark_that_one_lacks_is_left_out_of_the_mean(tmp_path):
    runs = many(tmp_path, {"a": 0.5, "b": 0.9})
    third = str(make_run(tmp_path / "c", "10" * 150, benchmark="quiz"))
    found = rank_runs([*runs, third])
    assert (found.joint, set(found.benchmarks)) == (("quiz",), {"quiz", "exam"})
    assert "not in the mean" in found.notes[0]
    c = next(run for run in found.runs if run.name == "c")
    assert set(c.ranks) == {"quiz"}
    exam = next(run for run in found.runs if run.name == "b").ranks["exam"]
    assert (exam.rank, exam.best, exam.worst) == (1, 1, 1)


def test_the_mean_of_several_figures_and_of_one(tmp_path):
    """Of one benchmark it is the figure itself; of several, the error of a mean of independent figures."""
    runs = many(tmp_path, {"none": 0.0, "some": 0.4}, n=100)
    found = {run.name: run for run in rank_runs(runs).runs}
    assert found["none"].mean.value == 0.0 and found["none"].mean.low == 0.0
    figures, mean = list(found["some"].figures.values()), found["some"].mean
    half = np.hypot(*(one.high - one.low for one in figures)) / 2 / len(figures)
    assert (mean.low, mean.high) == pytest.approx((mean.value - half, mean.value + half), rel=1e-12)
    assert mean.n == sum(one.n for one in figures) and half == pytest.approx(1.959964 * mean.stderr, rel=1e-6)

    alone = many(tmp_path / "alone", {"none": 0.0, "some": 0.4}, n=100, benchmarks=("quiz",))
    for run in rank_runs(alone).runs:
        assert run.mean == run.figures["quiz"]


def test_less_is_better_and_no_range(tmp_path, monkeypatch):
    monkeypatch.setattr("evalharness.comparison.ranking.lower_is_better", lambda name, metric=None: metric == "wer")
    draw = np.random.default_rng(0)
    runs = []
    for name, level in (("a", 2.0), ("b", 9.0)):
        lines = [line("asr", f"q/{i}", "scored", float(v), metric="wer") for i, v in enumerate(level + draw.random(60))]
        runs.append(str(make_run(tmp_path / name, lines=lines)))
    found = rank_runs(runs)
    assert {run.name: run.ranks["asr"].worst for run in found.runs} == {"a": 1, "b": 2}
    assert found.joint == ()
    assert all(run.overall is None for run in found.runs)


def test_every_form_holds_every_run_and_no_markup_of_theirs(tmp_path):
    runs = many(tmp_path, {"a": 0.5, "b": 0.9}, benchmarks=("<b>_x|y", "=1+1"))
    found = rank_runs(runs)
    for form in ("terminal", "markdown", "html", "csv", "latex", "json"):
        made = ranking_as(found, form)
        text = made.decode() if isinstance(made, bytes) else made
        assert "model" in text and "a" in text, form
    assert "<b>" not in ranking_as(found, "html")
    rows = list(csv.DictReader(io.StringIO(ranking_as(found, "csv"))))
    assert len(rows) == 6
    assert {row["benchmark"] for row in rows} == {"<b>_x|y", "'=1+1", "(mean)"}
    tabular = ranking_as(found, "latex")
    assert r"\_x|y" in tabular and tabular.count(r"\\") == 3
    table = ranking_as(found, "markdown").splitlines()
    assert len({len(re.split(r"(?<!\\)\|", row)) for row in table[:4]}) == 1
    with pytest.raises(UserError, match="did you mean latex"):
        ranking_as(found, "latx")


def test_what_cannot_be_ranked(tmp_path, evalh):
    a, b = many(tmp_path, {"a": 0.5, "b": 0.9})
    other = str(make_run(tmp_path / "c", "10" * 150, facts={"data": {"sha256": "e" * 64}}))
    assert evalh("leaderboard", a).code == 2
    assert evalh("leaderboard", a, a).code == 2
    for alpha in ("0.9", "0.5", "0"):
        assert evalh("leaderboard", a, b, "--alpha", alpha).code == 2
    assert evalh("leaderboard", a, "nowhere").code == 2
    said = evalh("leaderboard", a, other)
    assert (said.code, "data of a and c differ" in said.err) == (4, True)
    assert evalh("leaderboard", a, other, "--allow-mismatch").code == 0
    alone = str(make_run(tmp_path / "d", "10" * 10, benchmark="else"))
    with pytest.raises(UserError, match="share no benchmark") as caught:
        rank_runs([a, alone])
    assert caught.value.exit_code == Exit.NOT_COMPARABLE


@pytest.mark.slow
def test_the_command_writes_the_form_of_the_file(tmp_path, evalh):
    a, b = many(tmp_path, {"a": 0.5, "b": 0.9})
    for file, start in (
        ("x.html", "<!doctype html>"),
        ("x.csv", "run,model"),
        ("x.tex", "% needs"),
        ("x.md", "| rank"),
    ):
        assert evalh("leaderboard", a, b, "--output", file).code == 0
        assert (tmp_path / file).read_text().startswith(start)
    assert evalh("leaderboard", a, b, "--json").json["runs"][0]["name"] == "b"
    assert "hold together at 95 %" in evalh("leaderboard", a, b).out


def test_the_overall_rank_is_over_all_benchmarks_with_the_error_of_their_mean(tmp_path):
    """Alike in the first benchmark and apart in the second: the mean tells them apart, 10 items of 400 and no more."""

    def run(name, right):
        lines = [*letters("exam", "10" * 100), *letters("quiz", "1" * right + "0" * (200 - right))]
        return str(write_run(tmp_path / name, lines, model={"name": name, "fingerprint": name}))

    clear = {one.name: one.overall for one in rank_runs([run("a", 100), run("b", 112)]).runs}
    assert (clear["b"].worst, clear["a"].best) == (1, 2)
    open_ = {one.name: one.overall for one in rank_runs([run("c", 100), run("d", 101)]).runs}
    assert (open_["d"].rank, open_["d"].worst, open_["c"].best) == (1, 2, 1)


def test_of_one_benchmark_the_overall_range_is_its_own(tmp_path):
    """Six flips, all one way: p is 1 / 32 by the exact test of flips."""
    sides = [make_run(tmp_path / "a", "1" * 54 + "0" * 46), make_run(tmp_path / "b", "1" * 60 + "0" * 40)]
    for alpha, best in ((0.03, 1), (0.032, 2)):
        found = {run.name: run for run in rank_runs([str(side) for side in sides], alpha=alpha).runs}
        assert found["a"].overall == found["a"].ranks["quiz"]
        assert (found["a"].overall.best, found["b"].overall.worst) == (best, 3 - best)


def test_a_run_without_a_value_for_many_items_is_noted(tmp_path):
    base = str(make_run(tmp_path / "a", "10" * 50))
    few, many_ = (
        str(make_run(tmp_path / name, "e" * count + "1" * (100 - count))) for name, count in (("b", 2), ("c", 3))
    )
    assert not [note for note in rank_runs([base, few]).notes if "has a value for" in note]
    (note,) = [note for note in rank_runs([base, many_]).notes if "has a value for" in note]
    assert "c has a value for 97 of 100 items" in note
