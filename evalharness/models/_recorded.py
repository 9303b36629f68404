"""One row of a file of recorded answers: which question it answers."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass

from evalharness.data.rows import Row
from evalharness.errors import DataError, option_name
from evalharness.models._recorded_answers import (
    AnswerKeys,
    KnownKeys,
    Turns,
    answers_in,
    keys_of,
    logprobs_by_label,
    named_by,
    spoken_by,
    whole,
)

# The first of these that a row has is its id.
IDS = KnownKeys(
    "id", "task_id", "qid", "question_id", "key", "custom_id", "uid", "unique_id", "query_id", "doc_id", "sample_id",
    "example_id", "idx", "index",
)  # fmt: skip
QUESTIONS = KnownKeys(
    "question", "instruction", "prompt", "problem", "query", "input", "full_prompt", "origin_prompt", "example",
    "sentence", "sentence1", "premise", "question1",
)  # fmt: skip
GROUPS = KnownKeys("group", "subject", "category")
CHOICES = KnownKeys("choices", "options")
NESTED = KnownKeys(
    "doc", "sample"
)  # the data set's own row in a line of lm-evaluation-harness, the sample in one of ours
MOST_REPEATS = 100_000
NO_IDS = "none"


@dataclass(frozen=True, slots=True)
class RecordedAnswers:
    """The answers of one row, and all that says which question they answer.

    `questions` are texts of the question, or prompts that hold it, and `prompt` is the whole prompt of a sample log,
    all with single spaces; `prompt_hash` is sha256 of the prompt as it was. `choices` are the options as the row lists
    them, `continuations` what its log-probabilities are of. `repeat` is None where the order of the file decides.
    """

    where: str
    ids: tuple[str, ...]
    questions: tuple[str, ...]
    prompt: str
    prompt_hash: str
    choices: tuple[str, ...]
    continuations: tuple[str, ...]
    group: str
    repeat: int | None
    answers: tuple[Turns, ...]


def recorded_answers(row: Row, where: str, keys: AnswerKeys) -> RecordedAnswers:
    """A row read. DataError where it has no answer, or says of no question that it answers it."""
    nested: Row = next((row[name] for name in NESTED.of(row) if isinstance(row[name], Mapping)), {})
    about = {**nested, **row} if nested else row
    ids = _ids(row, nested, where, keys)
    asked = _asked(row)
    questions = _questions(about) or _longest(nested)
    if not ids and not questions and not asked:
        raise DataError(
            f"{where}: wanted `id` or the question's text under `question`; there is {keys_of(row)} "
            f"({option_name('id_key')} names "
            "another)"
        )
    return RecordedAnswers(
        where=where,
        ids=ids,
        questions=tuple(questions),
        prompt=squeezed(asked[0][0]) if asked else "",
        prompt_hash=str(row.get("prompt_hash") or ""),
        choices=next((c for name in CHOICES.of(about) if (c := _options(about[name]))), ()),
        continuations=tuple(c for _, c in asked) or tuple(logprobs_by_label(row)),
        group=str(next((about[name] for name in GROUPS.of(about) if isinstance(about[name], str)), "")),
        repeat=_repeat(row, where),
        answers=answers_in(row, where, keys),
    )


def squeezed(text: str) -> str:
    """The text with single spaces: files wrap and indent a question as they like."""
    return " ".join(text.split())


def _ids(row: Row, nested: Row, where: str, keys: AnswerKeys) -> tuple[str, ...]:
    if keys.id == NO_IDS:
        return ()
    if keys.id is not None:
        found = [named_by(row, keys.id, where, "id_key")]
    else:
        found = [
            next((r[name] for name in IDS.of(r) if _is_id(r[name])), None)
            for r in ((row, nested) if nested else (row,))
        ]
    return tuple(dict.fromkeys(str(identity) for identity in found if _is_id(identity)))


def _is_id(value: object) -> bool:
    return isinstance(value, str | int) and not isinstance(value, bool)


def _questions(about: Row) -> list[str]:
    found = {name: text for name in QUESTIONS.of(about) if (text := _said(about[name]))}
    if "instruction" in found and "input" in found:  # Alpaca's rows: neither is the question by itself
        found["instruction"] += "\n\n" + found.pop("input")
    if not found and "messages" in about:
        found = {"messages": next(filter(None, map(_said, spoken_by(about, "user"))), "")}
    return [squeezed(text) for text in found.values() if text]


def _longest(nested: Row) -> list[str]:
    """Where a data set's row calls no field a question (premise and hypothesis, two sentences): its longest text."""
    if not nested:
        return []
    return sorted((squeezed(v) for v in nested.values() if isinstance(v, str) and v.strip()), key=len)[-1:]


def _said(value: object) -> str:
    """A text, or what the messages of a conversation say."""
    if isinstance(value, str):
        return value
    turns = value if isinstance(value, list) and all(isinstance(turn, Mapping) for turn in value) else []
    said = [turn.get("content", turn.get("prompt")) for turn in turns]  # OpenCompass calls a turn's text its prompt
    return "\n\n".join(text for text in said if isinstance(text, str))


def _options(value: object) -> tuple[str, ...]:
    """Choices as a list, in ARC's object of texts and labels, or as the Python literal that CSV tables carry."""
    if isinstance(value, str):
        try:
            value = ast.literal_eval(value)
        except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
            return ()
    if isinstance(value, Mapping):
        value = value.get("text")
    if not isinstance(value, list | tuple) or not all(map(_is_option, value)):
        return ()
    found = tuple(squeezed(str(v)) for v in value)
    return () if all(len(text) == 1 and text.isalpha() for text in found) else found  # labels are no options


def _is_option(value: object) -> bool:
    """A text or a number; none whose digits Python refuses to print."""
    return isinstance(value, str | float) or (isinstance(value, int) and value.bit_length() <= 64)


def _asked(row: Row) -> list[tuple[str, str]]:
    """(context, continuation) of each request in a sample log of lm-evaluation-harness, of either generation."""
    arguments = row.get("arguments")
    if isinstance(arguments, Mapping):
        pairs = [(a.get("arg_0"), a.get("arg_1")) for a in arguments.values() if isinstance(a, Mapping)]
    elif isinstance(arguments, list):
        pairs = [(a[0], a[1]) for a in arguments if isinstance(a, list) and len(a) == 2]
    else:
        return []
    return [(c, t if isinstance(t, str) else "") for c, t in pairs if isinstance(c, str)]


def _repeat(row: Row, where: str) -> int | None:
    """Which of several answers to its question a row is; Inspect's epochs count from 1."""
    name, first = ("repeat", 0) if row.get("repeat") is not None else ("epoch", 1)
    if row.get(name) is None:
        return None
    found = whole(row[name])
    if found is None or not first <= found <= MOST_REPEATS:
        raise DataError(
            f"{where}: its {name} is {row[name]!r:.40}, wanted a whole number from {first} to {MOST_REPEATS}"
        )
    return found - first
