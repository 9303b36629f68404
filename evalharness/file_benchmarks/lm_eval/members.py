"""What a group holds, and what it says over the files of its tasks (lm_eval/tasks/_factory.py, version 0.4.13).

A group may give its tasks other settings than their files do, for all of them at its top or for one beside its name.
Of a setting that is said more than once, what stands beside the task's name counts before what the groups around say,
an outer group before an inner one, and the task's own file last.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from evalharness.data.yaml_lines import Function, YamlDocument, YamlPath
from evalharness.errors import DataError
from evalharness.events import warn
from evalharness.file_benchmarks.lm_eval.config import MARKS, read_task_file, with_includes

DEEPEST_GROUPS = 20
_NAMING = {"task", "task_alias", "tag", "task_list", "group", "group_alias", "aggregate_metric_list", "include"}
_OF_GROUP = _NAMING | {"metadata"}  # what a group says of itself, and not of its tasks
_FIGURE_KEYS = {"metric", "filter_list", "aggregation", "weight_by_size"}


@dataclass(frozen=True, kw_only=True)
class GroupFigure:
    """One entry of a group's `aggregate_metric_list`: the mean of a metric over the group's tasks, each counting as one
    or by its size; after the named filters, or (None) after each that a task has."""

    metric: str
    filters: tuple[str, ...] | None
    by_size: bool


@dataclass(frozen=True, kw_only=True)
class TaskEntry:
    """A name that can be run: a task with its file, a group with its members, or a tag with its tasks."""

    name: str
    file: Path | None
    root: Path
    members: tuple[Any, ...] = ()
    tags: tuple[str, ...] = ()
    kind: str = "task"


@dataclass(frozen=True, kw_only=True)
class GroupTask:
    """A task as a group has it. `task` is lm-evaluation-harness's name, `entry` what has its file (None: the group's
    file describes it), `over` what groups say over that file."""

    task: str
    entry: TaskEntry | None
    over: YamlDocument | None = field(default=None, repr=False)

    def name(self, root: str) -> str:
        """What it is run under: its own name, behind that of the group `root` that it was asked for where it is asked
        otherwise than by its own file."""
        own = self.entry is None and self.task.startswith(f"{root}::")
        return self.task if self.over is None or own else f"{root}/{self.task}"

    def document(self) -> YamlDocument:
        """Its file with all that groups say over it, every key with its own file and line."""
        base = None if self.entry is None or self.entry.file is None else read_task_file(self.entry.file)
        if base is None or self.over is None:
            found = base if base is not None else self.over
            assert found is not None
            return found
        laid = self.over.over(base)
        return replace(laid, file=base.file, files={**dict.fromkeys(self.over.value, self.over.file), **laid.files})


@dataclass(frozen=True, kw_only=True)
class GroupMembers:
    """A group with its tasks and groups by their names."""

    name: str
    figures: tuple[GroupFigure, ...]
    members: Mapping[str, GroupTask | GroupMembers]

    def tasks(self) -> tuple[GroupTask, ...]:
        """All tasks in their order; one that two of its groups have stands there twice."""
        found: list[GroupTask] = []
        for member in self.members.values():
            found += (member,) if isinstance(member, GroupTask) else member.tasks()
        return tuple(found)

    def groups(self) -> Iterator[GroupMembers]:
        """Itself, and all groups in it."""
        yield self
        for member in self.members.values():
            if isinstance(member, GroupMembers):
                yield from member.groups()

    def run_tasks(self) -> dict[str, GroupTask]:
        """The tasks by lm-evaluation-harness's names: of one that is there twice, the last counts."""
        return {one.task: one for one in self.tasks()}


def group_members(entries: Mapping[str, TaskEntry], name: str) -> GroupMembers:
    """The members of a registered group. DataError by file and line for a group that is part of itself, or that names
    what there is not."""
    return _Members(entries).of_entry(entries[name], None, ())


