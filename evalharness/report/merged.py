"""The suites of a matrix of jobs as one: one comment, one summary, one exit code, from the report.json of each."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from evalharness.comparison.decide import SYMBOLS
from evalharness.comparison.document import ComparisonDocument, document_from
from evalharness.comparison.rules import GateWord
from evalharness.data.files import json_value
from evalharness.errors import Exit, UserError, gravest
from evalharness.report import deliver, escape, markdown, pull_request, suite_words
from evalharness.report.escape import line
from evalharness.suites.ci import WORST_SUITE_WORDS, SuiteWord

_LARGEST = 500_000_000  # bytes of a report


@dataclass(frozen=True, slots=True, kw_only=True)
class MergedModel:
    """One model of one job: what its own report says."""

    suite: str
    name: str
    exit_code: int
    verdict: SuiteWord
    problem: str
    notes: tuple[str, ...]
    document: ComparisonDocument | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MergedSuites:
    """All jobs together, the worst counts. `problems` are of suites of which no model was asked."""

    models: tuple[MergedModel, ...]
    problems: Mapping[str, str]
    codes: tuple[int, ...]
    gates: tuple[GateWord, ...]

    @property
    def exit_code(self) -> int:
        return int(gravest(*self.codes))

    @property
    def verdict(self) -> SuiteWord:
        words = {model.verdict for model in self.models} | ({"no verdict"} if self.problems else set())
        return next(word for word in WORST_SUITE_WORDS if word in words)

    @property
    def gate(self) -> GateWord:
        return min(self.gates, key=("fail", "inconclusive", "pass").index)

    @property
    def symbol(self) -> str:
        return next((mark for word, mark in SYMBOLS.items() if word == self.verdict), "!")


def merge_suites(places: Sequence[str]) -> MergedSuites:
    """The reports at these places: files, folders with a report.json, or folders of such folders (as artifacts are
    downloaded). UserError for a place without one, and for a file that is none."""
    files = [file for place in places for file in _files(Path(place))]
    if not files:
        raise UserError("`evalh ci merge` wants the report folders of the jobs; name them after it")
    models: list[MergedModel] = []
    problems, codes, gates = {}, [], []
    for file in files:
        found = _read(file)
        name = str(found["suite"])
        codes.append(found["exit_code"])
        gates.append(found["gate"])
        if found.get("problem"):
            problems[name] = str(found["problem"])
        models += [_model(name, one, file) for one in found["models"]]
    return MergedSuites(models=tuple(models), problems=problems, codes=tuple(codes), gates=tuple(gates))


def _files(place: Path) -> list[Path]:
    if place.is_file():
        return [place]
    found = [place / deliver.DATA] if (place / deliver.DATA).is_file() else sorted(place.glob(f"*/{deliver.DATA}"))
    if not found:
        raise UserError(f"{place}: there is no {deliver.DATA} in it, nor in a folder of it; `evalh ci` writes one")
    return found


def _read(file: Path) -> dict[str, Any]:
    try:
        if file.stat().st_size > _LARGEST:
            raise UserError(f"{file}: larger than {_LARGEST:,} bytes")
        found = json_value(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{file}: cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise UserError(f"{file}: not valid JSON ({error})") from error
    if not isinstance(found, dict) or found.get("kind") != "suite" or found.get("format") != 1:
        raise UserError(f"{file}: not the report of a suite; `evalh ci` writes one")
    known = {int(code) for code in Exit} - {int(Exit.INTERRUPTED)}
    whole = isinstance(found.get("models"), list) and all(isinstance(one, dict) for one in found["models"])
    if not whole or found.get("exit_code") not in known or found.get("gate") not in get_args(GateWord):
        raise UserError(f"{file}: damaged: its models, exit_code or gate make no sense; run the job again")
    return found


def _model(suite: str, said: Mapping[str, Any], file: Path) -> MergedModel:
    if said.get("verdict") not in WORST_SUITE_WORDS or not isinstance(said.get("exit_code"), int):
        raise UserError(f"{file}: damaged: a model's verdict or exit_code makes no sense; run the job again")
    document = said.get("comparison")
    return MergedModel(
        suite=suite, name=str(said.get("name")), exit_code=said["exit_code"], verdict=said["verdict"],
        problem=str(said.get("problem") or ""), notes=tuple(map(str, said.get("notes") or ())),
        document=None if document is None else document_from(document, file),
    )  # fmt: skip


def merged_markdown(found: MergedSuites, *, key: str = "", link: str = "") -> str:
    """The one comment (with a key), or the job summary: the fewer samples the longer it grows."""
    limit = markdown.COMMENT_LIMIT if key else markdown.SUMMARY_LIMIT
    text = ""
    for samples in markdown.SAMPLES:
        text = "\n".join([*([markdown.marker(key)] if key else []), *_lines(found, samples, link)]) + "\n"
        if len(text.encode("utf-8", "replace")) <= limit:
            return text
    lines = [*([markdown.marker(key)] if key else []), *_head(found)]
    return "\n".join([*lines, "The rest is too long for a comment; it is in the reports.", ""])[:limit]


def _head(found: MergedSuites) -> Iterator[str]:
    suites = len({model.suite for model in found.models} | found.problems.keys())
    yield f"### {found.symbol} evalh, {suites} suites: {found.verdict}"
    yield f"Gate: **{suite_words.outcome_word(found.exit_code)} (exit {found.exit_code})**"
    yield ""
    for suite, problem in found.problems.items():
        yield f"{escape.markdown(suite, 120)}: {escape.markdown(problem, 1000)}\n"
    if not found.models:
        return
    yield "| suite | model | verdict | outcome |"
    yield "|:--|:--|:--|:--|"
    for model in found.models:
        mark = next((m for word, m in SYMBOLS.items() if word == model.verdict), "!")
        outcome = suite_words.outcome_word(model.exit_code).partition(":")[0]
        names = f"{escape.markdown(model.suite, 120)} | {escape.markdown(model.name, 120)}"
        yield f"| {names} | {mark}{markdown.NBSP}{model.verdict} | {outcome} |"
    yield ""


def _lines(found: MergedSuites, samples: int, link: str) -> Iterator[str]:
    yield from _head(found)
    for model in found.models:
        yield f"#### {escape.markdown(model.suite, 120)}: {escape.markdown(model.name, 120)}"
        yield from (escape.markdown(said, 1000) for said in (model.problem, *model.notes) if said)
        if model.document is not None:
            yield from markdown.comparison_lines(model.document, samples, "", "#####")
        yield ""
    if link.startswith(("https://", "http://")):
        yield f"full report: <{''.join(c for c in escape.printable(link) if c not in '<> ')}>"


def deliver_merged(found: MergedSuites, *, key: str | None, comment: bool, as_json: bool, folder: Path) -> None:
    """Write the joint comment, tell the CI system, print what happened."""
    body = merged_markdown(found, key=key or "merged", link=deliver.link())
    deliver.write_report_file(folder / deliver.COMMENT, body)
    told = {
        "kind": "merged", "exit_code": found.exit_code, "verdict": found.verdict, "gate": found.gate,
        "models": [
            {"suite": one.suite, "name": one.name, "verdict": one.verdict, "exit_code": one.exit_code}
            for one in found.models
        ], "problems": dict(found.problems),
    }  # fmt: skip
    if as_json:
        print(json.dumps(told))
    else:
        for one in found.models:
            print(f"{line(one.suite, 80)} {line(one.name, 80)}: {one.verdict} (exit {one.exit_code})")
        for suite, problem in found.problems.items():
            print(f"{line(suite, 80)}: {line(problem, 500)}")
        print(f"{suite_words.outcome_word(found.exit_code)} (exit {found.exit_code})")
    if os.environ.get("GITHUB_STEP_SUMMARY"):
        deliver.append(Path(os.environ["GITHUB_STEP_SUMMARY"]), merged_markdown(found, link=deliver.link()))
    deliver.step_outputs(verdict=found.verdict, gate=found.gate, exit_code=str(found.exit_code), report=str(folder))
    if comment:
        pull_request.comment_in_ci(body)
