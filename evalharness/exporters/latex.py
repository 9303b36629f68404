"""A LaTeX table of a run's figures, for the package booktabs."""

from __future__ import annotations

import re
from pathlib import Path

from evalharness.data.files import write_whole
from evalharness.runs.figure_rows import HEADER, figure_rows
from evalharness.runs.store import Run

SUFFIX = ".tex"
_SPECIAL = {
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "–": "--", "—": "---",
    "<": r"\textless{}", ">": r"\textgreater{}", **{c: f"\\{c}" for c in "&%$#_{}"},
}  # fmt: skip


def write_export(run: Run, path: Path) -> list[Path]:
    """Write the figures with their intervals, and whose they are."""
    rows = [_row(row.cells) for row in figure_rows(run.summary)]
    lines = [
        r"\begin{table}", r"\centering", r"\begin{tabular}{lllrrc}", r"\toprule", _row(HEADER), r"\midrule",
        *rows, r"\bottomrule", r"\end{tabular}", rf"\caption{{{escaped_latex(str(run.manifest.model.name))}}}",
        r"\end{table}",
    ]  # fmt: skip
    write_whole(path, "\n".join(lines) + "\n")
    return [path]


def _row(cells: tuple[str, ...]) -> str:
    return " & ".join(map(escaped_latex, cells)) + r" \\"


def escaped_latex(text: str) -> str:
    """A text as LaTeX prints it, every command in it disarmed."""
    plain = "".join(c if c.isprintable() else " " for c in text)
    return re.sub(r"[\\~^–—<>&%$#_{}]", lambda found: _SPECIAL[found[0]], plain)
