"""Rows of lm-evaluation-harness's tasks: what `doc_to_text`, `doc_to_target`, `doc_to_choice` and `description` make of
them (lm_eval/api/task.py, version 0.4.13).
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from evalharness.data.rows import Row
from evalharness.data.yaml_lines import YamlDocument
from evalharness.file_benchmarks.templates import Render, value
from evalharness.records import Sample

Choices = Callable[[Row], tuple[str, ...]]


def sample_of(document: YamlDocument, kind: str) -> Callable[[Row], Sample]:
    """Rows to samples, for a task of this output_type. DataError by file and line for what a row shows to be wrong."""
    text, target, header = (_reads(document, key) for key in ("doc_to_text", "doc_to_target", "description"))
    choices = _choices(document)

    def make(row: Row) -> Sample:
        asked, wanted, extra = text(row), target(row), {"header": str(header(row) or "")}
        if _is_template(document, "doc_to_target", row):
            wanted = read_target(wanted, numbers=choices is not None)
        if wanted is None:
            raise document.error(("doc_to_target",), "a row's target is null")
        if choices is None:
            return _free(document, kind, Sample(question=str(asked), answers=_answers(wanted), extra=extra))
        listed = choices(row)
        gold = _gold(document, wanted, listed)
        if kind == "generate_until":  # the choices only say what the target's number stands for
            return Sample(question=str(asked), answers=tuple(listed[i] for i in gold), extra=extra)
        if isinstance(asked, int) or str(asked).isdigit():
            raise document.error(("doc_to_text",), f"doc_to_text gives {asked}: a choice in the question is not read")
        return Sample(question=str(asked), choices=listed, gold_indices=gold, extra=extra)

    return make


def _reads(document: YamlDocument, key: str) -> Render:
    """A field of the row, or what a template makes of it. Anything but a text stands for itself, as it is."""
    said = document.value.get(key)
    return value(document, (key,), said) if isinstance(said, str) else lambda row: said


def _is_template(document: YamlDocument, key: str, row: Row) -> bool:
    said = document.value.get(key)
    return isinstance(said, str) and said not in row


def read_target(written: str, numbers: bool) -> Any:
    """What a template of a target has written: digits as the place of a choice, where there are choices (`numbers`); a
    list in brackets; else the text."""
    if numbers and written.isdigit():
        return int(written)
    if written[:1] == "[" and written[-1:] == "]":
        try:
            return ast.literal_eval(written)
        except (SyntaxError, ValueError):
            return written
    return written


def _answers(wanted: Any) -> tuple[str, ...]:
    return tuple(str(one) for one in wanted) if isinstance(wanted, list) else (str(wanted),)


def _free(document: YamlDocument, kind: str, sample: Sample) -> Sample:
    """A sample without choices; of `loglikelihood` its one target is the one choice there is."""
    if not sample.answers:
        raise document.error(("doc_to_target",), "a row's target is an empty list")
    if kind == "generate_until":
        return sample
    if len(sample.answers) > 1:
        said = f"a row has {len(sample.answers)} targets, loglikelihood takes one"
        raise document.error(("doc_to_target",), said)
    return Sample(
        question=sample.question, answers=sample.answers, choices=sample.answers, gold_indices=(0,), extra=sample.extra
    )


def _choices(document: YamlDocument) -> Choices | None:
    """The choices of a row: a list of texts as it stands, a field's list, or the literal that a template writes."""
    said = document.value.get("doc_to_choice")
    if said is None:
        return None
    if isinstance(said, str):
        read = value(document, ("doc_to_choice",), said)
        return lambda row: _listed(document, read(row), _is_template(document, "doc_to_choice", row))
    fixed = list(said.values()) if isinstance(said, Mapping) else said
    if not isinstance(fixed, list):
        raise document.error(("doc_to_choice",), "doc_to_choice wants a list, a field or a template")
    for i, one in enumerate(fixed):
        if not isinstance(one, str):
            raise document.error(("doc_to_choice", i), f"the choice {one!r} is no text; put it in quotes")
    return lambda row: tuple(fixed)


def _listed(document: YamlDocument, said: Any, is_template: bool) -> tuple[str, ...]:
    if isinstance(said, str) and is_template:
        try:
            said = ast.literal_eval(said)
        except (ValueError, SyntaxError):
            said = None
    if not isinstance(said, list | tuple) or not said:
        raise document.error(("doc_to_choice",), "doc_to_choice gives no list of choices for a row")
    return tuple(str(one) for one in said)


def _gold(document: YamlDocument, wanted: Any, choices: Sequence[str]) -> tuple[int, ...]:
    """Places of the right choices: a number is a place, a text the text of a choice."""
    found = []
    for one in wanted if isinstance(wanted, list) else [wanted]:
        place = choices.index(one) if isinstance(one, str) and one in choices else one
        if not isinstance(place, int) or not 0 <= place < len(choices):
            raise document.error(("doc_to_target",), f"a row's target {one!r} is none of its {len(choices)} choices")
        found.append(int(place))
    if not found:
        raise document.error(("doc_to_target",), "a row's target is an empty list")
    return tuple(found)
