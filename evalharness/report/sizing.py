"""How many items a comparison takes, on a terminal or as JSON."""

from __future__ import annotations

import json
import sys
from typing import TextIO

from evalharness.comparison.sizing import Sizing
from evalharness.data.kept import finite, to_json
from evalharness.report.escape import line
from evalharness.report.numbers import money
from evalharness.report.words import percent


def show_sizing(found: Sizing, *, as_json: bool, stream: TextIO | None = None) -> None:
    """A row for each way it may be, with what all published items would show."""
    stream = stream or sys.stdout
    if as_json:
        print(json.dumps(finite(to_json(found))), file=stream)
        return
    from rich.text import Text

    from evalharness.report import compare_terminal
    from evalharness.report.fitted import FittedTable

    table = FittedTable()
    table.add_named("items flip by")
    table.add_figures("flips %", "samples", "items", "answers", "cost")
    for row in found.rows:
        items = f"{row.items:,}" + (" (more than there are)" if row.enough is False else "")
        cells = (
            line(row.source, 80), percent(row.flips), f"{row.samples}", items, f"{row.answers:,}",
            "–" if row.cost is None else money(row.cost),
        )  # fmt: skip
        table.add_row(*map(Text, cells))
    there = "" if found.available is None else f"; it has {found.available:,} items"
    head = f"{line(found.benchmark, 80)}: a margin of {100 * found.margin:.4g} points, alpha {found.alpha:g}{there}"
    seen = (
        []
        if found.detectable is None
        else [f"with all of them a loss of {percent(found.detectable)} points is likely to be seen"]
    )
    print(compare_terminal.table_text(table, [*seen, *found.notes], head), end="", file=stream)
