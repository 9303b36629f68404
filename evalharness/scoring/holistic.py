"""HELM's view of a run: calibration, robustness, fairness and efficiency beside accuracy, and the mean win rate.

Liang et al. 2022, https://arxiv.org/abs/2211.09110. `plan` adds the changed questions, `figures` reads their results.
Robustness and fairness are the worst case: each question counts what its worst variant, itself included, is worth.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from statistics import fmean
from typing import TYPE_CHECKING, Any

from evalharness.records import Estimate, Result, Sample
from evalharness.scoring import perturbations
from evalharness.scoring.answers import softmax
from evalharness.scoring.metrics import Metric, average, by_group
from evalharness.stats.intervals import Z95, skewed_mean, stratified

if TYPE_CHECKING:
    from evalharness.scoring.calibration import Pair

LOWER_IS_BETTER = ("ece", "seconds", "tokens")  # how the figures begin of which less is better


def with_variants(
    samples: Sequence[Sample], seed: int = 0, own: Mapping[str, Sequence[str]] | None = None
) -> list[Sample]:
    """The samples, each followed by those of its variants that differ from it. `own` has the texts of each sample's
    row by its id: nothing else is changed."""
    planned = []
    for sample in samples:
        texts = None if own is None else own[sample.id]
        variants = (perturbations.apply(each, sample, seed, texts) for each in perturbations.ALL)
        planned += [sample, *(variant for variant in variants if variant is not None)]
    return planned


def is_variant(sample: Sample) -> bool:
    """Whether a sample is a changed question rather than one of the benchmark's own."""
    return "perturbation" in sample.extra


def originals(results: Sequence[Result]) -> list[Result]:
    """The results of the benchmark's own questions: the only ones that its own figures count."""
    return [result for result in results if not is_variant(result.sample)]


def holistic_metrics(results: Sequence[Result], headline: Metric) -> dict[str, Estimate]:
    """Every figure of the holistic view by name; those without meaning here (no probabilities, no variants) are absent.

    `accuracy` is the headline's score. With several groups, NAME_macro is the mean over groups, as HELM averages its
    scenarios. Answers that failed are left out.
    """
    answered = [r for r in results if r.status != "error"]
    found = _of(answered, headline)
    groups = by_group(answered)
    return found | (_macro(list(groups.values()), headline) if len(groups) > 1 else {})


def _macro(groups: Sequence[Sequence[Result]], headline: Metric) -> dict[str, Estimate]:
    """Means over groups. A group in which no question changed is worth there what it is worth unchanged."""
    from evalharness.scoring.calibration import has_calibration, mean_calibration_error

    values = [_values(members, headline) for members in groups]
    present = [name for name in ("accuracy", "robustness", "fairness") if any(name in of for of in values)]
    found = {f"{name}_macro": stratified([of.get(name, of["accuracy"]) for of in values]) for name in present}
    pairs = [confidences(originals(members), _worth(headline)) for members in groups]
    if calibrated := [p for p in pairs if has_calibration(p)]:
        found["ece_10_bin_macro"] = mean_calibration_error(calibrated)
    return {name: estimate for name, estimate in found.items() if estimate is not None}


def _of(results: Sequence[Result], headline: Metric) -> dict[str, Estimate]:
    from evalharness.scoring.calibration import calibration

    own = originals(results)
    estimates: dict[str, Estimate | None] = {n: average(values) for n, values in _values(results, headline).items()}
    estimates |= calibration(confidences(own, _worth(headline)))
    estimates |= {
        "seconds": skewed_mean([r.response.seconds for r in own]) if own else None,
        "tokens_in": skewed_mean([float(r.response.tokens_in) for r in own]) if own else None,
        "tokens_out": skewed_mean([float(r.response.tokens_out) for r in own]) if own else None,
    }
    return {name: estimate for name, estimate in estimates.items() if estimate is not None}


