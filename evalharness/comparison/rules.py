"""What a benchmark's own figures must keep, whatever the baseline says, and how much a benchmark counts.

A floor (`at_least`) and a ceiling (`at_most`) are decided by the 95 % interval that every report prints and never by
the point: kept when the whole interval is on the right side, broken when the whole interval is on the wrong one, open
in between, and so is a ceiling of the seconds that an answer takes. How often each is wrong is simulated
(perf/gate_simulation.py). Limits are shares of the answers of this very run (unparsed, truncated, ...) and `max_cost`
what they cost: they are counted, so the number itself decides.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from evalharness.errors import UserError
from evalharness.runs.figures import KeptEstimate, TaskSummary
from evalharness.runs.manifest import UsageFacts
from evalharness.runs.summary import lower_is_better

TaskTier = Literal["critical", "important", "advisory"]
GateWord = Literal["pass", "fail", "inconclusive"]
MISSING_LIMIT = 0.02  # of the items: where more have no value a run is not whole


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRule:
    """What is asked of one benchmark besides its comparison.

    `tier`: a critical one must be shown to pass (can't tell blocks), an important one follows the policy, an advisory
    one is shown and never blocks. `at_least` and `at_most` bound the headline in its own unit (0.8 is 80 %). `limits`
    are the largest shares: of all answers by status (`unparsed`), of verdicts (`null`), of programs (`suspect`).
    `max_cost` bounds the US dollars of all answers together, `max_seconds` the mean seconds of one. `relative_margin`
    is the margin as a share of the baseline's value, in place of one in points; `relative_guard` the largest share of
    it that any margin may be, so that a low baseline is not lost within a margin meant for a high one.
    """

    tier: TaskTier = "important"
    at_least: float | None = None
    at_most: float | None = None
    limits: Mapping[str, float] = field(default_factory=dict)
    max_cost: float | None = None
    max_seconds: float | None = None
    relative_margin: float | None = None
    relative_guard: float | None = None

    def margin_at(self, base: float, margin: float) -> tuple[float, str]:
        """The margin beside a baseline of this value, where `margin` is the one in points, and what is to be said of
        it; the one in points where the baseline is worth nothing, for no share of that is a margin."""
        shares = (self.relative_margin, self.relative_guard)
        if shares == (None, None):
            return margin, ""
        if not base > 0:
            return margin, f"BASE is {base:g}, so no share of it is a margin: {100 * margin:g} points are"
        found, said = margin, ""
        if self.relative_margin is not None:
            found = self.relative_margin * base
            said = f"the margin is {100 * self.relative_margin:g} % of BASE: {100 * found:.2f} points"
        if self.relative_guard is not None and self.relative_guard * base < found:
            found = self.relative_guard * base
            said = f"the margin is held to {100 * self.relative_guard:g} % of BASE: {100 * found:.2f} points"
        return found, said


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    """What came of a rule: `reasons` say what is broken (fail) or open (inconclusive), nothing where all is kept."""

    gate: GateWord = "pass"
    reasons: tuple[str, ...] = ()


def hold_to_rule(
    benchmark: str, rule: TaskRule, figures: TaskSummary | None, usage: UsageFacts | None = None
) -> Ruling:
    """Hold a run's figures of one benchmark, and what its answers took, against its rule. UserError for a floor where
    less is better."""
    if figures is None:
        bounds = (rule.at_least, rule.at_most, rule.max_cost, rule.max_seconds)
        wanted = bool(rule.limits) or any(bound is not None for bound in bounds)
        return Ruling(gate="inconclusive", reasons=("there are no figures",)) if wanted else Ruling()
    broken, open_ = [*_over_limits(rule, figures)], list[str]()
    if rule.at_least is not None and lower_is_better(benchmark, figures.headline):
        raise UserError(f"{benchmark}: less {figures.headline} is better, so at_least cannot be kept; say at_most")
    for word, reason in (*_bounded(rule, figures), *_over_ceilings(rule, usage or UsageFacts())):
        (broken if word == "fail" else open_).append(reason)
    if broken:
        return Ruling(gate="fail", reasons=tuple(broken))
    return Ruling(gate="inconclusive" if open_ else "pass", reasons=tuple(open_))


def missing_share(figures: TaskSummary) -> float:
    """The share of the items without a value: failed, never asked, or (in the headline) without a verdict."""
    headline = figures.headline_figure
    items = figures.n + max(0, figures.missing)
    known = figures.n if headline is None else min(headline.n, items)
    return 1 - known / items if items else 1.0


def _over_limits(rule: TaskRule, figures: TaskSummary) -> Iterator[str]:
    for name, limit in rule.limits.items():
        found, of, noun = _counted(name, figures)
        if of and found > limit * of:
            yield f"{found:,} of {of:,} {noun} are {name} ({100 * found / of:.1f} %; the limit is {100 * limit:g} %)"


def _counted(name: str, figures: TaskSummary) -> tuple[int, int, str]:
    """How many there are of a kind, of how many, and what they are."""
    if name == "null":
        worst = max(figures.judged.values(), key=lambda j: j.without_verdict / max(1, j.answers), default=None)
        return (0, 0, "verdicts") if worst is None else (worst.without_verdict, worst.answers, "verdicts")
    if name == "suspect":
        return figures.programs.get(name, 0), sum(figures.programs.values()), "programs"
    return figures.counts.get(name, 0), sum(figures.counts.values()), "answers"


def _bounded(rule: TaskRule, figures: TaskSummary) -> Iterator[tuple[GateWord, str]]:
    """Whether floor and ceiling are broken or open; nothing where they are kept."""
    figure = figures.headline_figure
    low, high = _ends(figure, missing_share(figures))
    value = math.nan if figure is None or figure.value is None else figure.value
    there = f"{figures.headline} is {value:.3f}, 95 % interval {low:.3f} to {high:.3f}"
    if rule.at_least is not None and not low >= rule.at_least:
        yield _told("at least", rule.at_least, there, broken=high < rule.at_least)
    if rule.at_most is not None and not high <= rule.at_most:
        yield _told("at most", rule.at_most, there, broken=low > rule.at_most)


def _over_ceilings(rule: TaskRule, usage: UsageFacts) -> Iterator[tuple[GateWord, str]]:
    """Whether the ceilings of cost and time are broken, or open; nothing where they are kept."""
    if rule.max_cost is not None:
        if usage.cost is None:
            yield "inconclusive", "max_cost is open: the model has no prices (price_in, price_out)"
        elif usage.cost > rule.max_cost:
            yield "fail", f"the answers cost {usage.cost:.4g} US dollars; the ceiling is {rule.max_cost:g}"
    if rule.max_seconds is not None:
        each = usage.seconds_each
        low, high = (None, None) if each is None else (each.low, each.high)
        if each is None or each.value is None or low is None or high is None:
            yield "inconclusive", "max_seconds is open: nothing tells how far the seconds of an answer vary"
        elif high > rule.max_seconds:
            there = f"an answer takes {each.value:.3g} s on average, 95 % interval {low:.3g} to {high:.3g}"
            yield _told("at most", rule.max_seconds, there, broken=low > rule.max_seconds)


def _told(word: str, bound: float, there: str, *, broken: bool) -> tuple[GateWord, str]:
    wanted = f"{word} {bound:g} is wanted: {there}"
    return ("fail", wanted) if broken else ("inconclusive", f"{wanted}, which leaves it open")


def _ends(figure: KeptEstimate | None, missing: float) -> tuple[float, float]:
    """The interval of a figure, widened by the worst and the best that the missing items could be worth. NaN is no
    end: no bound is kept or broken by it."""
    if figure is None or figure.low is None or figure.high is None:
        return math.nan, math.nan
    if missing <= 0:
        return figure.low, figure.high
    if figure.low < 0 or figure.high > 1:  # then nothing says what they could be worth
        return math.nan, math.nan
    return figure.low * (1 - missing), figure.high * (1 - missing) + missing
