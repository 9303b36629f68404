"""Recorded answers that are damaged, hostile or about something else: one line each."""

import gzip
import json
import os
import sys
import zipfile
from pathlib import Path

import pytest
from replay_files import WORDS, inspect_log, lines, quiz

from evalharness.errors import DataError
from evalharness.models._recorded import recorded_answers
from evalharness.models._recorded_answers import AnswerKeys
from evalharness.models.replay import Replay


def _journal_line(**response):
    return json.dumps({"benchmark": "b", "id": "0", "status": "correct", "response": response}) + "\n"


BAD = {
    "a.jsonl": [
        ('{"id": "0", "text": "x"}\n{"id": "1", "nothing": 1}\n', "a.jsonl:2: wanted the answer under one of text"),
        ('{"id": "0", "text": 5}\n', "a.jsonl:1: wanted the answer as text, there is int"),
        ('{"id": "0", "response": {"x": 1}}\n', "a.jsonl:1: wanted the answer's text in its object; there is x"),
        ('{"id": "0", "text": "x", "repeat": -1}\n', "a.jsonl:1: its repeat is -1, wanted a whole number from 0"),
        ('{"id": "0", "text": "x", "repeat": 1e300}\n', "a.jsonl:1: its repeat is 1e+300, wanted a whole number"),
        (
            '{"id": "0", "text": "x", "cost": "free"}\n',
            "a.jsonl:1: its cost is 'free', wanted a finite number, 0",
        ),
        ('{"id": "0", "logprobs": [-1.0, NaN]}\n', "a.jsonl:1: its logprobs is [-1.0, nan], wanted a list"),
        ('{"id": "0", "resps": [[["x", "False"]]]}\n', "a.jsonl:1: wanted log-probabilities, there is ['x']"),
        ('{"id": "0", "text": null}\n', "a.jsonl:1: wanted the answer as text, there is null, and so in every row"),
        ('{"id": "0", "text": "\xff"}\n'.encode("latin-1"), "a.jsonl:1: not UTF-8 text"),
        ('{"id": "0", "text": ' + "[" * 100_000 + "\n", "a.jsonl:1: not valid JSON (nested too deep)"),
        ('{"id": "0", "text": ' + "[" * 700 + "]" * 700 + "}\n", "a.jsonl:1: nested too deep"),
        (
            '{"id": "0", "output": [{"type": "text", "text": 7}]}\n',
            "a.jsonl:1: wanted the answer as text, there is int",
        ),
        ('{"id": "0", "text": "x", "tokens_in": "1e400"}\n', "a.jsonl:1: its tokens_in is '1e400', wanted a whole"),
        (
            '{"id": "0", "text": "x", "tokens_out": -1}\n',
            "a.jsonl:1: its tokens_out is -1, wanted a whole number, 0",
        ),
        ('{"id": "0", "text": "x", "repeat": "²"}\n', "a.jsonl:1: its repeat is '²', wanted a whole number"),
        ('{"id": "0", "logprobs": ["a"]}\n', "a.jsonl:1: its logprobs is ['a'], wanted a list of finite numbers"),
        (_journal_line(text=7), "a.jsonl:1: its text is 7, wanted a text"),
        (_journal_line(text="a", tokens_in="b"), "a.jsonl:1: its tokens_in is 'b', wanted a whole number"),
        (_journal_line(logprobs=["a"]), "a.jsonl:1: wanted log-probabilities, there is ['a']"),
        (
            _journal_line(logprobs=[-1, -2], greedy=["no", 1]),
            "a.jsonl:1: its greedy is ['no', 1], wanted true or",
        ),
        (_journal_line(logprobs=[-1, -2], greedy=[True]), "a.jsonl:1: its greedy has 1 entries, its logprobs 2"),
        ('{"problem": "2 + 2?", "solution": "4", "answer": "4"}\n', "a.jsonl:1: wanted the answer under one of text"),
    ],
    "a.csv": [
        ("\n", "a.csv: the file is empty"),
        ("\nid,text\n", "a.csv: wanted a CSV file with a header"),
        ("id,text\n0,x\n1,y,z\n", "a.csv:3: has more cells than the header has columns"),
        ('id,text\n0,x\n1,"y\n', "not a readable CSV row"),
        ("id,said\n0,x\n", "a.csv:2: wanted the answer under one of text"),
    ],
    "a.parquet": [("id,text\n", "a.parquet: not a readable parquet file")],
    "a.eval": [("PK", "a.eval: not a readable zip archive")],
    "a.json": [
        ('{"0": "x", "1": ', "a.json:1:17: not valid JSON"),
        ("[[1]]", "entry 1: wanted an object"),
        ('{"0": ' + "9" * 5000 + "}", "a.json: not valid JSON (a whole number has too many digits)"),
        ('[{"id": 0, "text": "a"}, {"id": 1, "text": "a", "cost": "b"}]', "a.json: entry 2: its cost is 'b', wanted"),
    ],
}


