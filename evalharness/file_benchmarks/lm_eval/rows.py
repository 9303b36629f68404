"""Rows of lm-evaluation-harness's tasks: what `doc_to_text`, `doc_to_target`, `doc_to_choice` and `description` make of
them (lm_eval/api/task.py, version 0.4.13).
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from evalharness.data.rows import Row
from evalharness.data.yaml_lines import Function, YamlPath
from evalharness.file_benchmarks.lm_eval.code import TaskFunction
from evalharness.file_benchmarks.lm_eval.config import TaskConfig
from evalharness.file_benchmarks.templates import value
from evalharness.records import Sample

DOC_KEYS = ("doc_to_text", "doc_to_target", "doc_to_choice")
MADE = "evalh:made"  # beside a row's fields: what the task's functions gave for it
ExampleTurn = tuple[
    str, str | None
]  # an example's question with what follows it, and its answer; None: it has no answer
_Reader = Callable[[Row, Mapping[str, Any]], Any]


def document_of(row: Row) -> dict[str, Any]:
    """The row without what was made of it."""
    return {key: one for key, one in row.items() if key != MADE}


@dataclass(frozen=True)
class DocView:
    """How a row is read: as a question that is asked, or (`shown`) as an example, of which `fewshot_config` may say
    otherwise."""

    config: TaskConfig
    shown: bool = False

    def where(self, key: str) -> YamlPath:
        """The place that says it."""
        return ("fewshot_config", key) if self.shown and self.config.examples.get(key) is not None else (key,)

    def said(self, key: str, default: Any = None) -> Any:
        """What the file says under a key."""
        found = self.config.examples.get(key) if self.shown else None
        return self.config.get(key, default) if found is None else found

    def functions(self, *, own: bool = False) -> dict[str, TaskFunction]:
        """The functions among `DOC_KEYS`, by key; `own`: of an example, those alone that a question has not."""
        return {
            key: TaskFunction(self.config.document, self.where(key), str(self.said(key)))
            for key in DOC_KEYS
            if isinstance(self.said(key), Function) and not (own and self.where(key) == (key,))
        }

    def reader(self, key: str) -> _Reader:
        """A field of the row, what a template makes of it, or what a function made of it; anything but a text stands
        for itself."""
        said, where = self.said(key), self.where(key)
        if isinstance(said, Function):
            return lambda row, made: made[key]
        if isinstance(said, str):
            read = value(self.config.document, where, said)
            return lambda row, made: read(row)
        return lambda row, made: said

    def is_template(self, key: str, row: Row) -> bool:
        """Whether a key's text is a template: not a function, and no field of the row."""
        said = self.said(key)
        return isinstance(said, str) and not isinstance(said, Function) and said not in row


@dataclass(frozen=True)
class ReadDoc:
    """What a view makes of one row. `text` is a number where the choices stand in the question (`choices[text]`)."""

    row: Row
    text: str | int
    target: Any
    choices: tuple[str, ...] | None
    prefix: str


def doc_reader(view: DocView) -> Callable[[Row], ReadDoc]:
    """Rows to what a view makes of them. DataError by file and line for what a row shows to be wrong."""
    text, target, choices = (view.reader(key) for key in DOC_KEYS)
    prefix, document = view.reader("gen_prefix"), view.config.document
    has_choices = view.said("doc_to_choice") is not None

    def read(row: Row) -> ReadDoc:
        doc = document_of(row)
        kept = row.get(MADE, {})
        made = {**kept.get("asked", {}), **(kept.get("shown", {}) if view.shown else {})}
        asked, wanted = text(doc, made), target(doc, made)
        if has_choices and view.is_template("doc_to_text", doc) and str(asked).isdigit():
            asked = int(asked)
        if view.is_template("doc_to_target", doc):
            wanted = read_target(wanted, numbers=has_choices)
        listed = None
        if has_choices:
            listed = _listed(view, choices(doc, made), view.is_template("doc_to_choice", doc))
        if isinstance(asked, int) and not isinstance(asked, bool) and listed is not None:
            if not 0 <= asked < len(listed):
                raise document.error(view.where("doc_to_text"), f"doc_to_text gives {asked} of {len(listed)} choices")
        elif isinstance(asked, list | Mapping):  # `("text",)` where `("text")` was meant
            kind = type(asked).__name__
            raise document.error(view.where("doc_to_text"), f"doc_to_text gives no text for a row, but a {kind}")
        else:
            asked = str(asked)
        return ReadDoc(doc, asked, wanted, listed, str(prefix(doc, made) or ""))

    return read


def read_target(written: Any, numbers: bool) -> Any:
    """What a template of a target has written: digits as the place of a choice, where there are choices (`numbers`); a
    list in brackets; else the text."""
    if not isinstance(written, str):
        return written
    if numbers and written.isdigit():
        return int(written)
    if len(written) > 1 and written[0] == "[" and written[-1] == "]":
        try:
            return ast.literal_eval(written)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return written
    return written


def _listed(view: DocView, said: Any, is_template: bool) -> tuple[str, ...]:
    """The choices of a row: a list of texts as it stands, a field's list, or the literal that a template writes."""
    document, where = view.config.document, view.where("doc_to_choice")
    if isinstance(said, str) and is_template:
        try:
            said = ast.literal_eval(said)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            said = None
    if isinstance(said, Mapping):  # of one in a row the keys are asked there
        said = list(said.values() if isinstance(view.said("doc_to_choice"), Mapping) else said)
    if not isinstance(said, list | tuple) or not said:
        raise document.error(where, "doc_to_choice gives no list of choices for a row")
    if isinstance(view.said("doc_to_choice"), list | Mapping):
        for i, one in enumerate(said):
            if not isinstance(one, str):
                raise document.error((*where, i), f"the choice {one!r} is no text; put it in quotes")
    return tuple(str(one) for one in said)


