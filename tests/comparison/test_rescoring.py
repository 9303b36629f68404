"""Runs whose answers were read by other rules: compared after the older one is read again, or refused, and why."""

import json

import pytest

from evalharness.scoring.answers import READING_RULES, SCORING_VERSION

ANSWERS = ["The answer is 2^3.", "12 345 is the answer", "He has 12 + 30 = 42 marbles left at 9 pm.", "18"]
GOLD = ["8", "12345", "42", "19"]
OLDER = ["2", "345", "9", "18"]  # what the rules of version 3 read


@pytest.fixture
def run(evalh, tmp_path, monkeypatch):
    """Runs a task of our own with the same four answers; gives the folder of the run."""
    monkeypatch.chdir(tmp_path)
    rows = [{"q": f"Question {n}?", "a": gold} for n, gold in enumerate(GOLD)]
    (tmp_path / "task.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "task.yaml").write_text('source: task.jsonl\ntemplate: "{{q}}"\nanswers: a\nscorer: number\n')
    lines = [{"id": str(n), "text": text, "finish": "stop"} for n, text in enumerate(ANSWERS)]
    (tmp_path / "answers.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))

    def of(name):
        said = evalh("run", "./task.yaml", "--model", "replay:answers.jsonl", "--name", name)
        assert said.code == 0, said.err
        return tmp_path / "runs" / name

    return of


def read_by(folder, rules):
    """Makes a run look as it was read by other rules; all else in its manifest stays as it is."""
    results = [json.loads(line) for line in (folder / "results.jsonl").read_text().splitlines()]
    for result in results:
        older = OLDER[int(result["id"])]
        result |= {"answer": older, "status": "wrong", "scores": dict.fromkeys(result["scores"], 0.0)}
    (folder / "results.jsonl").write_text("".join(json.dumps(result) + "\n" for result in results))
    manifest = json.loads((folder / "run.json").read_text())
    assert manifest["reading_rules"] == READING_RULES and manifest["scoring_version"] == SCORING_VERSION
    (folder / "run.json").write_text(json.dumps({**manifest, "reading_rules": rules}))
    summary = json.loads((folder / "summary.json").read_text())
    (entry,) = summary["benchmarks"].values()
    entry["counts"] |= {"correct": 0, "wrong": len(results)}
    for figure in entry["metrics"].values():
        figure["value"] = 0.0
    (folder / "summary.json").write_text(json.dumps(summary))


@pytest.mark.parametrize("older", ["base", "new"])
def test_where_only_the_reading_differs_the_older_run_is_read_again(run, evalh, older):
    folders = {name: run(name) for name in ("base", "new")}
    read_by(folders[older], READING_RULES - 1)
    before = {file.name: file.read_bytes() for file in folders[older].iterdir()}
    said = evalh("compare", "base", "new", "--json")
    (task,) = said.json["tasks"]
    assert said.code == 0 and (task["base"], task["difference"]) == (0.75, 0.0)
    side, rules = older.upper(), READING_RULES - 1
    assert any(f"{side} was scored by version" in note and f"version {rules}" in note for note in said.json["notes"])
    assert {file.name: file.read_bytes() for file in folders[older].iterdir()} == before


def test_what_cannot_be_read_again_is_refused_with_the_reason(run, evalh, tmp_path):
    folders = {name: run(name) for name in ("base", "new")}
    read_by(folders["base"], READING_RULES - 1)
    evalh("baseline", "set", "base", "--name", "old")
    said = evalh("compare", "old", "new")
    assert said.code == 4 and f"read by version {READING_RULES - 1}" in said.err and said.err.count("\n") == 1
    assert "a baseline holds no answers" in said.err and "evalh rescore" in said.err
    (tmp_path / "task.yaml").unlink()
    said = evalh("compare", "base", "new")
    assert said.code == 4 and "cannot be scored again" in said.err and "task.yaml" in said.err


def test_a_run_that_later_rules_read_says_to_upgrade(run, evalh):
    folders = {name: run(name) for name in ("base", "new")}
    read_by(folders["new"], READING_RULES + 1)
    said = evalh("compare", "base", "new")
    assert said.code == 4 and f"read by version {READING_RULES + 1}" in said.err and "upgrade" in said.err
