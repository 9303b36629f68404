"""The cache's file: damage is a miss that is told; `evalh cache` says what is kept, why not, and what is damaged."""

import random
import sqlite3
import stat
from pathlib import Path

import pytest
from stub_server import Reply, serve

from evalharness.errors import UserError
from evalharness.events import Warned, observed_by
from evalharness.records import Message, Origin, Request, Response
from evalharness.runs.cache import with_cache
from evalharness.runs.cache_care import verify_cache

MANY = 300


class Echo:
    """A model whose answer to a prompt is long, and the prompt's own."""

    name, fingerprint, chat, ranks = "echo-1", "e", True, False

    def __init__(self):
        self.asked = 0

    def answer(self, requests):
        for index, request in enumerate(requests):
            self.asked += 1
            yield index, Response(text=request.text * 40, tokens_in=3, tokens_out=4, cost=0.5)

    def describe(self):
        return {}


def requests(count=MANY, **more):
    return [Request(messages=(Message("user", f"question {n}"),), **more) for n in range(count)]


@pytest.fixture
def full(tmp_path):
    """A cache of three hundred answers, as one file."""
    path = tmp_path / "runs" / ".cache" / "replies.sqlite"
    dict(with_cache(Echo(), path).answer(requests()))
    file = sqlite3.connect(path)
    file.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    file.close()
    return path


def answers(path):
    """What the answers are, how often the model was asked, and what was told."""
    told, model = [], Echo()
    with observed_by(lambda event: told.append(event.text) if isinstance(event, Warned) else None):
        found = dict(with_cache(model, path).answer(requests()))
    assert [found[n].text for n in range(MANY)] == [r.text * 40 for r in requests()]
    return model.asked, told


@pytest.mark.parametrize("column", ["response", "sha"])
def test_a_changed_row_is_asked_again_told_once_and_written_anew(full, column):
    with sqlite3.connect(full) as file:
        file.execute(f"UPDATE replies SET {column} = replace({column}, '4', '5')")
    file.close()
    asked, told = answers(full)
    assert asked > MANY / 2 and len(told) == 1
    assert "a kept answer in it is damaged" in told[0] and "evalh cache verify" in told[0]
    assert answers(full) == (0, [])


@pytest.mark.parametrize("seed", range(12))
def test_damaged_pages_cost_answers_and_never_the_run(full, seed):
    """Bytes are overwritten anywhere behind the file's first hundred, which say that it is a database at all."""
    draw, data = random.Random(seed), bytearray(full.read_bytes())
    for _ in range(draw.choice([1, 3, 40])):
        place, size = draw.randrange(100, len(data)), draw.choice([1, 60, 5000])
        data[place : place + size] = draw.randbytes(min(size, len(data) - place))
    full.write_bytes(data)
    try:
        asked, told = answers(full)
    except UserError as error:  # its first page: SQLite does not take it for a database any more
        assert "delete it or say cache=False" in str(error)
        return
    assert asked == 0 or told
    try:
        verify_cache(full, repair=True)
    except UserError as error:
        assert str(full) in str(error)
        return
    after = verify_cache(full)
    assert (after.damaged, after.problems) == (0, ())
    asked, told = answers(full)
    assert told == [] and asked == MANY - after.good
    assert answers(full) == (0, [])


def test_one_damaged_page_costs_the_answers_on_it(full):
    data = bytearray(full.read_bytes())
    data[-12288:-8192] = random.Random(0).randbytes(4096)
    full.write_bytes(data)
    assert answers(full)[0] < MANY / 2
    assert verify_cache(full, repair=True).repaired and verify_cache(full).good > MANY / 2


def test_a_repair_keeps_all_that_is_whole(full, evalh, tmp_path):
    with sqlite3.connect(full) as file:
        file.execute("UPDATE replies SET response = '{}' WHERE key < '1'")
    file.close()
    before = verify_cache(full)
    assert before.damaged > 3 and before.good + before.damaged == MANY and before.exit_code == 2
    said = evalh("cache", "verify")
    assert said.code == 2 and f"{before.damaged} are damaged" in said.out and "--repair" in said.out
    assert evalh("cache", "verify", "--repair").code == 0
    assert evalh("cache", "verify", "--json").json["good"] == before.good
    assert {stat.S_IMODE(f.stat().st_mode) for f in full.parent.iterdir()} == {0o600}
    assert stat.S_IMODE(full.parent.stat().st_mode) == 0o700
    assert answers(full)[0] == before.damaged


def test_stats_and_clear(full, evalh):
    said = evalh("cache", "stats")
    assert f"echo-1: {MANY} answers, {7 * MANY:,} tokens" in said.out
    assert evalh("cache", "stats", "--json").json["models"]["echo-1"]["answers"] == MANY
    assert evalh("cache", "clear").code == 0 and not any(full.parent.iterdir())
    for word in ("stats", "verify", "clear"):
        gone = evalh("cache", word)
        assert (gone.code, gone.err.count("\n")) == (2, 1) and "no cache of answers" in gone.err


def test_each_sample_of_a_question_is_kept_by_its_index(tmp_path):
    asked = [
        Request(messages=(Message("user", "q"),), temperature=1.0, origin=Origin(id="q", question="", repeat=n))
        for n in range(5)
    ]
    model = Echo()
    for _ in range(2):
        dict(with_cache(model, tmp_path / "c.sqlite").answer(asked))
    assert model.asked == 5
    dict(with_cache(model, tmp_path / "c.sqlite").answer([*asked, Request(messages=(Message("user", "q"),))]))
    assert model.asked == 6


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        (("--max-tokens", 77), "max_tokens was 32, here 77"),
        (("--temperature", 0.5), "temperature was 0.0, here 0.5"),
        (("--system", "Be brief."), "of another model, address or setting of it (openai:m)"),
        (("--shots", 1), "no other answer to the same prompt is kept"),
        ((), ""),
    ],
)
def test_why_says_in_what_a_request_differs(evalh, monkeypatch, changed, reason):
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    with serve(lambda body: Reply(text="A")) as stub:
        words = ("run", "mmlu", "--data", "sample", "--model", "openai:m", "--base-url", stub.url, "--limit", 6)
        evalh(*words, "--max-tokens", 32, "--name", "one", "--shots", 0)
        evalh(*words, "--max-tokens", 32, "--name", "two", "--shots", 0, *changed)
    said = evalh("cache", "why", "two")
    assert said.code == 0
    if reason:
        assert "0 answers came from the cache, 6 were asked for" in said.out and "6: " in said.out
        assert f"6: an answer to the same prompt is kept, but {reason}" in said.out or f"6: {reason}" in said.out
    else:
        assert "6 answers came from the cache, 0 were asked for" in said.out
    assert sum(evalh("cache", "why", "two", "--json").json["asked"].values()) == (6 if reason else 0)
    assert evalh("cache", "why", "nowhere").code == 2
    assert "has no answer to 'x'" in evalh("cache", "why", "two", "--item", "x").err


def test_runs_and_cache_are_their_owners_alone(evalh, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    with serve(lambda body: Reply(text="A")) as stub:
        evalh("run", "mmlu", "--data", "sample", "--model", "openai:m", "--base-url", stub.url, "--limit", 3)
    paths = list(Path("runs").rglob("*"))
    assert len(paths) > 5
    for path in (Path("runs"), *paths):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path