def gold_places(view: DocView, wanted: Any, choices: Sequence[str]) -> tuple[int, ...]:
    """Places of the right choices: a number is a place, a text the text of a choice."""
    document, found = view.config.document, []
    if wanted is None:
        raise document.error(("doc_to_target",), "a row's target is null")
    for one in wanted if isinstance(wanted, list) else [wanted]:
        place = choices.index(one) if isinstance(one, str) and one in choices else one
        if not isinstance(place, int) or not 0 <= place < len(choices):
            raise document.error(("doc_to_target",), f"a row's target {one!r} is none of its {len(choices)} choices")
        found.append(int(place))
    if not found:
        raise document.error(("doc_to_target",), "a row's target is an empty list")
    return tuple(found)


def example_turn(view: DocView, doc: ReadDoc) -> ExampleTurn:
    """A row as an example: the question with the delimiter that follows, and the answer behind the prefix."""
    question, answer = doc.text, doc.target
    if isinstance(question, int):
        assert doc.choices is not None
        question = doc.choices[question]
    elif doc.choices is not None and not isinstance(answer, str):
        answer = doc.choices[gold_places(view, answer, doc.choices)[0]]
    answer = answer[0] if isinstance(answer, list) and answer else answer
    answer = "" if answer is None or answer == [] else str(answer)
    delimiter = str(view.said("target_delimiter", " "))
    if doc.prefix:
        delimiter = delimiter if wants_delimiter(question, doc.prefix) else ""
        return question + delimiter, joined(doc.prefix, answer, " ") if answer else doc.prefix
    return (question + delimiter, answer) if answer else (question, None)


def wants_delimiter(before: str, behind: str) -> bool:
    """Whether no blank stands between two texts, the first of which is not empty."""
    return bool(before) and not (before[-1].isspace() or behind[:1].isspace())


def joined(before: str, behind: str, delimiter: str) -> str:
    """Two texts, with the delimiter between them where neither has a blank there already."""
    if not before or not behind:
        return before or behind
    return before + (delimiter if wants_delimiter(before, behind) else "") + behind


@dataclass(frozen=True)
class SampleMaker:
    """Rows to samples. `keeps_doc`: the scorer wants the row itself, and its target as it came."""

    config: TaskConfig
    keeps_doc: bool
    scored_by_code: bool

    def __call__(self) -> Callable[[Row], Sample]:
        asked, shown = DocView(self.config), DocView(self.config, shown=True)
        reads, reads_shown = doc_reader(asked), doc_reader(shown)
        header = asked.reader("description")
        has_own = any(self.config.examples.get(key) is not None for key in (*DOC_KEYS, "gen_prefix"))

        def make(row: Row) -> Sample:
            views = row.get(MADE, {}).get("views", ("asked", "shown"))
            if "asked" not in views:
                doc = reads_shown(row)
                return Sample(question=str(doc.text), extra={"turn": list(example_turn(shown, doc))})
            doc = reads(row)
            sample = self._sample(asked, doc)
            extra = {**sample.extra, "header": str(header(doc.row, {}) or "")}
            if doc.prefix:
                extra["prefix"] = doc.prefix
            if self.keeps_doc:
                extra |= {"doc": doc.row, "target": doc.target}
            if has_own and "shown" in views:
                extra["turn"] = list(example_turn(shown, reads_shown(row)))
            elif doc.prefix or isinstance(doc.text, int):
                extra["turn"] = list(example_turn(shown, doc))
            return replace(sample, extra=extra)

        return make

    def _sample(self, view: DocView, doc: ReadDoc) -> Sample:
        document, kind = self.config.document, self.config.kind
        question = doc.text if isinstance(doc.text, str) else ""
        if kind == "multiple_choice":
            assert doc.choices is not None
            if isinstance(doc.text, int):
                said = str(doc.target)
                extra = {"continuation": said}
                return Sample(question=said, choices=doc.choices, gold_indices=(doc.text,), extra=extra)
            gold = () if self.scored_by_code else gold_places(view, doc.target, doc.choices)
            return Sample(question=question, choices=doc.choices, gold_indices=gold)
        if self.scored_by_code and kind == "generate_until":
            return Sample(question=question, answers=_answers(doc.target))
        if doc.target is None:
            raise document.error(("doc_to_target",), "a row's target is null")
        if doc.choices is not None and kind == "generate_until":  # they only say what the target's number stands for
            places = gold_places(view, doc.target, doc.choices)
            return Sample(question=question, answers=tuple(doc.choices[i] for i in places))
        answers = _answers(doc.target)
        if not answers:
            raise document.error(("doc_to_target",), "a row's target is an empty list")
        if kind == "generate_until":
            return Sample(question=question, answers=answers)
        if len(answers) > 1:
            said = f"a row has {len(answers)} targets, {kind} takes one"
            raise document.error(("doc_to_target",), said)
        asked = "" if kind == "loglikelihood_rolling" else question
        return Sample(question=asked, answers=answers, choices=answers, gold_indices=(0,))


def _answers(wanted: Any) -> tuple[str, ...]:
    if wanted is None:
        return ()
    return tuple(str(one) for one in wanted) if isinstance(wanted, list) else (str(wanted),)
