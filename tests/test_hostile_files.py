"""Files that were made to do harm, or were damaged: one line that names file and line, and nothing else."""

import gzip
import json
import os
import sqlite3
import stat
import sys
import time
from pathlib import Path

import pytest

from evalharness.arena import votes
from evalharness.comparison import baseline
from evalharness.data import files, yaml_lines
from evalharness.errors import DataError, UserError
from evalharness.models._recorded_answers import AnswerKeys
from evalharness.models.replay import Replay
from evalharness.records import Message, Request, Response
from evalharness.runs import cache
from evalharness.runs.items import load_items
from evalharness.runs.journal import Journal
from evalharness.runs.store import find_run, result_from_json

DEEP, LONG = "[" * 200_000, "9" * 20_000
PACKED = gzip.compress(b"[]", mtime=0)
ROW = {"id": "0", "text": "a"}


def one_line(error: UserError, *parts: str) -> None:
    assert "\n" not in str(error) and len(str(error)) < 2000
    assert all(part in str(error) for part in parts), str(error)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"tokens_in": "abc"}, "its tokens_in is 'abc', wanted a whole number"),
        ({"tokens_out": 1.5}, "its tokens_out is 1.5"),
        ({"tokens_out": [1]}, "its tokens_out is [1]"),
        ({"tokens_in": 10**30}, "its tokens_in is 1000"),
        ({"tokens_in": int("9" * 4000)}, "its tokens_in is 9999"),
        ({"tokens_in": float("nan")}, "its tokens_in is nan"),
        ({"tokens_in": True}, "its tokens_in is True"),
        ({"tokens_in": -1}, "its tokens_in is -1, wanted a whole number, 0 or more"),
        ({"logprobs": ["a"]}, "its logprobs is ['a'], wanted a list of finite numbers"),
        ({"logprobs": [float("nan")]}, "its logprobs is [nan]"),
        ({"logprobs": [float("inf"), -1.0]}, "its logprobs is [inf, -1.0]"),
        ({"logprobs": [True]}, "its logprobs is [True]"),
        ({"text": None, "logprobs": ["a"]}, "its logprobs is ['a'], wanted a list of finite numbers"),
        ({"text": None, "logprobs": [float("nan")]}, "its logprobs is [nan]"),
        ({"text": None, "logprobs": {"A": float("nan")}}, "wanted log-probabilities, there is [nan]"),
        ({"text": {"text": "a", "logprobs": [True]}}, "its logprobs is [True]"),
        ({"text": {"text": "a", "tokens_in": "b"}}, "its tokens_in is 'b', wanted a whole number"),
        ({"logprobs": "abc"}, "its logprobs is 'abc', wanted a list"),
        ({"cost": "much"}, "its cost is 'much', wanted a finite number"),
        ({"cost": float("inf")}, "its cost is inf, wanted a finite number"),
        ({"cost": -1}, "its cost is -1, wanted a finite number, 0 or more"),
        ({"repeat": "two"}, "its repeat is 'two', wanted a whole number"),
        ({"repeat": 1.5}, "its repeat is 1.5"),
        ({"text": 7}, "wanted the answer as text, there is int"),
        ({"text": ["a", 7]}, "wanted the answer as text, there is int"),
        ({"text": {"a": 7}}, "wanted the answer's text in its object"),
    ],
)
def test_a_replay_names_file_and_line(tmp_path, change, said):
    path = tmp_path / "said.jsonl"
    path.write_text(json.dumps(ROW) + "\n\n" + json.dumps({**ROW, **change}) + "\n", encoding="utf-8")
    with pytest.raises(DataError) as found:
        Replay(path, AnswerKeys())
    one_line(found.value, "said.jsonl:3: ", said)


def test_a_number_of_thousands_of_digits_in_a_replay(tmp_path):
    path = tmp_path / "said.jsonl"
    path.write_text(json.dumps(ROW) + '\n\n{"id": "0", "text": "a", "tokens_in": ' + LONG + "}\n", encoding="utf-8")
    with pytest.raises(DataError) as found:
        Replay(path, AnswerKeys())
    one_line(found.value, "said.jsonl:3: not valid JSON (a whole number has too many digits)")


LEAST = -sys.float_info.max  # what a choice of no probability gets


