"""What the tests of `evalh ci` share: a benchmark of 200 rows, models that get so many wrong, a repository, a job."""

import re
import subprocess
from pathlib import Path

from stub_server import Reply, text_of

ROOT = Path(__file__).resolve().parents[1]
ITEMS = 200
BENCHMARK = 'source: rows.jsonl\ntemplate: "{{q}}"\nanswers: a\nscorer: exact\n'
# The first so many items that a model gets wrong, by its name; `broken` fails on three questions of ten.
WRONG = {"base": 40, "same": 40, "worse": 100, "better": 4, "little": 46, "broken": 40}


def reply(body):
    name, text = body["model"], text_of(body)
    if name == "locked":
        return Reply(status=401, error={"message": "Incorrect API key provided"})
    if name.startswith("judge"):
        return "no verdict" if name == "judge-null" else "[[5]]"
    number = int(re.search(r"Q(\d+)", text)[1])
    if name == "broken" and number % 10 < 3:
        return Reply(status=422, error={"message": "no"})
    return "nothing" if number < WRONG.get(name, 0) else f"A{number}"


def git(folder, *words):
    author = ("-c", "user.name=x", "-c", "user.email=x")
    subprocess.run(["git", *author, *words], cwd=folder, check=True, capture_output=True)


def job(monkeypatch, tmp_path, server):
    """The environment of a GitHub job for pull request 7."""
    for name, value in {**server.github(tmp_path), "CI": "true", "GITHUB_ACTIONS": "true"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
