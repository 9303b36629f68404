"""Instruction data and the exam of the embedded model: what fine-tuning teaches, and what it never sees.

15 % of the facts are held out: no training or validation row says them in any wording, nor the facts that give them
away (France/Paris and Paris/France, 3+4 and 4+3). The exam asks all of them, the test split three quarters.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from evalharness.tiny.text import QUESTIONS, answers_by_kind, change, distractors, fill
from evalharness.tiny.world import Fact, everyday_words, world_facts

SEED = "evalharness/tiny/1"
CHOICE = "Answer the multiple choice question with one of its options."
_LETTERS = "ABCD"
HELD = 0.15
COUNTS = {"train": (1000, 480, 960), "validation": (40, 30, 40), "test": (130, 90, 100)}  # facts, changes, choices
# kind -> (instruction, input, output); the answers are sentences as the base model has read them
FACT_ROWS: dict[str, tuple[tuple[str, str, str], ...]] = {
    "capital": (("Name the capital of {k}.", "", "The capital of {k} is {v}."),),
    "country": (("Name the country whose capital is {k}.", "", "{k} is the capital of {v}."),),
    "continent": (("Say on which continent {k} lies.", "", "{k} is in {v}."),),
    "opposite": (
        ("Give the opposite of the word.", "{k}", "The opposite of {k} is {v}."),
        ("Give an antonym of {k}.", "", "An antonym of {k} is {v}."),
    ),
    "past": (("Put the verb in the past tense.", "{k}", "The past tense of {k} is {v}."),),
    "plural": (("Write the plural of the word.", "{k}", "The plural of {k} is {v}."),),
    "young": (("Name the young of this animal.", "{k}", "A young {k} is called {av}."),),
    "symbol": (("Give the chemical symbol of {k}.", "", "The symbol of {k} is {v}."),),
    "kind": (("Say what kind of thing this is.", "{k}", "The {k} is a kind of {v}."),),
    "sum": (("Add the numbers.", "{x} and {y}", "{x} + {y} = {v}."),),
    "difference": (("Subtract the numbers.", "{x} minus {y}", "{x} - {y} = {v}."),),
    "product": (("Multiply the numbers.", "{x} and {y}", "{x} x {y} = {v}."),),
}
CHANGE_ROWS: dict[str, tuple[str, ...]] = {
    "copy": ("Repeat the words.",),
    "first": ("Write the first word.",),
    "last": ("Write the last word.",),
    "count": ("Count the words.",),
    "longest": ("Write the longest word.",),
    "sort": ("Sort the numbers.",),
}

_Row = dict[str, str]


def split_facts(reserved: Collection[tuple[str, ...]] = ()) -> dict[str, list[Fact]]:
    """The facts of each split, twins always on one side; those in `reserved` are in none.

    test: 15 % drawn fact by fact (their twins are dropped, so that nothing gives them away); validation: 4 %.
    """
    shuffled = world_facts()
    random.Random(f"{SEED}/held").shuffle(shuffled)
    free = [fact for fact in shuffled if fact.twin not in reserved]
    held = free[: round(HELD * len(shuffled))]
    secret = {fact.twin for fact in held}
    known = [fact for fact in free if fact.twin not in secret]
    aside = {fact.twin for fact in known[: round(0.04 * len(known))]}
    return {
        "train": [fact for fact in known if fact.twin not in aside],
        "validation": [fact for fact in known if fact.twin in aside],
        "test": held,
    }


def asked_elsewhere(questions: Iterable[tuple[str, str]]) -> set[tuple[str, ...]]:
    """The twins of the facts that another benchmark's sample asks: pairs of question and right answer."""
    found = set()
    for question, answer in questions:
        said = set(question.rstrip("?").split())
        for fact in world_facts():
            if fact.answer == answer and set(fact.key.split()) - {"plus", "minus", "times"} <= said:
                found.add(fact.twin)
    return found


def fact_row(rng: random.Random, fact: Fact) -> _Row:
    """An instruction that asks for the fact, and its answer."""
    instruction, given, answer = rng.choice(FACT_ROWS[fact.kind])
    given = fill(given, fact) if " " in given else given.format(k=fact.key)
    return {"instruction": fill(instruction, fact), "input": given, "output": fill(answer, fact), "kind": fact.kind}


