"""A benchmark without code: one YAML file says where the rows are, how they are asked, and how answers are scored.

`evalh run ./my_bench.yaml`; docs/yaml-benchmarks.md describes the keys. A file in lm-evaluation-harness's format is
known by its keys and read by `lm_eval`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from evalharness.benchmark import Benchmark, Prompt, plain_question
from evalharness.building_blocks.multiple_choice import BY_LENGTH, lettered, shown, written_out
from evalharness.data import yaml_lines
from evalharness.data.rows import Files, Row, Source
from evalharness.data.yaml_lines import YamlDocument
from evalharness.errors import DataError, UserError, nearest
from evalharness.file_benchmarks.lm_eval.catalog import tasks_of_group_file
from evalharness.file_benchmarks.lm_eval.config import GROUP_KEYS, MARKS, is_task
from evalharness.file_benchmarks.lm_eval.task import open_lm_eval_file
from evalharness.file_benchmarks.templates import template, value
from evalharness.judge import Judge, Panel
from evalharness.records import Request, Response, Sample, Score
from evalharness.scoring.answers import (
    LETTERS,
    Scorer,
    binary_score,
    choice_by_length,
    short_answer,
    unparsed_score,
    unscored,
)
from evalharness.scoring.checks import all_checks, check_problem
from evalharness.scoring.judgments import judged_mean
from evalharness.scoring.math import boxed, number_after_hashes
from evalharness.scoring.metrics import Metric, mean
from evalharness.text.patterns import SlowPatternError, pattern_of

JudgeOf = Callable[[str], Judge | Panel]


class Strict(BaseModel):
    """A part of the file: its keys and no others."""

    model_config = ConfigDict(extra="forbid", strict=True)


class _Origin(Strict):
    """Files beside the YAML file, or a hub data set at a pinned commit."""

    file: str | None = None
    examples: str | None = None
    hub: str | None = None
    revision: str | None = Field(default=None, pattern="^[0-9a-f]{40}$")
    config: str | None = None
    split: str = "test"
    shot_split: str | None = None


class Bench(Strict):
    """The file."""

    name: str | None = None
    title: str = ""
    paper: str = ""
    licence: str = ""
    source: _Origin
    fields: dict[str, str] = {}
    template: str
    choices: str | list[str] | None = None
    gold: str | int | None = None
    answers: str | list[str] | None = None
    checks: str | None = None
    layout: Literal["continuation", "letters"] = "continuation"
    scorer: str | None = None
    judge: str | None = None
    id: str | None = None
    group: str | None = None
    header: str = ""
    shots: int = Field(default=0, ge=0)
    max_tokens: int = Field(default=128, ge=1)
    stop: list[str] = ["\n"]
    chance: float | None = Field(default=None, ge=0, le=1)


def contains(sample: Sample, request: Request, response: Response) -> Score:
    """Whether an accepted answer stands anywhere in the text, whatever the case."""
    text = response.text.strip()
    found = any(answer.lower() in text.lower() for answer in sample.answers)
    return binary_score(found, text) if text else unparsed_score()


def _exact(sample: Sample, request: Request, response: Response) -> Score:
    """Whether the text, without blanks at its ends, is an accepted answer to the letter."""
    text = response.text.strip()
    return binary_score(text in {answer.strip() for answer in sample.answers}, text) if text else unparsed_score()


def matching(pattern: str) -> Scorer:
    """Exact match of the first group (or all) of the last match of a regular expression."""
    expression = pattern_of(pattern)

    def score(sample: Sample, request: Request, response: Response) -> Score:
        try:
            found = expression.matches(response.text)
        except SlowPatternError as error:
            return replace(unparsed_score(), detail={"unread": str(error)})
        if not found:
            return unparsed_score()
        said = found[-1][1 if expression.groups else 0].strip()
        return binary_score(said in {answer.strip() for answer in sample.answers}, said)

    return score


SCORERS: Mapping[str, tuple[Scorer, tuple[Metric, ...]]] = {
    "exact": (_exact, (mean(),)),
    "contains": (contains, (mean(),)),
    "f1": (short_answer(), (mean("f1"), mean("exact_match"))),
    "number": (number_after_hashes, (mean(),)),
    "math": (boxed, (mean(),)),
    "choice": (choice_by_length, BY_LENGTH),
    "checks": (all_checks, (mean(), mean("checks_passed"))),
}


def is_benchmark(name: str) -> bool:
    """Whether a YAML file has a key of a benchmark; a suite of runs has none of them."""
    file = Path(name).expanduser()
    try:
        keys = set(yaml_lines.read_yaml(file, repeated=[]).value) if file.is_file() else set()
    except DataError:
        return False
    known = bool(keys & {"source", "template", "include", *MARKS}) or keys >= GROUP_KEYS
    return "models" not in keys and known


def tasks_of_file(name: str) -> tuple[str, ...]:
    """The tasks of the group of lm-evaluation-harness's that a file describes; none where it describes a benchmark."""
    file = Path(name).expanduser()
    keys = set(yaml_lines.read_yaml(file, repeated=[]).value) if file.is_file() else set()
    if not keys >= GROUP_KEYS or keys & {"include", *MARKS}:
        return ()
    return tuple(f"lm_eval/{task}" for task in tasks_of_group_file(file))


