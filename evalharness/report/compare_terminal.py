"""A comparison as a terminal table. It drops columns on a narrow terminal, but never cuts the verdict."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal

from rich.console import Console, Group, RenderableType
from rich.text import Text

from evalharness.comparison.decide import TaskComparison
from evalharness.comparison.document import ComparisonDocument
from evalharness.comparison.flips import FlippedItem
from evalharness.report import words
from evalharness.report.escape import line, without_commands
from evalharness.report.fitted import FittedTable
from evalharness.report.terminal import STACKED_BELOW
from evalharness.text.plain_characters import as_shown

_STYLES = {"worse": "bold red", "better": "bold green", "same": "green", "can't tell": "yellow"}
_SHOWN = 5
# The least width at which a column that may be dropped is shown.
WIDTHS = {"p (Holm)": 116, "detectable": 108, "fixed/broke": 96, "n": 84, "metric": 76}
_DROPPED = (*WIDTHS, "margin")  # the first to go where names need the room
_NAME = 28  # columns of a task's or metric's name for which others go; a longer one is folded
_GAP = 3  # columns between two of the table's


def comparison_view(document: ComparisonDocument, width: int, samples: int = _SHOWN) -> RenderableType:
    """Header, table, reasons, what broke, and the gate's word."""
    base, new = document.base, document.new
    models = " → ".join(dict.fromkeys(line(side.model or "?", 60) for side in (base, new)))
    parts: list[RenderableType] = [
        Text(
            f"{line(words.side_title(base), 60)} → {line(words.side_title(new), 60)} · model {models} · "
            "paired by item id"
        ),
        _table(document, width) or Text("\n".join(_stacked(document))),
        *(Text(line(remark, 400)) for remark in words.remarks(document)),
    ]
    for task in document.tasks:
        parts += _flips(task, samples)
    parts.append(Text(words.gate_sentence(document), style="bold red" if document.gate == "fail" else "bold"))
    return Group(*parts)


def _table(document: ComparisonDocument, width: int) -> FittedTable | None:
    """The table with the columns that there is room for; None where even the least would break words."""
    table = FittedTable()
    headings: dict[str, Literal["left", "right"]] = {
        "task": "left", "metric": "left", "n": "right", "base": "right", "new": "right", "Δ points": "right",
        f"{words.level(document)} interval": "right", "fixed/broke": "right", "p (Holm)": "right",
        "detectable": "right", "margin": "right", "verdict": "left",
    }  # fmt: skip
    rows = [dict(zip(headings, _cells(task), strict=True)) for task in document.tasks]
    shown = [heading for heading in headings if width >= WIDTHS.get(heading, 0)]
    for heading in _DROPPED:
        if _needed(shown, rows) > width and heading in shown:
            shown.remove(heading)
    if width < STACKED_BELOW or (rows and _needed(shown, rows) > width):
        return None
    for heading in shown:
        table.add_column(heading, headings[heading], named=heading in ("task", "metric"))
    for cells in rows:
        table.add_row(*(cells[heading] for heading in shown))
    return table


def _needed(shown: Sequence[str], rows: Sequence[Mapping[str, Text]]) -> int:
    """The columns that a table takes in which no word is broken."""
    widths = (max(len(heading), *(min(row[heading].cell_len, _NAME) for row in rows), 0) for heading in shown)
    return sum(widths) + _GAP * (len(shown) - 1) + 2


def _stacked(document: ComparisonDocument) -> Iterator[str]:
    """The table's cells below one another, for terminals on which it would break words."""
    for task in document.tasks:
        yield f"{line(task.benchmark)} {task.symbol} {task.verdict}"
        if task.difference is not None:
            yield f"  {line(task.metric)} {words.percent(task.base)} → {words.percent(task.new)}, n {words.items(task)}"
            yield f"  {words.points(task.difference)} points"
            yield f"  {words.level(document)} {words.format_interval(task)}"


def _cells(task: TaskComparison) -> list[Text]:
    known = task.difference is not None
    figures = (
        words.items(task) if known else "–",
        words.percent(task.base),
        words.percent(task.new),
        words.points(task.difference),
        words.format_interval(task),
        f"{task.fixed:,}/{task.broke:,}" if known else "–",
        words.p_value(task.p_change_holm),
        words.percent(task.detectable),
        f"{100 * task.margin:.4g}",
    )
    return [
        Text(line(task.benchmark, 60)),
        Text(line(task.metric, 40)),
        *(Text(as_shown(one)) for one in figures),
        verdict_text(task),
    ]


def verdict_text(task: TaskComparison) -> Text:
    """The verdict with its symbol, in its colour."""
    return Text(f"{task.symbol} {task.verdict}", style=_STYLES.get(task.verdict, "magenta"))


def _flips(task: TaskComparison, samples: int) -> list[RenderableType]:
    """The first of what broke and got fixed, and where the broken ones concentrate."""
    found: list[RenderableType] = []
    for change in ("broke", "fixed"):
        these = [one for one in task.samples if one.change == change][:samples]
        if these:
            number = task.broke if change == "broke" else task.fixed
            of = f"{len(these)} of {number:,}" if number > len(these) else f"{number:,}"
            found.append(Text(f"\n{line(task.benchmark)}: {change} ({of})", style="bold"))
            found += [_sample(one) for one in these]
    spots = [one for one in task.slices if one.p < 0.05]
    if spots:
        found.append(Text(f"\n{line(task.benchmark)}: what broke concentrates in", style="bold"))
        found += [
            Text(
                f"  {one.field} {line(one.value, 60)}: {one.broke:,} broke, {one.fixed:,} fixed "
                f"of {one.n:,} ({words.points(one.difference)} points, p {words.p_value(one.p)}, exploratory)"
            )
            for one in spots[:samples]
        ]
    return found


def _sample(one: FlippedItem) -> Text:
    def said(status: str, text: str) -> str:
        return f"{status} {line(text, 60)!r}" if text else status

    was = said(one.base_status, one.base_answer or one.base_text)
    now = said(one.new_status, one.new_answer or one.new_text)

    flaky = " (flaky)" if one.flaky else ""
    gold = f" · gold {line(one.gold, 60)!r}" if one.gold else ""
    return Text(f"  {line(one.id, 80)}{flaky}{gold} · was {was} · now {now}")


def console() -> Console:
    """Standard output; where it is a log, whose width nobody knows, wide enough for every column."""
    wide = sys.stdout.isatty() or "COLUMNS" in os.environ
    return Console(width=None if wide else 160)


def table_text(table: FittedTable, notes: Iterable[str], head: str = "") -> str:
    """A table as standard output is to show it, a line above it and what a reader must know besides."""
    out = console()
    with out.capture() as captured:
        if head:
            out.print(line(head, 200), markup=False, highlight=False, soft_wrap=True)
        out.print(table, highlight=False)
        for said in notes:
            out.print(line(said, 600), markup=False, highlight=False, soft_wrap=True)
    return captured.get()


def show_comparison(document: ComparisonDocument, out: Console, samples: int = _SHOWN) -> None:
    """Print it. In a GitHub log no workflow command in it is obeyed."""
    table = comparison_view(document, out.width, samples)
    if os.environ.get("GITHUB_ACTIONS") != "true":
        out.print(table, highlight=False)
        return
    with out.capture() as captured:
        out.print(table, highlight=False)
    print(without_commands(captured.get().splitlines()), file=out.file)
