"""One benchmark over time, from folders of runs and baselines."""

import csv
import io
import subprocess

import numpy as np
import pytest
from run_folders import line, make_run

from evalharness.comparison.history import benchmark_history
from evalharness.errors import UserError
from evalharness.report.history import history_as


def runs(folder, count=8, drop=None, n=300, facts=None, start=1, model="m"):
    """Runs a day apart; from run `drop` on a fifth of the items are lost."""
    draw = np.random.default_rng(start)
    chance = np.random.default_rng(0).beta(0.4, 0.2, n)
    for k in range(count):
        level = np.where(np.arange(n) % 5 == 0, 0.0, chance) if drop is not None and k >= drop else chance
        text = "".join("1" if right else "0" for right in draw.random(n) < level)
        day, about = f"{start + k:02d}", {"name": model, "fingerprint": model}
        git = {"commit": f"{k:040d}", "changed": False}
        make_run(folder / day, text, created=f"2026-01-{day}T00:00:00+00:00", facts=facts, model=about, git=git)


def test_a_change_is_marked_at_its_run_and_in_every_form(tmp_path, evalh):
    runs(tmp_path / "runs", drop=4)
    found = benchmark_history("quiz", [tmp_path / "runs"])
    assert [point.name for point in found.points] == [f"{k:02d}" for k in range(1, 9)]
    marked = [point for point in found.points if point.change is not None]
    assert [point.name for point in marked] == ["05"]
    assert marked[0].change.difference < -0.05
    for form in ("terminal", "markdown", "html", "csv", "json"):
        made = history_as(found, form)
        text = made.decode() if isinstance(made, bytes) else made
        assert "05" in text, form
    rows = list(csv.DictReader(io.StringIO(history_as(found, "csv"))))
    assert [row["run"] for row in rows if row["change"]] == ["05"]
    assert history_as(found, "html").count("<circle") == 8
    assert "▼" in evalh("history", "quiz").out
    assert evalh("history", "quiz", "--output", "x.html").code == 0
    with pytest.raises(UserError, match="wanted one of"):
        history_as(found, "latex")


def test_no_change_is_marked_where_there_is_none(tmp_path):
    runs(tmp_path / "runs")
    assert not any(point.change for point in benchmark_history("quiz", [tmp_path / "runs"]).points)


def test_another_prompt_begins_a_new_series(tmp_path):
    runs(tmp_path / "runs", count=3)
    runs(tmp_path / "runs", count=3, start=4, drop=0, facts={"prompt_sha256": "b" * 64})
    points = benchmark_history("quiz", [tmp_path / "runs"]).points
    assert [point.series for point in points] == [0, 0, 0, 1, 1, 1]
    assert (points[3].reason, points[3].change) == ("asked in another way: prompt", None)


def test_baselines_models_and_what_is_left_out(tmp_path, evalh):
    runs(tmp_path / "runs", count=2)
    runs(tmp_path / "runs", count=2, start=5, model="other")
    assert evalh("baseline", "set", "01", "--name", "main").code == 0
    (tmp_path / "runs" / "half").mkdir()
    (tmp_path / "runs" / "half" / "run.json").write_text("{")
    found = benchmark_history("quiz", [tmp_path / "runs", tmp_path / "baselines"])
    assert [point.name for point in found.points] == ["01", "main", "02", "05", "06"]
    assert found.notes[0].startswith("left out: ")
    assert len(benchmark_history("quiz", [tmp_path / "runs"], model="other").points) == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("history", "quizz"), "did you mean quiz?"),
        (("history", "quiz", "--in", "nowhere"), "there is no such folder"),
        (("history", "quiz", "--model", "none"), "by the model 'none'"),
        (("history", "quiz", "--alpha", "2"), "--alpha wants"),
        (("history", "quiz", "--format", "pdf"), "wanted one of"),
    ],
)
def test_what_makes_no_sense_is_one_line(tmp_path, evalh, words, said):
    runs(tmp_path / "runs", count=2, n=30)
    found = evalh(*words)
    assert (found.code, said in found.err) == (2, True), found


def git(*words):
    subprocess.run(["git", "-c", "user.name=x", "-c", "user.email=x", *words], check=True, capture_output=True)


