"""Single questions, prompts and lists on a terminal. What a model wrote is shown as text, never obeyed."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from evalharness.data.kept import to_json
from evalharness.records import Result
from evalharness.report.escape import line, printable
from evalharness.report.numbers import dollars
from evalharness.text.visible import shell_word

if TYPE_CHECKING:  # a list of benchmarks needs none of what makes runs
    from evalharness.runs.preview import Previewed
    from evalharness.runs.unfinished import UnfinishedRun
    from evalharness.runs.verify import Verified


def show_results(results: Sequence[Result], *, whole: bool, left: int, as_json: bool) -> None:
    """Results: one line each, or in full."""
    from evalharness.runs.store import result_to_json

    several = len({result.benchmark for result in results}) > 1
    for result in results:
        if as_json:
            print(json.dumps(result_to_json(result)))
        else:
            print(in_full(result) if whole else one_line(result, named=several))
    if left > 0 and not as_json:
        print(f"and {left} more; --limit {len(results) + left} shows all")


def show_unfinished(found: UnfinishedRun, *, as_json: bool) -> None:
    """How far a run has come, and how it goes on."""
    if as_json:
        print(json.dumps({"run": found.run, "unfinished": to_json(found)}))
        return
    for name, wanted in found.wanted.items():
        print(line(f"{name}: {found.answered[name]:,} of {wanted:,} answers are there"))
    if found.counts:
        print("so far: " + ", ".join(f"{count:,} {status}" for status, count in found.counts.items()))
    pasted = printable(shell_word(found.run))
    print(f"it is not finished: give its command again and it goes on  (evalh show {pasted} --wrong)")


def one_line(result: Result, *, named: bool = False) -> str:
    """`id status asked wanted got read`: the question, what was wanted, what was written, what was read in it and by
    which rule; `named`: of which benchmark it is, too."""
    wanted = " | ".join(result.sample.choices[i] for i in result.sample.gold_indices) or " | ".join(
        result.sample.answers[:3]
    )
    said = result.response.error or result.response.text or (result.answer or "")
    of = f"{result.benchmark}  " if named else ""
    question = f"asked {_short(result.sample.question, 80)!r}  " if result.sample.question else ""
    found = f"{question}wanted {_short(wanted)!r}  got {_short(said)!r}  {_read_as(result)}"
    return printable(f"{of}{result.sample.id}  {result.status}  {found}")


def _read_as(result: Result) -> str:
    """What was read in an answer and the rule that read it: `answer: 9  (rule: answer is NUMBER)`."""
    rule = result.detail.get("rule", "the scorer's own" if result.answer is not None else "none applies")
    stripped = result.detail.get("stripped")
    set_apart = f"; set apart: {' '.join(map(str, stripped))}" if stripped else ""
    return f"answer: {'none' if result.answer is None else _short(result.answer)}  (rule: {rule}{set_apart})"


def _short(text: str, width: int = 60) -> str:
    """A text on one line, cut to `width` characters."""
    line = " ".join(text.split())
    return line if len(line) <= width else line[: width - 1] + "…"


def in_full(result: Result) -> str:
    """Everything that is known of one answer."""
    sample, response = result.sample, result.response
    parts = [f"== {result.benchmark} {sample.id} (repeat {result.repeat}): {result.status}"]
    parts += [f"[{message.role}]\n{message.content}" for message in result.request.messages]
    if result.request.choices:
        parts.append("[choices] log-probability")
        picked = max(response.logprobs) if response.logprobs else None
        for i, (choice, value) in enumerate(zip(result.request.choices, response.logprobs, strict=False)):
            marks = (" <- picked" if value == picked else "") + (" (right)" if i in sample.gold_indices else "")
            parts.append(f"  {choice!r} {value:.4f}{marks}")
    else:
        if response.thinking:
            parts.append(f"[thinking, not scored]\n{response.thinking}")
        parts.append(f"[answer, finish {response.finish or '?'}]\n{response.text}")
    if sample.answers:
        parts.append("[reference]\n" + "\n".join(sample.answers[:5]))
    parts.append(_read_as(result))
    parts.append(f"[scores] {json.dumps(dict(result.scores))}")
    parts += [f"[{key}]\n{_shown(value)}" for key, value in result.detail.items() if key not in ("rule", "stripped")]
    parts += [f"[verdict of {v.judge}] {v.value} {v.label} {v.order} {v.status}\n{v.raw}" for v in result.verdicts]
    if response.error:
        parts.append(f"[error] {response.error}")
    return printable("\n".join(parts))


def _shown(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def show_prompts(previewed: Previewed) -> None:
    """Prompts exactly as sent; for local models the token ids, so that BOS and seams can be seen."""
    task = previewed.task
    print(
        printable(
            f"{task.name}, mode {task.mode}, {task.shots} shots, {len(task.questions)} requests to {previewed.model}"
        )
    )
    for view in previewed.prompts:
        print(printable(f"== {view.id}\n{view.preview.text}⏎"))
        if view.choices:
            print(printable("choices: " + ", ".join(repr(c) for c in view.choices)))
        if view.preview.ids:
            said = {True: "added", False: "none", None: "unknown"}[view.preview.bos]
            print(f"{len(view.preview.ids)} tokens, BOS {said}: {' '.join(map(str, view.preview.ids))}")
            print(printable("pieces: " + " ".join(repr(p) for p in view.preview.pieces)))
    priced = "no price known" if previewed.cost is None else f"at most about {dollars(previewed.cost)} US dollars"
    print(f"cost: {priced}")


def verified(found: Verified, *, as_json: bool) -> None:
    """What `evalh verify` found."""
    if as_json:
        print(json.dumps(found.as_json()))
        return
    for said in (*found.problems, *found.notes):
        print(line(said, 400))
    agree = f"{len(found.problems)} things do not agree" if found.problems else "everything that is there agrees"
    print(line(f"{found.run.path}: {found.results:,} answers; {agree}"))


PROSE = ("title", "what")  # shown last, and cut where the terminal ends


MANY = 500  # rows of a table that is drawn without a terminal's help
ONLY_JSON = ("paper", "licence", "metrics", "data", "each")


def table(rows: Sequence[Mapping[str, object]], *, as_json: bool) -> None:
    """Rows of equal meaning, as a table or as JSON."""
    if as_json:
        print(json.dumps(list(rows)))
        return
    if not rows:
        print("there are none")
        return
    if len(rows) > MANY or not sys.stdout.isatty():  # in a pipe nothing is cut
        _plain_table(rows)
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    columns = list(dict.fromkeys(key for row in rows for key in row if key not in (*ONLY_JSON, *PROSE)))
    drawn = Table(box=None, pad_edge=False, header_style="bold")
    for c in columns:
        drawn.add_column(c, no_wrap=True, min_width=max(len(_cell(row.get(c))) for row in ({c: c}, *rows)))
    for column in (key for key in PROSE if key in rows[0]):
        columns.append(column)
        drawn.add_column(column, no_wrap=True, overflow="ellipsis")
    for row in rows:
        drawn.add_row(*(escape(printable(_cell(row.get(c)))) for c in columns))
    Console().print(drawn)


def _plain_table(rows: Sequence[Mapping[str, object]]) -> None:
    """The same without anything of a terminal's: what draws tables takes a millisecond a row."""
    from rich.cells import cell_len

    columns = list(dict.fromkeys(key for row in rows for key in row if key not in ONLY_JSON))
    cells = [columns, *([printable(_cell(row.get(c))) for c in columns] for row in rows)]
    widths = [max(map(cell_len, column)) for column in zip(*cells, strict=True)]
    for row_cells in cells:
        print("  ".join(text + " " * (width - cell_len(text)) for text, width in zip(row_cells, widths, strict=True)))


def _cell(value: object) -> str:
    return "" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)
