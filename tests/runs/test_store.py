"""A run on disk survives whatever happens to the process that writes it."""

import errno
import json
import math
import os

import pytest

from evalharness.errors import UserError
from evalharness.records import Message, Origin, Request, Response, Result, Sample, Verdict
from evalharness.runs.journal import Journal, dumps, lines, loads
from evalharness.runs.store import Run, find_run, result_from_json, result_to_json

RESULT = Result(
    benchmark="mmlu",
    sample=Sample(id="a/0", question="Q?", choices=("x", "y"), gold_indices=(1,), group="a", extra={"k": [1]}),
    request=Request(
        messages=(Message("user", "Q?"),), choices=(" A", " B"), origin=Origin(id="a/0", question="Q?"), stop=("\n",)
    ),
    response=Response(logprobs=(-1.5, -0.5), greedy=(False, True), lengths=(1, 1), top_logprobs=((" B", -0.5),)),
    status="correct",
    scores={"accuracy": 1.0},
    answer="B",
    repeat=2,
    detail={"program": "pass"},
    verdicts=(Verdict(judge="j", kind="score", value=0.5, logprobs=(("a", -1.0),)),),
)


def test_a_result_comes_back_as_it_went(tmp_path):
    with Journal(tmp_path / "results.jsonl") as journal:
        journal.append(result_to_json(RESULT))
    (line,) = lines(tmp_path / "results.jsonl")
    assert {"benchmark", "id", "status", "scores", "response"} <= set(line)
    assert result_from_json(line) == RESULT


@pytest.mark.parametrize("text", ["\ud800", "\u2028\x85\x0b", "\x00", "é\U0001f600", '"\\\n'])
def test_any_text_can_be_written_and_read(tmp_path, text):
    path = tmp_path / "results.jsonl"
    with Journal(path) as journal:
        journal.append({"text": text})
        journal.append({"text": "next"})
    assert [line["text"] for line in lines(path)] == [text, "next"]


@pytest.mark.parametrize("torn", [b'{"id": "b', b"\xff", b'{"id": "b"}', b"x" * 200_000])
def test_a_torn_last_line_is_dropped(tmp_path, torn):
    path = tmp_path / "results.jsonl"
    path.write_bytes(b'{"id": "a"}\n' + torn)
    assert [line["id"] for line in lines(path)] == ["a"]
    with Journal(path) as journal:
        journal.append({"id": "c"})
    assert [line["id"] for line in lines(path)] == ["a", "c"]


def test_a_damaged_line_is_named(tmp_path):
    path = tmp_path / "results.jsonl"
    path.write_bytes(b'{"id": "a"}\n{"id": \n{"id": "c"}\n')
    with pytest.raises(UserError, match=r"results.jsonl:2: this line is damaged"):
        list(lines(path))


def test_a_full_disk_leaves_the_journal_whole(tmp_path, monkeypatch):
    path = tmp_path / "results.jsonl"
    real = os.write

    def full(file: int, data: bytes) -> int:
        if len(data) < 100:
            return real(file, data)
        if real(file, data[:50]) == 50 and len(data) > 150:
            raise OSError(errno.ENOSPC, "No space left on device")
        return 50

    with Journal(path) as journal:
        journal.append({"id": "a"})
        monkeypatch.setattr(os, "write", full)
        with pytest.raises(UserError, match=r"No space left on device.*is safe"):
            journal.append({"id": "b", "text": "x" * 500})
        monkeypatch.setattr(os, "write", real)
        journal.append({"id": "c"})
    assert path.read_bytes() == b'{"id":"a"}\n{"id":"c"}\n'


def test_two_writers_are_refused(tmp_path):
    with Journal(tmp_path / "results.jsonl"), pytest.raises(UserError, match="another evalh is writing this run"):
        Journal(tmp_path / "results.jsonl")


def test_an_unwritable_folder_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        Journal(tmp_path / "file" / "results.jsonl")
    with pytest.raises(UserError, match="cannot be written"):
        Run(tmp_path / "file" / "run").write("run.json", {})


def test_the_last_line_of_an_item_counts(tmp_path):
    path = tmp_path / "results.jsonl"
    with Journal(path) as journal:
        journal.append({**result_to_json(RESULT), "status": "error"})
        journal.append(result_to_json(RESULT))
    assert [r.status for r in Run(tmp_path).results()] == ["correct"]


def test_a_run_is_found_by_name_and_a_wrong_name_is_answered(tmp_path):
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "run.json").write_text(json.dumps({"format": 1}))
    assert find_run("one", tmp_path).path == tmp_path / "one"
    with pytest.raises(UserError, match=r"no run 'on' \(did you mean one\?\)"):
        find_run("on", tmp_path)


def test_a_run_of_a_later_version_is_refused(tmp_path):
    (tmp_path / "run.json").write_text(json.dumps({"format": 99}))
    with pytest.raises(UserError, match="written by a later evalharness"):
        _ = Run(tmp_path).manifest


def test_numbers_that_json_has_not_are_null_beside_any_text():
    for text in ("plain", "half a sign: \ud800"):
        assert loads(dumps({"text": text, "found": [math.nan, {"most": math.inf}, 0.5]})) == {
            "text": text, "found": [None, {"most": None}, 0.5],
        }  # fmt: skip
