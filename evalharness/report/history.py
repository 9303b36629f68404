"""A benchmark over time: terminal, Markdown, HTML with a chart, CSV, JSON."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping

from evalharness.comparison.history import History, HistoryPoint
from evalharness.data.kept import finite, to_json
from evalharness.errors import UserError, nearest, option_name
from evalharness.report import html, words
from evalharness.report.escape import inert_cell, line, markdown
from evalharness.report.numbers import format_number
from evalharness.runs.journal import dumps

HEADINGS = ("date", "run", "commit", "model", "score", "95 % interval", "n", "change")


def history_as(found: History, form: str) -> str | bytes:
    """The history in a form. UserError for one that there is not."""
    forms: Mapping[str, Callable[[], str | bytes]] = {
        "terminal": lambda: _terminal(found),
        "markdown": lambda: _markdown(found),
        "html": lambda: html.history_html(found, [history_cells(point) for point in found.points], _notes(found)),
        "csv": lambda: _csv(found),
        "json": lambda: dumps(finite(to_json(found))) + b"\n",
    }
    if form not in forms:
        raise UserError(f"{option_name('format')} {form!r}{nearest(form, forms)}: wanted one of {', '.join(forms)}")
    return forms[form]()


def history_cells(point: HistoryPoint) -> tuple[str, ...]:
    """A row of the table."""
    figure = point.figure
    ends = "–" if figure.low is None else f"{format_number(figure.low)} … {format_number(figure.high)}"
    date, commit = point.created[:16].replace("T", " "), (point.commit or "–")[:7]
    return date, point.name, commit, point.model, format_number(figure.value), ends, f"{figure.n:,}", _change(point)


def _change(point: HistoryPoint) -> str:
    """What became of the figure with this run."""
    said = [f"new series ({point.reason})"] if point.reason else []
    if point.change is not None:
        mark = "▲" if point.change.difference > 0 else "▼"
        said.append(f"{mark} {words.points(point.change.difference)} points, p {words.p_value(point.change.p)}")
    return "; ".join(said)


def _notes(found: History) -> list[str]:
    said = (
        "a change is marked where the runs from there on differ from those before, item by item, corrected for a look "
        f"after every run: the chance of any false mark in all of this is at most {100 * found.alpha:g} %"
    )
    return [said, *found.notes]


def _terminal(found: History) -> str:
    from rich.text import Text

    from evalharness.report import compare_terminal
    from evalharness.report.fitted import FittedTable

    table = FittedTable()
    for heading in HEADINGS:
        figure = heading in ("score", "95 % interval", "n")
        table.add_column(
            heading, "right" if figure else "left", named=not figure, optional=heading in ("commit", "model", "n")
        )
    for point in found.points:
        table.add_row(*(Text(line(cell, 100)) for cell in history_cells(point)))
    return compare_terminal.table_text(table, _notes(found), f"{line(found.benchmark, 80)} ({line(found.metric, 40)})")


def _markdown(found: History) -> str:
    rows = [" | ".join(markdown(cell, 120) for cell in history_cells(point)) for point in found.points]
    return "\n".join([
        f"### {markdown(found.benchmark, 120)} ({markdown(found.metric, 60)})", "", f"| {' | '.join(HEADINGS)} |",
        "|:--|:--|:--|:--|--:|--:|--:|:--|", *(f"| {row} |" for row in rows), "",
        *(f"* {markdown(said, 600)}" for said in _notes(found)), "",
    ])  # fmt: skip


def _csv(found: History) -> str:
    out = io.StringIO()
    write = csv.writer(out, lineterminator="\n")
    write.writerow(["created", "run", "commit", "model", "value", "low", "high", "n", "series", "change", "p"])
    for point in found.points:
        figure, change = point.figure, point.change
        ends = ("" if one is None else one for one in (figure.value, figure.low, figure.high))
        marked = ("", "") if change is None else (change.difference, change.p)
        names = (inert_cell(one) for one in (point.created, point.name, point.commit or "", point.model))
        write.writerow([*names, *ends, figure.n, point.series, *marked])
    return out.getvalue()
