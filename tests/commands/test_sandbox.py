"""`evalh sandbox` shows the self-test; a run of programs records it; a missing package is one line."""

import json
from pathlib import Path

import pytest


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

    monkeypatch.setattr("evalharness.session.plan", missing)
    said = evalh("run", "mmlu")
    assert said.code == 2 and hint in said.err and said.err.count("\n") == 1
