"""The figures of groups of tasks: `aggregate_metric_list` (lm_eval/api/group.py, version 0.4.13)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from evalharness.data.yaml_lines import Function
from evalharness.events import warn
from evalharness.file_benchmarks.lm_eval.catalog import TaskCatalog
from evalharness.file_benchmarks.lm_eval.config import TaskConfig
from evalharness.file_benchmarks.lm_eval.filters import pipeline_names
from evalharness.file_benchmarks.lm_eval.measures import listed_metrics, our_metric_name
from evalharness.file_benchmarks.lm_eval.members import GroupFigure, GroupMembers, GroupTask
from evalharness.records import Estimate
from evalharness.stats.intervals import mean_of_estimates

TaskFigures = Mapping[str, Mapping[str, Estimate]]  # by task and metric


def group_figures(catalog: TaskCatalog, figures: TaskFigures) -> dict[str, Estimate]:
    """`GROUP METRIC` for every group all of whose tasks have figures. A group within another that asks its tasks
    otherwise than their files do is called `OUTER/GROUP`."""
    made: dict[str, Estimate] = {}
    for root in catalog.groups_of(figures):
        tasks = {name: _RunTask.of(task, root.name, figures) for name, task in root.run_tasks().items()}
        for group in root.groups():
            name = _name(group, root)
            found = [tasks[task.task] for task in group.tasks()]
            if name is not None and found:
                made |= {f"{name} {label}": one for label, one in _figures_of(group, found)}
    return made


def _name(group: GroupMembers, root: GroupMembers) -> str | None:
    """What a group is called within one that was run; None where it has the same figures on its own."""
    if group is root or group.name.startswith(f"{root.name}::"):
        return group.name
    return f"{root.name}/{group.name}" if any("/" in one.name(root.name) for one in group.tasks()) else None


@dataclass(frozen=True)
class _RunTask:
    """A task with its figures. `filters` are the names of its pipelines, the first of which has none in ours."""

    task: str
    config: TaskConfig
    figures: Mapping[str, Estimate]
    filters: tuple[str, ...]

    @staticmethod
    def of(task: GroupTask, root: str, figures: TaskFigures) -> _RunTask:
        config = TaskConfig(task.document())
        return _RunTask(task.task, config, figures[task.name(root)], pipeline_names(config))

    def figure(self, metric: str, filter_name: str) -> Estimate | None:
        """Theirs of this name, if there is one."""
        if filter_name not in self.filters or not self._measures(metric):
            return None
        mark = f",{filter_name}" if self.filters.index(filter_name) else ""
        return self.figures.get(f"{self.label(metric)}{mark}")

    @property
    def _by_code(self) -> bool:
        return self.config.function("process_results") is not None

    def _measures(self, metric: str) -> bool:
        """Whether it has a metric of that name: `acc` and `exact_match` are both called accuracy here."""
        listed = {str(one["metric"]) for one in listed_metrics(self.config)}
        return self._by_code or metric in listed or metric in self.figures

    def label(self, metric: str) -> str:
        """A metric's name here."""
        functions = any(isinstance(one["metric"], Function) for one in listed_metrics(self.config))
        by_code = functions or self._by_code
        names = [our_metric_name(metric, self.config.kind, own) for own in (by_code, not by_code)]
        return next((name for name in names if name in self.figures), names[0])

    @property
    def size(self) -> int:
        """Its documents: as many as the metric of the most of them has."""
        return max((one.n for one in self.figures.values()), default=0)


def _figures_of(group: GroupMembers, tasks: Sequence[_RunTask]) -> Iterator[tuple[str, Estimate]]:
    """Each figure with its name: that of the metric, with the filter behind it unless it is every task's first. Of two
    metrics that have one name here the later keeps lm-evaluation-harness's."""
    named: dict[str, str] = {}
    for wanted in group.figures:
        there = (
            wanted.filters if wanted.filters is not None else sorted({name for one in tasks for name in one.filters})
        )
        if wanted.filters is None and not any(one.figure(wanted.metric, name) for one in tasks for name in there):
            warn(f"the group {group.name} wants {wanted.metric}, which none of its {len(tasks)} tasks has: no figure")
        for filter_name in there:
            found = [(one, made) for one in tasks if (made := one.figure(wanted.metric, filter_name)) is not None]
            if wanted.filters is not None or found:
                _tell_absent(group, f"{wanted.metric},{filter_name}", len(found), len(tasks))
            if found:
                plain = all(one.filters[0] == filter_name for one in tasks)
                label = found[0][0].label(wanted.metric)
                if named.setdefault(label, wanted.metric) != wanted.metric:
                    label = wanted.metric
                yield label + ("" if plain else f",{filter_name}"), _mean(wanted, found)


def _tell_absent(group: GroupMembers, name: str, found: int, tasks: int) -> None:
    if found < tasks:
        warn(f"the group {group.name}: {tasks - found} of its {tasks} tasks have no {name}; the others make its figure")


def _mean(wanted: GroupFigure, found: Sequence[tuple[_RunTask, Estimate]]) -> Estimate:
    """The mean of figures, each counting as one or by its task's size."""
    weights = [float(task.size) for task, _ in found] if wanted.by_size else None
    return mean_of_estimates([made for _, made in found], weights)
