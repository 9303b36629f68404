"""What a comparison reads: finished runs whose lines add up."""

import json
from dataclasses import replace

import numpy as np
import pytest
from run_folders import letters, line, make_run, write_run

from evalharness.comparison.inputs import open_side
from evalharness.comparison.sides import SideUsage, compared_side
from evalharness.errors import Exit, UserError


def test_an_unfinished_run_is_refused_with_exit_3(tmp_path):
    run = write_run(tmp_path / "a", letters("quiz", "1" * 6), summary=False, facts={"items": 10})
    with pytest.raises(UserError, match="is not finished: 6 of 10 answers are there") as refused:
        open_side(str(run))
    assert refused.value.exit_code == Exit.NOT_WHOLE


def test_a_damaged_line_is_named(tmp_path):
    run = make_run(tmp_path / "a", "1" * 6)
    text = (run / "results.jsonl").read_text().splitlines(keepends=True)
    text[2] = text[2][:40] + "\n"
    (run / "results.jsonl").write_text("".join(text))
    with pytest.raises(UserError, match=r"results.jsonl:3: this line is damaged"):
        open_side(str(run)).scores({"quiz": "accuracy"})


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        ({"status": "correct"}, "it says correct and accuracy 0"),
        ({"status": "great"}, "it has no 'great'"),
        ({"scores": {"accuracy": "1"}}, "its accuracy is '1', not a number"),
        ({"scores": None}, "not a result"),
        ({"id": 7}, "it has no benchmark, id and status"),
    ],
)
def test_an_edited_line_that_is_no_result_is_named(tmp_path, edit, said):
    lines = letters("quiz", "110")
    run = make_run(tmp_path / "a", lines=lines)
    (run / "results.jsonl").write_text("".join(json.dumps(x) + "\n" for x in [*lines[:2], {**lines[2], **edit}]))
    with pytest.raises(UserError, match=said):
        open_side(str(run)).scores({"quiz": "accuracy"})


def test_lines_that_do_not_add_up_to_the_summary_are_refused(tmp_path):
    lines = letters("quiz", "1100")
    run = make_run(tmp_path / "a", lines=lines)
    turned = {**lines[3], "status": "correct", "scores": {"accuracy": 1.0}}
    (run / "results.jsonl").write_text("".join(json.dumps(x) + "\n" for x in [*lines[:3], turned]))
    with pytest.raises(UserError, match="quiz has 3 correct where the summary counts 2 correct"):
        open_side(str(run)).scores({"quiz": "accuracy"})


def test_graded_values_that_do_not_add_up_are_refused(tmp_path):
    lines = [line("qa", f"q/{i}", "scored", 0.5, metric="f1") for i in range(4)]
    run = make_run(tmp_path / "a", lines=lines)
    turned = {**lines[3], "scores": {"f1": 0.9}}
    (run / "results.jsonl").write_text("".join(json.dumps(x) + "\n" for x in [*lines[:3], turned]))
    with pytest.raises(UserError, match=r"qa has f1 0.600000 where the summary says 0.500000"):
        open_side(str(run)).scores({"qa": "f1"})


def test_the_last_line_of_an_item_counts_and_a_torn_one_does_not(tmp_path):
    lines = letters("quiz", "1e0")
    again = line("quiz", "g0/1", "correct", 1.0)
    run = make_run(tmp_path / "a", lines=letters("quiz", "110"))
    text = "".join(json.dumps(x) + "\n" for x in [*lines, again]) + '{"benchmark": "quiz", "id'
    (run / "results.jsonl").write_text(text)
    scores = open_side(str(run)).scores({"quiz": "accuracy"})["quiz"]
    assert dict(zip(scores.ids, scores.values.tolist(), strict=True)) == {"g0/0": 1, "g0/1": 1, "g0/2": 0}


def test_repeats_are_averaged_over_the_answers_there_are(tmp_path):
    lines = [line("quiz", "a/0", "correct", 1.0, repeat=0), line("quiz", "a/0", "wrong", 0.0, repeat=1),
             line("quiz", "a/0", "error", None, repeat=2), line("quiz", "a/1", "error", None)]  # fmt: skip
    run = write_run(tmp_path / "a", lines)
    scores = open_side(str(run)).scores({"quiz": "accuracy"})["quiz"]
    assert scores.values[0] == 0.5
    assert np.isnan(scores.values[1])
    assert scores.answers.tolist() == [2, 0]


def test_names_and_paths_find_runs_and_the_nearest_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make_run(tmp_path / "runs" / "main-run", "11")
    assert open_side("main-run").name == "main-run"
    with pytest.raises(UserError, match=r"no run or baseline 'main-rum' \(did you mean main-run\?\)"):
        open_side("main-rum")


def test_a_headline_that_items_lack_falls_back_to_the_score_they_have(tmp_path):
    run = make_run(tmp_path / "a", "1100")
    summary = json.loads((run / "summary.json").read_text())
    summary["benchmarks"]["quiz"]["metrics"] = {"mcc": {"value": 0.3, "n": 4}}
    (run / "summary.json").write_text(json.dumps(summary))
    assert open_side(str(run)).item_metric("quiz") == "accuracy"


@pytest.mark.parametrize(
    ("file", "change", "said"),
    [
        ("run.json", {"benchmarks": None}, "run.json: edited or damaged: benchmarks: None is not of type 'object'"),
        ("run.json", {"model": 7}, "run.json: edited or damaged: model: 7 is not"),
        ("run.json", {"format": "new"}, "written by a later evalharness"),
        ("run.json", {"format": 9}, "written by a later evalharness"),
        ("summary.json", {"benchmarks": {"quiz": {"metrics": {}}}}, "summary.json: edited or damaged: .*'counts'"),
        ("summary.json", {"benchmarks": []}, "summary.json: edited or damaged: benchmarks"),
    ],
)
def test_a_manifest_or_summary_that_was_damaged_is_named(tmp_path, file, change, said):
    run = make_run(tmp_path / "a", "1100")
    (run / file).write_text(json.dumps({**json.loads((run / file).read_text()), **change}))
    with pytest.raises(UserError, match=said):
        open_side(str(run))


def test_what_a_report_says_of_a_side_sums_the_benchmarks_that_are_compared(tmp_path):
    usage = {
        "quiz": {"seconds": 2, "tokens_in": 10, "tokens_out": 3, "cost": 0.5},
        "more": {"seconds": 1, "tokens_in": 5, "tokens_out": 1, "cost": None},
        "other": {"seconds": 100, "tokens_in": 100, "tokens_out": 100, "cost": 100},
    }
    side = open_side(str(make_run(tmp_path / "a", "11", usage=usage)))
    found = compared_side(side, ["quiz", "more"])
    assert (found.name, found.kind, found.model, found.fingerprint) == ("a", "run", "replay:x", "a")
    assert found.usage == SideUsage(seconds=3, tokens_in=15, tokens_out=4, cost=0.5)
    assert compared_side(side, ["none"]).usage is None
    assert compared_side(replace(side, journal=None), ["quiz"]).kind == "baseline"
