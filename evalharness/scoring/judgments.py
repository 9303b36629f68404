"""Figures over judged answers. An answer without a verdict is in none of the means, and in all of the counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from itertools import combinations
from statistics import fmean
from typing import Any, Protocol

from evalharness.records import Estimate, Result, Verdict
from evalharness.scoring.judge_replies import aggregate_verdicts, winner
from evalharness.scoring.metrics import Metric, average, over_columns
from evalharness.stats.agreement import cohen
from evalharness.stats.intervals import wilson


def scores_of(results: Sequence[Result], score: str) -> list[float]:
    """One value per item that has any: the mean over its repeats."""
    found: dict[str, list[float]] = {}
    for result in results:
        if score in result.scores:
            found.setdefault(result.sample.id, []).append(result.scores[score])
    return [fmean(values) for _, values in sorted(found.items())]


def judged_mean(score: str) -> Metric:
    """The mean of a judge's score over the items that have one."""
    return over_columns(score, lambda columns: average(columns.having(score).per_item(score, fmean)), score)


def on_scale(figure: Estimate | None, scale: tuple[float, float]) -> Estimate | None:
    """An estimate on [0, 1] moved to another scale."""
    if figure is None:
        return None
    low, width = scale[0], scale[1] - scale[0]
    return Estimate(
        value=low + width * figure.value,
        stderr=width * figure.stderr,
        low=low + width * figure.low,
        high=low + width * figure.high,
        n=figure.n,
    )


class Settling(Protocol):
    """How the verdicts of a judging settle an answer: the `score` that the value becomes, the panel's `aggregate` and
    `weights`."""

    @property
    def score(self) -> str | None: ...
    @property
    def aggregate(self) -> str: ...
    @property
    def weights(self) -> Mapping[str, float]: ...


def with_verdicts(result: Result, verdicts: Sequence[Verdict], judging: str, facts: Settling, *, owns: bool) -> Result:
    """The result with the verdicts of one judging; those of other judgings stay. Nothing is asked.

    `owns`: the benchmark has no score but the judge's. Only then does a missing verdict leave the answer `unparsed`.
    """
    others = tuple(v for v in result.verdicts if v.extra.get("judging") != judging)
    outcome = aggregate_verdicts(verdicts, facts.aggregate, facts.weights)
    before = {k: v for k, v in result.detail.get("judged", {}).items() if k != judging}
    noted = {**asdict(outcome), "score": facts.score}
    changed = replace(
        result, verdicts=(*others, *verdicts), detail={**result.detail, "judged": {**before, judging: noted}}
    )
    return scored(changed, owns)


def scored(result: Result, owns: bool) -> Result:
    """The result with the scores that its judgings settled on, the last of each name."""
    scores = dict(result.scores)
    settled: dict[str, float | None] = {n["score"]: n["value"] for n in result.detail.get("judged", {}).values()}
    for name, value in settled.items():
        scores.pop(name, None)
        if value is not None:
            scores[name] = value
    status = result.status
    if owns and settled and status not in ("error", "truncated"):
        status = "scored" if any(v is not None for v in settled.values()) else "unparsed"
    return replace(result, scores=scores, status=status)


def kept(before: Result, after: Result, owns: bool) -> Result:
    """A result scored anew keeps what judges said of its answer."""
    if not before.verdicts:
        return after
    detail = {**after.detail, "judged": before.detail.get("judged", {})}
    return scored(replace(after, verdicts=before.verdicts, detail=detail), owns)


def judgment_metrics(results: Sequence[Result]) -> dict[str, Any]:
    """What each judging of a benchmark's results says, by the judging's name."""
    names = dict.fromkeys(name for r in results for name in r.detail.get("judged", {}))
    return {name: _figures(name, results) for name in names}


def _figures(judging: str, results: Sequence[Result]) -> dict[str, Any]:
    noted = [(r, r.detail["judged"][judging]) for r in results if judging in r.detail.get("judged", {})]
    verdicts = [v for r, _ in noted for v in r.verdicts if v.extra.get("judging") == judging]
    first = [v for v in verdicts if not v.extra.get("retest")]
    score = noted[0][1]["score"]
    valued = [replace(r, scores={score: n["value"]} if n["value"] is not None else {}) for r, n in noted]
    mean = average(scores_of(valued, score))
    paired = [bool(n["consistent"]) for _, n in noted if n["consistent"] is not None]
    found: dict[str, Any] = {
        "score": score,
        "metrics": {score: asdict(mean)} if mean is not None else {},
        "answers": len(noted),
        "without_verdict": sum(n["value"] is None for _, n in noted),
        "verdicts": {s: sum(v.status == s for v in first) for s in ("ok", "unparsable", "refused", "error")},
        "labels": dict(sorted(Counter(v.label for v in first if v.value is not None).items())),
    }
    if paired:
        found["same_winner_in_both_orders"] = asdict(wilson(sum(paired), len(paired)))
    seats = sorted(noted[0][1]["members"])
    if len(seats) > 1:
        found["panel"] = panel_agreement([n for _, n in noted], seats)
    return found


def panel_agreement(noted: Sequence[Mapping[str, Any]], seats: Sequence[str]) -> dict[str, Any]:
    """Each member's mean, the mean without each member, and Cohen's kappa of the winners for each pair of members."""

    def mean(names: Sequence[str]) -> float | None:
        rows = [[n["members"][s] for s in names if n["members"].get(s) is not None] for n in noted]
        return fmean(fmean(row) for row in rows if row) if any(rows) else None

    kappas = {}
    for a, b in combinations(seats, 2):
        pairs = [
            (winner(n["members"][a]), winner(n["members"][b]))
            for n in noted
            if n["members"].get(a) is not None and n["members"].get(b) is not None
        ]
        kappas[f"{a} / {b}"] = cohen([x for x, _ in pairs], [y for _, y in pairs])
    return {
        "members": {s: mean([s]) for s in seats},
        "without": {s: mean([t for t in seats if t != s]) for s in seats},
        "kappa": kappas,
        "split": sum(len({winner(v) for v in n["members"].values() if v is not None}) > 1 for n in noted),
    }
