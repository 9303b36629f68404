"""Tables for the terminal. Text from models or files is added as rich's `Text`, so that no markup in it is obeyed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from evalharness.report.escape import line
from evalharness.report.numbers import format_number, format_tokens, money, seconds
from evalharness.report.words import programs

FEW = 50  # below it the intervals' coverage dips under 93 % (perf/coverage.py)
_UNREAD = ("unparsed", "truncated", "refused", "error")


def run_table(summary: Mapping[str, Any], manifest: Mapping[str, Any]) -> RenderableType:
    """The table of one run, from `summary.json` and `run.json`; it fits 80 columns.

    A benchmark's headline is the first of its metrics; the others follow in rows of their own. Below the table a line
    per benchmark says how the answers were counted and what they took. Time, tokens and cost are read from the
    manifest's `usage` (`{BENCHMARK: {seconds, tokens_in, tokens_out, cost}}`) where it is there.
    """
    benchmarks: Mapping[str, Any] = summary.get("benchmarks", {})
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("benchmark", "mode", "metric"):
        table.add_column(heading, overflow="fold")
    for heading in ("n", "score", "95 % interval"):
        table.add_column(heading, justify="right", no_wrap=True)
    for name, entry in benchmarks.items():
        shown = {**entry.get("holistic", {}), **entry.get("metrics", {})}
        for position, (metric, estimate) in enumerate({**entry.get("metrics", {}), **shown}.items()):
            first = position == 0
            cells = [Text(line(name)) if first else Text(""), Text(line(str(entry.get("mode", ""))) if first else "")]
            table.add_row(*cells, Text(line(metric)), *_figures(estimate, "bold" if first else ""))
    for name, figures in summary.get("averages", {}).items():
        for metric, estimate in figures.items():
            table.add_row(Text(line(name)), Text("average"), Text(line(metric)), *_figures(estimate, "bold"))
    said = [_account(name, entry, manifest.get("usage", {}).get(name, {})) for name, entry in benchmarks.items()]
    return Group(table, *said, *_remarks(benchmarks))


def _account(name: str, entry: Mapping[str, Any], used: Mapping[str, Any]) -> Text:
    """`mmlu: 8,565 correct, 5,477 wrong · bounds 0.600 … 0.640 · 4 m 31 s · 1.9 M / 14 k tokens · $2.31`."""
    counted = Text(f"{line(name)}: ") + _counts(entry.get("counts", {}))
    parts = [counted, Text(programs(entry.get("programs", {}))), _bounds(entry), *_usage(used)]
    return Text(" · ").join(part for part in parts if part)


def _figures(estimate: Mapping[str, Any], style: str) -> list[Text]:
    return [
        Text(f"{estimate.get('n', 0):,}"),
        Text(format_number(estimate.get("value")), style=style),
        Text(f"{format_number(estimate.get('low'))} … {format_number(estimate.get('high'))}"),
    ]


def _unread(entry: Mapping[str, Any]) -> int:
    counts: Mapping[str, int] = entry.get("counts", {})
    return sum(counts.get(status, 0) for status in _UNREAD)


def _bounds(entry: Mapping[str, Any]) -> Text:
    bounds = entry.get("bounds") or {}
    if not _unread(entry) or not bounds:
        return Text("")
    return Text(f"bounds {format_number(bounds.get('low'))} … {format_number(bounds.get('high'))}")


def _counts(counts: Mapping[str, int]) -> Text:
    """Counts by status, what is zero left out; what could not be read stands out."""
    parts = Text()
    for status, count in counts.items():
        if count:
            style = "red" if status == "error" else "yellow" if status in _UNREAD else ""
            parts.append(f"{', ' if parts else ''}{count:,} {line(status)}", style=style)
    return parts


def _usage(used: Mapping[str, Any]) -> list[Text]:
    """Time, tokens read and written, cost: what is known of them."""
    found = [Text(seconds(used["seconds"]))] if used.get("seconds") is not None else []
    if used.get("tokens_in") or used.get("tokens_out"):
        found.append(
            Text(f"{format_tokens(used.get('tokens_in'))} / {format_tokens(used.get('tokens_out'))} tokens in/out")
        )
    if used.get("cost") is not None:
        found.append(Text(money(used["cost"])))
    return found


def _remarks(benchmarks: Mapping[str, Any]) -> list[Text]:
    found = []
    for name, entry in benchmarks.items():
        counts = entry.get("counts", {})
        errors = counts.get("error", 0)
        if 0 < entry.get("n", 0) < FEW:
            said = f"{line(name)}: only {entry['n']} questions: a 95 % interval from so few may hold 92 times in 100"
            found.append(Text(said))
        found += [Text(f"{line(name)}: {line(said)}", style="yellow") for said in entry.get("cautions", ())]
        if (error := entry.get("holistic", {}).get("ece_10_bin")) and error.get("n"):
            # Ten bins of n / 10 answers each: sqrt(2/pi) standard errors, at a usual spread of .45.
            chance = format_number(0.36 * (10 / error["n"]) ** 0.5)
            said = (
                f"{line(name)}: ece_10_bin is above 0 by chance too: about {chance} for a model that is well calibrated"
            )
            found.append(Text(said))
        unread = _unread(entry) - errors
        if unread:
            found.append(Text(f"{line(name)}: {unread:,} answers could not be read and count as 0; see the bounds"))
        if cut := entry.get("tokens", {}).get("cut"):
            said = f"{line(name)}: {cut:,} prompts were cut from the left to fit the context"
            found.append(Text(said, style="yellow"))
        if errors:
            found.append(Text(f"{line(name)}: {errors:,} requests failed and are not in the score", style="red"))
    return found


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
        run = line(str(stored.manifest.get("name", "?")))
        found.append(f"{line(name)}: {run}, {stored.manifest.get('created', 'no date')}: {', '.join(scores)}")
    return found or [f"there is no baseline in {folder}; `evalh baseline set RUN --name main` makes one"]
