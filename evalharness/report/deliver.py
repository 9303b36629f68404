"""Where reports go: files, the job summary, annotations in the log, outputs of a step."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from evalharness.comparison.decide import WORST_FIRST
from evalharness.comparison.document import ComparisonDocument, document_values
from evalharness.comparison.gate import GatedComparison
from evalharness.data.files import write_whole
from evalharness.errors import UserError
from evalharness.report import html, junit, markdown, sarif, words
from evalharness.report.escape import workflow_data, workflow_property
from evalharness.runs.items import save_items
from evalharness.runs.journal import dumps
from evalharness.text.visible import warning_line

PAGE, DATA, COMMENT, JUNIT, SARIF = "index.html", "report.json", "comment.md", "junit.xml", "report.sarif"


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """The files wanted, None for those that are not. `folder` gets all of them under their usual names.

    `plain`: Markdown for readers that know no HTML. `junit_items`: a case for each item that broke, too.
    """

    folder: Path | None = None
    html: Path | None = None
    markdown: Path | None = None
    junit: Path | None = None
    data: Path | None = None
    sarif: Path | None = None
    plain: bool = False
    junit_items: bool = False


def write_report_file(path: Path, content: str | bytes) -> None:
    """Write a report whole. UserError where that is not allowed."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, content)
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror}); choose another place") from error


def write_reports(
    document: ComparisonDocument, places: Places, *, key: str = "default", files: Mapping[str, str] | None = None
) -> list[Path]:
    """Write the wanted files and return their paths; `files` are those that the benchmarks' prompts stand in."""
    folder = places.folder
    wanted: list[tuple[Path | None, Path | None, Callable[[], str | bytes]]] = [
        (places.html, folder and folder / PAGE, lambda: html.comparison_html(document)),
        (places.data, folder and folder / DATA, lambda: document_json(document)),
        (
            places.markdown,
            folder and folder / COMMENT,
            lambda: _comment(document, key, plain=places.plain),
        ),
        (
            places.junit,
            folder and folder / JUNIT,
            lambda: junit.comparison_junit(document, samples=places.junit_items),
        ),
        (
            places.sarif,
            folder and folder / SARIF,
            lambda: sarif.sarif_of(sarif.comparison_findings("", document, files or {})),
        ),
    ]
    written = []
    for single, usual, make in wanted:
        content = make() if single or usual else b""
        for path in (single, usual):
            if path is not None:
                write_report_file(path, content)
                written.append(path)
    return written


def _comment(document: ComparisonDocument, key: str, *, plain: bool) -> str:
    made = markdown.comment_markdown(document, key=key, link=link())
    return markdown.plain_markdown(made) if plain else made


@dataclass(frozen=True, kw_only=True)
class ReportsWanted:
    """Which reports of a comparison to make. `show` flips are printed per task and direction; `outputs`: those of a CI
    step."""

    places: Places = field(default_factory=Places)
    save_flips: Path | None = None
    show: int = 5
    as_json: bool = False
    key: str = "default"
    outputs: bool = True


def deliver_comparison(made: GatedComparison, wanted: ReportsWanted) -> None:
    """Write what is wanted, print the rest, and tell the CI system."""
    write_reports(made.document, wanted.places, key=wanted.key, files=made.files)
    if wanted.save_flips is not None:
        save_items(wanted.save_flips, made.comparison.items())
    if wanted.as_json:
        sys.stdout.write(document_json(made.document).decode("utf-8"))
    elif any(task.difference is not None for task in made.comparison.tasks):
        from evalharness.report import compare_terminal

        compare_terminal.show_comparison(made.document, compare_terminal.console(), wanted.show)
    to_ci(made.document, sys.stderr if wanted.as_json else sys.stdout, made.files)
    if wanted.outputs:
        worst_outputs([made.document], wanted.places.folder or wanted.places.html)


def hand_over(made: str | bytes, output: Path | None) -> None:
    """A report into its file, or on standard output."""
    if output is not None:
        write_report_file(output, made)
    elif isinstance(made, bytes):
        sys.stdout.write(made.decode("utf-8"))
    else:
        print(made, end="" if made.endswith("\n") else "\n")


def document_json(document: ComparisonDocument) -> bytes:
    """The document on a line."""
    return dumps(document_values(document)) + b"\n"


def link() -> str:
    """The page of this CI job, where its artifacts are; '' elsewhere."""
    server, repository, run = (os.environ.get(f"GITHUB_{x}", "") for x in ("SERVER_URL", "REPOSITORY", "RUN_ID"))
    if server and repository and run:
        return f"{server}/{repository}/actions/runs/{run}"
    return os.environ.get("CI_JOB_URL", "")


def to_ci(document: ComparisonDocument, log: TextIO, files: Mapping[str, str] | None = None) -> None:
    """Tell the CI system that this runs in: job summary and annotations.

    `log` is the stream that the table went to: on another one the annotations might arrive while commands are stopped.
    """
    if os.environ.get("GITHUB_STEP_SUMMARY"):
        append(Path(os.environ["GITHUB_STEP_SUMMARY"]), markdown.job_summary(document, link=link()))
    annotate(commands(document, files), log)


def worst_outputs(documents: Sequence[ComparisonDocument], report: Path | None = None) -> None:
    """The outputs of this step: the worst verdict and gate of several comparisons, so that none hides another."""
    if documents:
        verdict = min((document.verdict for document in documents), key=WORST_FIRST.index)
        gate = min((document.gate for document in documents), key=("fail", "inconclusive", "pass").index)
        step_outputs(verdict=verdict, gate=gate, report="" if report is None else str(report))


def step_outputs(**values: str) -> None:
    """The outputs of this step of a GitHub job; nothing elsewhere."""
    if os.environ.get("GITHUB_OUTPUT"):
        told = "".join(f"{name.replace('_', '-')}={' '.join(value.split())}\n" for name, value in values.items())
        append(Path(os.environ["GITHUB_OUTPUT"]), told)


def annotate(found: Sequence[str], log: TextIO) -> None:
    """Workflow commands in the log of a GitHub job; nothing elsewhere."""
    if os.environ.get("GITHUB_ACTIONS") == "true":
        for command in found:
            print(command, file=log)


def append(path: Path, text: str) -> None:
    """Add to a file of the CI system; one that cannot be written is worth a line, not a failure."""
    try:
        with path.open("a", encoding="utf-8", errors="replace") as file:
            file.write(text)
    except OSError as error:
        print(warning_line(f"{path} cannot be written ({error.strerror})"), file=sys.stderr)


def commands(document: ComparisonDocument, files: Mapping[str, str] | None = None) -> list[str]:
    """One workflow command per task that is worse or could not be compared, on the file that its prompt stands in where
    that is known; never one per sample."""
    found = []
    for task in document.tasks:
        kind = {"worse": "error", "not comparable": "warning", "incomplete": "warning"}.get(task.verdict)
        blocked = kind is None and task.gate == "fail"
        if task.tier == "advisory" and (kind or blocked):
            kind, blocked = "notice", False
        if kind is not None or blocked:
            title = workflow_property(f"{task.benchmark}: {'the gate fails' if blocked else task.verdict}")
            said = task.reason if blocked else words.sentence(document, task)
            file = (files or {}).get(task.benchmark)
            place = "" if file is None else f"file={workflow_property(file)},line=1,"
            found.append(f"::{kind or 'error'} {place}title={title}::{workflow_data(said)}")
    return found[:10]
