"""Requests handed in as batches: answered, priced at half, picked up after a stop, handed in again where one failed."""

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from batch_server import serve_batches
from stub_server import Reply, text_of

from evalharness.models import _batch_api


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(_batch_api, "FIRST_POLL", 0.01)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret-key")


def words(stub, *more):
    return ("run", "mmlu", "--data", "sample", "--limit", 12, "--model", "openai:m", "--base-url", stub.url,
            "--batch-api", "--json", "--name", "b", *more)  # fmt: skip


def right(body):
    return Reply(text="A", tokens=(100, 10))


def test_a_run_is_one_batch_at_half_the_price(evalh):
    with serve_batches(right) as stub:
        said = evalh(*words(stub, "--price-in", 10, "--price-out", 10, "--no-cache"))
        assert said.code == 0, said.err
        assert [len(batch) for batch in stub.handed_in] == [12]
        assert said.json["usage"]["mmlu@sample"]["cost"] == pytest.approx(12 * 110 * 5 / 1e6)
        assert said.json["benchmarks"]["mmlu@sample"]["n"] == 12
        assert evalh(*words(stub, "--no-cache")).json["benchmarks"] == said.json["benchmarks"]
        assert len(stub.handed_in) == 1
        assert {asked["endpoint"] for asked in stub.batches.values()} == {"/v1/chat/completions"}
    assert not list(Path("runs/.cache/batches").iterdir())
    kept = b"".join(path.read_bytes() for path in Path("runs").rglob("*") if path.is_file())
    assert b"very-secret" not in kept


def test_what_one_batch_does_not_answer_the_next_one_is_asked(evalh):
    """A line that is missing, one that failed on the server's side, and one that fails for good."""
    seen = Counter()

    def reply(body):
        number = sorted(seen).index(text_of(body)) if text_of(body) in seen else len(seen)
        seen[text_of(body)] += 1
        if number == 0 and seen[text_of(body)] == 1:
            return None
        if number == 1 and seen[text_of(body)] < 3:
            return Reply(status=500, error="try again")
        return Reply(status=422, error="odd") if len(seen) == 12 and seen[text_of(body)] == 1 and number > 10 else "A"

    with serve_batches(reply) as stub:
        said = evalh(*words(stub))
    assert said.code in (0, 3) and len(stub.handed_in) in (2, 3)
    assert len(stub.handed_in[0]) == 12 and 1 <= len(stub.handed_in[1]) <= 3
    assert sum(said.json["benchmarks"]["mmlu@sample"]["counts"].values()) == 12


@pytest.mark.parametrize("status", ["completed", "expired"])
def test_what_no_batch_answers_is_an_error_of_its_item(evalh, status):
    lost = []

    def reply(body):
        if len(lost) < 2 and text_of(body) not in lost:
            lost.append(text_of(body))
        return None if text_of(body) in lost else "A"

    with serve_batches(reply, status=status) as stub:
        said = evalh(*words(stub))
        assert [len(batch) for batch in stub.handed_in] == [12, 2, 2]
        assert (said.code, said.json["benchmarks"]["mmlu@sample"]["counts"]["error"]) == (3, 2)
        lost[:] = ["x", "y"]
        assert evalh(*words(stub)).code == 0 and len(stub.handed_in[3]) == 2


def test_a_parameter_that_is_refused_is_left_out_in_the_next_batch(evalh):
    def reply(body):
        if "temperature" in body:
            said = "Unsupported value: 'temperature' does not support 0 with this model."
            return Reply(status=400, error={"message": said, "code": "unsupported_value", "param": "temperature"})
        return "A"

    with serve_batches(reply) as stub:
        said = evalh(*words(stub))
    assert said.code == 0 and len(stub.handed_in) == 2
    manifest = json.loads(Path("runs/b/run.json").read_text())
    assert manifest["model"]["refused_parameters"] == {"temperature": "left out"}


