"""The rows that teach letters: MMLU's form, the right letter behind it, and nothing that is held out."""

import json
import random

import pytest

from evalharness import plugins
from evalharness.data.files import jsonl
from evalharness.records import Sample
from evalharness.tiny import letters
from evalharness.tiny.lessons import asked_elsewhere, split_facts
from evalharness.tiny.text import answers_by_kind

ASKED = [(row["question"], row["choices"][row["answer"]]) for row in jsonl(plugins.bundled("mmlu"))]
SPLITS = split_facts(asked_elsewhere(ASKED))
FACTS = SPLITS["train"]


@pytest.mark.parametrize("lesson", letters.LESSONS)
def test_a_row_is_what_mmlu_asks_and_its_letter(lesson):
    prompt = plugins.load_benchmark("mmlu").prompt
    for row in letters.letter_rows(FACTS, [letters.Lesson(40, lesson.options, lesson.told)]):
        head, rest = row["instruction"].split("\n\n")
        question, *options, _ = rest.split("\n")
        assert len(options) == lesson.options
        sample = Sample(
            id="", question=question, choices=tuple(option[3:] for option in options), gold_indices=(0,),
            group=head.rpartition(" about ")[2].rstrip("."),
        )  # fmt: skip
        assert row["instruction"] == prompt.description(sample) + prompt.question(sample)
        assert row["output"] in [f" {letter}" for letter in "ABCD"[: lesson.options]]


def test_the_letter_is_that_of_the_answer_and_told_questions_say_it():
    rng, pools = random.Random(5), answers_by_kind()
    for lesson in letters.LESSONS:
        told = 0
        for fact in rng.choices(FACTS, k=100):
            question, options, letter = letters.letter_question(rng, lesson, fact, pools)
            assert options["ABCD".index(letter)] == fact.answer and len(set(options)) == lesson.options
            told += question.endswith(f"? {fact.answer}")
        assert told / 100 == pytest.approx(lesson.told, abs=0.2)


def test_the_rows_are_the_same_every_time_and_no_letter_is_the_usual_one():
    rows = letters.letter_rows(FACTS)
    assert rows[:50] == letters.letter_rows(FACTS)[:50] and len(rows) == 16_000
    four = [row["output"] for row in rows[letters.LESSONS[0].rows :]]
    assert all(0.23 < four.count(f" {letter}") / len(four) < 0.27 for letter in "ABCD")


def test_no_row_is_about_a_held_out_fact():
    held = {fact.twin for fact in SPLITS["test"]} | asked_elsewhere(ASKED)
    assert not held & {fact.twin for fact in FACTS}


def test_the_exam_asks_in_mmlu_s_words_what_the_other_exam_asks():
    ours, exam, mmlu = map(plugins.load_benchmark, ("tiny_letters", "tiny_exam", "mmlu"))
    row = next(jsonl(plugins.bundled("tiny_exam")))
    sample = ours.sample(row)
    assert (ours.source, sample, ours.score) == (exam.source, exam.sample(row), mmlu.score)
    assert ours.prompt.question(sample) == mmlu.prompt.question(sample)
    assert ours.prompt.description(sample) == mmlu.prompt.description(sample)


@pytest.mark.slow
def test_taught_by_the_demo_it_answers_with_letters(evalh, tmp_path):
    assert evalh("demo", "--letters", "--folder", "demo").code == 0
    model = f"local:{tmp_path / 'demo' / 'letters'}"
    assert evalh("run", "tiny_letters", "--model", model, "--mode", "write", "--runs", "demo/runs").code == 0

    def accuracy(run, benchmark):
        summary = json.loads((tmp_path / "demo" / "runs" / run / "summary.json").read_text("utf-8"))
        return summary["benchmarks"][benchmark]["metrics"]["accuracy"]["value"]

    (written,) = {folder.name for folder in (tmp_path / "demo" / "runs").iterdir()} - {"letters-base", "letters-tuned"}
    assert accuracy("letters-base", "tiny_letters") < 0.3
    assert accuracy("letters-tuned", "tiny_letters") >= 0.6 <= accuracy(written, "tiny_letters")
    assert accuracy("letters-tuned", "mmlu@sample") > 0.4
