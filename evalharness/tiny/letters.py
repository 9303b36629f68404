"""Rows that teach the embedded model to answer with the letter of an option, in MMLU's exact form.

Three lessons, mixed: the question says its answer and there are two options; the same with four; then most of the
questions do not say it. The first two teach to look a label up, without which the third stays at chance.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from evalharness.tiny.lessons import SEED, quiz
from evalharness.tiny.text import answers_by_kind
from evalharness.tiny.world import Fact

_LETTERS = "ABCD"


@dataclass(frozen=True, slots=True)
class Lesson:
    """So many rows, options of a question, the share of the questions that say their answer."""

    rows: int
    options: int
    told: float


LESSONS = (Lesson(3500, 2, 1.0), Lesson(3500, 4, 1.0), Lesson(9000, 4, 0.35))


def letter_question(
    rng: random.Random, lesson: Lesson, fact: Fact, pools: dict[str, list[str]]
) -> tuple[str, list[str], str]:
    """A question of a lesson about the fact, its options, and the right one's letter."""
    row = quiz(rng, fact, 0, pools)
    options = [fact.answer, *rng.sample(row["choices"][1:], lesson.options - 1)]
    rng.shuffle(options)
    told = f" {fact.answer}" if rng.random() < lesson.told else ""
    return row["question"] + told, options, _LETTERS[options.index(fact.answer)]


def letter_rows(facts: Sequence[Fact], lessons: Sequence[Lesson] = LESSONS) -> list[dict[str, str]]:
    """Instruction rows of these lessons about facts drawn with replacement, for `--style none`: the same every time."""
    rng, pools, made = random.Random(f"{SEED}/letters"), answers_by_kind(), []
    for lesson in lessons:
        for _ in range(lesson.rows):
            fact = rng.choice(facts)
            question, options, letter = letter_question(rng, lesson, fact, pools)
            about = f"The following are multiple choice questions (with answers) about {fact.subject}."
            lines = [f"{label}. {option}" for label, option in zip(_LETTERS, options, strict=False)]
            asked = "\n".join([f"{about}\n\n{question}", *lines, "Answer:"])
            made.append({"instruction": asked, "input": "", "output": f" {letter}"})
    return made