@pytest.mark.parametrize(
    ("row", "answers"),
    [
        ({"text": None}, [[]]),  # a question without answer
        ({"text": ["a", "b"]}, [["a"], ["b"]]),  # two answers to it
        ({"text": "a", "logprobs": [float("-inf"), -1.0]}, [["a"]]),  # those of the tokens of a text
        ({"text": "a", "logprobs": {"content": 1}}, [["a"]]),
        ({"logprobs": [float("-inf"), -1.0]}, [[(LEAST, -1.0)]]),
        ({"logprobs": {"B": -2, "A": -1}}, [[(-1.0, -2.0)]]),  # by the letter of the choice
    ],
)
def test_what_a_replay_reads_that_is_no_text(tmp_path, row, answers):
    path = tmp_path / "said.jsonl"
    path.write_text(json.dumps(ROW) + "\n" + json.dumps({"id": "1", **row}) + "\n", encoding="utf-8")
    said = Replay(path, AnswerKeys())._index.rows[1].answers
    assert [[r.logprobs or r.text for r in turns] for turns in said] == answers


@pytest.mark.parametrize(
    "text", [DEEP, LONG, '{"id": ' + LONG + ', "text": "a"}', '{"a": ' * 100_000, "\x00", "{", "7"]
)
@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a.jsonl.gz"])
def test_json_of_any_depth_and_length_is_one_line(tmp_path, name, text):
    path = tmp_path / name
    path.write_bytes(gzip.compress(text.encode()) if name.endswith("gz") else text.encode())
    for read in (
        lambda p: list(files.jsonl(p)),
        lambda p: list(files.json_rows(p)),
        lambda p: Replay(p, AnswerKeys()),
        votes.read_battles,
        load_items,
    ):
        with pytest.raises(UserError) as found:
            read(path)
        one_line(found.value, name)


def test_a_file_that_unpacks_to_far_more_than_it_is(tmp_path):
    path = tmp_path / "a.jsonl.gz"
    with gzip.open(path, "wb") as file:
        for _ in range(200):
            file.write(b"0" * (1 << 20))
    began = time.process_time()
    with pytest.raises(DataError, match=r"a\.jsonl\.gz: unpacks to 6\d MiB or more from"):
        files.read_text(path)
    assert time.process_time() - began < 5


@pytest.mark.parametrize("kept", [b"", b"\x1f\x8b", b"no gzip", PACKED[:-6], PACKED + b"x"])
def test_a_broken_gz_is_one_line(tmp_path, kept):
    (tmp_path / "a.jsonl.gz").write_bytes(kept)
    with pytest.raises(DataError) as found:
        files.read_text(tmp_path / "a.jsonl.gz")
    one_line(found.value, "a.jsonl.gz")


def test_a_parquet_file_that_unpacks_to_far_more_than_it_is(tmp_path):
    import pyarrow
    import pyarrow.parquet

    path = tmp_path / "test.parquet"
    same = pyarrow.DictionaryArray.from_arrays([0] * 20_000, ["x" * 1_000_000])
    pyarrow.parquet.write_table(pyarrow.table({"q": same}), path, compression="zstd")
    assert path.stat().st_size < 1_000_000
    with pytest.raises(DataError, match="which no data does"):
        for _ in files.parquet(path):
            pass


@pytest.mark.parametrize("kept", [b"", b"PAR1", b"PAR1" * 50, b"x" * 5000])
def test_a_broken_parquet_is_one_line(tmp_path, kept):
    (tmp_path / "a.parquet").write_bytes(kept)
    with pytest.raises(DataError) as found:
        list(files.parquet(tmp_path / "a.parquet"))
    one_line(found.value, "a.parquet")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a,b\n1," + "x" * 20_000_000 + "\n", "field larger"),
        ("a,b\n1,2\n1,2,3\n", "a.csv:3: has 3 cells"),
        ('a,b\n1,"' + "x\n" * 100, None),
        ("a,b\n" + "1," * 5000 + "\n", None),
        ("a,a\n1,2\n", None),
        ("\x00,b\n1,2\n", None),
    ],
)
def test_a_csv_is_rows_or_one_line(tmp_path, text, said):
    path = tmp_path / "a.csv"
    path.write_text(text, encoding="utf-8")
    try:
        assert all(isinstance(row, dict) for row in files.csv_rows(path)) and said is None
    except DataError as error:
        one_line(error, "a.csv", said or "a.csv")


def test_a_long_cell_is_read(tmp_path):
    (tmp_path / "a.csv").write_text("a,b\n1," + "x" * 500_000 + "\n", encoding="utf-8")
    assert [len(row["b"]) for row in files.csv_rows(tmp_path / "a.csv")] == [500_000]


