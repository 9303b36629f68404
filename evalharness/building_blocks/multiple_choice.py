"""The common layouts of multiple-choice rows and prompts, for benchmark plug-ins."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from string import Formatter

from evalharness.benchmark import Prompt, TextOf, nothing, plain_question
from evalharness.data.fields import place, take, texts
from evalharness.data.rows import Row
from evalharness.records import Sample
from evalharness.scoring.answers import LETTERS
from evalharness.scoring.metrics import mean, mean_where

BY_LENGTH = (mean(), mean_where("accuracy_norm"))  # the figures of `scoring.choice_by_length`


def from_fields(
    question: str = "question",
    choices: str | tuple[str, ...] = "choices",
    gold: str = "answer",
    *,
    first: int = 0,
    key: str = "",
    group: str = "",
) -> Callable[[Row], Sample]:
    """Rows to samples by the names of their fields; `key` is the field of the id.

    `choices` is a field that holds a list, or one field for each choice. `gold` counts them from `first`.
    """

    def sample(row: Row) -> Sample:
        options = texts(row, choices) if isinstance(choices, str) else [row[name] for name in choices]
        return Sample(
            id=str(row[key]) if key else "", question=row[question], choices=tuple(options),
            gold_indices=(place(row, gold, len(options), first),), group=row[group] if group else "",
        )  # fmt: skip

    return sample


def cloze(field: str) -> Callable[[Row], Sample]:
    """Rows to samples: the text of a field without its last word, which is the one choice (`scoring.last_word`)."""

    def sample(row: Row) -> Sample:
        before, _, word = row[field].rpartition(" ")
        return Sample(question=before, choices=(word,), answers=(word,), gold_indices=(0,))

    return sample


def classified(text: str | Callable[[Row], str], labels: tuple[str, ...]) -> Callable[[Row], Sample]:
    """Rows to samples: `text` is a template of fields (`{sentence}`) or a function, `label` counts in `labels`."""
    names = [name for _, name, _, _ in Formatter().parse(text) if name] if isinstance(text, str) else []

    def sample(row: Row) -> Sample:
        gold = place(row, "label", len(labels))
        question = text.format(**{n: take(row, n, str) for n in names}) if isinstance(text, str) else text(row)
        return Sample(question=question, choices=labels, gold_indices=(gold,))

    return sample


def shuffled(sample: Sample) -> Sample:
    """The same question with its choices in an order that only their own text decides.

    For data whose right answer always stands in the same place. The order is the same in every run, on any machine.
    """

    def rank(position: int) -> bytes:
        text = f"{sample.question}\0{sample.choices[position]}\0{position}"
        return sha256(text.encode("utf-8", "surrogatepass")).digest()

    order = sorted(range(len(sample.choices)), key=rank)
    gold = tuple(new for new, old in enumerate(order) if old in sample.gold_indices)
    return replace(sample, choices=tuple(sample.choices[i] for i in order), gold_indices=gold)


def lettered_options(sample: Sample, mark: str = "{}.") -> list[str]:
    """The options behind their letters, a line each; behind dashes where there are more of them than letters."""
    if len(sample.choices) > len(LETTERS):
        return [f"- {text}" for text in sample.choices]
    return [f"{mark.format(LETTERS[i])} {text}" for i, text in enumerate(sample.choices)]


def written_choice(sample: Sample) -> str:
    """How the right option is answered below `lettered_options`: its letter, or its text where there are none."""
    return (
        sample.choices[sample.gold_indices[0]]
        if len(sample.choices) > len(LETTERS)
        else LETTERS[sample.gold_indices[0]]
    )


def question_with_options(sample: Sample) -> str:
    """The question and its lettered options, a line each."""
    return "\n".join([sample.question.strip(), *lettered_options(sample)])


def lettered(
    description: TextOf = nothing, question: TextOf = lambda s: question_with_options(s) + "\nAnswer:", mark: str = "{}"
) -> Prompt:
    """Question, lettered options, `Answer:`; the letters with a leading space are ranked (MMLU's layout).

    `mark` is how a letter is answered: `({})` in GPQA.
    """
    return Prompt(
        description=description,
        question=question,
        answer=lambda s: " " + mark.format(LETTERS[s.gold_indices[0]]),
        choices=lambda s: tuple(" " + mark.format(letter) for letter in LETTERS[: len(s.choices)]),
    )


def continued(question: TextOf = plain_question, description: TextOf = nothing, shot_separator: str = "\n\n") -> Prompt:
    """Each option's text, with a leading space, is ranked as the continuation; `question` shows what may be chosen."""
    return Prompt(
        description=description,
        question=question,
        answer=lambda s: " " + s.choices[s.gold_indices[0]],
        choices=lambda s: tuple(" " + text for text in s.choices),
        shot_separator=shot_separator,
    )


def labelled() -> Prompt:
    """Classification: the question, `Answer:`; the labels, with a leading space, are ranked."""
    return continued(lambda s: s.question + "\nAnswer:")


def written_out(
    question: TextOf = plain_question, description: TextOf = nothing, shot_separator: str = "\n\n"
) -> Prompt:
    """As `continued`, where `question` does not tell the options: a model that writes is shown them behind letters."""
    base = continued(question, description, shot_separator)
    return replace(base, written=shown(question, description, shot_separator))


def gap_filled(gap: str = "_") -> Prompt:
    """The question up to its gap, filled with each option, is read; what follows the gap is ranked.

    Partial scoring, as of Trinh and Le 2018 (https://arxiv.org/abs/1806.02847).
    """

    def filled(sample: Sample) -> tuple[str, ...]:
        return tuple(sample.question.partition(gap)[0] + option for option in sample.choices)

    def rest(sample: Sample) -> str:
        return " " + sample.question.partition(gap)[2].strip()

    return Prompt(
        question=nothing,
        answer=lambda s: filled(s)[s.gold_indices[0]] + rest(s),
        context_per_choice=filled,
        choices=lambda s: (rest(s),) * len(s.choices),
        written=shown(plain_question),
    )


def shown(question: TextOf, description: TextOf = nothing, shot_separator: str = "\n\n") -> Prompt:
    """`question` with the lettered options below it, for a model that writes."""
    return Prompt(
        description=description,
        question=lambda s: "\n".join([question(s).removesuffix("\nAnswer:"), *lettered_options(s), "Answer:"]),
        answer=lambda s: " " + written_choice(s),
        shot_separator=shot_separator,
    )
