"""The figures of groups of tasks: `aggregate_metric_list` (lm_eval/api/group.py, version 0.4.13)."""

from __future__ import annotations

import math
from collections.abc import Mapping

from evalharness.file_benchmarks.lm_eval.catalog import GroupFigure, TaskCatalog
from evalharness.file_benchmarks.lm_eval.measures import our_metric_name
from evalharness.records import Estimate
from evalharness.stats.intervals import Z95

TaskFigures = Mapping[str, Mapping[str, Estimate]]  # by task and metric


def group_figures(catalog: TaskCatalog, figures: TaskFigures) -> dict[str, Estimate]:
    """`GROUP METRIC` for every group all of whose tasks have figures."""
    made: dict[str, Estimate] = {}
    for group in catalog.groups():
        tasks = catalog.tasks_of(group.name)
        if not tasks or not all(task in figures for task in tasks):
            continue
        for wanted in group.figures:
            for name in _named(wanted, figures[tasks[0]]):
                found = [figures[task][name] for task in tasks if name in figures[task]]
                if found:
                    made[f"{group.name} {name}"] = _mean(found, wanted.by_size)
    return made


def _named(wanted: GroupFigure, there: Mapping[str, Estimate]) -> list[str]:
    """A metric's names here: of the filters that are wanted, the first of which has none in its name."""
    names = {our_metric_name(wanted.metric, kind, by_code=False) for kind in ("generate_until", "multiple_choice")}
    return [name for name in there if name.partition(",")[0] in names | {wanted.metric}]


def _mean(found: list[Estimate], by_size: bool) -> Estimate:
    """The mean of figures, each counting as one or by its size; they are independent."""
    weights = [float(one.n) if by_size else 1.0 for one in found]
    total = math.fsum(weights)
    value = math.fsum(w * one.value for w, one in zip(weights, found, strict=True)) / total
    stderr = math.sqrt(math.fsum((w * one.stderr) ** 2 for w, one in zip(weights, found, strict=True))) / total
    return Estimate(
        value=value, stderr=stderr, low=value - Z95 * stderr, high=value + Z95 * stderr, n=sum(one.n for one in found)
    )