def open_file(name: str, judge_of: JudgeOf) -> Benchmark:
    """The benchmark that a YAML file describes. DataError with file and line for every mistake in it.

    `judge_of` finds a judge by name: a benchmark may name the one that grades its answers.
    """
    file = Path(name).expanduser()
    if not file.is_file():
        raise DataError(f"there is no benchmark file {name}")
    document = yaml_lines.read_yaml(file, repeated=[])
    if is_task(document):
        return open_lm_eval_file(file)
    document = yaml_lines.read_yaml(file)
    return benchmark_of(document, _parsed(document), judge_of)


def _parsed(document: YamlDocument) -> Bench:
    """The file's values, checked. DataError names the line of the first that is wrong."""
    said = dict(document.value)
    if isinstance(said.get("source"), str):  # the short form
        said["source"] = {"file": said["source"]}
    try:
        return Bench.model_validate(said)
    except ValidationError as error:
        found = error.errors()[0]
        where = tuple(part for part in found["loc"] if part not in ("str", "int") and not str(part).startswith("list["))
        if found["type"] == "extra_forbidden":
            known = _Origin.model_fields if where[0] == "source" else Bench.model_fields
            raise document.error(where, f"there is no key {where[-1]!r}{nearest(str(where[-1]), known)}") from error
        if found["type"] == "missing":
            raise document.error(where[:-1], f"the key {where[-1]!r} is missing") from error
        named = ".".join(map(str, where))
        raise document.error(where, f"{named}: {found['msg'][0].lower()}{found['msg'][1:]}") from error


def benchmark_of(document: YamlDocument, bench: Bench, judge_of: JudgeOf) -> Benchmark:
    """The benchmark of a checked file."""
    if bench.scorer is not None and bench.judge is not None:
        raise document.error(("judge",), "wanted a scorer or a judge, and one of them only")
    if bench.scorer is None and bench.judge is None and bench.choices is None:
        raise document.error((), f"wanted a scorer ({', '.join(SCORERS)}, regex:PATTERN) or a judge")
    if (bench.scorer == "checks") != (bench.checks is not None):
        raise document.error(("scorer",), "the scorer checks and the key checks (a field of the rows) belong together")
    if bench.choices is None and bench.answers is None and bench.judge is None and bench.checks is None:
        raise document.error(("template",), "wanted choices (with gold) or answers to score against")
    if bench.choices is not None and bench.gold is None:
        raise document.error(("choices",), "choices want gold: the place, letter or text of the right one")
    bench = bench.model_copy(update={"judge": _beside(document, bench.judge)})
    score, metrics = _scorer(document, bench, judge_of)
    said = bench.model_fields_set  # what the file itself says holds for chat models too
    make = _sample(document, bench)
    return Benchmark(
        name=bench.name or document.file.stem,
        title=bench.title or bench.name or document.file.stem,
        paper=bench.paper,
        licence=bench.licence,
        items=0,
        chance=bench.chance,
        source=_source(document, bench),
        sample=make,
        prompt=_prompt(bench),
        modes=("rank", "write") if bench.choices is not None else ("write",),
        shots=bench.shots,
        max_tokens=bench.max_tokens,
        chat_max_tokens=bench.max_tokens if "max_tokens" in said else 1024,
        stop=tuple(bench.stop),
        chat_stop=tuple(bench.stop) if "stop" in said else (),
        score=score,
        metrics=metrics,
        judge=bench.judge,
    )


