"""The words and figures that all reports of a comparison share."""

from __future__ import annotations

import math
from collections import Counter

from evalharness.comparison.choice_shift import ChoiceShift
from evalharness.comparison.decide import TaskComparison as _Task
from evalharness.comparison.decide import Word
from evalharness.comparison.document import ComparisonDocument as _Document
from evalharness.comparison.sides import ComparedSide
from evalharness.report.numbers import programs

WORDS: tuple[Word, ...] = ("worse", "better", "same", "can't tell", "incomplete", "not comparable")


def percent(share: float | None) -> str:
    """A share as points out of a hundred, one digit; a dash where there is none."""
    return "–" if share is None else f"{100 * share:.1f}"


def points(difference: float | None) -> str:
    """A difference in points with its sign."""
    if difference is None:
        return "–"
    rounded = round(100 * difference, 1) or 0.0  # no minus zero
    return f"{rounded:+.1f}".replace("-", "−") if rounded else "0.0"


def format_interval(task: _Task) -> str:
    """`−8.0 … −4.5`, in points."""
    return "–" if task.low is None else f"{points(task.low)} … {points(task.high)}"


def p_value(p: float | None) -> str:
    """A p value to two digits, none below a thousandth."""
    return "–" if p is None else "<0.001" if p < 0.001 else f"{p:.2g}"


def items(task: _Task) -> str:
    """How many items were compared, of how many."""
    return f"{task.n:,}" if not task.missing else f"{task.n:,}/{task.total:,}"


def tally(document: _Document) -> str:
    """`1 task worse, 2 better, 1 can't tell`."""
    found = Counter(task.verdict for task in document.tasks)
    parts = [f"{found[word]} {word}" for word in WORDS if found[word]]
    number, _, rest = parts[0].partition(" ")
    parts[0] = f"{number} {'task' if number == '1' else 'tasks'} {rest}"
    return ", ".join(parts)


def leading(document: _Document) -> _Task:
    """The task to name first: the largest proven drop, else the first task of the overall verdict."""
    same = [task for task in document.tasks if task.verdict == document.verdict]
    return min(same or document.tasks, key=_gain)


def _gain(task: _Task) -> float:
    difference = task.difference or 0.0
    return -difference if task.lower_is_better else difference


def sentence(document: _Document, task: _Task) -> str:
    """One line on one task: by how much, how sure, how many samples; without markup."""
    if task.difference is None:
        return f"{task.benchmark}: {task.reason}"
    flips = f"{count(task.broke, 'sample')} broke, {task.fixed:,} fixed"
    return (
        f"{task.benchmark} {points(task.difference)} points ({percent(task.base)} → {percent(task.new)}, "
        f"{level(document)} interval {format_interval(task)}, n = {items(task)}): {flips}"
    )


def level(document: _Document) -> str:
    """The confidence of the intervals: `90 %`."""
    return f"{100 * document.level:.4g} %"


