"""What a stranger types in the first hour, each of which was a stumble once."""

import json
import socket
import subprocess
import sys

import pytest
from run_folders import make_run

from evalharness.data import hub


def test_lists_are_whole_in_a_pipe(evalh):
    said = evalh("list")
    assert said.code == 0 and "MT-bench: two-turn conversations, graded 1-10 by a judge" in said.out
    assert said.out == evalh("list", "benchmarks").out and "…" not in said.out


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["show"], "Missing argument 'run'; `evalh show --help`"),
        (["compar"], "Did you mean 'compare'?"),
        (["run", "missing.yaml", "--model", "tiny"], "missing.yaml: cannot be read (No such file or directory)"),
        (["run", "mmlu", "--lmit", "3"], "--limit"),
        (["run", "missing.yaml"], "missing.yaml: cannot be read (No such file or directory)"),
        (["run", "gsm8kk"], "did you mean gsm8k?"),
        (["import", "promptfo", "x"], "did you mean promptfoo?"),
    ],
)
def test_a_slip_is_one_line_that_says_what_to_type(evalh, words, hint):
    said = evalh(*words)
    assert said.code == 2 and hint in said.err and len(said.err.splitlines()) == 1


@pytest.mark.parametrize("group", ["judge", "cache", "arena", "data", "baseline"])
def test_a_group_of_commands_alone_prints_its_help(evalh, group):
    said = evalh(group)
    assert (said.code, said.err) == (0, "")
    assert said.out == evalh(group, "--help").out and "\nCommands:\n" in said.out


def test_a_run_may_be_called_as_the_word_for_one(evalh, tmp_path):
    make_run(tmp_path / "RUN")
    said = evalh("judge", "RUN", "--runs", tmp_path, "--judge", "tiny")
    assert said.err.startswith("evalh: RUN: this run is not finished")


def test_help_is_as_wide_as_the_terminal():
    def widest(columns):
        command = [sys.executable, "-m", "evalharness", "compare", "--help"]
        said = subprocess.run(
            command, capture_output=True, text=True, check=True, env={"COLUMNS": str(columns), "PATH": ""}
        )
        return max(map(len, said.stdout.splitlines()[:25]))

    assert widest(80) <= 80 < widest(120) <= 120
    assert widest(300) <= 120, "longer lines are hard to read"


def test_the_hub_is_known_to_be_out_of_reach_at_once(monkeypatch):
    for name in ("HF_HUB_OFFLINE", "http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    reachable = hub._reachable.__wrapped__
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"http://127.0.0.1:{server.getsockname()[1]}"
        assert reachable(address)
    assert not reachable(address), "nobody listens there any more"
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:1")
    assert reachable(address), "behind a proxy only its client can tell"


def test_an_unfinished_run_is_shown_as_far_as_it_is(evalh, tmp_path):
    assert evalh("run", "tiny_exam", "--limit", "6", "--name", "r").code == 0
    (tmp_path / "runs/r/summary.json").unlink()
    journal = tmp_path / "runs/r/results.jsonl"
    journal.write_text("".join(journal.read_text().splitlines(keepends=True)[:4]))
    said = evalh("show", "r")
    assert said.code == 3 and "4 of 6 answers are there" in said.out and "goes on" in said.out, said.err
    assert evalh("show", "r", "--json").json["unfinished"]["answered"] == {"tiny_exam": 4}
    assert evalh("show", "r", "--status", "correct").code == 0


def test_ids_stand_with_their_benchmark_where_there_are_several(evalh):
    words = ("run", "tiny_instructions", "tiny_exam", "--limit", "4", "--model", "echo", "--mode", "write")
    assert evalh(*words, "--name", "r").code == 0
    lines = evalh("show", "r", "--wrong").out.splitlines()
    assert {line.split()[0] for line in lines} == {"tiny_instructions", "tiny_exam"}


def test_a_terminal_without_unicode_gets_a_table_whose_edges_stand_in_line(tmp_path):
    command = [
        sys.executable,
        "-m",
        "evalharness",
        "run",
        "mmlu",
        "--model",
        "echo",
        "--data",
        "sample",
        "--limit",
        "9",
    ]
    environment = {"PATH": "", "PYTHONIOENCODING": "ascii", "LC_ALL": "C", "COLUMNS": "100", "HOME": str(tmp_path)}
    said = subprocess.run(command, capture_output=True, text=True, check=True, env=environment, cwd=tmp_path).stdout
    rows = [line for line in said.splitlines() if line.startswith(("|", "+"))]
    assert said.isascii() and len(rows) > 3 and len({len(row) for row in rows}) == 1, said


def test_wrong_answers_are_listed_with_their_questions(evalh):
    assert evalh("run", "mmlu", "--model", "echo", "--data", "sample", "--limit", "5", "--name", "r").code == 0
    lines = evalh("show", "r", "--wrong", "--json").out.splitlines()
    question = json.loads(lines[0])["sample"]["question"]
    assert question[:40] in evalh("show", "r", "--wrong").out


def test_zero_is_no_wish_to_stay_offline(monkeypatch):
    for said, offline in (("0", False), ("false", False), ("", False), ("1", True), ("yes", True)):
        monkeypatch.setenv("HF_HUB_OFFLINE", said)
        assert hub._told_offline() is offline
