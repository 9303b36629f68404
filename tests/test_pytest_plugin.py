"""The pytest plug-in: fixture, marker, and what a failing test says."""

import os
import subprocess
import sys

import pytest
from run_folders import make_run

from evalharness.pytest_plugin import RegressionGate

TEST = """
import pytest

def test_same(evalharness):
    found = evalharness.assert_no_regression("runs/a", "a")
    assert found["verdict"] == "same"

def test_worse(evalharness):
    evalharness.assert_no_regression("b", "a")

@pytest.mark.evalharness(margin=0.9)
def test_wide(evalharness):
    evalharness.assert_no_regression("b", "a")
"""


def test_fixture_and_marker_in_a_session_of_their_own(tmp_path):
    make_run(tmp_path / "runs" / "a", "1" * 200)
    make_run(tmp_path / "runs" / "b", "1" * 120 + "0" * 80)
    (tmp_path / "test_quality.py").write_text(TEST)
    env = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "evalharness.pytest_plugin",
        "--strict-markers",
        "-q",
        "-W",
        "error",
    ]
    said = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert "1 failed, 2 passed" in said.stdout, said.stdout + said.stderr
    assert "quiz −40.0 points" in said.stdout


@pytest.fixture
def runs(tmp_path):
    make_run(tmp_path / "a", "1" * 50)
    make_run(tmp_path / "b", "1" * 50, facts={"mode": "rank"})
    return str(tmp_path / "a"), str(tmp_path / "b")


def test_require_pass_fails_what_is_not_ruled_out(runs):
    RegressionGate().assert_no_regression(runs[0], runs[0])
    with pytest.raises(AssertionError, match="INCONCLUSIVE"):
        RegressionGate(policy="require-pass").assert_no_regression(runs[0], runs[0])


def test_what_cannot_be_compared_fails(runs, tmp_path):
    with pytest.raises(AssertionError, match="mode differs"):
        RegressionGate().assert_no_regression(runs[1], runs[0])
    with pytest.raises(AssertionError, match="there is no run or baseline 'none'"):
        RegressionGate().assert_no_regression(runs[0], "none")
    RegressionGate().assert_no_regression(
        runs[1], runs[0], allow=("mode",), margin={"quiz": 0.3}, report=tmp_path / "out"
    )
    assert (tmp_path / "out" / "index.html").is_file()


def test_a_suite_is_held_as_a_pipeline_holds_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    suite = (
        "name: s\nmodels: [echo]\nbenchmarks: [{benchmark: mmlu, margin: 0.5}]\noptions: {data: sample, limit: 30}\n"
    )
    (tmp_path / "suite.yaml").write_text(suite)
    gate = RegressionGate(report=tmp_path / "out")
    with pytest.raises(AssertionError, match="there is no baseline 'main'"):
        gate.assert_suite("suite.yaml")
    assert gate.assert_suite("suite.yaml", no_baseline="create")["exit_code"] == 0
    assert gate.assert_suite("suite.yaml")["verdict"] == "same"
    assert (tmp_path / "out" / "junit.xml").is_file()
    with pytest.raises(AssertionError, match="cannot be read"):
        gate.assert_suite("none.yaml")
