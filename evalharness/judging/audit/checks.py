"""The single checks of `evalh judge audit`: each looks at the evidence and returns what it found."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Literal

from evalharness.judging.audit.evidence import Evidence
from evalharness.judging.cases import answer_of, reference_of
from evalharness.judging.run import NULLS
from evalharness.records import Estimate, Result, Verdict
from evalharness.runs.figures import KeptEstimate, kept_estimate
from evalharness.scoring.judge_replies import MARKER, winner
from evalharness.stats import length_control
from evalharness.stats.intervals import (
    UNVARIED,
    bounded_difference,
    bounded_mean,
    difference_of_estimates,
    skewed_mean,
    wilson,
)

BIAS = 0.05  # distance from one half that a position effect must have to matter
TASTE = 0.6  # a preference for long or formatted answers above this wants a look: such answers may also be better
FAMILIES = (
    "gpt", "claude", "gemini", "gemma", "llama", "mistral", "mixtral", "qwen", "deepseek", "phi", "command", "grok",
    "yi", "olmo", "falcon", "vicuna",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class AuditCheck:
    """One finding. `figure` is an estimate with interval and n, None where there is nothing to estimate."""

    section: str
    name: str
    verdict: Literal["OK", "WARN", "not identifiable"]
    figure: KeptEstimate | None = None
    says: str = ""

    @staticmethod
    def of(section: str, name: str, figure: Estimate | None, warn: bool, says: str = "") -> AuditCheck:
        shown = None if figure is None else kept_estimate(figure)
        return AuditCheck(section=section, name=name, verdict="WARN" if warn else "OK", figure=shown, says=says)

    @staticmethod
    def unknown(section: str, name: str, why: str) -> AuditCheck:
        return AuditCheck(section=section, name=name, verdict="not identifiable", says=why)


def _by_seat(found: Evidence) -> list[tuple[str, list[tuple[Result, list[Verdict]]]]]:
    """Each judge's verdicts by answer; the judge is named only where there are several."""
    rows = []
    for seat in found.seats:
        own = [(r, [v for v in found.verdicts(r) if v.extra.get("seat", v.judge) == seat]) for r in found.results]
        rows.append((f" of {seat}" if len(found.seats) > 1 else "", own))
    return rows


def parse(found: Evidence) -> list[AuditCheck]:
    """Verdicts that could not be had, by reason; attempts; how much probability the labels hold."""
    checks = []
    for seat, own in _by_seat(found):
        verdicts = [v for _, vs in own for v in vs]
        statuses = Counter(v.status for v in verdicts)
        nulls = wilson(len(verdicts) - statuses["ok"], len(verdicts))
        said = ", ".join(f"{n} {status}" for status, n in sorted(statuses.items()))
        checks.append(AuditCheck.of("parse", f"without verdict{seat}", nulls, nulls.value > NULLS, said))
        asked = [float(v.attempts) for v in verdicts if v.attempts]
        if asked:
            attempts = skewed_mean(asked, lowest=1.0)
            says = "" if math.isfinite(attempts.low) else f"no interval: {UNVARIED}"
            checks.append(AuditCheck.of("parse", f"attempts{seat}", attempts, attempts.value > 1.5, says))
        masses = [float(v.extra["mass"]) for v in verdicts if v.extra.get("mass") is not None]
        if masses:
            mass = bounded_mean(masses)
            checks.append(AuditCheck.of("parse", f"label mass{seat}", mass, mass.value < 0.9))
    return checks


def position(found: Evidence) -> list[AuditCheck]:
    """Does a judge prefer what it sees first? Both orders: directly; one seeded order: between the halves."""
    if not found.pairwise:
        return [AuditCheck.unknown("position", "first shown", "answers were graded one by one")]
    checks: list[AuditCheck] = []
    for seat, own in _by_seat(found):
        shown = [(r, vs) for r, vs in own if not _same(found, r, vs)]
        both = [vs for _, vs in shown if {v.order for v in vs if v.value is not None} == {"AB", "BA"}]
        checks += _swapped(seat, both) if both else [_seeded(seat, shown)]
    return checks


