"""The reports of a suite in a pipeline: files, comment, job summary, annotations, a line on the terminal."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TextIO
from xml.etree import ElementTree as ET

from evalharness.errors import Exit
from evalharness.report import deliver, escape, html, junit, markdown, pull_request, sarif, suite_words
from evalharness.report.escape import line, printable, workflow_data, workflow_property
from evalharness.suites.ci import GatedModel, GatedSuite

if TYPE_CHECKING:
    from evalharness.report.fitted import FittedTable


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteReportsWanted:
    """Where the reports of a suite go: a folder (None: no files), the comment of the pull request under a key."""

    folder: Path | None = Path("evalh-report")
    comment: bool = True
    key: str | None = None
    junit_items: bool = False
    as_json: bool = False


def deliver_suite(found: GatedSuite, wanted: SuiteReportsWanted, *, shown: bool = True) -> None:
    """Write the reports, print what happened (`shown`), and tell the CI system. A comment that cannot be written is a
    warning: it is not the model's fault."""
    log = sys.stderr if wanted.as_json else sys.stdout
    body = suite_markdown(found, key=wanted.key or found.name, link=deliver.link())
    if wanted.folder is not None:
        write_suite_reports(found, wanted.folder, body, junit_items=wanted.junit_items)
    if shown and wanted.as_json:
        print(json.dumps(found.as_json()))
    elif shown:
        show_suite(found, log)
    if os.environ.get("GITHUB_STEP_SUMMARY"):
        page = suite_markdown(found, link=deliver.link(), samples=markdown.SUMMARY_SAMPLES)
        deliver.append(Path(os.environ["GITHUB_STEP_SUMMARY"]), page)
    deliver.step_outputs(
        verdict=found.verdict, gate=found.gate, exit_code=str(int(found.exit_code)),
        report="" if wanted.folder is None else str(wanted.folder),
    )  # fmt: skip
    deliver.annotate(list(_annotations(found))[:20], log)
    if wanted.comment:
        pull_request.comment_in_ci(body)


def write_suite_reports(found: GatedSuite, folder: Path, body: str, *, junit_items: bool = False) -> None:
    """The joint reports in a folder, and those of each comparison in a folder of its own below it."""
    links = {}
    for model in found.models:
        if model.compared is not None:
            places = deliver.Places(folder=folder / model.name, junit_items=junit_items)
            deliver.write_reports(model.compared.document, places, key=model.name, files=model.compared.files)
            links[model.name] = f"{model.name}/{deliver.PAGE}"
    deliver.write_report_file(folder / deliver.DATA, json.dumps(found.as_json()) + "\n")
    deliver.write_report_file(folder / deliver.COMMENT, body)
    deliver.write_report_file(folder / deliver.JUNIT, suite_junit(found, junit_items=junit_items))
    deliver.write_report_file(folder / deliver.SARIF, sarif.sarif_of(_findings(found)))
    deliver.write_report_file(folder / deliver.PAGE, html.suite_html(found, links))


def _findings(found: GatedSuite) -> Iterator[sarif.SarifResult]:
    """What is wrong with the suite, each model and each task."""

    def stopped(name: str, said: str) -> sarif.SarifResult:
        return sarif.SarifResult(rule="no-verdict", level="error", said=f"{name}: {said}", named=name, file=found.file)

    if found.problem:
        yield stopped(found.name, found.problem)
    for model in found.models:
        if model.compared is not None:
            yield from sarif.comparison_findings(model.name, model.compared.document, model.compared.files)
        elif model.problem:
            yield stopped(model.name, model.problem)
        for name, ruling in model.rulings.items():
            if ruling.gate == "fail":
                said = f"{model.name}: {name}: {'; '.join(ruling.reasons)}"
                yield sarif.SarifResult(
                    rule="gate-failed", level="error", said=said, named=f"{model.name}/{name}", file=found.file
                )


def suite_markdown(
    found: GatedSuite, *, key: str = "", link: str = "", samples: tuple[int, ...] = markdown.SAMPLES
) -> str:
    """The comment of a suite (with a key), or its job summary: the fewer samples the longer it grows."""
    limit = markdown.COMMENT_LIMIT if key else markdown.SUMMARY_LIMIT
    text = ""
    for shown in samples:
        lines = [*([markdown.marker(key)] if key else []), *_lines(found, shown, link)]
        text = "\n".join(lines) + "\n"
        if len(text.encode("utf-8", "replace")) <= limit:
            return text
    lines = [*([markdown.marker(key)] if key else []), *_head(found)]
    return "\n".join([*lines, "The rest is too long for a comment; it is in the report.", ""])[:limit]


def _lines(found: GatedSuite, samples: int, link: str) -> Iterator[str]:
    yield from _head(found)
    for model in found.models:
        if model.compared is None:
            yield f"#### {escape.markdown(model.name, 120)}"
            yield f"{escape.markdown(suite_words.model_sentence(model), 1000)}"
            yield ""
            continue
        yield f"#### {escape.markdown(model.name, 120)}"
        yield from (f"{escape.markdown(note, 500)}" for note in model.notes)
        yield from markdown.comparison_lines(model.compared.document, samples, "", "#####")
    if link:
        yield f"full report: <{''.join(c for c in printable(link) if c not in '<> ')}>"