def _worth(headline: Metric) -> Callable[[Result], float]:
    """What one answer is worth: the headline's score; where the headline is no mean, whether the answer is right, or
    its first score where that is a matter of degree."""
    score = headline.score
    if score is not None:
        return lambda r: r.scores.get(score, 0.0)
    return lambda r: next(iter(r.scores.values()), 0.0) if r.status == "scored" else float(r.status == "correct")


def _values(results: Sequence[Result], headline: Metric) -> dict[str, list[float]]:
    """Accuracy, the two worst cases, and each perturbation's own score: one value per question."""
    worth = _worth(headline)
    asked: dict[str, dict[str, list[float]]] = {}
    for r in results:
        name = str(r.sample.extra.get("perturbation", ""))
        asked.setdefault(str(r.sample.extra.get("original", r.sample.id)), {}).setdefault(name, []).append(worth(r))
    means = [{name: sum(v) / len(v) for name, v in of.items()} for of in asked.values() if "" in of]
    seen = [name for name in perturbations.KIND if any(name in of for of in means)]
    values = {"accuracy": [of[""] for of in means]}
    for kind in ("robustness", "fairness"):
        own = [name for name in seen if perturbations.KIND[name] == kind]
        if own:
            values[kind] = [min(of[""], *(of.get(name, of[""]) for name in own)) for of in means]
    return values | {f"{perturbations.KIND[name]}_{name}": [of.get(name, of[""]) for of in means] for name in seen}


def confidences(results: Sequence[Result], worth: Callable[[Result], float]) -> list[Pair]:
    """(probability of the choice ranked first among the choices, what it was worth), of every ranked answer."""
    ranked = [r for r in results if len(r.response.logprobs) > 1]
    return [(max(softmax(r.response.logprobs)), worth(r)) for r in ranked]


def mean_win_rate(
    scores: Mapping[str, Mapping[str, Estimate]],
    *,
    lower_is_better: frozenset[str] = frozenset(),
    units: Mapping[str, Mapping[str, Sequence[float]]] | None = None,
    draws: int = 1000,
) -> dict[str, Estimate]:
    """HELM's aggregate: for each model the mean over scenarios of the share of other models that it beats there.

    `scores[model][scenario]`. A tie is half a win. A scenario that only one model has says nothing. `units[scenario]`
    holds what each item, in one order, adds to every model's score there: the bootstrap then draws items, the same for
    all models; without it every score is drawn from its own error. The interval counts as won, or lost, the
    comparisons that are decided for all of a model's comparisons at once (the largest t of 95 % of the draws): a win
    rate jumps where two models pass each other, so the spread of drawn rates says nothing of the true one. Where all
    are decided there is no interval (not a number): the rate is what it is.
    """
    import numpy as np

    rng = np.random.default_rng(0)
    point = _win_rates({m: {s: e.value for s, e in of.items()} for m, of in scores.items()}, lower_is_better)
    drawn: dict[str, dict[str, Any]] = {model: {} for model in scores}
    for scenario in dict.fromkeys(s for of in scores.values() for s in of):
        here = {model: of[scenario] for model, of in scores.items() if scenario in of}
        for model, values in zip(here, _drawn(here, (units or {}).get(scenario), draws, rng), strict=True):
            drawn[model][scenario] = values
    found = {}
    for model, (rate, scenarios) in point.items():
        won, lost = _decided(model, scores, drawn, lower_is_better)
        rates = _drawn_rates(model, drawn, lower_is_better)
        stderr = float(np.std(rates, ddof=1))
        low, high = min(won, rate), max(1 - lost, rate)
        if low == high:  # every comparison is decided: no other rate is left, and that is no interval
            low = high = math.nan
        found[model] = Estimate(value=rate, stderr=stderr, low=low, high=high, n=scenarios)
    return found


BLOCKS = 1000  # items are summed in at most so many blocks before they are drawn


