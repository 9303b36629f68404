"""The instruction data and the exam: what is held out is in no wording of the training rows."""

import json
import re
import sys
from collections import Counter
from pathlib import Path

import pytest

from evalharness import tiny
from evalharness.tiny import lessons
from evalharness.tiny.world import NUMBERS, world_facts

ROOT = Path(__file__).resolve().parents[2]
BENCHMARKS = ROOT / "benchmarks"


def read(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


LEARNED = read(tiny.INSTRUCTIONS)
TEST = read(BENCHMARKS / "tiny_instructions.jsonl")
EXAM = read(BENCHMARKS / "tiny_exam.jsonl")


def test_the_shipped_files_are_what_the_script_writes(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "tools"))
    import make_tiny_data

    try:
        for path, rows in make_tiny_data.files().items():
            assert path.read_text(encoding="utf-8") == make_tiny_data.text(rows), path.name
    finally:
        sys.modules.pop("make_tiny_data")


def asked(row):
    """The question of a row about facts, without options and answer."""
    return f"{row['instruction']} {row['input']}".split("\nA. ")[0]


def says(row, fact):
    """Whether the row asks for the fact and answers it: its key in the question, its answer in the output."""
    if fact.kind in NUMBERS:
        first, _, second = fact.key.split()
        return re.findall(r"\d+", asked(row)) in ([first, second], [second, first]) and row["kind"] in (
            fact.kind, "choice",
        )  # fmt: skip
    word = rf"\b{re.escape(fact.key)}\b"
    return bool(re.search(word, asked(row))) and bool(re.search(rf"\b{re.escape(fact.answer)}\b", row["output"]))


@pytest.mark.parametrize("source", ["exam", "mmlu"])
def test_no_row_of_the_training_data_says_a_held_out_fact(source):
    rows = [row for row in EXAM if row["split"] == "test"] if source == "exam" else read(BENCHMARKS / "mmlu.jsonl")
    questions = [(row["question"], row["choices"][row["answer"]]) for row in rows]
    if source == "exam":
        held = lessons.split_facts(mmlu_twins())["test"]
        assert len(held) == len(rows)
    else:
        secret = lessons.asked_elsewhere(questions)
        held = [fact for fact in world_facts() if fact.twin in secret]
    stated = [row for row in LEARNED if row["kind"] not in lessons.CHANGE_ROWS]
    by_word = {}
    for row in stated:
        for word in set(re.findall(r"\w+", asked(row))):
            by_word.setdefault(word, []).append(row)
    twins = {fact.twin for fact in held}
    both_ways = [fact for fact in world_facts() if fact.twin in twins]
    for fact in both_ways:
        kind_sign = {"sum": "+", "difference": "-", "product": "x"}.get(fact.kind)
        for row in by_word.get(fact.key.split()[0], []):
            if kind_sign and row["kind"] == "choice" and f" {kind_sign} " not in asked(row):
                continue
            assert not says(row, fact), (fact, row)


def mmlu_twins():
    return lessons.asked_elsewhere((r["question"], r["choices"][r["answer"]]) for r in read(BENCHMARKS / "mmlu.jsonl"))


def test_the_splits_share_no_question():
    seen = {(row["instruction"], row["input"]) for row in LEARNED}
    assert len(seen) == len(LEARNED) > 2000
    assert not seen & {(row["instruction"], row["input"]) for row in TEST}


def test_places_are_balanced():
    for rows in (LEARNED, TEST):
        asked_rows = [row for row in rows if row["kind"] == "choice"]
        places = Counter(
            next(line[0] for line in row["instruction"].splitlines() if line[3:] == row["output"]) for row in asked_rows
        )
        assert max(places.values()) - min(places.values()) <= 2, places
    for split in ("test", "dev"):
        places = Counter(row["answer"] for row in EXAM if row["split"] == split)
        assert max(places.values()) - min(places.values()) <= 6, places


def test_the_exam_asks_every_held_out_fact_once():
    questions = [row for row in EXAM if row["split"] == "test"]
    assert len(questions) >= 170
    assert len({row["question"] for row in questions}) == len(questions)
    assert {row["subject"] for row in questions} == {
        "geography", "language", "mathematics", "nature", "objects", "science",
    }  # fmt: skip
    assert Counter(row["subject"] for row in EXAM if row["split"] == "dev") == dict.fromkeys(
        {row["subject"] for row in questions}, 5
    )
    assert all(len(set(row["choices"])) == 4 for row in EXAM)
