"""A run or a comparison in one of the forms that reports have."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from evalharness.comparison.document import ComparisonDocument
from evalharness.comparison.scores import numbered_lines
from evalharness.data.kept import to_json
from evalharness.errors import UserError, nearest, option_name
from evalharness.report import deliver, html, junit, markdown, sarif
from evalharness.report.drawn_figures import comparison_figures, run_figures
from evalharness.report.figures import text_figures
from evalharness.runs.figures import Summary
from evalharness.runs.journal import dumps
from evalharness.runs.manifest import Manifest
from evalharness.runs.store import JOURNAL, Run, find_run


def run_as(what: str, form: str, runs: Path) -> str | bytes:
    """The report of a run by path or name. UserError for a form that there is not."""
    return _made(form, _run_forms(find_run(what, runs)))


def comparison_as(document: ComparisonDocument, form: str, key: str = "default") -> str | bytes:
    """The report of a comparison's document. UserError for a form that there is not."""
    return _made(form, _comparison_forms(document, key))


def _made(form: str, forms: Mapping[str, Callable[[], str | bytes]]) -> str | bytes:
    if form not in forms:
        raise UserError(f"{option_name('format')} {form!r}{nearest(form, forms)}: wanted one of {', '.join(forms)}")
    return forms[form]()


def _comparison_forms(found: ComparisonDocument, key: str) -> Mapping[str, Callable[[], str | bytes]]:
    return {
        "terminal": lambda: _terminal(found),
        "markdown": lambda: markdown.comment_markdown(found, key=key, link=deliver.link()),
        "html": lambda: html.comparison_html(found),
        "figures": lambda: text_figures(comparison_figures(found)),
        "junit": lambda: junit.comparison_junit(found),
        "sarif": lambda: sarif.sarif_of(sarif.comparison_findings("", found, {})),
        "json": lambda: deliver.document_json(found),
    }


def _terminal(found: ComparisonDocument) -> str:
    from evalharness.report import compare_terminal

    out = compare_terminal.console()
    with out.capture() as captured:
        out.print(compare_terminal.comparison_view(found, out.width), highlight=False)
    return captured.get()


def _run_forms(run: Run) -> Mapping[str, Callable[[], str | bytes]]:
    manifest, summary = run.manifest, run.summary
    return {
        "terminal": lambda: _table(summary, manifest),
        "markdown": lambda: markdown.run_markdown(summary, manifest),
        "html": lambda: html.run_html(
            summary, manifest, (line for _, _, line in numbered_lines(run.path / JOURNAL)), run_figures(run)
        ),
        "figures": lambda: text_figures(run_figures(run)),
        "junit": lambda: junit.run_junit(summary),
        "json": lambda: dumps({"run": str(run.path), "benchmarks": to_json(summary.benchmarks)}) + b"\n",
    }


def _table(summary: Summary, manifest: Manifest) -> str:
    from evalharness.report import compare_terminal
    from evalharness.report.terminal import run_table

    out = compare_terminal.console()
    with out.capture() as captured:
        out.print(run_table(summary, manifest.usage or {}), highlight=False)
    return captured.get()