def _drawn(
    here: Mapping[str, Estimate], units: Mapping[str, Sequence[float]] | None, draws: int, rng: Any
) -> list[Any]:
    """One array of drawn scores per model of a scenario."""
    import numpy as np

    if units is None or set(units) < set(here):
        return [e.value + rng.normal(0.0, 1.0, draws) * _finite(e.stderr) for e in here.values()]
    table = np.array([units[model] for model in here], dtype=float)
    n, count = table.shape[1], min(table.shape[1], BLOCKS)
    place = np.arange(n) % count
    sums = np.stack([np.bincount(place, row - row.mean(), count) for row in table])
    times = rng.multinomial(count, np.full(count, 1 / count), draws)
    return [e.value + times @ row / n for e, row in zip(here.values(), sums, strict=True)]


def _decided(
    model: str,
    scores: Mapping[str, Mapping[str, Estimate]],
    drawn: Mapping[str, Mapping[str, Any]],
    lower: frozenset[str],
) -> tuple[float, float]:
    """The mean shares of other models that are surely beaten, and that surely beat the model."""
    import numpy as np

    met: list[tuple[str, float, int, Any]] = []
    for scenario, own in scores[model].items():
        sign = -1.0 if scenario in lower else 1.0
        for other, of in scores.items():
            if other != model and scenario in of:
                gap = sign * (own.value - of[scenario].value)
                apart = sign * (drawn[model][scenario] - drawn[other][scenario]) - gap
                met.append((scenario, gap, max(1, min(own.n, of[scenario].n)), apart))
    gaps, items, apart = (np.array([one[i] for one in met]) for i in (1, 2, 3))
    shares: list[float] = []
    for sure in decided(gaps, apart, items):
        each: dict[str, list[float]] = {}
        for (scenario, *_), flag in zip(met, sure.tolist(), strict=True):
            each.setdefault(scenario, []).append(float(flag))
        shares.append(fmean(fmean(of) for of in each.values()))
    return shares[0], shares[1]


def decided(gaps: Any, apart: Any, items: Any) -> tuple[Any, Any]:
    """Which of a model's comparisons (last axis of `gaps`) are surely won, and which surely lost, all at once.

    `apart` has, on one more axis, how far off each gap was in every draw, `items` on how many items it rests.
    """
    import numpy as np

    # Differences that are the same on every item have no spread, but not seen ones may differ.
    spread = np.maximum(np.std(apart, axis=-1, ddof=1), Z95 / (items + Z95**2))
    most = np.quantile(np.max(np.abs(apart) / spread[..., None], axis=-2), 0.95, axis=-1, keepdims=True)
    edge = np.maximum(most, Z95) * spread
    return gaps > edge, gaps < -edge


def _drawn_rates(model: str, drawn: Mapping[str, Mapping[str, Any]], lower: frozenset[str]) -> Any:
    """The mean win rate in every draw."""
    rates = []
    for scenario, own in drawn[model].items():
        others = [of[scenario] for other, of in drawn.items() if other != model and scenario in of]
        if others:
            sign = -1.0 if scenario in lower else 1.0
            beaten = [(sign * (own - other) > 0) + (own == other) / 2 for other in others]
            rates.append(sum(beaten) / len(others))
    return sum(rates) / len(rates)


def _finite(value: float) -> float:
    return value if math.isfinite(value) else 0.0


def _win_rates(
    scores: Mapping[str, Mapping[str, float]], lower_is_better: frozenset[str]
) -> dict[str, tuple[float, int]]:
    """(mean win rate, scenarios it is over) of every model that met another."""
    rates: dict[str, list[float]] = {}
    for scenario in dict.fromkeys(s for of in scores.values() for s in of):
        sign = -1.0 if scenario in lower_is_better else 1.0
        here = {model: sign * of[scenario] for model, of in scores.items() if scenario in of}
        for model, value in here.items():
            others = [v for other, v in here.items() if other != model]
            if others:
                rates.setdefault(model, []).append(sum((value > v) + (value == v) / 2 for v in others) / len(others))
    return {model: (sum(of) / len(of), len(of)) for model, of in rates.items()}
