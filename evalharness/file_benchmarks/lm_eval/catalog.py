"""Every task, group and tag below folders of task files, by name; nothing is opened that is not asked for.

Names are resolved as lm-evaluation-harness does (lm_eval/tasks, version 0.4.13): the files of a folder in the order of
their paths, a later folder over an earlier one.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any

from evalharness.errors import DataError, UserError, nearest, option_name
from evalharness.events import warn

_IGNORED = {"__pycache__", ".ipynb_checkpoints"}
_KEY = re.compile(r"""^["']?([A-Za-z_][\w-]*)["']?\s*:(?=\s|$)""", re.MULTILINE)
_PLAIN = re.compile(r"""(["']?)([A-Za-z_./][\w./@ -]*)\1""")  # a text that is no other kind of value
_WANTED = ("task", "group", "tag", "include", "class", "aggregate_metric_list", "group_alias")
_DEEPEST = 20

_folders: ContextVar[tuple[Path, ...]] = ContextVar("lm_eval_folders", default=())


def include_folders(folders: Sequence[Path]) -> None:
    """Folders of task files beside those of an installed lm_eval (`--include-path`)."""
    for folder in folders:
        if not folder.expanduser().is_dir():
            raise UserError(f"{option_name('include_path', folder)}: there is no such folder")
    _folders.set(tuple(folder.expanduser().resolve() for folder in folders))


@dataclass(frozen=True, kw_only=True)
class GroupFigure:
    """One entry of a group's `aggregate_metric_list`: the mean of a metric over the group's tasks, each counting as one
    or by its size."""

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
    figures: tuple[GroupFigure, ...] = ()
    kind: str = "task"


@dataclass(frozen=True)
class TaskCatalog:
    """All names below some folders."""

    entries: Mapping[str, TaskEntry] = field(default_factory=dict)

    def find(self, pattern: str) -> tuple[str, ...]:
        """The tasks of a name: of a task, a group, a tag, several with commas between, or a glob. UserError where there
        are none."""
        found: dict[str, None] = {}
        for word in filter(None, (part.strip() for part in pattern.split(","))):
            names = [word] if word in self.entries else [n for n in sorted(self.entries) if fnmatchcase(n, word)]
            if not names:
                near = nearest(word, self.entries)
                raise UserError(
                    f"lm-evaluation-harness's files have no task, group or tag {word!r}{near}; "
                    "`evalh list benchmarks --lm-eval` shows them"
                )
            for name in names:
                found |= dict.fromkeys(self.tasks_of(name))
        return tuple(found)

    def tasks_of(self, name: str, above: tuple[str, ...] = ()) -> tuple[str, ...]:
        """The tasks that a name stands for, itself where it is one. DataError for a group that is part of itself."""
        entry = self.entries[name]
        if entry.kind == "task":
            return (name,)
        if name in above or len(above) > _DEEPEST:
            raise DataError(f"{entry.file}:1: the group {name} is part of itself ({' > '.join((*above, name))})")
        found: dict[str, None] = {}
        for member in entry.members:
            found |= dict.fromkeys(self._tasks_of_member(entry, member, (*above, name)))
        return tuple(found)

    def _tasks_of_member(self, entry: TaskEntry, member: Any, above: tuple[str, ...]) -> tuple[str, ...]:
        """A name, or a mapping that names a task or group, or writes down a group."""
        named: Any = member.get("group") or member.get("task") if isinstance(member, Mapping) else member
        if isinstance(named, list) or (isinstance(member, Mapping) and "group" in member and named not in self.entries):
            inner = member.get("task") or ()
            inner = inner if isinstance(inner, list) else [inner]
            return tuple(task for one in inner for task in self._tasks_of_member(entry, one, above))
        if named not in self.entries:
            raise DataError(f"{entry.file}:1: the group {entry.name} names {named!r}, which is no task, group or tag")
        return self.tasks_of(named, above)

    def groups(self) -> Iterator[TaskEntry]:
        """The groups that have figures of their own."""
        return (entry for entry in self.entries.values() if entry.figures)


def open_catalog() -> TaskCatalog:
    """The names of the installed lm_eval's task files and of the folders of `--include-path`. UserError where there are
    neither."""
    folders = [*_installed(), *_folders.get()]
    if not folders:
        raise UserError(
            "lm_eval/TASK wants lm-evaluation-harness's task files: `pip install lm_eval`, or "
            f"{option_name('include_path', 'FOLDER')} with a folder of them"
        )
    return _catalog(tuple(folders))


@cache
def _catalog(folders: tuple[Path, ...]) -> TaskCatalog:
    found: dict[str, TaskEntry] = {}
    for folder in folders:
        for name, entry in _entries(folder).items():
            if name in found:
                warn(f"{entry.file}: {name} takes the place of the task of that name in {found[name].file}")
            found[name] = entry
    return TaskCatalog(found)


def _installed() -> list[Path]:
    try:
        spec = importlib.util.find_spec("lm_eval")
    except (ImportError, ValueError):
        spec = None
    places = list(spec.submodule_search_locations or ()) if spec is not None else []
    return [Path(place) / "tasks" for place in places if (Path(place) / "tasks").is_dir()]


def _entries(root: Path) -> dict[str, TaskEntry]:
    found: dict[str, TaskEntry] = {}
    tagged: dict[str, list[str]] = {}
    for file in sorted(root.rglob("*.yaml"), key=lambda path: path.as_posix()):
        if _IGNORED & set(file.parts):
            continue
        entry = _entry(_names(file), file, root)
        if entry is None:
            continue
        if entry.name in found:
            warn(f"{file}:1: {entry.name} is there already, in {found[entry.name].file}; the first one counts")
            continue
        found[entry.name] = entry
        for tag in entry.tags if entry.kind == "task" else ():
            tagged.setdefault(tag, []).append(entry.name)
    for tag, names in tagged.items():
        if tag not in found:
            found[tag] = TaskEntry(name=tag, file=None, root=root, members=tuple(sorted(names)), kind="tag")
    return found


def _entry(said: Mapping[str, Any], file: Path, root: Path) -> TaskEntry | None:
    tags = said.get("tag") or ()
    tags = (tags,) if isinstance(tags, str) else tuple(map(str, tags))
    if isinstance(said.get("group"), str) and "class" not in said:
        members = said.get("task") or ()
        members = tuple(members) if isinstance(members, list) else (members,)
        figures = said.get("aggregate_metric_list") or []
        return TaskEntry(
            name=said["group"], file=file, root=root, members=members, tags=tags, kind="group",
            figures=tuple(map(_figure, figures if isinstance(figures, list) else [figures])),
        )  # fmt: skip
    name = said.get("task")
    return TaskEntry(name=name, file=file, root=root, tags=tags) if isinstance(name, str) else None


def _figure(said: Mapping[str, Any]) -> GroupFigure:
    filters = said.get("filter_list")
    names = None if filters is None else (filters,) if isinstance(filters, str) else tuple(map(str, filters))
    return GroupFigure(metric=str(said.get("metric")), filters=names, by_size=bool(said.get("weight_by_size", True)))


def _names(file: Path, depth: int = 0) -> dict[str, Any]:
    """What a file and those that it includes say of names: a dozen keys of thousands of files are read in a second."""
    own = dict(_own_names(file))
    included = own.pop("include", ())
    found: dict[str, Any] = {}
    for name in included if isinstance(included, list) else [included]:
        other = file.parent / str(name)
        if isinstance(name, str) and other.is_file() and depth < _DEEPEST:
            found |= _names(other, depth + 1)
    return {**found, **own}


@cache
def _own_names(file: Path) -> Mapping[str, Any]:
    text = file.read_text(encoding="utf-8", errors="replace")
    marks = list(_KEY.finditer(text))
    ends = [mark.start() for mark in marks[1:]] + [len(text)]
    found: dict[str, Any] = {}
    blocks = []  # what only a reader of YAML can tell
    for mark, end in zip(marks, ends, strict=True):
        if mark[1] in _WANTED:
            plain = _PLAIN.fullmatch(text[mark.end() : end].strip())
            if plain and plain[2].lower() not in ("null", "true", "false", "yes", "no", "on", "off"):
                found[mark[1]] = plain[2]
            else:
                blocks.append(text[mark.start() : end])
    return {**found, **_read_blocks("".join(blocks))}


def _read_blocks(text: str) -> Mapping[str, Any]:
    """Some keys of a file with their values, functions left out; empty where they are no YAML: that is said by its line
    when the file is opened."""
    if not text:
        return {}
    import yaml

    try:
        value = _names_loader()(text).get_single_data()
    except yaml.YAMLError:
        return {}
    return value if isinstance(value, dict) else {}


@cache
def _names_loader() -> Any:
    import yaml

    base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    loader: Any = type("NamesLoader", (base,), {})
    loader.add_multi_constructor("!", lambda reader, suffix, node: None)
    return loader