def _source(document: YamlDocument, bench: Bench) -> Source:
    said = bench.source
    if (said.file is None) == (said.hub is None):
        raise document.error(("source",), "source wants file or hub, and one of them only")
    if said.hub is not None and said.revision is None:
        raise document.error(("source", "hub"), "a hub data set wants its revision, the 40 digits of a commit")
    folder = document.file.parent
    shot_split = said.shot_split or ("examples" if said.examples else None)
    if said.examples and shot_split == said.split:
        raise document.error(("source", "shot_split"), f"the examples want a name other than the split {said.split!r}")
    if bench.shots and shot_split is None:
        raise document.error(("shots",), "shots want examples (a file) or shot_split under source")
    own = {said.split: folder / said.file} if said.file else {}
    if said.examples:
        own[shot_split or "examples"] = folder / said.examples
    for key, path in zip(("file", "examples"), own.values(), strict=False):
        if not path.is_file():
            raise document.error(("source", key), f"there is no file {path}")
    return Source(
        f"{said.hub}@{said.revision}" if said.hub else "", config=said.config, split=said.split, shot_split=shot_split,
        files=Files(f"rows with the fields of {document.file.name}"), own=own, described_by=document.file,
    )  # fmt: skip


def _beside(document: YamlDocument, judge: str | None) -> str | None:
    """A judge's name; of one that a file describes, its path from here, where the file lies beside this one."""
    file, hashed, name = (judge or "").partition("#")
    there = document.file.parent / file
    if not file or Path(file).exists() or not there.is_file():
        return judge
    return f"{os.path.relpath(there)}{hashed}{name}"


def _scorer(document: YamlDocument, bench: Bench, judge_of: JudgeOf) -> tuple[Scorer, tuple[Metric, ...]]:
    if bench.judge is not None:
        return unscored, (judged_mean(_judge_score(document, bench.judge, judge_of)),)
    named = bench.scorer or "choice"
    if named.startswith("regex:"):
        try:
            return matching(named.removeprefix("regex:").strip()), (mean(),)
        except ValueError as error:
            raise document.error(("scorer",), str(error)) from error
    if named not in SCORERS:
        there = f"; there is {', '.join(SCORERS)} and regex:PATTERN"
        raise document.error(("scorer",), f"there is no scorer {named!r}{nearest(named, SCORERS)}{there}")
    if (named == "choice") != (bench.choices is not None):
        raise document.error(("scorer",), "the scorer choice and the key choices belong together")
    return SCORERS[named]


def _judge_score(document: YamlDocument, name: str, judge_of: JudgeOf) -> str:
    try:
        found = judge_of(name)
    except UserError as error:
        raise document.error(("judge",), str(error)) from error
    if isinstance(found, Panel):
        raise document.error(("judge",), f"{name} is a panel; name its kind of judge, and the panel with `evalh judge`")
    return found.score


