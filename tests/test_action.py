"""The composite action and the GitLab template: their shell is run as CI would run it, in a temporary repository."""

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

pytestmark = pytest.mark.slow  # each step starts programs of its own

ROOT = Path(__file__).resolve().parents[1]
SUITE = """name: s
models: [echo]
benchmarks: [{benchmark: mmlu, margin: 0.5}]
options: {data: sample, limit: 30}
"""


def fake_server():
    """The fake GitHub of the comment's own tests."""
    spec = importlib.util.spec_from_file_location("publish_server", ROOT / "tests" / "report" / "test_publish.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.Server


def shell(script, folder, env):
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script]
    return subprocess.run(command, cwd=folder, env=env, text=True, capture_output=True, check=False)


class Job:
    """One run of the action: its inputs, the outputs of its step, the files that GitHub gives."""

    def __init__(self, folder: Path, inputs: dict[str, str], **env: str):
        action = yaml.safe_load((ROOT / "action.yml").read_text())
        self.folder, self.steps = folder, action["runs"]["steps"]
        self.inputs = {name: str(entry.get("default", "")) for name, entry in action["inputs"].items()} | inputs
        self.summary, self.output = folder / "summary.md", folder / "output"
        self.env = {**os.environ, "PATH": f"{folder / 'bin'}:{os.environ['PATH']}", "CI": "true",
                    "GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(self.summary), "HF_HUB_OFFLINE": "1",
                    "GITHUB_OUTPUT": str(self.output), **env}  # fmt: skip

    def expanded(self, text: str) -> str:
        """The expressions that the action has: an input, or what pip installs."""

        def value(found):
            expression = found.group(1).strip()
            if plain := re.fullmatch(r"inputs\.([\w-]+)", expression):
                return self.inputs[plain[1]]
            assert expression.startswith("inputs.package || inputs.extras && format("), expression
            extras = f"ACTION[{self.inputs['extras']}]" if self.inputs["extras"] else "ACTION"
            return self.inputs["package"] or extras

        return re.sub(r"\$\{\{(.*?)\}\}", value, text)

    def run(self, name: str) -> subprocess.CompletedProcess[str]:
        step = next(step for step in self.steps if step["name"] == name)
        self.output.write_text("")
        env = {**self.env, **{key: self.expanded(value) for key, value in step.get("env", {}).items()}}
        return shell(step["run"], self.folder, env)

    @property
    def outputs(self) -> dict[str, str]:
        return dict(line.split("=", 1) for line in self.output.read_text().splitlines())


@pytest.fixture
def repository(tmp_path):
    """A folder with a suite, and `evalh` and `python` on the path."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, text in {
        "evalh": f'#!/bin/sh\nexec {sys.executable} -m evalharness "$@"\n',
        "python": '#!/bin/sh\necho "$@" >> pip.log\n',
    }.items():
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    (tmp_path / "suite.yaml").write_text(SUITE)
    return tmp_path


def test_it_installs_its_own_checkout_unless_told_otherwise(repository):
    for inputs, wanted in (
        ({}, "ACTION"),
        ({"extras": "local,hf"}, "ACTION[local,hf]"),
        ({"package": "evalharness==1.2.3"}, "evalharness==1.2.3"),
    ):
        assert Job(repository, {"config": "suite.yaml", **inputs}).run("Install").returncode == 0
        assert (repository / "pip.log").read_text().splitlines()[-1] == f"-m pip install {wanted}"


def test_it_makes_a_baseline_compares_and_comments_once(repository):
    first = Job(repository, {"config": "suite.yaml", "no-baseline": "create"})
    assert first.run("Evaluate").returncode == 0
    assert first.outputs["verdict"] == "no baseline"
    (repository / "event.json").write_text(json.dumps({"pull_request": {"number": 7}}))
    with fake_server()() as server:
        env = {"GITHUB_API_URL": server.url, "GITHUB_REPOSITORY": "o/r",
               "GITHUB_EVENT_PATH": str(repository / "event.json")}  # fmt: skip
        for _ in range(2):
            job = Job(repository, {"config": "suite.yaml", "github-token": "t"}, **env)
            said = job.run("Evaluate")
            assert said.returncode == 0, said.stderr
        assert [one["body"].splitlines()[1] for one in server.comments] == ["### = evalh s: same"]
    assert job.outputs == {"verdict": "same", "gate": "pass", "exit-code": "0", "report": "evalh-report"}
    assert "evalh s: same" in job.summary.read_text()


def test_every_input_reaches_the_command(repository):
    inputs = {"config": "suite.yaml", "name": "brief", "key": "mine", "report": "out", "no-baseline": "pass",
              "junit-items": "true", "artifact": "brief"}  # fmt: skip
    job = Job(repository, inputs)
    assert job.run("Evaluate").returncode == 0
    assert (repository / "runs/brief-echo/run.json").is_file()
    assert (repository / "out/comment.md").read_text().startswith("<!-- evalh:report key=mine ")
    assert job.outputs["report"] == "out"
    upload = next(step for step in job.steps if step["name"] == "Upload")["with"]
    assert (job.expanded(upload["name"]), job.expanded(upload["path"]).split()[0]) == ("brief", "out")


def test_an_artifact_is_written_over_by_a_job_that_is_run_again_and_answers_are_kept_only_where_wanted():
    """https://github.com/actions/upload-artifact/issues/478: a name twice in a run of a workflow is an error."""
    steps = {step["name"]: step for step in yaml.safe_load((ROOT / "action.yml").read_text())["runs"]["steps"]}
    assert steps["Upload"]["with"]["overwrite"] is True
    cache = steps["Answers of earlier runs"]
    assert (cache["if"], cache["with"]["path"]) == ("inputs.cache == 'true'", "runs/.cache")
    assert list(steps).index("Answers of earlier runs") < list(steps).index("Evaluate")


def test_without_a_baseline_it_fails_and_says_how_to_make_one(repository):
    job = Job(repository, {"config": "suite.yaml"})
    said = job.run("Evaluate")
    assert (said.returncode, "::error title=s::" in said.stdout) == (2, True)
    assert "suite.yaml --no-baseline create" in job.summary.read_text()
    assert job.outputs["verdict"] == "no verdict"


def test_the_gitlab_template_runs(repository):
    job = yaml.safe_load((ROOT / "ci/gitlab/evalh.gitlab-ci.yml").read_text())["evalh"]
    given = {name: "" if value.startswith("$") else value for name, value in job["variables"].items()}
    env = {**os.environ, **given, "PATH": f"{repository / 'bin'}:{os.environ['PATH']}", "EVALH_CONFIG": "suite.yaml",
           "EVALH_NO_BASELINE": "pass"}  # fmt: skip
    for script in (*job["before_script"], *job["script"]):
        said = shell(script, repository, env)
        assert said.returncode == 0, said.stderr
    assert (repository / "pip.log").read_text() == "-m pip install .\n"
    assert (repository / job["artifacts"]["reports"]["junit"]).is_file()


def test_no_step_has_logic_in_shell_or_an_expression_in_its_script():
    action = yaml.safe_load((ROOT / "action.yml").read_text())
    scripts = [step["run"] for step in action["runs"]["steps"] if "run" in step]
    gitlab = yaml.safe_load((ROOT / "ci/gitlab/evalh.gitlab-ci.yml").read_text())["evalh"]
    for script in (*scripts, *gitlab["before_script"], *gitlab["script"]):
        assert re.fullmatch(r'(python -m pip install|evalh ci) "\$[A-Z_]+"', script)
    for name, output in action["outputs"].items():
        assert output["value"] == f"${{{{ steps.evalh.outputs.{name} }}}}"
