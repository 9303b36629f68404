"""A run knows where its questions came from, from whatever folder it is read; the place decides and shows nothing."""

import json
import shutil
from pathlib import Path

import pytest

from evalharness.comparison.inputs import keep_baseline
from evalharness.runs.store import Run

GRADED = {"e": {"class": "evals.elsuite.modelgraded.classify:ModelBasedClassify",
                "args": {"samples_jsonl": "s.jsonl", "modelgraded_spec": "fact"}}}  # fmt: skip
MATCHED = {"e": {"class": "evals.elsuite.basic.match:Match", "args": {"samples_jsonl": "s.jsonl"}}}
FACT = {"fact": {"prompt": "{input} {completion} {ideal}", "choice_strings": "ABCDE"}}
YAML = 'source: rows.jsonl\ntemplate: "{{country}}?"\nanswers: capital\nscorer: exact\n'
OTHER_YAML = 'source: rows.jsonl\ntemplate: "{{country}}?"\nanswers: capital\nscorer: f1\n'


def registry(folder, evals):
    for name, value in {"evals": evals, "modelgraded": FACT}.items():
        (folder / name).mkdir(parents=True)
        (folder / name / "one.yaml").write_text(json.dumps(value))
    (folder / "data").mkdir()
    samples = [{"input": f"{i}?", "ideal": str(i)} for i in range(3)]
    (folder / "data" / "s.jsonl").write_text("".join(json.dumps(one) + "\n" for one in samples))


def headline(folder):
    (entry,) = Run(folder).summary.benchmarks.values()
    return entry.headline


def facts(folder):
    (found,) = Run(folder).manifest.benchmarks.values()
    return found.data


@pytest.fixture
def asked(evalh, tmp_path):
    """A run of a benchmark that is what its data say, from a relative folder, and another such folder elsewhere."""
    registry(tmp_path / "reg", GRADED)
    registry(tmp_path / "elsewhere" / "reg", MATCHED)
    said = evalh("run", "openai_evals/e", "--data", "reg", "--model", "echo", "--name", "r")
    assert said.code == 0, said.err
    return tmp_path / "runs" / "r"


def test_rescoring_from_another_folder_changes_no_headline(asked, evalh, tmp_path, monkeypatch):
    before = headline(asked), (asked / "summary.json").read_bytes()
    assert before[0] == "judge_correct"
    monkeypatch.chdir(tmp_path / "elsewhere")
    said = evalh("rescore", asked)
    assert said.code == 0, said.err
    assert (headline(asked), (asked / "summary.json").read_bytes()) == before
    assert evalh("verify", asked).code == 0


def test_data_that_are_gone_are_one_line_where_only_they_tell(asked, evalh, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path / "elsewhere")
    shutil.rmtree(tmp_path / "reg")
    shutil.rmtree(tmp_path / "elsewhere" / "reg")
    before = (asked / "summary.json").read_bytes()
    said = evalh("rescore", asked)
    assert (said.code, said.err.count("\n")) == (2, 1)
    assert f"they are gone: {tmp_path / 'reg'}" in said.err
    assert (asked / "summary.json").read_bytes() == before


def test_the_place_is_in_the_manifest_and_nowhere_else(asked, evalh, tmp_path):
    found = facts(asked)
    assert (found.origin, found.kind, found.path) == ("reg", "files", str(tmp_path / "reg"))
    for name in ("summary.json", "results.jsonl"):
        assert str(tmp_path) not in (asked / name).read_text()
    assert str(tmp_path) not in json.dumps(json.loads((asked / "run.json").read_text())["identity"])
    for form in ("terminal", "markdown", "html", "junit"):
        assert str(tmp_path / "reg") not in evalh("report", "r", "--format", form).out
    keep_baseline("r", "main", metric=None, runs=Path("runs"), baselines=Path("baselines"))
    kept = (tmp_path / "baselines" / "main.jsonl").read_text()
    assert str(tmp_path) not in kept and '"kind"' not in kept and '"path"' not in kept


def test_a_run_made_from_another_folder_is_the_same_run(asked, evalh, tmp_path, monkeypatch):
    first = evalh("run", "openai_evals/e", "--data", "reg", "--model", "echo", "--json").json["run"]
    monkeypatch.chdir(tmp_path / "reg")
    words = ["run", "openai_evals/e", "--data", "../reg", "--model", "echo", "--runs", tmp_path / "runs", "--json"]
    again = evalh(*words)
    assert again.code == 0, again.err
    assert Path(again.json["run"]).name == Path(first).name
    assert len((tmp_path / first / "results.jsonl").read_text().splitlines()) == 3


def test_a_benchmark_that_a_file_describes_is_found_again(evalh, tmp_path, monkeypatch):
    for folder, text in ((tmp_path, YAML), (tmp_path / "elsewhere", OTHER_YAML)):
        folder.mkdir(exist_ok=True)
        (folder / "bench.yaml").write_text(text)
        (folder / "rows.jsonl").write_text('{"country": "Peru", "capital": "Lima"}\n')
    assert evalh("run", "./bench.yaml", "--model", "echo", "--name", "r").code == 0
    run = tmp_path / "runs" / "r"
    assert (facts(run).kind, facts(run).path) == ("own", str(tmp_path / "rows.jsonl"))
    assert facts(run).described_by == str(tmp_path / "bench.yaml")
    before = headline(run), (run / "summary.json").read_bytes()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert evalh("rescore", run).code == 0
    assert (headline(run), (run / "summary.json").read_bytes()) == before


def test_kinds_are_said(evalh, tmp_path):
    (tmp_path / "g.json").write_text("[50, 60, null]")
    assert evalh("run", "mmlu", "--data", "sample", "--limit", 2, "--model", "echo", "--mode", "write",
                 "--name", "s").code == 0  # fmt: skip
    assert evalh("run", "tiny_exam", "--limit", 2, "--model", "echo", "--mode", "write", "--name", "b").code == 0
    assert evalh("import", "scores", "g.json", "--name", "i").code == 0
    found = {name: facts(tmp_path / "runs" / name) for name in "sbi"}
    assert {name: (one.kind, one.path) for name, one in found.items()} == {
        "s": ("sample", None), "b": ("bundled", None), "i": ("imported", None),
    }  # fmt: skip


def test_no_file_stands_in_for_a_benchmark_that_none_describes(evalh, tmp_path):
    """Whoever sends a run folder cannot have `tiny_exam` scored by a file of his own."""
    (tmp_path / "evil.yaml").write_text(OTHER_YAML)
    assert evalh("run", "tiny_exam", "--limit", 2, "--model", "echo", "--mode", "write", "--name", "r").code == 0
    file = tmp_path / "runs" / "r" / "run.json"
    said = json.loads(file.read_text())
    said["benchmarks"]["tiny_exam"]["data"]["described_by"] = str(tmp_path / "evil.yaml")
    file.write_text(json.dumps(said))
    assert evalh("rescore", "r").code == 0
    assert headline(tmp_path / "runs" / "r") == "accuracy"
