"""What judges said, and what is to be said of them, for the terminal; or one JSON object."""

from __future__ import annotations

import json
import os
import re
import shutil
import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TextIO

from evalharness.records import Estimate
from evalharness.report.cautions import FEW_VERDICTS, few_units, interval_cautions
from evalharness.report.escape import line, printable
from evalharness.report.numbers import format_number, format_tokens, money
from evalharness.runs.figures import Judgment, KeptEstimate, PanelAgreement
from evalharness.text.visible import shell_word

if TYPE_CHECKING:
    from evalharness.judging.audit.examine import Audit, Calibration
    from evalharness.judging.imported import Imported
    from evalharness.judging.run import JudgeRun, JudgingCost


_STACKED = 64  # columns; where there are fewer, no column stands beside another


def _say(text: str, stream: TextIO, hanging: int = 4) -> None:
    """A line; as wide as the terminal where it goes to one, whole words, what follows moved in by `hanging`."""
    if not (stream.isatty() or os.environ.get("COLUMNS")):
        print(text, file=stream)
        return
    width = shutil.get_terminal_size().columns
    if width < _STACKED:
        text, hanging = re.sub(r"(?<=\S) {2,}", " ", text), 4
        text = re.sub("^ {4,}", " " * 4, text)
    wrapped = textwrap.wrap(text, max(width, 20), subsequent_indent=" " * hanging, break_long_words=False,
                            break_on_hyphens=False)  # fmt: skip
    print("\n".join(wrapped), file=stream)


def show_judging_cost(found: JudgingCost, *, as_json: bool, stream: TextIO) -> None:
    """What a judging would ask and cost."""
    if as_json:
        said = {
            "calls": found.calls, "known": found.known, "tokens_in": found.tokens_in, "tokens_out": found.tokens_out,
            "cost": found.cost, "not_judged": dict(found.skipped),
        }  # fmt: skip
        print(json.dumps(said), file=stream)
        return
    _say(f"{found.calls} calls to ask, {found.known} verdicts known or needing none", stream)
    _say(f"at most {format_tokens(found.tokens_in)} tokens in, {format_tokens(found.tokens_out)} out", stream)
    unknown = "unknown: give --judge-price-in and --judge-price-out"
    _say(f"price: {unknown if found.cost is None else 'at most ' + money(found.cost)}", stream)
    _left_out(found.skipped, stream)


def show_judge_run(done: JudgeRun, *, as_json: bool, stream: TextIO) -> None:
    """The figures of a judging, with what has no verdict in plain sight."""
    if as_json:
        print(json.dumps(done.as_json()), file=stream)
        return
    for name, entry in done.benchmarks.items():
        said = entry.judged.get(done.judging)
        if said is None:
            continue
        _say(f"{line(name)} judged by {line(done.judging)}", stream)
        shown = {**entry.metrics, **said.metrics}
        for metric, figure in shown.items():
            _say(f"  {line(metric)}: {_estimate(figure)}", stream)
        if said.score not in shown:
            _say(f"  {line(str(said.score))}: – (no answer has a verdict)", stream)
        _say(f"  {verdict_counts(said)}", stream)
        if said.same_winner_in_both_orders is not None:
            _say(f"  same winner in both orders: {_estimate(said.same_winner_in_both_orders)}", stream)
        for text in _panel(said.panel):
            _say(f"  {text}", stream)
        for warning in (*interval_cautions(entry), *entry.cautions):
            _say(f"  ! {line(warning)}", stream)
        if name in done.incomparable:
            why = "; ".join(done.incomparable[name])
            _say(
                f"  {'not ' if why else ''}comparable with the leaderboard{': ' if why else ''}{line(why, 400)}", stream
            )
    _left_out(done.skipped, stream)
    if done.failed:
        _say(f"{done.failed} verdicts failed for good; the same command asks for them again", stream)
    if done.too_many_nulls:
        _say(f"{done.nulls} of {done.asked} verdicts are missing, more than 2 %: not whole (exit 3)", stream)
    used = done.usage
    taken = f"{format_tokens(used.tokens_in)} / {format_tokens(used.tokens_out)} tokens · {money(used.cost)}"
    _say(f"{used.calls} replies ({used.cached} from the cache) · {taken}", stream)
    print(printable(f"{done.run.path}  (evalh judge audit {shell_word(done.run.path)})"), file=stream)


