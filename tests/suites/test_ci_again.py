"""`evalh ci` given again in the same folder: with the same run, and with another one."""

import json
from pathlib import Path

SUITE = "name: s\nmodels: ['replay:a.jsonl']\nbenchmarks: [bench.yaml]\n"
BENCHMARK = "name: bench\nsource: rows.jsonl\ntemplate: '{{q}}'\nanswers: a\nid: q\nscorer: contains\n"


def answered(tmp_path, right):
    (tmp_path / "suite.yaml").write_text(SUITE)
    (tmp_path / "bench.yaml").write_text(BENCHMARK)
    rows = [{"q": f"q{i}", "a": f"A{i}."} for i in range(60)]
    said = [{"id": f"q{i}", "response": f"It's A{i}." if i < right else "It isn't < known"} for i in range(60)]
    for name, lines in (("rows", rows), ("a", said)):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def test_a_run_beside_the_baseline_that_it_made_is_named(evalh, tmp_path):
    answered(tmp_path, 60)
    assert evalh("ci", "suite.yaml", "--no-baseline", "create").code == 0
    again = evalh("ci", "suite.yaml")
    assert again.code == 0 and "the very run that BASE was made of" in again.out
    assert "the very run that BASE was made of" in Path("evalh-report/comment.md").read_text()


def test_a_change_is_run_beside_the_run_of_that_name(evalh, tmp_path):
    answered(tmp_path, 60)
    assert evalh("ci", "suite.yaml", "--no-baseline", "create").code == 0
    before = Path("runs/s-replay-a.jsonl/results.jsonl").read_bytes()
    answered(tmp_path, 20)
    for _ in range(2):
        worse = evalh("ci", "suite.yaml")
        assert worse.code == 1, worse.err
        assert "the very run" not in worse.out
    assert len([folder for folder in Path("runs").iterdir() if folder.name.startswith("s-")]) == 2
    assert Path("runs/s-replay-a.jsonl/results.jsonl").read_bytes() == before
    comment = Path("evalh-report/comment.md").read_text()
    assert "It isn't < known" in comment and "bench worse by more than the margin" in comment
