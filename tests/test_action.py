"""The composite action: its steps run as shell, as GitHub would run them, in a temporary repository."""

import importlib.util
import json
import os
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from run_folders import letters, write_run

pytestmark = pytest.mark.slow  # each step starts programs of its own

ROOT = Path(__file__).resolve().parents[1]
SUITE = "name: s\nmodels: [echo]\nbenchmarks: [{benchmark: mmlu, margin: 0.5}]\noptions: {data: sample, limit: 30}\n"


def fake_server():
    """The fake GitHub of the comment's own tests."""
    spec = importlib.util.spec_from_file_location("publish_server", ROOT / "tests" / "report" / "test_publish.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.Server


class Job:
    """One run of the action: inputs, outputs of its steps, the files that GitHub gives."""

    def __init__(self, folder: Path, inputs: dict[str, str], **env: str):
        action = yaml.safe_load((ROOT / "action.yml").read_text())
        self.folder, self.steps = folder, action["runs"]["steps"]
        self.inputs = {name: str(entry.get("default", "")) for name, entry in action["inputs"].items()} | inputs
        self.outputs: dict[str, dict[str, str]] = {}
        self.said: dict[str, subprocess.CompletedProcess[str]] = {}
        self.summary = folder / "summary.md"
        self.env = {**os.environ, "PATH": f"{folder / 'bin'}:{os.environ['PATH']}", "GITHUB_ACTIONS": "true",
                    "GITHUB_STEP_SUMMARY": str(self.summary), "HF_HUB_OFFLINE": "1", **env}  # fmt: skip

    def expanded(self, text: str) -> str:
        def value(found):
            kind, name, *rest = re.split(r"[. ]", found.group(1).strip())
            return self.inputs[name] if kind == "inputs" else self.outputs.get(name, {}).get(rest[1], "")

        return re.sub(r"\$\{\{(.*?)\}\}", value, text)

    def run(self, *names: str) -> int:
        """Run these steps; returns the exit code of the last."""
        for step in self.steps:
            if step["name"] in names:
                assert "${{" not in step["run"], "an expression inside script text is an injection"
                output = self.folder / f"out-{step['name']}"
                output.write_text("")
                env = {**self.env, **{k: self.expanded(v) for k, v in step.get("env", {}).items()}}
                shell = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
                said = subprocess.run(shell, cwd=self.folder, env={**env, "GITHUB_OUTPUT": str(output)}, text=True,
                                      capture_output=True, check=False)  # fmt: skip
                self.said[step["name"]] = said
                pairs = (line.partition("=") for line in output.read_text().splitlines())
                self.outputs[step.get("id", step["name"])] = {key: value for key, _, value in pairs}
        return said.returncode


@pytest.fixture
def repository(tmp_path):
    """A git repository with a suite, and `evalh` and `python` on the path."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, text in {
        "evalh": f'#!/bin/sh\nexec {sys.executable} -m evalharness "$@"\n',
        "python": f'#!/bin/sh\nif [ "$2" = pip ]; then echo "$@" >> pip.log; else exec {sys.executable} "$@"; fi\n',
    }.items():
        (programs / name).write_text(text)
        (programs / name).chmod(0o755 | stat.S_IEXEC)
    (tmp_path / "suite.yaml").write_text(SUITE)
    return tmp_path


STEPS = ("Install", "Baseline", "Run", "Compare", "Comment", "Gate")


def test_without_a_baseline_it_says_so_and_passes(repository):
    job = Job(repository, {"config": "suite.yaml", "version": "1.2.3"})
    assert job.run("Install", "Baseline", "Run", "Compare", "Gate") == 0, job.said
    assert "evalharness==1.2.3" in (repository / "pip.log").read_text()
    assert "there is no baseline" in job.summary.read_text()


def test_it_compares_comments_twice_and_ends_with_one_comment(repository):
    first = Job(repository, {"config": "suite.yaml"})
    first.run("Baseline", "Run")
    shutil.move(repository / "runs" / "s-echo", repository / "runs" / "base")
    (repository / "event.json").write_text(json.dumps({"pull_request": {"number": 7}}))
    with fake_server()() as server:
        env = {
            "GITHUB_API_URL": server.url,
            "GITHUB_REPOSITORY": "o/r",
            "GITHUB_EVENT_PATH": str(repository / "event.json"),
        }
        for _ in range(2):
            job = Job(repository, {"config": "suite.yaml", "baseline": "base", "github-token": "t"}, **env)
            assert job.run(*STEPS[1:]) == 0, job.said
        assert len(server.comments) == 1
        assert server.comments[0]["body"].startswith("<!-- evalh:report key=s-echo v=1 -->\n### = evalh: 1 task same")
    assert job.outputs["compare"]["verdict"] == "same"
    assert job.outputs["compare"]["folder"] == "evalh-report"
    assert (repository / "evalh-report/s-echo/index.html").is_file()
    assert "evalh: 1 task same" in job.summary.read_text()


def test_a_worse_run_fails_the_last_step_and_a_forks_token_fails_nothing(repository):
    names = letters("mmlu@sample", "1" * 30)
    Job(repository, {"config": "suite.yaml"}).run("Run")
    run = json.loads((repository / "runs/s-echo/run.json").read_text())
    facts = run["benchmarks"]["mmlu@sample"]
    lines = [json.loads(line) for line in (repository / "runs/s-echo/results.jsonl").read_text().splitlines()]
    for mine, theirs in zip(names, lines, strict=True):
        mine.update(id=theirs["id"], group=theirs["group"])
    versions = {key: run[key] for key in ("scoring_version", "reading_rules")}
    write_run(repository / "runs/base", names, facts=facts, sampling=run["sampling"], **versions)
    text = SUITE.replace("0.5", "0.01")
    (repository / "suite.yaml").write_text(text)
    (repository / "event.json").write_text(json.dumps({"number": 7}))
    with fake_server()(refuse=403) as server:
        env = {
            "GITHUB_API_URL": server.url,
            "GITHUB_REPOSITORY": "o/r",
            "GITHUB_EVENT_PATH": str(repository / "event.json"),
        }
        job = Job(repository, {"config": "suite.yaml", "baseline": "base", "github-token": "t"}, **env)
        assert job.run("Baseline", "Run", "Compare", "Comment") == 0, job.said
        assert "the token may not comment" in job.said["Comment"].stderr
    assert job.run("Gate") == 1
    assert "::error title=mmlu@sample%3A worse::" in job.said["Compare"].stdout
    assert "::stop-commands::" in job.said["Compare"].stdout


def test_the_baseline_comes_from_the_ref_that_is_named(repository):
    origin = repository / "origin"

    def git(*words, cwd):
        author = ("-c", "user.name=x", "-c", "user.email=x")
        subprocess.run(["git", *author, *words], cwd=cwd, check=True, capture_output=True)

    (origin / "baselines").mkdir(parents=True)
    (origin / "baselines/main.jsonl").write_text("true baseline\n")
    git("init", "-q", "-b", "main", cwd=origin)
    git("add", ".", cwd=origin)
    git("commit", "-qm", "x", cwd=origin)
    git("init", "-q", cwd=repository)
    git("remote", "add", "origin", str(origin), cwd=repository)
    (repository / "baselines").mkdir()
    (repository / "baselines/main.jsonl").write_text("edited by the pull request\n")
    job = Job(repository, {"config": "suite.yaml", "baseline-ref": "main"})
    assert job.run("Baseline") == 0, job.said
    assert (repository / job.outputs["baseline"]["base"]).read_text() == "true baseline\n"


def test_a_baseline_suite_is_run_where_there_is_no_file(repository):
    (repository / "base.yaml").write_text(SUITE.replace("name: s", "name: b"))
    job = Job(repository, {"config": "suite.yaml", "baseline-config": "base.yaml"})
    assert job.run("Baseline", "Run", "Compare", "Gate") == 0, job.said
    assert job.outputs["baseline"]["base"] == "runs/b-echo"
    assert job.outputs["compare"]["verdict"] == "same"


def test_the_gitlab_template_runs(repository):
    job = yaml.safe_load((ROOT / "ci/gitlab/evalh.gitlab-ci.yml").read_text())["evalh"]
    env = {**os.environ, **job["variables"], "PATH": f"{repository / 'bin'}:{os.environ['PATH']}",
           "EVALH_CONFIG": "suite.yaml", "EVALH_BASELINE": "s-echo"}  # fmt: skip
    for script in (*job["before_script"], *job["script"]):
        said = subprocess.run(["bash", "-eo", "pipefail", "-c", script], cwd=repository, env=env, capture_output=True,
                              text=True, check=False)  # fmt: skip
        assert said.returncode == 0, said.stderr
    assert (repository / "evalh-report/s-echo/junit.xml").is_file()


def test_no_step_of_ours_takes_an_expression_into_its_script():
    for step in yaml.safe_load((ROOT / "action.yml").read_text())["runs"]["steps"]:
        assert "${{" not in step.get("run", "")
        assert step.get("shell", "bash") == "bash"
    yaml.safe_load((ROOT / ".github/workflows/evals.yml").read_text())