@dataclass(frozen=True)
class _Members:
    entries: Mapping[str, TaskEntry]

    def of_entry(self, entry: TaskEntry, over: YamlDocument | None, above: tuple[str, ...]) -> GroupMembers:
        if entry.name in above or len(above) > DEEPEST_GROUPS:
            ring = " > ".join((*above, entry.name))
            raise DataError(f"{entry.file}:1: the group {entry.name} is part of itself ({ring})")
        assert entry.file is not None
        document = read_task_file(entry.file)
        return self._group(entry.name, document, (), over, (*above, entry.name))

    def _group(
        self, name: str, document: YamlDocument, where: YamlPath, over: YamlDocument | None, above: tuple[str, ...]
    ) -> GroupMembers:
        said = _at(document, where)
        over = _laid(over, _settings(document, where, _OF_GROUP))
        listed = said.get("task") or []
        members: dict[str, GroupTask | GroupMembers] = {}
        for i in range(len(listed) if isinstance(listed, list) else 1):
            place = (*where, "task", i) if isinstance(listed, list) else (*where, "task")
            for one in self._members(name, document, place, over, above):
                members[one.task if isinstance(one, GroupTask) else one.name] = one
        return GroupMembers(name=name, figures=_figures(document, where), members=members)

    def _members(
        self, group: str, document: YamlDocument, where: YamlPath, over: YamlDocument | None, above: tuple[str, ...]
    ) -> Iterator[GroupTask | GroupMembers]:
        """What the entry of `task:` at a place stands for."""
        own = None
        member: Any = _at(document, where)
        named = member
        if isinstance(member, Mapping):
            inner = member.get("group")
            if inner is not None and inner not in self.entries:
                yield self._group(f"{group}::{inner}", document, where, over, above)
                return
            named = member.get("task") if inner is None else inner
            own = _settings(document, where, _NAMING)
        if not isinstance(named, str):
            raise document.error(where, f"the group {group} wants the name of a task, group or tag here")
        over = _laid(own, over)
        if named in self.entries:
            yield from self._registered(self.entries[named], over, above)
        elif own is not None and any(key in own.value for key in MARKS):
            assert over is not None
            task = f"{group}::{named}"
            value = {**over.value, "task": task}
            yield GroupTask(task=task, entry=None, over=replace(over, value=value))
        else:
            raise document.error(where, f"the group {group} names {named!r}, which is no task, group or tag")

    def _registered(
        self, entry: TaskEntry, over: YamlDocument | None, above: tuple[str, ...]
    ) -> Iterator[GroupTask | GroupMembers]:
        if entry.kind == "group":
            yield self.of_entry(entry, over, above)
            return
        for name in entry.members if entry.kind == "tag" else (entry.name,):
            yield GroupTask(task=name, entry=self.entries[name], over=over)


def _at(document: YamlDocument, where: YamlPath) -> Mapping[str, Any]:
    found: Any = document.value
    for part in where:
        found = found[part]
    return found  # type: ignore[no-any-return]


def _settings(document: YamlDocument, where: YamlPath, naming: set[str]) -> YamlDocument | None:
    """What a mapping in a group's file says of tasks, its own `include` resolved; None where it says nothing."""
    said = _at(document, where)
    if not set(said) - naming and (not where or "include" not in said):
        return None
    deep = len(where)
    lines = {place[deep:]: line for place, line in document.lines.items() if place[:deep] == where}
    files = {} if where else document.files
    found = YamlDocument(file=document.file_of(where), value=said, lines=lines, files=files)
    if where:
        found = with_includes(found)
    value = {key: one for key, one in found.value.items() if key not in naming}
    return replace(found, value=value) if value else None


def _laid(over: YamlDocument | None, base: YamlDocument | None) -> YamlDocument | None:
    return over if base is None else base if over is None else over.over(base)


def _figures(document: YamlDocument, where: YamlPath) -> tuple[GroupFigure, ...]:
    said = _at(document, where).get("aggregate_metric_list") or []
    several, found = isinstance(said, list), []
    for i, one in enumerate(said if several else [said]):
        place = (*where, "aggregate_metric_list", *((i,) if several else ()))
        if not isinstance(one, Mapping) or not isinstance(one.get("metric"), str):
            raise document.error(place, "aggregate_metric_list wants entries with a metric")
        for key in one:
            if key not in _FIGURE_KEYS:
                raise document.error((*place, key), f"the key {key!r} of aggregate_metric_list is not understood")
        aggregation = one.get("aggregation", "mean")
        if isinstance(aggregation, Function):
            warn(str(document.error((*place, "aggregation"), "a group's figure is a mean there too, by no function")))
        elif aggregation != "mean":
            raise document.error((*place, "aggregation"), "a group's figure is a mean; no other aggregation is read")
        filters = one.get("filter_list")
        names = None if filters is None else (filters,) if isinstance(filters, str) else tuple(map(str, filters))
        by_size = bool(one.get("weight_by_size", True))
        found.append(GroupFigure(metric=one["metric"], filters=names, by_size=by_size))
    return tuple(found)