@pytest.mark.parametrize("lost", [False, True])
def test_a_killed_run_picks_its_batch_up(evalh, tmp_path, lost):
    """Killed while it waits; or between the batch being made and its id being known here."""
    with serve_batches(right, polls=10**9, lost=lost) as stub:
        program = f"from evalharness.cli import guarded; guarded({[str(word) for word in words(stub)]})"
        process = subprocess.Popen(
            [sys.executable, "-c", program], cwd=tmp_path, env={**os.environ}, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            assert stub.until(lambda: stub.looks > 0 or (lost and stub.handed_in))
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()
        for batch in stub.batches.values():
            batch["left"] = 1
        stub.polls = 1
        said = evalh(*words(stub))
        assert said.code == 0 and said.json["benchmarks"]["mmlu@sample"]["n"] == 12
        assert [len(batch) for batch in stub.handed_in] == [12]


@pytest.mark.parametrize(
    ("more", "wanted"),
    [
        ({"refuse": Reply(status=401, error="Incorrect API key sk-very-secret-key")}, "its batches cannot be had"),
        ({"refuse": Reply(status=404, error="no files here")}, "no files here"),
        ({"status": "failed"}, "is refused: the file is no good"),
    ],
)
def test_what_cannot_be_handed_in_is_one_line(evalh, monkeypatch, more, wanted):
    with serve_batches(right, **more) as stub:
        said = evalh(*words(stub))
    assert said.code == 2 and wanted in said.err and "secret" not in said.err
    assert said.err.strip().splitlines()[-1].startswith("evalh: ")


def test_a_batch_that_is_gone_is_forgotten_and_handed_in_anew(evalh):
    with serve_batches(right, forgets=True) as stub:
        said = evalh(*words(stub))
        assert said.code == 2 and "the same command hands in anew" in said.err
        stub.forgets = False
        assert evalh(*words(stub)).code == 0 and [len(batch) for batch in stub.handed_in] == [12, 12]


def test_a_lost_reply_makes_no_second_batch(evalh):
    with serve_batches(right, lost=True) as stub:
        assert evalh(*words(stub)).code == 0 and [len(batch) for batch in stub.handed_in] == [12]


@pytest.mark.parametrize(
    ("text", "wanted"), [("{", "cannot be read"), ('[{"file": 1}]', "is no list"), ("7", "is no list")]
)
def test_notes_that_are_damaged_are_one_line_and_nothing_is_paid_twice(evalh, text, wanted):
    with serve_batches(right, forgets=True) as stub:
        evalh(*words(stub))
        (notes,) = Path("runs/.cache/batches").iterdir()
        notes.write_text(text)
        said = evalh(*words(stub))
        assert said.code == 2 and wanted in said.err and said.err.count("\n") == 1 and len(stub.handed_in) == 1


@pytest.mark.parametrize(
    ("more", "wanted"),
    [
        (("--max-minutes", 1), "no budget holds for a batch"),
        (("--max-tokens-total", 1), "no budget holds for a batch"),
        (("--mode", "rank"), "cannot rank choices"),
    ],
)
def test_what_makes_no_sense_with_batches_is_refused(evalh, more, wanted):
    with serve_batches(right) as stub:
        said = evalh(*words(stub, *more))
    assert said.code == 2 and wanted in said.err and not stub.handed_in


def test_batch_without_a_number_is_the_batch_api(evalh):
    with serve_batches(right) as stub:
        asked = [word if word != "--batch-api" else "--batch" for word in words(stub)]
        assert evalh(*asked).code == 0 and len(stub.handed_in) == 1
    assert evalh("run", "tiny_exam", "--data", "sample", "--limit", 2, "--model", "tiny", "--batch", 4).code == 0
    said = evalh("run", "tiny_exam", "--data", "sample", "--limit", 2, "--model", "tiny", "--batch")
    assert said.code == 2 and "tiny takes no option batch_api" in said.err


def test_large_sets_are_several_batches(evalh, monkeypatch):
    monkeypatch.setattr(_batch_api, "MOST_REQUESTS", 5)
    with serve_batches(right) as stub:
        assert evalh(*words(stub)).code == 0
        assert [len(batch) for batch in stub.handed_in] == [5, 5, 2]


@pytest.mark.parametrize(
    "more", [("--mode", "letters"), ("--template", "none"), ("--template", "none", "--mode", "rank")]
)
def test_what_reads_log_probabilities_is_refused_before_anything_is_handed_in_or_written(evalh, more):
    with serve_batches(right) as stub:
        said = evalh(*words(stub, *more))
    assert (said.code, said.err.count("\n"), stub.handed_in) == (2, 1, [])
    assert "reads log-probabilities" in said.err and "leave out --batch-api, or say --mode write" in said.err
    assert not Path("runs/b").exists() and not list(Path("runs").rglob("batches/*"))