def _same(found: Evidence, result: Result, verdicts: Sequence[Verdict]) -> bool:
    """Both answers are one text: a tie by rule, which no judge saw and no order could move."""
    return any(v.label == "same" for v in verdicts) or found.opponents.get(result.sample.id) == answer_of(result)


def _swapped(seat: str, pairs: Sequence[Sequence[Verdict]]) -> list[AuditCheck]:
    values = [{v.order: v.value for v in vs if v.value is not None} for vs in pairs]
    same = wilson(sum(winner(p["AB"]) == winner(p["BA"]) for p in values), len(values))
    shares = []
    for pair in values:
        decided = [w for w in (winner(pair["AB"]), -winner(pair["BA"])) if w]
        if decided:
            shares.append(fmean(float(w > 0) for w in decided))
    checks = [AuditCheck.of("position", f"same winner in both orders{seat}", same, same.value < 0.8)]
    if not shares:
        return [*checks, AuditCheck.unknown("position", f"prefers the first{seat}", "every verdict is a tie")]
    first = bounded_mean(shares)
    biased = len(shares) > 1 and (first.low > 0.5 or first.high < 0.5) and abs(first.value - 0.5) > BIAS
    side = "first" if first.value > 0.5 else "second"
    says = f"the judge{seat} prefers the answer shown {side}; its single verdicts depend on the order" if biased else ""
    return [*checks, AuditCheck.of("position", f"prefers the first{seat}", first, biased, says)]


def _seeded(seat: str, own: Sequence[tuple[Result, Sequence[Verdict]]]) -> AuditCheck:
    name = f"shown first minus shown second{seat}"
    halves: dict[str, list[float]] = {"AB": [], "BA": []}
    for _, verdicts in own:
        for verdict in verdicts:
            if verdict.value is not None and verdict.order:
                halves[verdict.order].append(verdict.value)
    first, second = halves["AB"], halves["BA"]
    if len(first) < 2 or len(second) < 2:
        return AuditCheck.unknown("position", name, "too few verdicts in one of the orders")
    gap = difference_of_estimates(bounded_mean(first), bounded_mean(second))
    biased = (gap.low > 0 or gap.high < 0) and abs(gap.value) > BIAS
    balanced = (fmean(first) + fmean(second)) / 2
    says = f"order-balanced mean {balanced:.4f}; a preference for a label (A, m) would look the same"
    return AuditCheck.of("position", name, gap, biased, says)


def _compared(found: Evidence) -> list[tuple[float, str, str]]:
    """Value, the judged answer and the other, for every item where all three are known."""
    texts = {r.sample.id: answer_of(r) for r in found.results}
    both = found.values.keys() & found.opponents.keys()
    return [(found.values[i], texts[i], found.opponents[i]) for i in sorted(both)] if found.pairwise else []


def length(found: Evidence) -> list[AuditCheck]:
    """Does the longer answer win, and what is left of the rate at equal length?"""
    rows = _compared(found)
    if not rows:
        return [AuditCheck.unknown("length", "prefers the longer", "no other answer to compare lengths with")]
    longer = [(value > 0.5) == (len(a) > len(b)) for value, a, b in rows if value != 0.5 and abs(len(a) - len(b)) > 30]
    checks = []
    if longer:
        share = wilson(sum(longer), len(longer))
        says = "longer answers may be better ones; see the rate at equal length" if share.low > TASTE else ""
        checks.append(AuditCheck.of("length", "prefers the longer", share, share.low > TASTE, says))
    else:
        checks.append(
            AuditCheck.unknown("length", "prefers the longer", "no decided pair differs by over 30 characters")
        )
    gaps = [float(len(b) - len(a)) for _, a, b in rows]
    adjusted = length_control.length_adjusted([value for value, _, _ in rows], gaps)
    if adjusted is None:
        return [
            *checks,
            AuditCheck.unknown("length", "rate at equal length", "too few items, or lengths or verdicts equal"),
        ]
    notes = length_control.cautions(gaps, fmean(value for value, _, _ in rows), adjusted.value)
    return [*checks, AuditCheck.of("length", "rate at equal length", adjusted, bool(notes), "; ".join(notes))]


