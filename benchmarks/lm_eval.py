"""lm-evaluation-harness's tasks as they are (https://github.com/EleutherAI/lm-evaluation-harness): `lm_eval/TASK`.

TASK is a task, a group, a tag, several with commas between, or a glob.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from evalharness.benchmark import Benchmark, Family
from evalharness.errors import UserError
from evalharness.events import warn
from evalharness.records import Estimate

# What reads the tasks is imported in the functions: a list of all benchmarks does without.


def open_task(task: str, data: Path | None) -> Benchmark:
    """The benchmark of one task."""
    from evalharness.file_benchmarks.lm_eval.catalog import open_catalog
    from evalharness.file_benchmarks.lm_eval.task import open_catalog_task

    return open_catalog_task(open_catalog(), task)


def reopen(task: str, file: Path) -> Benchmark:
    """The benchmark of a run's task by the file that described it: of a group, where the group asks it its own way; as
    the prompt format behind its name has it."""
    from evalharness.file_benchmarks.lm_eval.catalog import GROUP_MARKS, catalog_with
    from evalharness.file_benchmarks.lm_eval.formats import AT
    from evalharness.file_benchmarks.lm_eval.task import open_catalog_task, open_lm_eval_file

    by_group = any(mark in task for mark in GROUP_MARKS)
    if by_group:
        return open_catalog_task(catalog_with(file), task)
    return open_lm_eval_file(file, selection=task.partition(AT)[2])


def members(task: str, data: Path | None) -> tuple[str, ...]:
    """The tasks that a name stands for."""
    from evalharness.file_benchmarks.lm_eval.catalog import open_catalog

    return open_catalog().find(task)


def group_averages(figures: Mapping[str, Mapping[str, Estimate]]) -> Mapping[str, Estimate]:
    """The figures of every group all of whose tasks were run; none where the groups' files are not there."""
    from evalharness.file_benchmarks.lm_eval.catalog import open_catalog
    from evalharness.file_benchmarks.lm_eval.groups import group_figures

    try:
        return group_figures(open_catalog(), figures)
    except UserError as error:
        warn(f"there are no figures of groups: {error}")
        return {}


family = Family(tasks=(), open=open_task, members=members, average=group_averages, reopen=reopen)
