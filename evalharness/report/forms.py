"""What `evalh report` does: a run or a kept comparison in one of the forms."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from evalharness.comparison import document, schema
from evalharness.comparison.scores import numbered_lines
from evalharness.errors import UserError, nearest
from evalharness.report import deliver, html, junit, markdown, pull_request
from evalharness.runs.store import JOURNAL, Run, find_run

FORMS = ("terminal", "markdown", "html", "junit", "json")


def write_report(what: str, form: str, *, output: Path | None, comment: bool, key: str, runs: Path) -> None:
    """Write the report of a run or a comparison. UserError for a form that there is not."""
    if form not in FORMS:
        raise UserError(f"--format {form!r}{nearest(form, FORMS)}: wanted one of {', '.join(FORMS)}")
    path = Path(what)
    if path.suffix == ".json" and not path.is_dir():
        found = document.read_document(path)
        if comment:
            pull_request.publish(markdown.comment_markdown(found, key=key, link=deliver.link()))
            return
        made = _comparison(found, form, key)
    else:
        if comment:
            raise UserError("--comment wants the report.json of a comparison; `evalh compare --report DIR` writes one")
        made = _run(find_run(what, runs), form)
    if output is not None:
        deliver.write_report_file(output, made)
    elif isinstance(made, bytes):
        sys.stdout.write(made.decode("utf-8"))
    else:
        print(made, end="" if made.endswith("\n") else "\n")


def _comparison(found: Mapping[str, Any], form: str, key: str) -> str | bytes:
    forms: Mapping[str, Callable[[], str | bytes]] = {
        "terminal": lambda: _terminal(found),
        "markdown": lambda: markdown.comment_markdown(found, key=key, link=deliver.link()),
        "html": lambda: html.comparison_html(found),
        "junit": lambda: junit.comparison_junit(found),
        "json": lambda: deliver.document_json(found),
    }
    return forms[form]()


def _terminal(found: Mapping[str, Any]) -> str:
    from evalharness.report import compare_terminal

    out = compare_terminal.console()
    with out.capture() as captured:
        out.print(compare_terminal.comparison_view(found, out.width), highlight=False)
    return captured.get()


def _run(run: Run, form: str) -> str | bytes:
    manifest, summary = schema.checked_run(run)
    forms: Mapping[str, Callable[[], str | bytes]] = {
        "terminal": lambda: _table(summary, manifest),
        "markdown": lambda: markdown.run_markdown(summary, manifest),
        "html": lambda: html.run_html(summary, manifest, (line for _, _, line in numbered_lines(run.path / JOURNAL))),
        "junit": lambda: junit.run_junit(summary, manifest),
        "json": lambda: deliver.document_json({"run": str(run.path), "benchmarks": summary["benchmarks"]}),
    }
    return forms[form]()


def _table(summary: Mapping[str, Any], manifest: Mapping[str, Any]) -> str:
    from evalharness.report import compare_terminal
    from evalharness.report.terminal import run_table

    out = compare_terminal.console()
    with out.capture() as captured:
        out.print(run_table(summary, manifest), highlight=False)
    return captured.get()
