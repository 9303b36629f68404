"""`evalh sandbox` shows the self-test; a run of programs records it; a missing package is one line."""

import json
from pathlib import Path

import pytest

from evalharness import plugins
from evalharness.data.files import jsonl


def test_the_self_test_is_shown(evalh):
    said = evalh("sandbox", "--json")
    assert said.code == 0, said.err
    assert said.json["tier"] in ("namespace", "landlock")
    assert set(said.json["self_test"].values()) == {"held"}
    assert evalh("sandbox").out.startswith(f"tier: {said.json['tier']}")


def test_the_run_records_the_sandbox(evalh):
    said = evalh("run", "humaneval", "--data", "sample", "--model", "echo", "--limit", 2, "--json")
    manifest = json.loads((Path(said.json["run"]) / "run.json").read_text())
    (record,) = manifest["scorers"].values()
    assert record["self_test"] and record["retries"] == 0 and record["limits"]["seconds"] == 3.0


def test_a_wrong_name_and_a_missing_consent_are_one_line(evalh):
    assert "wanted one of auto" in evalh("sandbox", "--sandbox", "steel").err
    said = evalh("run", "humaneval", "--data", "sample", "--model", "echo", "--sandbox", "none")
    assert said.code == 2 and "--yes-run-untrusted-code" in said.err


@pytest.mark.parametrize(
    ("package", "hint"), [("torch", 'pip install "evalharness[local]"'), ("acme", "pip install acme")]
)
def test_a_missing_package_is_one_line(evalh, monkeypatch, package, hint):
    def missing(*_, **__):
        raise ModuleNotFoundError(f"No module named {package!r}", name=package)

    monkeypatch.setattr("evalharness.runs.session.make_plan", missing)
    said = evalh("run", "mmlu")
    assert said.code == 2 and hint in said.err and said.err.count("\n") == 1


def test_odd_completions_have_a_status_each_and_the_run_goes_on(evalh, tmp_path):
    rows = list(jsonl(plugins.load_benchmark("humaneval").source.sample))
    solutions = {row["task_id"]: row["canonical_solution"] for row in rows}
    ids = list(solutions)
    odd = {
        ids[1]: "    return '\0'\n",
        ids[2]: "    return '\ud800'\n",
        ids[3]: f"{solutions[ids[3]]}    x = '{'y' * 10_000_000}'\n",
        ids[4]: 5 * "\n",
    }
    unknown = {"Sample/no such task": "    return 0\n"}
    file = tmp_path / "completions.jsonl"
    told = {**solutions, **odd, **unknown}
    del told[ids[5]]
    file.write_text("".join(json.dumps({"task_id": key, "completion": text}) + "\n" for key, text in told.items()))
    said = evalh("run", "humaneval", "--data", "sample", "--model", f"replay:{file}", "--json")
    assert said.code == 3 and "Traceback" not in said.err, said.err
    lines = (Path(said.json["run"]) / "results.jsonl").read_text().splitlines()
    status = {line["id"]: line["status"] for line in map(json.loads, lines)}
    assert not unknown.keys() & status.keys() and status.pop(ids[5]) == "error"
    assert [status.pop(i) for i in ids[1:5]] == ["wrong", "wrong", "correct", "wrong"]
    assert set(status.values()) == {"correct"} and len(status) == len(ids) - 5


@pytest.mark.parametrize("completion", [5, {"x": 1}, None])
def test_a_completion_that_is_no_text_is_one_line(evalh, tmp_path, completion):
    file = tmp_path / "completions.jsonl"
    file.write_text(json.dumps({"task_id": "Sample/0", "completion": completion}) + "\n")
    said = evalh("run", "humaneval", "--data", "sample", "--model", f"replay:{file}")
    assert said.code == 2 and "completions.jsonl:1: wanted the answer" in said.err and said.err.count("\n") == 1
