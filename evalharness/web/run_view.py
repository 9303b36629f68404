"""One run as its page shows it: its results in rows, what judges said of them, and what its manifest says."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

from evalharness.comparison.flips import gold_text
from evalharness.data.kept import to_json
from evalharness.errors import UserError
from evalharness.records import Result
from evalharness.report.drawn_figures import run_figures
from evalharness.report.escape import printable
from evalharness.report.figures import Drawing
from evalharness.report.judges import verdict_counts
from evalharness.report.numbers import format_number
from evalharness.runs.figures import Summary, TaskSummary
from evalharness.runs.manifest import Manifest
from evalharness.runs.store import Run, record_to_json


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultRow:
    """A result in the list of a run; `metric` names the score that is shown, '' where it has none."""

    id: str
    benchmark: str
    repeat: int
    status: str
    question: str
    gold: str
    answer: str
    metric: str
    score: str
    link: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedNote:
    """What a judging came to for a benchmark, and how bad that is: `bad` where no answer has a verdict, '' where some
    have none, `plain` where all have one."""

    text: str
    tone: Literal["bad", "", "plain"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunView:
    """What the page of a run shows beside its results. `trouble` says why a finished run has no summary."""

    summary: Summary | None
    trouble: str
    judged: tuple[JudgedNote, ...]
    drawings: tuple[Drawing, ...]
    facts: tuple[tuple[str, str], ...]


def run_view(run: Run) -> RunView:
    """What is shown of a run, as far as it can be read."""
    summary, trouble = None, ""
    if run.finished:
        try:
            summary = run.summary
        except UserError as error:
            trouble = str(error)
    drawings: list[Drawing] = []
    if summary is not None:
        with suppress(UserError, OSError):  # a damaged journal is said by its index
            drawings = run_figures(run)
    return RunView(
        summary=summary, trouble=trouble, judged=tuple(_judged_notes(summary)), drawings=tuple(drawings),
        facts=tuple(_manifest_facts(run.manifest)),
    )  # fmt: skip


def result_row(result: Result, summary: Summary | None, link: str | None) -> ResultRow:
    """A row with the score that the headline of its benchmark is made of, where a result has it; else its first."""
    said = result.answer if result.answer is not None else result.response.error or result.response.text
    entry = summary.benchmarks.get(result.benchmark) if summary is not None else None
    metric = next((name for name in _wanted(entry) if name in result.scores), next(iter(result.scores), ""))
    return ResultRow(
        id=result.sample.id, benchmark=result.benchmark, repeat=result.repeat, status=result.status,
        question=result.sample.question[:400], gold=gold_text(record_to_json(result.sample))[:200], answer=said[:200],
        metric=metric, score=format_number(result.scores.get(metric)), link=link,
    )  # fmt: skip


def _wanted(entry: TaskSummary | None) -> Iterable[str]:
    return () if entry is None else (entry.headline or "", *entry.metrics)


def _judged_notes(summary: Summary | None) -> Iterator[JudgedNote]:
    """What every judging came to, for each benchmark."""
    for benchmark, entry in {} if summary is None else summary.benchmarks.items():
        for judging, said in entry.judged.items():
            none = said.answers > 0 and said.without_verdict >= said.answers
            nothing = "no answer has a verdict, so there is no figure; " if none else ""
            text = f"{benchmark} judged by {judging}: {nothing}{verdict_counts(said)}"
            yield JudgedNote(text=text, tone="bad" if none else "" if said.without_verdict else "plain")


def _manifest_facts(manifest: Manifest) -> list[tuple[str, str]]:
    """What the manifest says, a line each."""
    found: list[tuple[str, object]] = [("model", manifest.model.name), ("fingerprint", manifest.model.fingerprint)]
    found += [("sampling", manifest.sampling and _worded(to_json(manifest.sampling)))]
    for name, facts in manifest.benchmarks.items():
        kept = {"mode": facts.mode, "examples": facts.shots, "limit": facts.limit, "seed": facts.seed,
                "repeats": facts.repeats, "items": facts.items, "data": facts.data.origin,
                "revision": facts.data.revision, "prompt": (facts.prompt_sha256 or "")[:12]}  # fmt: skip
        found.append((name, _worded(kept)))
    found += [("made", manifest.created), ("git", manifest.git and _worded(to_json(manifest.git)))]
    found += [("versions", _worded(manifest.versions or {})), ("hardware", _worded(manifest.hardware or {}))]
    return [(name, printable(str(value))) for name, value in found if value]


def _worded(values: object) -> str:
    items = values.items() if isinstance(values, Mapping) else ()
    return ", ".join(f"{name} {_plain(value)}" for name, value in items if value not in (None, "", {}, (), []))


def _plain(value: object) -> str:
    """A value in words: lists and mappings without the marks of a programming language."""
    if isinstance(value, Mapping):
        return f"({_worded(value)})"
    return " ".join(map(_plain, value)) if isinstance(value, list | tuple) else str(value)
