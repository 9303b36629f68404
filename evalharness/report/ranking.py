"""A table of ranked runs: terminal, Markdown, HTML, CSV, LaTeX, JSON."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping

from evalharness.comparison.ranking import Ranking, RankRange
from evalharness.data.kept import finite, to_json
from evalharness.errors import UserError, nearest, option_name
from evalharness.report import html
from evalharness.report.escape import inert_cell, latex, line, markdown
from evalharness.report.numbers import format_number
from evalharness.runs.figures import KeptEstimate
from evalharness.runs.journal import dumps

SUFFIXES: Mapping[str, str] = {
    ".md": "markdown", ".html": "html", ".csv": "csv", ".tex": "latex", ".json": "json", ".txt": "terminal",
}  # fmt: skip


def ranking_as(found: Ranking, form: str) -> str | bytes:
    """The table in a form. UserError for one that there is not."""
    forms: Mapping[str, Callable[[], str | bytes]] = {
        "terminal": lambda: _terminal(found),
        "markdown": lambda: _markdown(found),
        "html": lambda: html.ranking_html(found, table_headings(found), table_rows(found), ranking_notes(found)),
        "csv": lambda: _csv(found),
        "latex": lambda: _latex(found),
        "json": lambda: dumps(finite(to_json(found))) + b"\n",
    }
    if form not in forms:
        raise UserError(f"{option_name('format')} {form!r}{nearest(form, forms)}: wanted one of {', '.join(forms)}")
    return forms[form]()


def table_headings(found: Ranking) -> list[str]:
    """The columns: rank and name, the mean, each benchmark."""
    mean = [f"mean of {len(found.joint)}"] if len(found.joint) > 1 else []
    return ["rank", "run", "model", *mean, *found.benchmarks]


def table_rows(found: Ranking) -> list[list[str]]:
    """The cells as text, a row a run."""
    rows = []
    for one in found.runs:
        mean = [_cell(one.mean)] if len(found.joint) > 1 else []
        cells = [_cell(one.figures.get(name), one.ranks.get(name)) for name in found.benchmarks]
        rows.append([_range(one.overall), one.name, one.model, *mean, *cells])
    return rows


def ranking_notes(found: Ranking) -> list[str]:
    """What a reader must know besides the table."""
    level = f"{100 * (1 - found.alpha):g} %"
    said = [
        f"rank and, in brackets, the ranks that are possible: those of a column hold together at {level} (paired by "
        "item, Holm over the pairs); figures have their 95 % interval"
    ]
    if len(found.joint) > 1:
        said.append(f"the first rank is by the mean over {', '.join(found.joint)}, each of the same weight")
    return [*said, *found.notes]


def _range(found: RankRange | None) -> str:
    if found is None:
        return "–"
    return f"{found.rank}" if found.best == found.worst else f"{found.rank} [{found.best}–{found.worst}]"


def _cell(figure: KeptEstimate | None, ranks: RankRange | None = None) -> str:
    if figure is None:
        return "–"
    place = f"  #{_range(ranks)}" if ranks is not None else ""
    ends = f" ({format_number(figure.low)} … {format_number(figure.high)})" if figure.low is not None else ""
    return f"{format_number(figure.value)}{ends}{place}"


def _terminal(found: Ranking) -> str:
    """A column for each benchmark, or a row for each where those are too many."""
    from rich.text import Text

    from evalharness.report import compare_terminal
    from evalharness.report.fitted import FittedTable

    headings, table = table_headings(found), FittedTable()
    table.add_figures(headings[0])
    table.add_named("run", "model")
    table.add_figures(*(line(heading, 60) for heading in headings[3:]))
    for row in table_rows(found):
        table.add_row(*(Text(line(cell, 80)) for cell in row))
    if not table.fits(compare_terminal.console()):
        table = FittedTable()
        table.add_figures("rank")
        table.add_named("run", "model", "benchmark")
        table.add_figures("score")
        for rank, name, model, *cells in table_rows(found):
            once = (rank, name, model)
            for benchmark, cell in zip(headings[3:], cells, strict=True):
                table.add_row(*(Text(line(word, 80)) for word in (*once, benchmark, cell)))
                once = ("", "", "")  # said once for all rows of a run
    return compare_terminal.table_text(table, ranking_notes(found))


def _markdown(found: Ranking) -> str:
    headings = table_headings(found)
    lines = [
        f"| {' | '.join(markdown(heading, 80) for heading in headings)} |",
        f"|{'|'.join(':--' if position in (1, 2) else '--:' for position in range(len(headings)))}|",
        *(f"| {' | '.join(markdown(cell, 120) for cell in row)} |" for row in table_rows(found)),
        "",
        *(f"* {markdown(said, 600)}" for said in ranking_notes(found)),
    ]
    return "\n".join(lines) + "\n"


def _csv(found: Ranking) -> str:
    """A row for each run and benchmark, and one for the mean: what a spreadsheet or a script reads."""
    out = io.StringIO()
    write = csv.writer(out, lineterminator="\n")
    write.writerow(
        ["run", "model", "benchmark", "metric", "value", "low", "high", "n", "rank", "rank_best", "rank_worst"]
    )
    for one in found.runs:
        figures: dict[str, tuple[str, KeptEstimate | None, RankRange | None]] = {
            name: (metric, one.figures.get(name), one.ranks.get(name)) for name, metric in found.benchmarks.items()
        }
        figures["(mean)"] = ("mean", one.mean, one.overall)
        for name, (metric, figure, ranks) in figures.items():
            if figure is None:
                continue
            places = ("", "", "") if ranks is None else (ranks.rank, ranks.best, ranks.worst)
            ends = ("" if end is None else end for end in (figure.value, figure.low, figure.high))
            write.writerow([*map(inert_cell, (one.name, one.model, name, metric)), *ends, figure.n, *places])
    return out.getvalue()


def _latex(found: Ranking) -> str:
    headings = table_headings(found)
    lines = [
        "% needs the package booktabs",
        rf"\begin{{tabular}}{{{''.join('l' if position in (1, 2) else 'r' for position in range(len(headings)))}}}",
        r"\toprule",
        " & ".join(map(latex, headings)) + r" \\",
        r"\midrule",
        *(" & ".join(map(latex, row)) + r" \\" for row in table_rows(found)),
        r"\bottomrule",
        r"\end{tabular}",
        *(f"% {line(said, 600)}" for said in ranking_notes(found)),
    ]
    return "\n".join(lines) + "\n"