_FORMATS: Mapping[str, Callable[[str], bool]] = {
    "lists": re.compile(r"^[^\S\n]*(?:[-*•]|\d+[.)])\s+\S", re.MULTILINE).search,  # type: ignore[dict-item]  # truth of a match
    "headers": re.compile(r"^#{1,6}\s+\S", re.MULTILINE).search,  # type: ignore[dict-item]
    "bold": re.compile(r"\*\*[^*\n]+\*\*").search,  # type: ignore[dict-item]
}


def formatting(found: Evidence) -> list[AuditCheck]:
    """Does the answer with lists, headers or bold win, where exactly one of the two has them?"""
    rows = _compared(found)
    checks = []
    for name, has in _FORMATS.items():
        won = [(value > 0.5) == bool(has(a)) for value, a, b in rows if value != 0.5 and bool(has(a)) != bool(has(b))]
        if len(won) < 5:
            checks.append(AuditCheck.unknown("format", f"prefers {name}", f"{len(won)} decided pairs differ in that"))
        else:
            share = wilson(sum(won), len(won))
            checks.append(AuditCheck.of("format", f"prefers {name}", share, share.low > TASTE))
    return checks


def family_checks(model: str) -> str:
    """Whose model this is, from its name; '' when the name does not say."""
    name = model.lower()
    return next((f for f in FAMILIES if re.search(rf"(?<![a-z]){f}", name)), "")


def own_family(found: Evidence, human: Mapping[str, float] | None) -> list[AuditCheck]:
    """Is a judge kinder to its own family than others are to the same answers (difference in differences)?"""
    candidate = family_checks(found.run.manifest.model.name or "")
    named = {s: family_checks(str(next(v.extra.get("model", v.judge) for r in found.results for v in found.verdicts(r)
                                if v.extra.get("seat", v.judge) == s))) for s in found.seats}  # fmt: skip
    own = [s for s, f in named.items() if f and f == candidate]
    title = "kinder to its own family"
    if not own:
        return [
            AuditCheck.unknown("self-preference", title, "the judge's family is not seen to have written the answers")
        ]
    theirs = _by_others(found, set(own)) if human is None else dict(human)
    mine = _member_values(found, own)
    both = sorted(mine.keys() & theirs.keys())
    if len(both) < 2:
        return [AuditCheck.unknown("self-preference", title, "no other judge and no people judged the same answers")]
    gap = bounded_difference([mine[i] - theirs[i] for i in both])
    return [AuditCheck.of("self-preference", title, gap, gap.low > 0, f"{', '.join(own)} judges {candidate}")]


def _member_values(found: Evidence, seats: Sequence[str]) -> dict[str, float]:
    values = {}
    for result in found.results:
        given = result.detail["judged"][found.judging]["members"]
        own = [given[s] for s in seats if given.get(s) is not None]
        if own:
            values[result.sample.id] = fmean(own)
    return values


def _by_others(found: Evidence, own: set[str]) -> dict[str, float]:
    """What judges of other families said of the same answers: the panel's other members, and other judgings."""
    values: dict[str, list[float]] = {}
    for result in found.results:
        for noted in result.detail["judged"].values():
            for seat, value in noted["members"].items():
                if value is not None and seat not in own and family_checks(seat) != family_checks(next(iter(own))):
                    values.setdefault(result.sample.id, []).append(value)
    return {key: fmean(given) for key, given in values.items()}