def test_a_pipe_or_device_is_no_file(tmp_path):
    os.mkfifo(tmp_path / "a.jsonl")
    for path in (tmp_path / "a.jsonl", Path("/dev/zero"), tmp_path):
        with pytest.raises(DataError, match="not a file"):
            files.read_text(path)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a: 1\nb: !!python/object/apply:os.system ['touch owned']", 2),
        ("a: 1\nb: !!python/object/new:os.system {args: ['touch owned']}", 2),
        ("b: !!python/name:os.system", 1),
        ("b: !!python/module:os", 1),
        ("b: !!python/tuple [1, 2]", 1),
        ("b:\n  - !!python/dict {}", 2),
        ("a: 1\n!!python/object/apply:os.system ['x']: 2", 2),
        ("!!python/object:os.X {}\n", 1),
        ("b: !evil [1]", 1),
        ("b: !evil {a: 1}", 1),
        ("b: !!set {a, b}", 1),
        ("b: !!omap [a: 1]", 1),
        ("b: " + LONG, 1),
        ("b: 2024-99-99", 1),
        ("b: !!int many", 1),
        ("b: !!float [1]", 1),
        ("b: !!binary '*'", 1),
        ("? [1, 2]\n: 3", 1),
        ("a: &x [1]\nb: *x", 2),
        ("b: " + "[" * 200, 1),
        ("b: " + "{a: " * 200, 1),
        ("a: 1\n\ta: 2", 2),
    ],
)
def test_yaml_is_plain_data(tmp_path, monkeypatch, text, line):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(DataError) as found:
        yaml_lines.read_yaml(tmp_path / "a.yaml")
    one_line(found.value, f"a.yaml:{line}")
    assert not Path("owned").exists()


RESULT = {
    "benchmark": "b", "id": "0", "group": "", "repeat": 0, "status": "correct", "scores": {"accuracy": 1.0},
    "answer": "A", "response": {"text": "A", "finish": "stop"}, "sample": {"question": "Q", "id": "0"},
    "request": {"messages": [{"role": "user", "content": "Q"}]},
}  # fmt: skip
ODD = [
    {"benchmark": 7}, {"id": None}, {"id": 7}, {"status": "fine"}, {"status": ["correct"]}, {"scores": None},
    {"scores": {"accuracy": "1"}}, {"scores": {"accuracy": None}}, {"scores": []}, {"repeat": "0"}, {"repeat": True},
    {"answer": 7}, {"detail": []}, {"verdicts": [7]}, {"verdicts": [{"judge": "j", "kind": "score", "value": "x"}]},
    {"verdicts": {}}, {"response": []}, {"response": {"text": None}}, {"response": {"text": "a", "tokens_in": "x"}},
    {"response": {"text": "a", "logprobs": ["a"]}}, {"response": {"text": "a", "top_logprobs": [["a"]]}},
    {"response": {"text": "a", "finish": "maybe"}}, {"response": {"text": "a", "evil": 1}},
    {"response": {"text": "a", "seconds": [1]}}, {"sample": {"question": 7}}, {"sample": {"gold": ["a"]}},
    {"sample": 7}, {"sample": {"choices": "abc"}}, {"request": None}, {"request": {"messages": "abc"}},
    {"request": {"messages": [7]}}, {"request": {"messages": [{"role": "root"}]}}, {"request": {"max_tokens": "a"}},
    {"request": {"messages": [{"role": "user", "content": None}]}},
]  # fmt: skip


def test_a_good_line_is_a_result():
    assert (
        result_from_json(RESULT).status == "correct"
        and result_from_json({**RESULT, "written_by": "a later version"}).repeat == 0
    )


@pytest.mark.parametrize("change", ODD, ids=map(json.dumps, ODD))
def test_a_line_with_values_of_another_kind_is_named(tmp_path, change):
    folder = tmp_path / "r"
    folder.mkdir()
    (folder / "run.json").write_text("{}")
    (folder / "results.jsonl").write_text(json.dumps(RESULT) + "\n" + json.dumps({**RESULT, **change}) + "\n")
    with pytest.raises(UserError) as found:
        find_run("r", tmp_path).results()
    one_line(found.value, "results.jsonl:2: this line is not a result", "set aside")


def test_damaged_lines_are_set_aside(tmp_path):
    path = tmp_path / "results.jsonl"
    good = [json.dumps({**RESULT, "id": str(i)}).encode() for i in range(3)]
    bad = [b'{"id": ', b"\xff\xfe", b"[" * 5000, json.dumps({**RESULT, "status": 7}).encode(), b"null", b"\0" * 50]
    path.write_bytes(b"\n".join([good[0], bad[0], good[1], *bad[1:], good[2], b""]) + b'{"torn')
    with Journal(path) as journal:
        assert journal.set_aside(result_from_json) == 6
        journal.append({**RESULT, "id": "3"})
        with pytest.raises(UserError, match="another evalh is writing"):
            Journal(path)
    assert (tmp_path / "results.damaged.jsonl").read_bytes() == b"\n".join([*bad, b""])
    assert [json.loads(line)["id"] for line in path.read_text().splitlines()] == ["0", "1", "2", "3"]
    with Journal(path) as journal:
        assert journal.set_aside(result_from_json) == 0
    assert stat.S_IMODE((tmp_path / "results.damaged.jsonl").stat().st_mode) == 0o600


