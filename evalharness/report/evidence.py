"""Twins and runs made again, in a terminal or as one JSON object."""

from __future__ import annotations

import json
from collections.abc import Sequence

from rich import box
from rich.table import Table
from rich.text import Text

from evalharness.data.kept import finite, to_json
from evalharness.evidence.reproduce import ReproducedTask, Reproduction
from evalharness.evidence.twins import TwinSearch
from evalharness.report import compare_terminal, words
from evalharness.report.escape import line

_PAIRS_SHOWN = 20


def _print_table(headings: Sequence[str], rows: Sequence[Sequence[str]], notes: Sequence[str], left: int) -> None:
    """A table whose first `left` columns are names, and what a reader must know besides it."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for place, heading in enumerate(headings):
        table.add_column(Text(heading), justify="left" if place < left else "right")
    for row in rows:
        table.add_row(*(Text(line(cell, 80)) for cell in row))
    out = compare_terminal.console()
    with out.capture() as captured:
        out.print(table, highlight=False)
        for said in notes:
            out.print(line(said, 600), markup=False, highlight=False, soft_wrap=True)
    print(captured.get(), end="")


def show_twins(found: TwinSearch, *, as_json: bool) -> None:
    """The pairs, the most alike first, and which of them are hardly two models."""
    if as_json:
        print(json.dumps(finite(to_json(found))))
        return
    shown = found.pairs[: max(sum(pair.twins for pair in found.pairs), _PAIRS_SHOWN)]
    rows = [
        [
            pair.first, pair.second, pair.benchmark, f"{pair.n:,}", f"{pair.differ:,}", f"{pair.expected:,.0f}",
            f"{100 * pair.same_text:.1f} %", words.p_value(pair.p), "TWINS" if pair.twins else "",
        ]
        for pair in shown
    ]  # fmt: skip
    notes = [
        "differ: items that one has right and the other wrong; expected: were they right and wrong independently, on "
        "items as hard as these; p: Holm's over all pairs",
        *found.notes,
    ]
    if more := len(found.pairs) - len(shown):
        notes.append(f"{more:,} more pairs, none of them twins")
    headings = ["run", "run", "benchmark", "items", "differ", "expected", "same text", "p", ""]
    _print_table(headings, rows, notes, 3)
    named = [f"{pair.first} and {pair.second} ({pair.benchmark})" for pair in found.pairs if pair.twins]
    if named:
        print(line(f"hardly two models: {'; '.join(named)}", 600))
    else:
        print(f"no twins at an error rate of {found.alpha:g}")


def show_reproduction(found: Reproduction, *, as_json: bool) -> None:
    """The verdict, why, a line for each benchmark, and what could not be held equal."""
    if as_json:
        print(json.dumps(finite(to_json(found))))
        return
    print(f"{line(found.again)} against {line(found.run)}: {found.verdict}")
    for name, task in found.benchmarks.items():
        print(f"  {line(name)}: {_task_line(task)}")
    word = "because of" if found.verdict == "different" else "may be because of"
    for reason in found.because:
        print(f"  {word} {line(reason, 200)}")
    for thing in found.not_held if found.verdict == "same bytes" else ():
        print(f"  not held equal, and it made no difference: {line(str(thing), 200)}")


def _task_line(task: ReproducedTask) -> str:
    said = f"{task.same_answers:,} of {task.n:,} answers are the very same, {task.moved:,} scored otherwise"
    if task.missing:
        said += f", {task.missing:,} on one side alone"
    if task.difference is None or not task.moved:
        return said
    ends = f"{words.points(task.low)} … {words.points(task.high)}"
    return f"{said}; now minus then {words.points(task.difference)} points ({ends})"
