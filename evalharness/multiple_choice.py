"""The common layouts of multiple-choice prompts, for benchmark plug-ins."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256

from evalharness.benchmark import Prompt, TextOf, nothing
from evalharness.records import Sample
from evalharness.scoring import LETTERS
from evalharness.sources import Row


def lettered_options(sample: Sample) -> list[str]:
    """The options behind their letters, a line each."""
    return [f"{LETTERS[i]}. {text}" for i, text in enumerate(sample.choices)]


def options(sample: Sample) -> str:
    """The question and its lettered options, a line each."""
    return "\n".join([sample.question.strip(), *lettered_options(sample)])


def shuffled(sample: Sample) -> Sample:
    """The same question with its choices in an order that only their own text decides.

    For data whose right answer always stands in the same place. The order is the same in every run, on any machine.
    """

    def rank(position: int) -> bytes:
        text = f"{sample.question}\0{sample.choices[position]}\0{position}"
        return sha256(text.encode("utf-8", "surrogatepass")).digest()

    order = sorted(range(len(sample.choices)), key=rank)
    gold = tuple(new for new, old in enumerate(order) if old in sample.gold)
    return replace(sample, choices=tuple(sample.choices[i] for i in order), gold=gold)


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


def shown(question: TextOf, header: TextOf = nothing, between: str = "\n\n") -> Prompt:
    """`question` with the lettered options below it, for a model that writes: the partner of `written_out`."""
    return Prompt(
        header=header,
        question=lambda s: "\n".join([question(s).removesuffix("\nAnswer:"), *lettered_options(s), "Answer:"]),
        answer=lambda s: " " + LETTERS[s.gold[0]],
        between=between,
    )


def labelled() -> Prompt:
    """Classification: the question, `Answer:`; the labels, with a leading space, are ranked."""
    return written_out(lambda s: s.question + "\nAnswer:")


def classified(text: str | Callable[[Row], str], labels: tuple[str, ...]) -> Callable[[Row], Sample]:
    """Rows to samples: `text` is a template of fields (`{sentence}`) or a function, `label` counts in `labels`."""

    def sample(row: Row) -> Sample:
        number = int(row["label"])
        if not 0 <= number < len(labels):
            raise ValueError(f"its label is {number}, which is how a data set withholds the right answer")
        question = text.format(**row) if isinstance(text, str) else text(row)
        return Sample(question=question, choices=labels, gold=(number,))

    return sample