def _head(found: GatedSuite) -> Iterator[str]:
    yield f"### {suite_words.symbol(found)} evalh {escape.markdown(found.name, 120)}: {found.verdict}"
    yield f"Gate: **{escape.markdown(suite_words.suite_sentence(found), 1500)}**"
    yield ""
    yield from (f"{escape.markdown(note, 500)}\n" for note in found.notes)
    table = suite_words.joint_table(found)
    if not table.rows:
        return
    columns = " | ".join(escape.markdown(name, 80) for name in table.columns)
    yield f"| model |{f' {columns} |' if columns else ''} verdict | outcome |"
    yield f"|:--|{'--:|' * len(table.columns)}:--|:--|"
    for model, cells in table.rows:
        shown = "".join(f" {_cell(cell)} |" for cell in cells)
        verdict = f"{suite_words.symbol(model)}{markdown.NBSP}{model.verdict}"
        outcome = suite_words.outcome_word(model.exit_code).partition(":")[0]
        yield f"| {escape.markdown(model.name, 120)} |{shown} {verdict} | {outcome} |"
    yield ""


def _cell(cell: suite_words.ScoreCell | None) -> str:
    if cell is None:
        return "–"
    value = f"**{cell.value}**" if cell.best else cell.value
    return f"{value} ({cell.interval})".replace(" ", markdown.NBSP)


def suite_junit(found: GatedSuite, *, junit_items: bool = False) -> bytes:
    """One case per model and task, and one per model that has no verdict or nothing to compare with; with `junit_items`
    one for each item that broke."""
    suites: list[ET.Element] = []
    if found.problem:
        suites.append(_case("suite", found.name, ("error", found.problem)))
    for model in found.models:
        of = f"{line(model.name)}." if len(found.models) > 1 else ""
        if model.compared is not None:
            suites += junit.comparison_suites(model.compared.document, samples=junit_items, of=of)
        suites.append(_case(f"{of}gate", found.name, _blocking(model), suite_words.model_sentence(model)))
    return junit.junit_of(suites)


def _blocking(model: GatedModel) -> tuple[str, str] | None:
    """What a model's own case is: a failure where its gate fails, an error where it has no verdict that counts."""
    if model.exit_code == Exit.FINE:
        return None
    kind = "failure" if model.exit_code in (Exit.GATE_FAILED, Exit.INCONCLUSIVE) else "error"
    return kind, f"{suite_words.outcome_word(model.exit_code)}: {suite_words.model_sentence(model)}"


def _case(name: str, suite: str, bad: tuple[str, str] | None, said: str = "") -> ET.Element:
    made = ET.Element("testsuite", name=line(name))
    case = ET.SubElement(made, "testcase", classname=f"evalh.{line(name)}", name=line(suite), time="0")
    if bad is not None:
        ET.SubElement(case, bad[0], type="gate", message=line(bad[1], 400))
    ET.SubElement(case, "system-out").text = printable(said)
    return made


def _annotations(found: GatedSuite) -> Iterator[str]:
    """Workflow commands: what is wrong with the suite or a model, then what is of each task."""
    if found.problem:
        yield _command("error", found.name, found.problem)
    for model in found.models:
        if model.compared is not None:
            yield from deliver.commands(model.compared.document, model.compared.files)
        elif model.exit_code:
            yield _command("error", model.name, suite_words.model_sentence(model))
        elif model.notes:
            yield _command("warning", model.name, suite_words.model_sentence(model))


def _command(kind: str, title: str, said: str) -> str:
    return f"::{kind} title={workflow_property(title)}::{workflow_data(said)}"


def show_suite(found: GatedSuite, stream: TextIO) -> None:
    """The joint table on a terminal, and the gate in a line."""
    from rich.console import Console

    from evalharness.report import compare_terminal

    for model in found.models:
        if model.compared is not None and any(task.difference is not None for task in model.compared.decisions):
            print(f"\n{line(model.name, 120)}", file=stream)
            compare_terminal.show_comparison(model.compared.document, compare_terminal.console(), 5)
    made = suite_words.joint_table(found)
    console = Console(file=stream, width=compare_terminal.console().width)
    if made.rows:
        console.print(_suite_table(made))
    for said in (*found.notes, suite_words.suite_sentence(found)):
        console.print(line(said, 2000), markup=False, highlight=False, soft_wrap=True)


def _suite_table(made: suite_words.JointTable) -> FittedTable:
    """A row for each model and benchmark: it fits a terminal however many benchmarks there are."""
    from rich.text import Text

    from evalharness.report.fitted import FittedTable

    table = FittedTable()
    for heading in ("model", "benchmark"):
        table.add_column(heading, named=True)
    for heading in ("score", "95 % interval"):
        table.add_column(heading, "right")
    table.add_column("verdict")
    table.add_column("outcome", named=True)
    for model, cells in made.rows:
        known = [(name, cell) for name, cell in zip(made.columns, cells, strict=True) if cell is not None]
        figures = [(line(name), cell.value, cell.interval, cell.best) for name, cell in known] or [
            ("–", "–", "–", False)
        ]
        verdict = f"{suite_words.symbol(model)} {model.verdict}"
        once = (line(model.name), verdict, suite_words.outcome_word(model.exit_code).partition(":")[0])
        for benchmark, value, interval, best in figures:
            score = Text(value, style="bold" if best else "")
            table.add_row(Text(once[0]), Text(benchmark), score, Text(interval), Text(once[1]), Text(once[2]))
            once = ("", "", "")  # said once for all rows of a model
    return table