def count(number: int, noun: str) -> str:
    """`1 sample`, `2 samples`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def gate_sentence(document: _Document) -> str:
    """What the gate says, as a line."""
    said = {
        "pass": f"PASS: no loss as large as the margin, on any task{_that_counts(document)}",
        "fail": f"FAIL: {_failing(document)}",
        "inconclusive": f"INCONCLUSIVE: neither a loss nor its absence is shown on every task{_that_counts(document)}",
    }  # fmt: skip
    line = said[document.gate]
    if document.gate == "inconclusive" and document.gated:
        blocks = document.policy == "require-pass" or document.exit_code in (3, 4, 5)
        line += "; it blocks" if blocks else "; it does not block (--policy require-pass would)"
    return line


def _that_counts(document: _Document) -> str:
    return " that counts" if any(task.tier == "advisory" for task in document.tasks) else ""


def _failing(document: _Document) -> str:
    """What the gate fails for: the tasks that are worse in one breath, any other with its reason."""
    failing = [task for task in document.tasks if task.gate == "fail" and task.tier != "advisory"]
    worse = ", ".join(task.benchmark for task in failing if task.verdict == "worse")
    others = [f"{task.benchmark}: {task.reason}" for task in failing if task.verdict != "worse"]
    return "; ".join([*([f"{worse} worse by more than the margin"] if worse else []), *others])


def task_facts(task: _Task) -> str:
    """Margin, detectable effect and method: what the verdict rests on."""
    less = " · less is better" if task.lower_is_better else ""
    return (
        f"margin {100 * task.margin:.4g} points · detectable with 80 % power: {percent(task.detectable)} points · "
        f"{task.method}{less}" + (f", {task.clusters:,} clusters" if task.clusters else "")
    )


def remarks(document: _Document) -> list[str]:
    """Everything a reader must know besides the table, a line each."""
    found = []
    for task in document.tasks:
        found.append(f"{task.benchmark}: {task.symbol} {task.verdict}: {task.reason}")
        if task.difference is not None:
            found.append(f"{task.benchmark}: {task_facts(task)}")
        found += [f"{task.benchmark}: {note}" for note in task.notes]
        if standing := task.programs:
            said = "; ".join(f"{side.upper()} {programs(counted)}" for side, counted in standing.items() if counted)
            found.append(f"{task.benchmark}: programs: {said}")
        if task.unread_bounds:
            low, high = task.unread_bounds
            found.append(
                f"{task.benchmark}: if what could not be read were wrong or right, the difference would lie between "
                f"{points(low)} and {points(high)} points"
            )
        if task.bootstrap:
            low, high = task.bootstrap
            found.append(f"{task.benchmark}: bootstrap interval (BCa) {points(low)} … {points(high)}")
        if task.uncertainty:
            found.append(f"{task.benchmark}: {uncertainty_parts(task)}")
        if task.choices:
            found.append(f"{task.benchmark}: {choices_moved(task.choices)}")
        if task.flaky:
            noise = task.flaky
            found.append(
                f"{task.benchmark}: about {noise.expected:.0f} of {task.fixed + task.broke:,} flips are "
                f"expected from noise alone (A/A flip rate {100 * noise.rate:.1f} %)"
            )
    found += [f"allowed by --allow-mismatch: {one}" for one in document.allowed]
    return found + list(document.notes)


def choices_moved(shift: ChoiceShift) -> str:
    """How far the log-probabilities of the choices moved, and with them the right one's lead."""
    divergence = f"{shift.kl:.2g} nats{_ends(shift.kl_low, shift.kl_high)}"
    said = f"choices' log-probabilities over {shift.n:,} items: mean KL {divergence}"
    if shift.lead is None:
        return said
    lead = f"the right choice's lead moved by {shift.lead:+.2g} nats{_ends(shift.lead_low, shift.lead_high, sign='+')}"
    return f"{said}; {lead}, p {p_value(shift.p_lead)}"


def _ends(low: float | None, high: float | None, sign: str = "") -> str:
    """An interval behind its value; nothing where nothing tells it."""
    known = low is not None and high is not None and math.isfinite(low) and math.isfinite(high)
    return f" ({low:{sign}.2g} … {high:{sign}.2g})" if known else ""


def uncertainty_parts(task: _Task) -> str:
    """The standard error of a difference, source by source."""
    parts = ", ".join(f"{part.source} {100 * part.stderr:.2f}" for part in task.uncertainty)
    together = math.sqrt(sum(part.stderr**2 for part in task.uncertainty))
    return f"standard error in points: {parts}; together {100 * together:.2f}"


def usage(document: _Document) -> list[tuple[str, str, str]]:
    """(what, base, new) of tokens, cost and time, where both are known."""
    from evalharness.report.numbers import format_tokens, money, seconds

    before, after = document.base.usage, document.new.usage
    if not before or not after:
        return []
    shown = (
        ("tokens in", before.tokens_in, after.tokens_in, format_tokens),
        ("tokens out", before.tokens_out, after.tokens_out, format_tokens),
        ("cost", before.cost, after.cost, money),
        ("time", before.seconds, after.seconds, seconds),
    )
    return [(what, form(was), form(now)) for what, was, now, form in shown if was or now]


def side_title(side: ComparedSide) -> str:
    """A side in a few words: name and commit."""
    commit = None if side.git is None else side.git.commit
    return f"{side.name}@{commit[:7]}" if commit else side.name