def verdict_counts(said: Judgment) -> str:
    """How many answers were judged, what became of their verdicts, and how many have none."""
    counts = ", ".join(f"{n} {status}" for status, n in said.verdicts.items() if n)
    return f"{said.answers} answers; verdicts: {counts or 'none'}; without verdict: {said.without_verdict}"


def _panel(said: PanelAgreement | None) -> list[str]:
    if said is None:
        return []
    rows = [
        f"{line(seat)}: {format_number(mean)}; the panel without it: {format_number(said.without[seat])}"
        for seat, mean in said.members.items()
    ]
    kappas = [f"kappa {line(pair)}: {format_number(kappa)}" for pair, kappa in said.kappa.items()]
    return [*rows, *kappas, f"members disagree on the winner of {said.split} answers"]


def _left_out(skipped: Mapping[str, int], stream: TextIO) -> None:
    for reason, count in sorted(skipped.items()):
        _say(f"{count} answers not judged: {line(reason)}", stream)


def _few(figures: Sequence[KeptEstimate | Estimate], of: str, stream: TextIO) -> None:
    """What the figure that rests on the fewest is worth, in a line, where these are few."""
    if said := few_units(min((figure.n for figure in figures if figure.n), default=0), of):
        _say(said, stream)


def _estimate(figure: KeptEstimate | Estimate) -> str:
    value, stderr, low, high = map(format_number, (figure.value, figure.stderr, figure.low, figure.high))
    return f"{value} (SE {stderr}, 95 % {low} … {high}, n {figure.n:,})"


def audited(found: Audit, *, as_json: bool, stream: TextIO) -> None:
    """The sections of an audit, a line each, with the warnings in words."""
    if as_json:
        print(json.dumps(found.as_json()), file=stream)
        return
    _say(f"audit of {line(found.judging)} ({line(found.run)})", stream)
    for check in found.checks:
        figure = "" if check.figure is None else f": {_estimate(check.figure)}"
        _say(f"  {check.verdict:<16} {line(check.section)}, {line(check.name)}{figure}", stream, 19)
        if check.says:
            _say(f"  {'':<16} {line(check.says)}", stream, 19)
    _few([check.figure for check in found.checks if check.figure is not None], FEW_VERDICTS, stream)


def calibrated(found: Calibration, *, as_json: bool, stream: TextIO) -> None:
    """Agreement with the labels, the three means, and how many labels more precision takes."""
    if as_json:
        print(json.dumps(found.as_json()), file=stream)
        return
    _say(f"calibration of {line(found.run)}", stream)
    for name, figure in found.figures.items():
        _say(f"{line(name)}: {_estimate(figure)}", stream)
    _few(list(found.figures.values()), FEW_VERDICTS, stream)
    _say(f"kappa: {format_number(found.kappa)}", stream)
    for human, row in found.confusion.items():
        _say(f"  human {line(human)}: " + ", ".join(f"judge {line(k)} {n}" for k, n in row.items()), stream)
    _say(f"labels for a half width of {found.half:g}: {found.needed}", stream)
    for note in found.notes:
        _say(line(note), stream)


def imported(made: Imported, *, as_json: bool, stream: TextIO) -> None:
    """The figures of judgments made elsewhere."""
    if as_json:
        print(json.dumps(made.as_json()), file=stream)
        return
    _say(f"{len(made.foreign.items)} judgments of {line(made.foreign.model)} by {line(made.foreign.judge)}", stream)
    for name, entry in made.run.summary.benchmarks.items():
        for metric, figure in entry.metrics.items():
            _say(f"  {line(name)} {line(metric)}: {_estimate(figure)}", stream)
        for warning in (*interval_cautions(entry), *entry.cautions):
            _say(f"  ! {line(warning)}", stream)
    for name, figure in made.figures.items():
        said = format_number(figure, 6) if isinstance(figure, float) else figure
        _say(line(f"  {name}: {said}"), stream)
    for note in made.foreign.notes:
        _say(line(note), stream)
    print(printable(f"{made.run.path}  (evalh judge audit {shell_word(made.run.path)})"), file=stream)