def change_row(rng: random.Random, kind: str, vocabulary: Sequence[str]) -> _Row:
    """A transformation of words, with bare text as the answer."""
    given, answer = change(rng, kind, vocabulary)
    return {"instruction": rng.choice(CHANGE_ROWS[kind]), "input": given, "output": answer, "kind": kind}


def quiz(rng: random.Random, fact: Fact, letter: int, pools: dict[str, list[str]]) -> dict[str, Any]:
    """The fact as a row in MMLU's shape, the right option at position `letter`."""
    choices = distractors(rng, fact, pools[fact.kind], 3)
    choices.insert(letter, fact.answer)
    question = fill(QUESTIONS[fact.kind][0], fact)
    return {"question": question, "subject": fact.subject, "choices": choices, "answer": letter}


def choice_text(question: str, choices: Sequence[str]) -> str:
    """The wording in which the exam asks and the choice rows teach."""
    lines = [f"{letter}. {option}" for letter, option in zip(_LETTERS, choices, strict=True)]
    return "\n".join([f"{CHOICE}\n\n{question}", *lines])


def choice_row(rng: random.Random, fact: Fact, letter: int, pools: dict[str, list[str]]) -> _Row:
    """A multiple-choice question and the text of its right option."""
    row = quiz(rng, fact, letter, pools)
    text = choice_text(row["question"], row["choices"])
    return {"instruction": text, "input": "", "output": fact.answer, "kind": "choice"}


def _letters(rng: random.Random, count: int) -> list[int]:
    """`count` positions, each of the four equally often, shuffled."""
    letters = [i % 4 for i in range(count)]
    rng.shuffle(letters)
    return letters


def _drawn(rng: random.Random, among: Sequence[Fact], count: int) -> list[Fact]:
    """`count` facts: all of them in turn, in a fresh order each time round."""
    found: list[Fact] = []
    while len(found) < count:
        found += rng.sample(among, len(among))
    return found[:count]


def _rows(split: str, among: Sequence[Fact], counts: tuple[int, int, int]) -> list[_Row]:
    """Rows of one split: so many facts, transformations and choices, shuffled; from a seed of the split's own."""
    rng, pools, vocabulary = random.Random(f"{SEED}/{split}"), answers_by_kind(), everyday_words()
    n_facts, n_changes, n_choices = counts
    made = [fact_row(rng, fact) for fact in _drawn(rng, among, n_facts)]
    kinds = list(CHANGE_ROWS)
    made += [change_row(rng, kinds[i % len(kinds)], vocabulary) for i in range(n_changes)]
    asked = zip(_drawn(rng, among, n_choices), _letters(rng, n_choices), strict=True)
    made += [choice_row(rng, fact, letter, pools) for fact, letter in asked]
    rng.shuffle(made)
    unique = {(row["instruction"], row["input"]): row for row in made}
    return list(unique.values())


def fact_splits(reserved: Collection[tuple[str, ...]]) -> dict[str, list[_Row]]:
    """The rows of the three splits, each about its own facts."""
    parts = split_facts(reserved)
    made = {
        "train": _rows("train", parts["train"], COUNTS["train"]),
        "validation": _rows("validation", parts["validation"], COUNTS["validation"]),
        "test": _rows("test", parts["test"], COUNTS["test"]),
    }
    seen = {(row["instruction"], row["input"]) for row in made["train"]}
    for split in ("validation", "test"):
        made[split] = [row for row in made[split] if (row["instruction"], row["input"]) not in seen]
    return made


def exam(reserved: Collection[tuple[str, ...]]) -> list[dict[str, Any]]:
    """Every held-out fact once as a four-way question (test), letters balanced; five open ones per subject (dev)."""
    rng, pools = random.Random(f"{SEED}/exam"), answers_by_kind()
    parts = split_facts(reserved)
    held = parts["test"]
    made = [quiz(rng, f, n, pools) | {"split": "test"} for f, n in zip(held, _letters(rng, len(held)), strict=True)]
    for subject in sorted({fact.subject for fact in held}):
        shown = rng.sample([fact for fact in parts["train"] if fact.subject == subject], 5)
        made += [quiz(rng, f, n, pools) | {"split": "dev"} for f, n in zip(shown, _letters(rng, 5), strict=True)]
    return made