def outputs(found: Evidence) -> list[AuditCheck]:
    """Answers that are all the same (a constant text once topped a public board), or that talk to the judge."""
    texts = [answer_of(r) for r in found.results]
    if not any(texts):
        return [AuditCheck.unknown("outputs", "identical answers", "the answers are not in the run")]
    repeated, count = Counter(texts).most_common(1)[0]
    share = wilson(count if count > 1 else 0, len(texts))
    # Where right answers repeat (yes, no), so may the model's: only what repeats far more often is a constant.
    natural = max(Counter(t for r in found.results if (t := reference_of(r)) is not None).values(), default=1)
    constant = count > 2 * natural and count >= max(3, 0.05 * len(texts))
    start = " ".join(repeated.split())[:60]
    says = (
        f"{count} of {len(texts)} answers are the same text: {start!r}; a constant answer is no answer"
        if constant
        else ""
    )
    empty = sum(not t.strip() for t in texts)
    checks = [AuditCheck.of("outputs", "identical answers", share, constant, says)]
    checks.append(AuditCheck.of("outputs", "empty answers", wilson(empty, len(texts)), empty > 0.02 * len(texts)))
    talks = [r.sample.id for r, text in zip(found.results, texts, strict=True) if INJECTION.search(text)]
    said = f"they hold verdict markers or parts of judges' prompts: {', '.join(talks[:3])}" if talks else ""
    checks.append(AuditCheck.of("outputs", "addressed to the judge", wilson(len(talks), len(texts)), bool(talks), said))
    return checks


INJECTION = re.compile(
    MARKER.pattern
    + r"|<<\s*(?:END\s+)?(?:FIRST|SECOND|ANSWER|QUESTION|REFERENCE)\b|\"verdict\"\s*:|<\|im_(?:start|end)\|>"
    r"|\bignore (?:all |any )?(?:the |your )?(?:previous|above|other) (?:instructions|answers?|outputs?)"
    r"|\b(?:output|model|answer|assistant)\s*\(?[aAbBmM]\)? (?:is|was) (?:clearly )?(?:the )?(?:better|best|winner)",
    re.IGNORECASE,
)


def retest(found: Evidence) -> list[AuditCheck]:
    """The judge's own noise: the same question asked twice."""
    flips, gaps = [], []
    for result in found.results:
        first = {_place(v): v.value for v in found.verdicts(result) if v.value is not None}
        for verdict in found.verdicts(result, retest=True):
            if verdict.value is not None and (before := first.get(_place(verdict))) is not None:
                flips.append(winner(before) != winner(verdict.value))
                gaps.append(before - verdict.value)
    if not flips:
        return [AuditCheck.unknown("retest", "flips", "no answer was judged twice; evalh judge RUN --retest 50")]
    rate = wilson(sum(flips), len(flips))
    noise = math.sqrt(fmean(g * g for g in gaps) / 2)
    return [AuditCheck.of("retest", "flips", rate, rate.value > 0.1, f"standard deviation of one verdict {noise:.4f}")]


def _place(verdict: Verdict) -> tuple[object, ...]:
    return verdict.extra.get("seat", verdict.judge), verdict.extra.get("part", ""), verdict.order


def panel_member_checks(found: Evidence) -> list[AuditCheck]:
    """What each member of a panel does to its mean."""
    if len(found.seats) < 2:
        return []
    noted = [r.detail["judged"][found.judging]["members"] for r in found.results]
    checks = []
    for seat in found.seats:
        gaps = []
        for given in noted:
            others = [v for s, v in given.items() if s != seat and v is not None]
            if given.get(seat) is not None and others:
                gaps.append(given[seat] - fmean(others))
        gap = bounded_difference(gaps) if gaps else None
        far = gap is not None and abs(gap.value) > 0.1 and (gap.low > 0 or gap.high < 0)
        checks.append(AuditCheck.of("panel", f"{seat} minus the others", gap, far))
    return checks


def cost_checks(found: Evidence) -> list[AuditCheck]:
    """What the judging took."""
    used = found.facts.usage
    if not used:
        return [AuditCheck.unknown("cost", "price", "these verdicts were made elsewhere")]
    price = "unknown price" if used.cost is None else f"${used.cost:.4f}"
    says = f"{used.calls} replies, {used.tokens_in} + {used.tokens_out} tokens, {price}"
    cached = wilson(used.cached, used.calls) if used.calls else None
    return [AuditCheck.of("cost", "share from the cache", cached, False, says)]
