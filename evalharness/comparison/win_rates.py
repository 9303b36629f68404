"""HELM's table over models: the mean win rate of finished runs over the benchmarks they share.

Liang et al. 2022, https://arxiv.org/abs/2211.09110, section 8.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from evalharness import plugins
from evalharness.errors import Exit, UserError
from evalharness.records import Estimate, Result
from evalharness.runs import summary
from evalharness.runs.store import Run
from evalharness.scoring.holistic import holistic_metrics, mean_win_rate, originals
from evalharness.scoring.metrics import Metric, by_group, per_item


@dataclass(frozen=True, kw_only=True)
class WinRates:
    """Mean win rate by model, best first, and the scores that it is made of by model and benchmark."""

    figure: str
    rates: Mapping[str, Estimate]
    scores: Mapping[str, Mapping[str, Estimate]]


def of_runs(runs: Sequence[Run], figure: str | None = None) -> WinRates:
    """The table of runs, by each benchmark's headline or by a named figure (`robustness`, `ece_10_bin`, `f1`).

    UserError where fewer than two runs are given, a figure is nowhere, or one benchmark was asked of two models in
    different ways: another mode, other examples, other questions.
    """
    if len(runs) < 2:
        raise UserError("a win rate wants two or more runs, each of another model")
    names = _names(runs)
    _same_questions(runs)
    scores = {name: _scores(run, figure) for name, run in zip(names, runs, strict=True)}
    if not any(scores.values()):
        wanted = "a headline" if figure is None else f"the figure {figure!r}"
        raise UserError(f"none of the runs has {wanted}; `evalh run --holistic` makes HELM's")
    lower = frozenset(b for of in scores.values() for b in of if summary.lower_is_better(b, figure))
    rates = mean_win_rate(scores, lower_is_better=lower, units=_units(dict(zip(names, runs, strict=True)), figure))
    if not rates:
        raise UserError("the runs share no benchmark, so none beats another; run the same benchmarks for each model")
    best = dict(sorted(rates.items(), key=lambda item: (-item[1].value, item[0])))
    return WinRates(figure=figure or "headline", rates=best, scores=scores)


def _names(runs: Sequence[Run]) -> list[str]:
    """Each run by its model, or by its own name where two have the same model."""
    models = [str(run.manifest.model.name) for run in runs]
    return [model if models.count(model) == 1 else run.name for model, run in zip(models, runs, strict=True)]


def _same_questions(runs: Sequence[Run]) -> None:
    asked: dict[str, tuple[str, tuple[object, ...]]] = {}
    for run in runs:
        for name, facts in run.manifest.benchmarks.items():
            how = (facts.mode, facts.shots, facts.data.sha256)
            first, before = asked.setdefault(name, (run.name, how))
            if before != how:
                differing = [
                    what for what, a, b in zip(("mode", "shots", "questions"), before, how, strict=True) if a != b
                ]
                said = f"{name}: {first} and {run.name} differ in {' and '.join(differing)}; run them alike"
                raise UserError(said, Exit.NOT_COMPARABLE)


def _scores(run: Run, figure: str | None) -> dict[str, Estimate]:
    found = {}
    for name, entry in run.summary.benchmarks.items():
        made = {**entry.holistic, **entry.metrics}.get(figure or entry.headline or "")
        if made is not None:
            found[name] = made.estimate
    return found


_PARTS = 20  # of a benchmark's items, for figures that are no means


def _units(runs: Mapping[str, Run], figure: str | None) -> dict[str, dict[str, list[float]]]:
    """What each item adds to every model's score, per benchmark that two or more runs asked with the same items.

    A figure that is no mean has a jackknife pseudo-value for each of twenty parts of the items instead. A benchmark
    that is not installed here, or a figure that its results do not give, is left out.
    """
    results = {model: by_group(run.results(), lambda r: r.benchmark) for model, run in runs.items()}
    found: dict[str, dict[str, list[float]]] = {}
    for name in dict.fromkeys(name for of in results.values() for name in of):
        having = {model: of[name] for model, of in results.items() if name in of}
        facts = next(run.manifest.benchmarks[name] for model, run in runs.items() if model in having)
        try:
            benchmark = plugins.reopened(name, facts.data)
        except UserError:
            continue
        common = set.intersection(*({r.sample.id for r in rs if r.status != "error"} for rs in having.values()))
        metric = next((m for m in benchmark.metrics if m.name == (figure or benchmark.metrics[0].name)), None)
        made = {m: _contributions(rs, common, metric, benchmark.metrics[0], figure) for m, rs in having.items()}
        if len(made) > 1 and all(made.values()):
            found[name] = {model: values for model, values in made.items() if values is not None}
    return found


def _contributions(
    results: Sequence[Result], common: set[str], metric: Metric | None, headline: Metric, figure: str | None
) -> list[float] | None:
    asked = {str(r.sample.extra.get("original", r.sample.id)) for r in results}
    ids = sorted(common & asked)
    kept = [r for r in results if r.status != "error" and str(r.sample.extra.get("original", r.sample.id)) in set(ids)]
    if not ids:
        return None
    if metric is not None and metric.score is not None:
        return per_item(originals(kept), metric.score)
    part = {identity: i % min(_PARTS, len(ids)) for i, identity in enumerate(ids)}

    def value(without: int | None) -> float | None:
        own = [r for r in kept if part[str(r.sample.extra.get("original", r.sample.id))] != without]
        if metric is not None:
            made = metric.of(originals(own))
        else:
            made = holistic_metrics(own, headline).get(figure or "")
        return None if made is None else made.value

    count = max(part.values()) + 1
    whole, parts = value(None), [value(k) for k in range(count)]
    if whole is None or count < 2 or None in parts:
        return None
    return [count * whole - (count - 1) * p for p in parts if p is not None]
