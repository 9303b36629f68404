"""SimpleQA's further figures (section 3 of the paper), by the grades A (correct), B (incorrect), C (not attempted)."""

from collections.abc import Sequence
from itertools import groupby

from evalharness.records import Estimate, Result
from evalharness.scoring.metrics import Metric, average
from evalharness.stats.intervals import bounded_mean


def _grades(results: Sequence[Result]) -> list[tuple[float, float]]:
    """(correct, attempted) of each question that has a grade: shares of its verdicts."""
    found = []
    ordered = sorted(results, key=lambda r: r.sample.id)
    for _, answers in groupby(ordered, key=lambda r: r.sample.id):
        labels = [v.label for r in answers for v in r.verdicts if v.value is not None and not v.extra.get("retest")]
        if labels:
            found.append((labels.count("A") / len(labels), 1 - labels.count("C") / len(labels)))
    return found


def _attempted(results: Sequence[Result]) -> Estimate | None:
    return average([tried for _, tried in _grades(results)])


def _given_attempted(results: Sequence[Result]) -> Estimate | None:
    grades = _grades(results)
    if not any(tried for _, tried in grades):
        return None
    return bounded_mean([correct for correct, _ in grades], [tried for _, tried in grades])


def _f_score(results: Sequence[Result]) -> Estimate | None:
    """The harmonic mean of the shares of correct answers among all and among those attempted: 2 C / (n + attempted)."""
    grades = _grades(results)
    return bounded_mean([2 * correct for correct, _ in grades], [1 + tried for _, tried in grades]) if grades else None


attempted = Metric(name="attempted", of=_attempted)
correct_given_attempted = Metric(name="correct_given_attempted", of=_given_attempted)
f_score = Metric(name="f_score", of=_f_score)
