"""TaskFigures of a run from what was measured of each answer, with their uncertainty (lm_eval/api/metrics.py, 0.4.13).

A mean has the interval of any mean here. A figure of all answers together (BLEU, F1, a function of the task's own) has
one from samples of the answers drawn with replacement, whole questions at a time.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from statistics import fmean, stdev
from typing import Any

from evalharness.errors import DataError
from evalharness.events import warn
from evalharness.file_benchmarks.lm_eval.code import TaskCode
from evalharness.file_benchmarks.lm_eval.measures import Measure
from evalharness.records import Estimate, Result
from evalharness.scoring.metrics import Metric, average, perplexity

UNNUMBERED = "items"  # in a result's detail: what was measured and is no number, by the metric's name
_DRAWS, _HEAVY_DRAWS = 500, 100
Aggregate = Callable[[Sequence[Any]], float]
Values = Callable[[Sequence[Result]], list[list[Any]]]  # what was measured of the answers to each question
Measured = Callable[[Sequence[Result]], Any]  # of all answers to one question


def weighted_perplexity(pairs: Sequence[Any]) -> float:
    """exp of minus the log-probability for each of the units that it is counted in."""
    return math.exp(min(700.0, -_per_unit(pairs)))


def bits_per_byte(pairs: Sequence[Any]) -> float:
    """The log-probability to base 2 of a byte, turned positive."""
    return -_per_unit(pairs) / math.log(2)


def _per_unit(pairs: Sequence[Any]) -> float:
    return math.fsum(total for total, _ in pairs) / (math.fsum(units for _, units in pairs) or 1.0)


def f1_of_one(pairs: Sequence[Any]) -> float:
    """F1 of the label 1; scikit-learn's for two classes."""
    both = sum(1 for gold, said in pairs if gold == said == 1)
    either = sum((gold == 1) + (said == 1) for gold, said in pairs)
    return 2 * both / either if either else 0.0


def matthews_of_pairs(pairs: Sequence[Any]) -> float:
    """Matthews correlation over all labels (Gorodkin 2004, https://doi.org/10.1016/j.compbiolchem.2004.09.006)."""
    import numpy as np

    from evalharness.stats.confusion import matthews_of

    labels = sorted({str(label) for pair in pairs for label in pair})
    table = np.zeros((len(labels), len(labels)))
    for gold, said in pairs:
        table[labels.index(str(gold)), labels.index(str(said))] += 1
    return float(matthews_of(table))


def _corpus(name: str) -> Aggregate:
    """sacreBLEU's figure of a corpus (https://github.com/mjpost/sacrebleu)."""

    def of(pairs: Sequence[Any]) -> float:
        import sacrebleu

        references = [gold if isinstance(gold, list) else [gold] for gold, _ in pairs]
        said = [one[0] if isinstance(one, list) and one else str(one) for _, one in pairs]
        streams = list(zip(*references, strict=False))
        calls: Mapping[str, Callable[[], Any]] = {
            "bleu": lambda: sacrebleu.corpus_bleu(said, streams),
            "chrf": lambda: sacrebleu.corpus_chrf(said, streams),
            "chrf++": lambda: sacrebleu.corpus_chrf(said, streams, word_order=2),
            "ter": lambda: sacrebleu.corpus_ter(said, streams),
        }
        return float(calls[name]().score)

    return of


_AGGREGATES: Mapping[str, Aggregate] = {
    "median": lambda values: sorted(values)[len(values) // 2],
    "weighted_perplexity": weighted_perplexity,
    "bits_per_byte": bits_per_byte,
    "f1": f1_of_one,
    "matthews_corrcoef": matthews_of_pairs,
    **{name: _corpus(name) for name in ("bleu", "chrf", "chrf++", "ter")},
}
_HEAVY = {"bleu", "chrf", "chrf++", "ter"}


def figure_of(measure: Measure, label: str, code: TaskCode, together: Measured | None = None) -> Metric:
    """The metric of a run that `measure` makes, of what is kept under `label` for each answer, or of what `together`
    measures of all answers to a question."""
    better, values = measure.higher_is_better, _each(label) if together is None else _by_question(together)
    if measure.aggregate is not None:
        return Metric(name=label, of=_by_code(measure, values, code), higher_is_better=better)
    name = measure.aggregation
    if name == "perplexity":
        return perplexity("logprob" if measure.name == "perplexity" else label, label)
    if name in _AGGREGATES:
        draws = _HEAVY_DRAWS if name in _HEAVY else _DRAWS
        aggregate = _AGGREGATES[name]
        return Metric(name=label, of=lambda found: _drawn(values(found), aggregate, draws), higher_is_better=better)
    score = None if together is not None else label
    return Metric(name=label, score=score, of=lambda found: _mean(values(found)), higher_is_better=better)


def _each(label: str) -> Values:
    """What was measured, by question; what could not be measured is left out."""

    def values(results: Sequence[Result]) -> list[list[Any]]:
        found: dict[str, list[Any]] = {}
        for result in results:
            kept = result.detail.get(UNNUMBERED, {})
            value = kept[label] if label in kept else result.scores.get(label)
            if value is not None:
                found.setdefault(result.sample.id, []).append(value)
        return list(found.values())

    return values


def _by_question(measured: Measured) -> Values:
    def values(results: Sequence[Result]) -> list[list[Any]]:
        questions: dict[str, list[Result]] = {}
        for result in results:
            questions.setdefault(result.sample.id, []).append(result)
        found = [measured(answers) for answers in questions.values()]
        return [[one] for one in found if one is not None]

    return values


def _mean(questions: Sequence[Sequence[Any]]) -> Estimate | None:
    numbers = [[float(one) for one in of if isinstance(one, int | float) and not math.isnan(one)] for of in questions]
    return average([fmean(of) for of in numbers if of])


def _drawn(questions: Sequence[Sequence[Any]], aggregate: Aggregate, draws: int) -> Estimate | None:
    """A figure with the standard deviation and the middle 95 % of its values over drawn questions."""
    if not questions:
        return None
    chance = random.Random(0)
    value = aggregate([one for question in questions for one in question])
    found = []
    for _ in range(draws if len(questions) > 1 else 0):
        drawn = chance.choices(questions, k=len(questions))
        found.append(aggregate([one for question in drawn for one in question]))
    return _estimate(value, found, len(questions))


def _estimate(value: float, drawn: Sequence[float], n: int) -> Estimate:
    ordered = sorted(one for one in drawn if math.isfinite(one))
    if len(ordered) < 2:
        return Estimate(value=value, stderr=math.nan, low=-math.inf, high=math.inf, n=n)
    low, high = (ordered[round(share * (len(ordered) - 1))] for share in (0.025, 0.975))
    return Estimate(value=value, stderr=stdev(ordered), low=min(low, value), high=max(high, value), n=n)


def _by_code(measure: Measure, values: Values, code: TaskCode) -> Callable[[Sequence[Result]], Estimate | None]:
    function = measure.aggregate
    assert function is not None

    def of(results: Sequence[Result]) -> Estimate | None:
        items = [one for question in values(results) for one in question]
        if not items:
            return None
        try:
            found = code.call(
                "aggregate", function, seconds=600, function=code.named(function), items=items, draws=_HEAVY_DRAWS
            )
        except DataError as error:  # the answers stand; a figure of them that cannot be made is said and left out
            warn(str(error))
            return None
        numbers = [float(one) for one in found if isinstance(one, int | float)]
        return _estimate(numbers[0], numbers[1:], len(items)) if numbers else None

    return of