def _sample(document: YamlDocument, bench: Bench) -> Callable[[Row], Sample]:
    """Rows to samples. A mistake that only a row shows is named by the line of the key it comes from."""
    aliases = {name: value(document, ("fields", name), column) for name, column in bench.fields.items()}
    question, header = (template(document, (k,), getattr(bench, k)) for k in ("template", "header"))
    parts = {
        key: value(document, (key,), said)
        for key in ("choices", "gold", "answers", "checks", "id", "group")
        if (said := getattr(bench, key)) is not None
    }

    plain = () if "{{" in bench.template or "{%" in bench.template else re.findall(r"\{(\w+)\}", bench.template)

    def make(row: Row) -> Sample:
        fields = {**row, **{name: read(row) for name, read in aliases.items()}} if aliases else row
        if meant := next((name for name in plain if name in fields), None):
            raise document.error(("template",), f"a field is written {{{{{meant}}}}}, there is {{{meant}}}")
        if isinstance(bench.answers, str) and "{" not in bench.answers and bench.answers not in fields:
            said = f"there is no field {bench.answers!r}{nearest(bench.answers, fields)}; a row has {', '.join(fields)}"
            raise document.error(("answers",), said)
        found = {key: read(fields) for key, read in parts.items()}
        choices = tuple(str(c) for c in _listed(document, "choices", found.get("choices", [])))
        if bench.layout == "letters" and len(choices) > len(LETTERS):
            said = f"layout: letters has {len(LETTERS)} of them, a row has {len(choices)} choices; leave layout out"
            raise document.error(("layout",), said)
        is_text = bench.gold in fields and isinstance(found["gold"], str)
        gold = (_place(document, found["gold"], choices, is_text),) if choices else ()
        return Sample(
            id=str(found.get("id", "")),
            question=str(question(fields)),
            answers=tuple(str(a) for a in _several(found.get("answers", []))) or tuple(choices[i] for i in gold),
            choices=choices,
            gold_indices=gold,
            group=str(found.get("group", "")),
            extra={"header": str(header(fields)), **_checks(document, found)},
        )

    return make


def _checks(document: YamlDocument, found: Mapping[str, Any]) -> dict[str, Any]:
    """The checks of a row, where the file has the key. DataError for one that cannot be made."""
    if "checks" not in found:
        return {}
    checks = _listed(document, "checks", found["checks"])
    if problem := next(filter(None, map(check_problem, checks)), ""):
        raise document.error(("checks",), problem)
    return {"checks": checks}


def _listed(document: YamlDocument, key: str, said: Any) -> Sequence[Any]:
    if isinstance(said, list | tuple):
        return said
    raise document.error((key,), f"{key} wants a list, a field of the rows that holds one, or a list of fields")


def _several(said: Any) -> Sequence[Any]:
    return said if isinstance(said, list | tuple) else [said]


def _place(document: YamlDocument, gold: Any, choices: Sequence[str], is_text: bool) -> int:
    """The place of the right choice, from 0: as a number, a letter, or its text.

    Where the choices are numbers themselves, a number is a place, and so are digits that a template writes; the text
    of a field is a choice's text first. A number that is no place is a choice's text only where no choice could be
    taken for a place: 4 of 1, 2, 3, 4 tells of places counted from 1.
    """
    said = str(gold).strip()
    if is_text and said in choices:
        return choices.index(said)
    if re.fullmatch(r"[0-9]+", said) and int(said) < len(choices):
        return int(said)
    places = {str(place) for place in range(len(choices))}
    if said in choices and not (said.isdecimal() and places & set(choices)):
        return choices.index(said)
    if len(said) == 1 and said in LETTERS[: len(choices)]:
        return LETTERS.index(said)
    there = (
        f"a row's gold is {said!r}, which is no place from 0 to {len(choices) - 1}, no letter and none of the choices"
    )
    raise document.error(("gold",), there)


def _prompt(bench: Bench) -> Prompt:
    def header(asked: Sample) -> str:
        return str(asked.extra["header"])

    if bench.choices is None:
        return Prompt(description=header, answer=lambda s: " " + s.answers[0] if s.answers else "")
    if bench.layout == "continuation":
        return written_out(plain_question, header)
    return lettered(header, shown(plain_question).question)
