"""What was forgotten, on a terminal: what was lost, gained and kept, and where it cannot be told."""

from __future__ import annotations

import sys
from typing import Literal

from rich.console import Group, RenderableType
from rich.text import Text

from evalharness.comparison.forgetting_document import Finding, ForgettingDocument, forgetting_values
from evalharness.report import words
from evalharness.report.compare_terminal import console, verdict_text
from evalharness.report.escape import line, printable
from evalharness.report.fitted import FittedTable
from evalharness.report.numbers import seconds
from evalharness.runs.journal import dumps
from evalharness.text.visible import shell_word

_ORDER: tuple[Finding, ...] = ("lost", "gained", "kept", "can't tell")
# The least width at which a column that may be dropped is shown; the verdict stands in a line of its own besides.
_WIDTHS = {"metric": 112, "base": 100, "tuned": 100, "verdict": 92}


def show_forgetting(document: ForgettingDocument, *, as_json: bool) -> None:
    """Print it, as a table or as one JSON object."""
    if as_json:
        sys.stdout.write((dumps(forgetting_values(document)) + b"\n").decode("utf-8"))
        return
    out = console()
    out.print(_view(document, out.width), highlight=False)
    runs = " ".join(printable(shell_word(run)) for run in (document.base_run, document.tuned_run))
    out.print(Text(f"what broke: evalh compare {runs}"), highlight=False, soft_wrap=True)  # one line, to be copied


def _view(document: ForgettingDocument, width: int) -> RenderableType:
    compared = document.comparison
    base, tuned = (line(side.model or side.name, 60) for side in (compared.base, compared.new))
    spent = f"{seconds(document.spent)} of {seconds(document.budget)} used"
    level = words.level(compared)
    parts: list[RenderableType] = [Text(f"{base} → {tuned} · asked in turn, paired by item id · {spent}")]
    parts.append(_table(document, width))
    for task in compared.tasks:
        parts.append(Text(line(f"{task.benchmark}: {task.symbol} {task.verdict}: {task.reason}", 400)))
        parts += [Text(line(f"{task.benchmark}: {note}", 400)) for note in task.notes]
    parts.append(Text(f"The intervals hold at every look, and for all benchmarks at once with an error of "
                      f"{100 * compared.alpha:g} % at either end ({level})."))  # fmt: skip
    parts.append(Text(words.gate_sentence(compared), style="bold red" if compared.gate == "fail" else "bold"))
    if any(about.ended == "budget" for about in document.benchmarks.values()):
        parts.append(Text("The time was used up: the same command goes on where it ended."))
    return Group(*parts)


def _table(document: ForgettingDocument, width: int) -> FittedTable:
    table = FittedTable()
    headings: dict[str, Literal["left", "right"]] = {
        "": "left", "benchmark": "left", "metric": "left", "asked": "right", "base": "right", "tuned": "right",
        "Δ points": "right", "interval": "right", "verdict": "left",
    }  # fmt: skip
    shown = [heading for heading in headings if width >= _WIDTHS.get(heading, 0)]
    for heading in shown:
        table.add_column(heading, headings[heading], named=heading in ("benchmark", "metric"))
    for finding in _ORDER:
        named = finding
        for task in document.comparison.tasks:
            about = document.benchmarks[task.benchmark]
            if about.finding != finding:
                continue
            cells = (
                Text(named, style="bold"), Text(line(task.benchmark, 60)), Text(line(task.metric, 40)),
                Text(f"{about.asked:,} of {about.there:,}"), Text(words.percent(task.base)),
                Text(words.percent(task.new)), Text(words.points(task.difference)), Text(words.format_interval(task)),
                verdict_text(task),
            )  # fmt: skip
            by_heading = dict(zip(headings, cells, strict=True))
            table.add_row(*(by_heading[heading] for heading in shown))
            named = ""  # type: ignore[assignment]  # said once for the rows of one kind
    return table
