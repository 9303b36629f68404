"""Twins, ladders, runs made again and a known order, in a terminal or as one JSON object."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.text import Text

from evalharness.data.files import write_whole
from evalharness.data.kept import finite, to_json
from evalharness.errors import UserError
from evalharness.evidence.contamination import OrderTest
from evalharness.evidence.paraphrases import KnownWords
from evalharness.evidence.reproduce import ReproducedTask, Reproduction
from evalharness.evidence.scaling import Ladder
from evalharness.evidence.total_uncertainty import TotalUncertainty
from evalharness.evidence.twins import TwinSearch
from evalharness.report import compare_terminal, words
from evalharness.report.escape import line
from evalharness.report.figures import Drawing
from evalharness.report.fitted import FittedTable
from evalharness.report.numbers import format_number
from evalharness.report.text_charts import text_bars, text_interval, text_share

_PAIRS_SHOWN, _SUSPECTS_SHOWN = 20, 20
_KNOWN_ORDER = 0.05


def _print_table(headings: Sequence[str], rows: Sequence[Sequence[str]], notes: Sequence[str], left: int) -> None:
    """A table whose first `left` columns are names, and what a reader must know besides it."""
    table = FittedTable()
    table.add_named(*headings[:left])
    table.add_figures(*headings[left:])
    for row in rows:
        table.add_row(*(Text(line(cell, 80)) for cell in row))
    print(compare_terminal.table_text(table, notes), end="")


def write_page(file: Path, title: str, figures: Sequence[Drawing], notes: Sequence[str] = ()) -> None:
    """Write figures as one self-contained page. UserError where the file cannot be written."""
    from evalharness.report.html import evidence_html

    try:
        write_whole(file, evidence_html(title, figures, notes))
    except OSError as error:
        raise UserError(f"{file}: cannot be written ({error.strerror})") from error


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


def show_uncertainty(found: Sequence[TotalUncertainty], *, as_json: bool) -> None:
    """Of each figure its parts with their share of the variance, both intervals, and what is not in."""
    if as_json:
        print(json.dumps(finite({"uncertainty": to_json(list(found))})))
        return
    for one in found:
        whole = sum(part.stderr**2 for part in one.parts) or 1.0
        rows = [
            [part.source, f"{100 * part.stderr:.2f}", f"{100 * part.stderr**2 / whole:.0f} %",
             text_share(part.stderr**2 / whole)]
            for part in one.parts
        ]  # fmt: skip
        print(
            f"{line(one.benchmark)}: {line(one.metric)} {format_number(one.value)}, 95 % interval "
            f"{format_number(one.total_low)} … {format_number(one.total_high)} with {_listed(one)}; "
            f"{format_number(one.low)} … {format_number(one.high)} by the items alone"
        )
        _print_table(["part", "stderr, points", "of the variance", ""], rows, list(_uncertainty_notes(one)), 1)


def _listed(one: TotalUncertainty) -> str:
    *first, last = [part.source for part in one.parts]
    return f"{', '.join(first)} and {last}" if first else last


def _uncertainty_notes(one: TotalUncertainty) -> Iterator[str]:
    yield from one.notes
    if one.crossed > one.answers:
        yield (
            f"{one.answers} answers to each of {one.n:,} items tell of wordings and seeds at once; all pairs of both "
            f"would take {one.crossed}"
        )
    for part, way in one.not_in.items():
        yield f"not in the interval: {part}; {way} would tell"


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


def show_ladders(found: Sequence[Ladder], *, as_json: bool) -> None:
    """Of each benchmark the steps, whether it ranks the models, and the items that a person should look at."""
    if as_json:
        print(json.dumps(finite({"ladders": to_json(list(found))})))
        return
    for ladder in found:
        known = [step.figure for step in ladder.steps if step.figure is not None]
        ends = [end for figure in known for end in (figure.low, figure.value, figure.high) if end is not None]
        axis = (min(ends, default=0.0), max(ends, default=1.0))
        rows = [
            [
                step.run, step.model, "–" if step.size is None else f"{step.size:,.12g}",
                "–" if step.figure is None else format_number(step.figure.value),
                "" if step.figure is None
                else text_interval((step.figure.low, step.figure.value, step.figure.high), axis),
                words.points(step.difference),
                "–" if step.low is None else f"{words.points(step.low)} … {words.points(step.high)}",
                words.p_value(step.p),
            ]
            for step in ladder.steps
        ]  # fmt: skip
        print(f"{line(ladder.benchmark)} ({line(ladder.metric)}, {ladder.n:,} items that all have)")
        _print_table(
            ["run", "model", "size", "score", f"{axis[0]:.2f} … {axis[1]:.2f}", "step", "95 % interval", "p"],
            rows,
            _ladder_notes(ladder),
            2,
        )


def _ladder_notes(ladder: Ladder) -> list[str]:
    """Whether the benchmark ranks the models, what its items tell, and which are odd."""
    notes = ["step: against the run above, paired by item, in points; p: Holm's over the steps"]
    if math.isfinite(ladder.tau):
        notes.append(f"Kendall's tau of order and score: {ladder.tau:.2f} (p {words.p_value(ladder.tau_p)})")
    if (power := ladder.power) is not None:
        notes.append(
            f"signal to noise {power.signal_to_noise:.1f}, reliability {power.reliability:.2f}, p of all models alike "
            f"{words.p_value(power.p)}; steps below {100 * power.smallest_step:.1f} points drown in the noise"
        )
    told = ladder.n - ladder.all_right - ladder.all_wrong
    notes.append(
        f"{ladder.all_right:,} items all have right, {ladder.all_wrong:,} all wrong; {told:,} tell the models apart"
        + (f", {ladder.against_ladder:,} of them against the models' rank" if ladder.with_ladder else "")
    )
    notes.append(f"items by how many models have them right, from none to all: {text_bars(ladder.by_right)}")
    if ladder.left_out:
        notes.append(f"not in this ladder, asked other questions: {', '.join(ladder.left_out)}")
    if ladder.suspects:
        notes.append(
            f"{len(ladder.suspects):,} items to look at: the {ladder.suspects[0].strong} strongest models give the "
            "same wrong answer; the right one may be mislabelled"
        )
    for item in ladder.suspects[:_SUSPECTS_SHOWN]:
        notes.append(
            f"  {item.id}: {item.all_models} of {len(ladder.steps)} say {line(item.answer, 60)!r}, right is "
            f"{line(item.right, 60)!r}: {line(item.question, 120)}"
        )
    if (more := len(ladder.suspects) - _SUSPECTS_SHOWN) > 0:
        notes.append(f"  {more:,} more with --json")
    return notes


def show_order_test(found: OrderTest, *, as_json: bool) -> None:
    """What the order of the file tells, in two lines."""
    if as_json:
        print(json.dumps(finite(to_json(found))))
        return
    what = f"{found.questions:,} questions in {found.pieces:,} pieces" if found.test == "order" else (
        f"the choices of {found.questions:,} questions"
    )  # fmt: skip
    print(
        f"{line(found.benchmark)}, {line(found.model)}: {what}, each in the file's order and {found.orders:,} others: "
        f"{found.advantage:+.3f} nats, p {words.p_value(found.p)}"
    )
    if found.p > _KNOWN_ORDER:
        print("no sign of the file's order; that does not prove that the questions were not seen, in another order")
    elif found.test == "order":
        print("the model finds the file's own order likelier than chance: it has probably seen the file")
    else:
        print("the model finds the authors' order likelier: it saw the file, or choices have an order of their own")


def show_words_test(found: KnownWords, *, as_json: bool) -> None:
    """What a benchmark's words tell beside their paraphrases, in two lines."""
    if as_json:
        print(json.dumps(finite(to_json(found))))
        return
    unit = "words completed" if found.test == "completion" else "standard deviations (Min-K%++)"
    print(
        f"{line(found.benchmark)}, {line(found.model)}: {found.questions:,} questions beside {found.paraphrases} "
        f"paraphrases of each: {found.advantage:+.3f} {unit}, p {words.p_value(found.p)}"
    )
    if found.p > _KNOWN_ORDER:
        print("no sign that it knows the file's own words; that does not prove that it has not seen them")
    else:
        print("the model knows the file's words better: it saw them, or the paraphrases are less natural a text")
