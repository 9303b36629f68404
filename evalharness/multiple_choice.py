"""The common layouts of multiple-choice prompts, for benchmark plug-ins."""

from __future__ import annotations

from evalharness.benchmark import Prompt, TextOf, nothing
from evalharness.records import Sample
from evalharness.scoring import LETTERS


def options(sample: Sample) -> str:
    """The question and its lettered options, a line each."""
    lines = [f"{LETTERS[i]}. {text}" for i, text in enumerate(sample.choices)]
    return "\n".join([sample.question.strip(), *lines])


def lettered(header: TextOf = nothing) -> Prompt:
    """Question, lettered options, `Answer:`; the letters with a leading space are ranked (MMLU's layout)."""
    return Prompt(
        header=header,
        question=lambda s: options(s) + "\nAnswer:",
        answer=lambda s: " " + LETTERS[s.gold[0]],
        choices=lambda s: tuple(" " + letter for letter in LETTERS[: len(s.choices)]),
    )


def written_out(question: TextOf, header: TextOf = nothing, between: str = "\n\n") -> Prompt:
    """The options are not shown; each option's text, with a leading space, is ranked as the continuation."""
    return Prompt(
        header=header,
        question=question,
        answer=lambda s: " " + s.choices[s.gold[0]],
        choices=lambda s: tuple(" " + text for text in s.choices),
        between=between,
    )