def test_a_baseline_that_is_set_anew_has_its_history_in_the_repository(tmp_path, evalh):
    runs(tmp_path / "runs", drop=4)
    assert evalh("history", "quiz", "--in", "runs", "--revisions").code == 2, "there is no repository"
    git("init", "-q")
    for k in range(1, 9):
        assert evalh("baseline", "set", f"{k:02d}", "--name", "main").code == 0
        if k == 3:
            continue  # never committed
        git("add", "baselines")
        git("commit", "-qm", f"{k}")
        if k == 5:
            evalh("baseline", "set", "01", "--name", "other")
            git("add", "baselines")
            git("commit", "-qm", "the same values under another name")
    assert len(evalh("history", "quiz", "--in", "baselines", "--json").json["points"]) == 2
    found = evalh("history", "quiz", "--revisions", "--json").json["points"]
    names = [point["name"].partition("@")[0] for point in found]
    assert names == ["main", "other", *["main"] * 6]
    assert [point["created"][8:10] for point in found] == ["01", "01", "02", "04", "05", "06", "07", "08"]
    marked = [point["created"][8:10] for point in found if point["change"]]
    assert marked == ["05"]


def test_the_newest_run_whose_items_have_a_score_says_which(tmp_path):
    runs(tmp_path / "runs", count=3)
    late = [line("quiz", f"g0/{n}", "scored", None) for n in range(5)]
    make_run(tmp_path / "runs" / "late", lines=late, created="2026-03-01T00:00:00+00:00")
    found = benchmark_history("quiz", [tmp_path / "runs"])
    assert len(found.points) == 3 and any("late has no item" in note for note in found.notes)


def test_runs_that_share_too_few_values_begin_a_new_series(tmp_path):
    """98 of 100 items in common go on, 97 do not."""
    for day, text in (("01", "1" * 100), ("02", "1" * 98 + "ee"), ("03", "eee" + "1" * 95 + "ee")):
        make_run(tmp_path / "runs" / day, text, created=f"2026-01-{day}T00:00:00+00:00")
    points = benchmark_history("quiz", [tmp_path / "runs"]).points
    assert [point.series for point in points] == [0, 0, 1]
    assert points[2].reason == "only 97 % of the items have a value in both"


def test_a_point_says_when_by_what_commit_and_how_good(tmp_path):
    git = {"commit": "c" * 40, "changed": False}
    make_run(tmp_path / "runs" / "a", "1110", created="2026-01-02T00:00:00+00:00", git=git, model={"name": "m"})
    make_run(tmp_path / "runs" / "b", "1010", created="2026-01-01T00:00:00+00:00", model={"name": None})
    before, after = benchmark_history("quiz", [tmp_path / "runs"]).points
    assert (before.name, before.model, before.commit, before.figure.value) == ("b", "?", None, 0.5)
    assert (after.name, after.model, after.commit, after.figure.value) == ("a", "m", "c" * 40, 0.75)
    assert after.created == "2026-01-02T00:00:00+00:00" and after.reason == before.reason == ""


def test_every_look_counts_over_all_series(tmp_path):
    """The same two runs: as the first look of all they are looked at with more alpha than as the second."""
    pair = ("1" * 100, "1" * 84 + "0" * 16)

    def at(day, text, prompt):
        folder = tmp_path / prompt[:1] / "runs"
        make_run(folder / day, text, created=f"2026-01-{day}T00:00:00+00:00", facts={"prompt_sha256": prompt})

    for day, text in zip(("01", "02"), pair, strict=True):
        at(day, text, "a" * 64)
    (first,) = [one.change for one in benchmark_history("quiz", [tmp_path / "a" / "runs"]).points if one.change]
    for day in ("03", "04", "05"):
        make_run(tmp_path / "b" / "runs" / day, pair[0], created=f"2025-01-{day}T00:00:00+00:00")
    for day, text in zip(("01", "02"), pair, strict=True):
        at(day, text, "b" * 64)
    found = benchmark_history("quiz", [tmp_path / "b" / "runs"])
    (later,) = [one.change for one in found.points if one.change]
    # Look 1 may err with alpha / 2; after the two looks of the series before, look 3 with alpha / 12.
    assert later.p == pytest.approx(6 * first.p, rel=1e-9) and later.difference == first.difference


@pytest.mark.parametrize("alpha", [0.0, 0.5])
def test_an_error_rate_that_makes_no_sense_is_refused(tmp_path, alpha):
    with pytest.raises(UserError, match="alpha"):
        benchmark_history("quiz", [tmp_path], alpha=alpha)


def test_values_beyond_one_are_a_history_too(tmp_path):
    draw = np.random.default_rng(0)
    for day in range(1, 7):
        level = 50 + 20 * (day > 3)
        lines = [
            line("asr", f"q/{i}", "scored", float(v), metric="grade") for i, v in enumerate(draw.normal(level, 3, 30))
        ]
        make_run(tmp_path / f"{day:02d}", lines=lines, created=f"2026-01-{day:02d}T00:00:00+00:00")
    found = benchmark_history("asr", [tmp_path])
    assert [point.name for point in found.points if point.change] == ["04"] and found.metric == "grade"
