"""A run is made again with the same care, whoever asks: what a file names is not done without consent."""

import json

import pytest


@pytest.fixture
def first(evalh, monkeypatch, tmp_path):
    """A small run whose command can be edited."""
    words = ["run", "tiny_exam", "--data", "sample", "--limit", "4", "--model", "echo", "--name", "first"]
    monkeypatch.setattr("sys.argv", ["evalh", *words])
    assert evalh(*words).code == 0

    def with_command(*more):
        file = tmp_path / "runs/first/run.json"
        about = json.loads(file.read_text())
        file.write_text(json.dumps({**about, "command": ["evalh", *words, *more]}))

    return with_command


@pytest.mark.parametrize("command", ["flaky", "reproduce"])
@pytest.mark.parametrize(
    "more",
    [("--base-url", "http://example.org"), ("--sandbox", "none"), ("--model=function:evil.py",), ("--allow-outside",),
     ("--include-path", "evil.py"), ("--engine-python=/bin/sh",)],
)  # fmt: skip
def test_neither_command_does_what_a_file_names(first, evalh, tmp_path, command, more):
    first(*more)
    said = evalh(command, "first")
    assert (said.code, "--yes-run-its-command" in said.err) == (2, True), said
    assert not (tmp_path / "runs/first-again").exists()


@pytest.mark.slow
def test_flaky_asks_a_part_again_and_goes_on_in_its_folder(first, evalh, tmp_path):
    first()
    said = evalh("flaky", "first", "--limit", 3, "--json")
    assert said.code == 0, said
    assert (tmp_path / "runs/first-again-3/summary.json").is_file()
    assert evalh("flaky", "first", "--limit", 3).code == 0
    assert sorted(path.name for path in (tmp_path / "runs").iterdir() if path.is_dir() and path.name[0] != ".") == [
        "first", "first-again-3",
    ]  # fmt: skip
    first("--yes-run-untrusted-code")
    assert evalh("flaky", "first", "--yes-run-its-command").code == 0
