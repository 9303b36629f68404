"""Figures over judged answers. An answer without a verdict is in none of the means, and in all of the counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from itertools import combinations
from statistics import fmean
from typing import TYPE_CHECKING, Any, Protocol

from evalharness.records import Estimate, Result, Verdict
from evalharness.scoring.columns import ScoreColumns
from evalharness.scoring.judge_replies import aggregate_verdicts
from evalharness.scoring.judged_columns import JudgedColumns
from evalharness.scoring.metrics import Metric, average, over_columns
from evalharness.stats.agreement import cohen
from evalharness.stats.intervals import wilson

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


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


def judgment_metrics(columns: ScoreColumns) -> dict[str, Any]:
    """What each judging of a benchmark's results says, by the judging's name."""
    return {
        name: _figures(columns.where(judged.noted), judged.where(judged.noted))
        for name, judged in columns.judgings.items()
        if judged.noted.any()
    }


def _figures(columns: ScoreColumns, judged: JudgedColumns) -> dict[str, Any]:
    """The figures of a judging that has seen all of these results."""
    import numpy as np

    score = judged.score
    mean = average(replace(columns, scores={score: judged.value}).having(score).per_item(score, fmean))
    paired = judged.consistent[judged.consistent >= 0]
    statuses, labels = Counter[str](), Counter[str]()
    times = np.bincount(judged.replies, minlength=len(judged.kinds)).tolist()
    for kind, count in zip(judged.kinds, times, strict=True):
        for status, label in kind if count else ():
            statuses[status] += count
            if label is not None:
                labels[label] += count
    found: dict[str, Any] = {
        "score": score,
        "metrics": {score: asdict(mean)} if mean is not None else {},
        "answers": len(columns),
        "without_verdict": int(np.isnan(judged.value).sum()),
        "verdicts": {s: statuses[s] for s in ("ok", "unparsable", "refused", "error")},
        "labels": dict(sorted(labels.items())),
    }
    if len(paired):
        found["same_winner_in_both_orders"] = asdict(wilson(int(paired.sum()), len(paired)))
    if len(judged.seats) > 1:
        found["panel"] = panel_agreement(judged.members, judged.seats)
    return found


def panel_agreement(members: Mapping[str, NDArray[np.float64]], seats: Sequence[str]) -> dict[str, Any]:
    """Each member's mean, the mean without each member, and Cohen's kappa of the winners for each pair of members, from
    the values of each member (NaN where it has none)."""
    import numpy as np

    def mean(names: Sequence[str]) -> float | None:
        rows = ([value for value in row if value == value] for row in zip(*(members[s] for s in names), strict=True))
        spoken = [fmean(row) for row in rows if row]
        return fmean(spoken) if spoken else None

    winners = {seat: np.sign(values - 0.5) for seat, values in members.items()}  # as `judge_replies.winner`
    kappas = {}
    for a, b in combinations(seats, 2):
        both = ~(np.isnan(winners[a]) | np.isnan(winners[b]))
        kappas[f"{a} / {b}"] = cohen(*(winners[seat][both].astype(int).tolist() for seat in (a, b)))
    said = np.array(list(winners.values()))
    ahead, behind, tied = ((said == sign).any(axis=0).astype(int) for sign in (1, -1, 0))
    return {
        "members": {s: mean([s]) for s in seats},
        "without": {s: mean([t for t in seats if t != s]) for s in seats},
        "kappa": kappas,
        "split": int((ahead + behind + tied > 1).sum()),
    }
