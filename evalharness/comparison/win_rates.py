"""HELM's table over models: the mean win rate of finished runs over the benchmarks they share.

Liang et al. 2022, https://arxiv.org/abs/2211.09110, section 8.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evalharness.errors import Exit, UserError
from evalharness.records import Estimate
from evalharness.runs import summary
from evalharness.runs.store import Run
from evalharness.runs.summary import estimate_from_json
from evalharness.scoring.holistic import mean_win_rate


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
        raise UserError(f"none of the runs has the figure {figure!r}; `evalh run --holistic` makes HELM's")
    lower = frozenset(b for of in scores.values() for b in of if summary.lower_is_better(b, figure))
    rates = mean_win_rate(scores, lower_is_better=lower)
    if not rates:
        raise UserError("the runs share no benchmark, so none beats another; run the same benchmarks for each model")
    best = dict(sorted(rates.items(), key=lambda item: (-item[1].value, item[0])))
    return WinRates(figure=figure or "headline", rates=best, scores=scores)


def _names(runs: Sequence[Run]) -> list[str]:
    """Each run by its model, or by its own name where two have the same model."""
    models = [str(run.manifest["model"]["name"]) for run in runs]
    return [model if models.count(model) == 1 else run.name for model, run in zip(models, runs, strict=True)]


def _same_questions(runs: Sequence[Run]) -> None:
    asked: dict[str, tuple[str, tuple[Any, ...]]] = {}
    for run in runs:
        for name, facts in run.manifest["benchmarks"].items():
            how = (facts["mode"], facts["shots"], facts["data"]["sha256"])
            first, before = asked.setdefault(name, (run.name, how))
            if before != how:
                differing = [
                    what for what, a, b in zip(("mode", "shots", "questions"), before, how, strict=True) if a != b
                ]
                said = f"{name}: {first} and {run.name} differ in {' and '.join(differing)}; run them alike"
                raise UserError(said, Exit.NOT_COMPARABLE)


def _scores(run: Run, figure: str | None) -> dict[str, Estimate]:
    found = {}
    for name, entry in run.summary["benchmarks"].items():
        figures = {**entry.get("holistic", {}), **entry["metrics"]}
        values = figures.get(figure or entry["headline"])
        if values is not None:
            found[name] = estimate_from_json(values)
    return found