class Once:
    name, fingerprint, chat, ranks = "once", "once-1", False, True

    def __init__(self):
        self.asked = 0

    def answer(self, requests):
        self.asked += len(requests)
        yield from enumerate(Response(text="new") for _ in requests)

    def describe(self):
        return {}


@pytest.mark.parametrize(
    "row",
    ["", "[]", "{", DEEP, "null", '{"text": 7}', '{"text": "a", "logprobs": ["a"]}', '{"text": "a", "tokens_in": "x"}',
     '{"text": "a", "evil": 1}', '{"text": "a", "logprobs": [NaN]}', '{"text": "a", "cost": 1e999}', b"\xff", 7, None],
)  # fmt: skip
def test_a_damaged_row_of_the_cache_is_asked_again(tmp_path, row):
    model = Once()
    request = Request(messages=(Message("user", "a"),))
    kept = cache.with_cache(model, tmp_path / "c" / "replies.sqlite")
    assert [r.text for _, r in kept.answer([request])] == ["new"]
    store = sqlite3.connect(tmp_path / "c" / "replies.sqlite")
    if row is not None:
        store.execute("UPDATE replies SET response = ?", (row,))
    store.commit()
    store.close()
    assert [r.text for _, r in kept.answer([request])] == ["new"]
    assert [r.text for _, r in kept.answer([request])] == ["new"] and model.asked == (1 if row is None else 2)
    assert stat.S_IMODE((tmp_path / "c").stat().st_mode) == 0o700
    assert {stat.S_IMODE(f.stat().st_mode) for f in (tmp_path / "c").iterdir()} == {0o600}


@pytest.mark.parametrize("kept", [b"", b"x" * 5000, b"SQLite format 3\0" + b"\xff" * 4000])
def test_a_cache_that_is_no_database_is_one_line_or_begun_anew(tmp_path, kept):
    (tmp_path / "replies.sqlite").write_bytes(kept)
    try:
        list(cache.with_cache(Once(), tmp_path / "replies.sqlite").answer([Request(messages=(Message("user", "a"),))]))
    except UserError as error:
        one_line(error, "cache=False")


def sealed(header: dict, body: list) -> str:
    """A baseline file whose hash is right: what is odd in it was not damaged but made."""
    lines_ = [json.dumps(line, sort_keys=True, separators=(",", ":")) for line in body]
    return "\n".join([json.dumps({**header, "sha256": baseline._digest(header, lines_)}), *lines_, ""])


HEADER = {"evalh_baseline": 1, "name": "a", "manifest": {"benchmarks": {}}, "summary": {"benchmarks": {}}}
GROUP = {"benchmark": "b", "metric": "accuracy", "group": "", "status": "cw", "numbered": 2}


@pytest.mark.parametrize(
    ("header", "body"),
    [
        ({"name": 7}, []), ({"manifest": []}, []), ({"summary": 7}, []), ({"evalh_baseline": "1"}, []),
        ({}, [7]), ({}, [{}]), ({}, [{**GROUP, "status": 7}]), ({}, [{**GROUP, "status": "xy"}]),
        ({}, [{**GROUP, "numbered": 10**12}]), ({}, [{**GROUP, "numbered": "2"}]),
        ({}, [{**GROUP, "values": ["a", 1]}]),
        ({}, [{**GROUP, "values": [1e999, 0]}]), ({}, [{**GROUP, "values": 7}]), ({}, [{**GROUP, "answers": ["a", 1]}]),
        ({}, [{**GROUP, "answers": [10**30, 1]}]), ({}, [{**GROUP, "group": 7}]), ({}, [{**GROUP, "metric": []}]),
        ({}, [{**GROUP, "ids": [1, 2]}]), ({}, [{**GROUP, "ids": "ab"}]), ({}, [{**GROUP, "benchmark": [1]}]),
        ({}, [{**GROUP, "ids": ["a", "a"]}]),
    ],
)  # fmt: skip
def test_an_odd_baseline_is_one_line(tmp_path, header, body):
    path = tmp_path / "a.jsonl"
    path.write_text(sealed({**HEADER, **header}, body), encoding="utf-8")
    with pytest.raises(UserError) as found:
        baseline.read_baseline(path)
    one_line(found.value, "a.jsonl")


@pytest.mark.parametrize("text", ["", "\n", DEEP, LONG, "7", "[]", "null", '{"evalh_baseline": 1}', "\ud800", "{" * 99])
def test_a_baseline_that_is_none_is_one_line(tmp_path, text):
    (tmp_path / "a.jsonl").write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(UserError) as found:
        baseline.read_baseline(tmp_path / "a.jsonl")
    one_line(found.value, "a.jsonl")