@pytest.mark.parametrize(
    ("name", "content", "wanted"), [(name, *case) for name, cases in BAD.items() for case in cases]
)
def test_a_mistake_in_a_file_is_one_line_that_names_the_place(evalh, tmp_path, name, content, wanted):
    file = quiz(tmp_path, WORDS)
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    said = evalh("run", file, "--model", f"replay:{name}")
    assert said.code == 2 and wanted in said.err and said.err.count("\n") == 1, said.err


def test_numbers_of_tables_are_texts_and_fractions(tmp_path):
    row = {"id": "0", "text": "x", "tokens_in": "12", "tokens_out": 3.0, "cost": "0.5", "repeat": "2"}
    read = recorded_answers(row, "here", AnswerKeys())
    ((said,),) = read.answers
    assert (said.tokens_in, said.tokens_out, said.cost, read.repeat) == (12, 3, 0.5, 2)
    assert type(said.tokens_in) is type(said.tokens_out) is int
    ranked = recorded_answers({"id": "0", "logprobs": ["-1.5", "-inf"]}, "here", AnswerKeys()).answers[0][0]
    assert ranked.logprobs == (-1.5, -sys.float_info.max)


@pytest.mark.parametrize(
    "logprobs",
    [None, 5, True, "", "[-0.1]", {"content": [{"token": "a", "logprob": -1.0}]}, {"tokens": ["a"]}, [None, -0.5],
     [{"7": {"logprob": -1.0}}], [["a", -1.0]]],
    ids=repr,
)  # fmt: skip
def test_what_others_say_of_the_tokens_of_a_text_is_left_alone(logprobs):
    read = recorded_answers({"id": "0", "text": "x", "logprobs": logprobs}, "here", AnswerKeys())
    assert [[r.text for r in turns] for turns in read.answers] == [["x"]]


@pytest.mark.parametrize("options", ["{[]: 1}", "[0x" + "f" * 9000 + "]", "[" * 5000, "1+" * 90_000 + "1"])
def test_choices_that_are_no_list_are_none(options):
    assert recorded_answers({"id": "0", "text": "x", "choices": options}, "here", AnswerKeys()).choices == ()


def test_a_file_that_unpacks_without_end_or_never_ends_is_one_line(tmp_path):
    with gzip.open(tmp_path / "a.jsonl.gz", "wb") as file:
        for _ in range(100):
            file.write(b" " * (1 << 20) + b"\n")
    os.mkfifo(tmp_path / "pipe.jsonl")
    for path, wanted in (
        (tmp_path / "a.jsonl.gz", r"a\.jsonl\.gz: unpacks to 64 MiB or more"),
        (tmp_path / "pipe.jsonl", r"pipe\.jsonl: not a file"),
        (Path("/dev/zero"), "/dev/zero: not a file"),
    ):
        with pytest.raises(DataError, match=wanted):
            Replay(path, AnswerKeys())


@pytest.mark.parametrize("free", [1 << 10, 1 << 20])
def test_a_log_of_inspect_that_unpacks_to_far_too_much_in_all_is_one_line(tmp_path, monkeypatch, free):
    from evalharness.data import files
    from evalharness.models._recorded_rows import placed_rows

    monkeypatch.setattr(files, "FREE", free)
    blank = {"input": " " * 200_000, "output": {"completion": "a"}, "epoch": 1}
    log = inspect_log(tmp_path / "x.eval", [{"id": n, **blank} for n in range(9)])
    with pytest.raises(DataError, match=r"x\.eval: unpacks to [0-9,]+ MiB or more from [0-9,]+ bytes"):
        list(placed_rows(log))
    log = inspect_log(tmp_path / "y.eval", [{"id": n, **blank} for n in range(9)], zipfile.ZIP_STORED)
    assert len(list(placed_rows(log))) == 9


def test_data_that_is_large_is_no_bomb():
    from evalharness.data.files import no_bomb

    no_bomb(Path("x"), 1 << 40, 1 << 41, most=float("inf"))
    no_bomb(Path("x"), 1, 1 << 20)
    for packed, unpacked in ((1 << 40, 1 << 41), (1, 1 << 30)):
        with pytest.raises(DataError, match="x: unpacks to"):
            no_bomb(Path("x"), packed, unpacked)


def test_a_key_that_is_not_there_is_said_with_its_line(evalh, tmp_path):
    file = quiz(tmp_path, WORDS)
    lines(tmp_path / "a.jsonl", [{"id": 0, "mine": {"said": "0"}}, {"id": 1, "mine": {}}])
    said = evalh("run", file, "--model", "replay:a.jsonl", "--answer-key", "mine.said")
    assert said.code == 2 and "a.jsonl:2: there is no 'mine.said', which --answer-key names" in said.err
    said = evalh("run", file, "--model", "replay:a.jsonl", "--answer-key", "mine", "--id-key", "key")
    assert said.code == 2 and "a.jsonl:1: there is no 'key', which --id-key names; there is id, mine" in said.err
