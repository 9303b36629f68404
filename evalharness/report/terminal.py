"""Tables for the terminal. Text from models or files is added as rich's `Text`, so that no markup in it is obeyed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from rich.console import Group, RenderableType
from rich.text import Text

from evalharness.report.cautions import interval_cautions
from evalharness.report.escape import line
from evalharness.report.fitted import FittedTable
from evalharness.report.numbers import format_number, format_tokens, money, programs, seconds
from evalharness.runs.figures import KeptEstimate, Summary, TaskSummary
from evalharness.runs.manifest import UsageFacts
from evalharness.text.plain_characters import as_shown

_UNREAD = ("unparsed", "truncated", "refused", "error")


STACKED_BELOW = 64  # columns below which a table would break its words: its rows are stacked there


def run_table(summary: Summary, usage: Mapping[str, UsageFacts], width: int = 80) -> RenderableType:
    """The table of one run; it fits 80 columns, and where there are few its rows stand below one another.

    A benchmark's headline is the first of its metrics; the others follow in rows of their own. Below the table a line
    per benchmark says how the answers were counted and what they took, as the manifest's `usage` has it.
    """
    table = FittedTable()
    for heading in ("benchmark", "mode", "metric"):
        table.add_column(heading, named=True, optional=heading == "mode")
    for heading in ("n", "score", "95 % interval"):
        table.add_column(heading, "right", optional=heading == "n")
    for name, entry in summary.benchmarks.items():
        shown = {**entry.holistic, **entry.metrics}
        for position, (metric, figure) in enumerate({**entry.metrics, **shown}.items()):
            first = position == 0
            cells = [Text(line(name)) if first else Text(""), Text(line(entry.mode or "") if first else "")]
            table.add_row(*cells, Text(line(metric)), *_figures(figure, "bold" if first else ""))
    for name, of in summary.averages.items():
        for metric, figure in of.items():
            table.add_row(Text(line(name)), Text("average"), Text(line(metric)), *_figures(figure, "bold"))
    rows: list[RenderableType] = list(_stacked(summary)) if width < STACKED_BELOW else [table]
    said = [_account(name, entry, usage.get(name, UsageFacts())) for name, entry in summary.benchmarks.items()]
    return Group(*rows, *said, *_remarks(summary.benchmarks))


def _stacked(summary: Summary) -> Iterator[Text]:
    """The table's cells below one another."""
    named = [(line(name), {**entry.metrics, **entry.holistic}) for name, entry in summary.benchmarks.items()]
    named += [(f"{line(name)}, average", dict(of)) for name, of in summary.averages.items()]
    for name, figures in named:
        yield Text(name, style="bold")
        for metric, figure in figures.items():
            n, score, interval = _figures(figure, "")
            yield Text(f"  {line(metric)} {score}")
            yield Text(f"    {interval}, n {n}")
    yield Text("")


def _account(name: str, entry: TaskSummary, used: UsageFacts) -> Text:
    """`mmlu: 8,565 correct, 5,477 wrong · chance 0.250 · bounds 0.600 … 0.640 · 4 m 31 s · 1.9 M / 14 k tokens`."""
    counted = Text(f"{line(name)}: ") + _counts(entry.counts)
    chance = Text(f"chance {format_number(entry.chance)}" if entry.chance else "")
    parts = [counted, Text(programs(entry.programs)), chance, _bounds(entry), *_usage(used)]
    return Text(" · ").join(part for part in parts if part)


def _figures(figure: KeptEstimate, style: str) -> list[Text]:
    return [
        Text(f"{figure.n:,}"),
        Text(format_number(figure.value), style=style),
        Text(as_shown(f"{format_number(figure.low)} … {format_number(figure.high)}")),
    ]


def _unread(entry: TaskSummary) -> int:
    return sum(entry.counts.get(status, 0) for status in _UNREAD)


def _bounds(entry: TaskSummary) -> Text:
    if not _unread(entry) or entry.bounds is None:
        return Text("")
    return Text(f"bounds {format_number(entry.bounds.low)} … {format_number(entry.bounds.high)}")


def _counts(counts: Mapping[str, int]) -> Text:
    """Counts by status, what is zero left out; what could not be read stands out."""
    parts = Text()
    for status, count in counts.items():
        if count:
            style = "red" if status == "error" else "yellow" if status in _UNREAD else ""
            parts.append(f"{', ' if parts else ''}{count:,} {line(status)}", style=style)
    return parts


def _usage(used: UsageFacts) -> list[Text]:
    """Time, tokens read and written, cost: what is known of them."""
    found = [Text(seconds(used.seconds))] if used.seconds is not None else []
    if used.tokens_in or used.tokens_out:
        found.append(Text(f"{format_tokens(used.tokens_in)} / {format_tokens(used.tokens_out)} tokens in/out"))
    if used.cost is not None:
        found.append(Text(money(used.cost)))
    return found


def _remarks(benchmarks: Mapping[str, TaskSummary]) -> list[Text]:
    found = []
    for name, entry in benchmarks.items():
        errors = entry.counts.get("error", 0)
        found += [Text(f"{line(name)}: {line(said)}") for said in interval_cautions(entry)]
        found += [Text(f"{line(name)}: {line(said)}", style="yellow") for said in entry.cautions]
        unread = _unread(entry) - errors
        if unread:
            found.append(Text(f"{line(name)}: {unread:,} answers could not be read and count as 0; see the bounds"))
        if entry.tokens is not None and entry.tokens.cut:
            said = f"{line(name)}: {entry.tokens.cut:,} prompts were cut from the left to fit the context"
            found.append(Text(said, style="yellow"))
        if errors:
            found.append(Text(f"{line(name)}: {_no_answer(errors, entry)}", style="red"))
    return found


def _no_answer(errors: int, entry: TaskSummary) -> str:
    """What became of questions without an answer: most benchmarks leave them out, some authors count them as 0."""
    headline, answers, said = entry.headline_figure, sum(entry.counts.values()), f"{errors:,} questions have no answer"
    if headline is None or answers > headline.n + errors:  # several answers to a question: it may have others
        return said
    return f"{said} and {'count as 0' if headline.n > answers - errors else 'are not in the score'}"


def baseline_lines(folder: Path) -> list[str]:
    """One line per baseline in a folder: name, run, scores; what cannot be read says why."""
    import numpy as np

    from evalharness.comparison import baseline
    from evalharness.errors import UserError

    found = []
    for name in baseline.baseline_names(folder):
        try:
            stored = baseline.read_baseline(folder / f"{name}{baseline.SUFFIX}")
        except UserError as error:
            found.append(f"{line(name)}: {line(str(error))}")
            continue
        scores = [
            f"{line(benchmark)} {one.metric} {format_number(float(np.nanmean(one.values)))} (n {len(one.ids):,})"
            for benchmark, one in stored.scores.items()
        ]
        run = line(stored.manifest.name or "?")
        found.append(f"{line(name)}: {run}, {stored.manifest.created or 'no date'}: {', '.join(scores)}")
    return found or [f"there is no baseline in {folder}; `evalh baseline set RUN --name main` makes one"]
