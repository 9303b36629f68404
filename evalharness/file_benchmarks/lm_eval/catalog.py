"""Every task, group and tag below folders of task files, by name; nothing is opened that is not asked for.

Names are resolved as lm-evaluation-harness does (lm_eval/tasks, version 0.4.13): the files of a folder in the order of
their paths, a later folder over an earlier one.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any

from evalharness.errors import UserError, nearest, option_name
from evalharness.events import warn
from evalharness.file_benchmarks.lm_eval.formats import AT
from evalharness.file_benchmarks.lm_eval.members import (
    DEEPEST_GROUPS,
    GroupMembers,
    GroupTask,
    TaskEntry,
    group_members,
)
from evalharness.file_benchmarks.lm_eval.settings import include_folders, included_folders

_IGNORED = {"__pycache__", ".ipynb_checkpoints"}
_KEY = re.compile(r"""^["']?([A-Za-z_][\w-]*)["']?\s*:(?=\s|$)""", re.MULTILINE)
_PLAIN = re.compile(r"""(["']?)([A-Za-z_./][\w./@ -]*)\1""")  # a text that is no other kind of value
_WANTED = ("task", "group", "tag", "include", "class")

GROUP_MARKS = ("/", "::")  # between a group's name and that of a task that is asked in its way

_beside: ContextVar[tuple[Path, ...]] = ContextVar("lm_eval_beside_group_files", default=())


@dataclass(frozen=True)
class TaskCatalog:
    """All names below some folders."""

    entries: Mapping[str, TaskEntry] = field(default_factory=dict)
    _opened: dict[str, GroupMembers] = field(default_factory=dict, repr=False, compare=False)

    def find(self, pattern: str) -> tuple[str, ...]:
        """The tasks of a name, by the names that they are run under: of a task, a group, a tag, several with commas
        between, or a glob. UserError where there are none."""
        found: dict[str, None] = {}
        for word in filter(None, (part.strip() for part in pattern.split(","))):
            found |= dict.fromkeys(self._named(word))
        return tuple(found)

    def _named(self, word: str) -> Iterator[str]:
        """The tasks of one name or glob, of one behind a group's name too."""
        root = None if word in self.entries else self._root_of(word)
        there = self.entries if root is None else self._tasks_of(self.entries[root])
        names = [word] if word in there else [name for name in sorted(there) if fnmatchcase(name, word)]
        if not names and AT in word:
            base, _, chosen = word.rpartition(AT)
            yield from (f"{name}{AT}{chosen}" for name in self._named(base))
            return
        if not names:
            near = nearest(word, there)
            raise UserError(
                f"lm-evaluation-harness's files have no task, group or tag {word!r}{near}; "
                "`evalh list benchmarks --lm-eval` shows them"
            )
        for name in names:
            yield from (name,) if root is not None else self._tasks_of(self.entries[name])

    def _tasks_of(self, entry: TaskEntry) -> tuple[str, ...]:
        if entry.kind == "group":
            found = self.group(entry.name)
            names = {task: one.name(entry.name) for task, one in found.run_tasks().items()}
            for one in found.tasks():
                if one.over != found.run_tasks()[one.task].over:
                    warn(f"the group {entry.name} has {one.task} twice, asked in different ways; the last one counts")
            return tuple(names.values())
        return entry.members if entry.kind == "tag" else (entry.name,)

    def _root_of(self, name: str) -> str | None:
        """The group in whose way a task of that name is asked: `GROUP/TASK`, or `GROUP::TASK` where the group's file
        describes it."""
        root = min((name.partition(mark)[0] for mark in GROUP_MARKS if mark in name), key=len, default="")
        return root if root in self.entries and self.entries[root].kind == "group" else None

    def without_format(self, name: str) -> tuple[str, str]:
        """The name that a task is run under, and the prompt format that stands behind it; '' where there is none."""
        base, _, chosen = (name, "", "") if name in self.entries or AT not in name else name.rpartition(AT)
        return base, chosen

    def task(self, name: str) -> GroupTask:
        """The task that is run under a name. UserError where there is none."""
        if name in self.entries:
            return GroupTask(task=name, entry=self.entries[name])
        root = self._root_of(name)
        there = {} if root is None else {one.name(root): one for one in self.group(root).run_tasks().values()}
        if name not in there:
            raise UserError(f"lm-evaluation-harness's files have no task {name!r}{nearest(name, there)}")
        return there[name]

    def described_by(self, name: str) -> TaskEntry:
        """Who says how a task is asked: its own entry, or that of the group that asks it its own way."""
        root = None if name in self.entries else self._root_of(name)
        return self.entries[name if root is None else root]

    def group(self, name: str) -> GroupMembers:
        """The members of a group. DataError for one that is part of itself, or that names what there is not."""
        if name not in self._opened:
            self._opened[name] = group_members(self.entries, name)
        return self._opened[name]

    def groups_of(self, tasks: Collection[str]) -> Iterator[GroupMembers]:
        """The groups that have figures of their own or groups with such in them, and whose tasks are among those that
        are run under these names."""
        plain = {re.split("|".join(GROUP_MARKS), name)[-1] for name in tasks}
        for entry in self.entries.values():
            if entry.kind != "group" or not all(one in plain for one in self._plain(entry.members)):
                continue
            found = self.group(entry.name)
            names = {one.name(entry.name) for one in found.run_tasks().values()}
            if names and names <= set(tasks):
                yield found

    def _plain(self, members: Sequence[Any], depth: int = 0) -> Iterator[Any]:
        """The last parts of the names of a group's tasks, found without opening its file."""
        for member in members:
            named = member
            if isinstance(member, Mapping):
                named = member.get("group") or member.get("task")
            entry = self.entries.get(named) if isinstance(named, str) else None
            if entry is not None and entry.kind != "task" and depth < DEEPEST_GROUPS:
                yield from self._plain(entry.members, depth + 1)
            elif entry is None and isinstance(member, Mapping) and "group" in member:
                inner = member.get("task") or ()
                yield from self._plain(inner if isinstance(inner, list) else (inner,), depth + 1)
            else:
                yield str(named)


def open_catalog() -> TaskCatalog:
    """The names of the installed lm_eval's task files and of the folders of `--include-path`. UserError where there are
    neither."""
    folders = [*_installed(), *included_folders()]
    if not folders and not _beside.get():
        raise UserError(
            "lm_eval/TASK wants lm-evaluation-harness's task files: `pip install lm_eval`, or "
            f"{option_name('include_path', 'FOLDER')} with a folder of them"
        )
    return _catalog(tuple(folders), _beside.get())


def catalog_with(group_file: Path) -> TaskCatalog:
    """The names that are known, and those of the folder of a group's file where that group is none of them."""
    folders = (*_installed(), *included_folders())
    known, wanted = _catalog(folders), group_file.resolve()
    if any(entry.kind == "group" and str(entry.file) == str(wanted) for entry in known.entries.values()):
        return known
    return _catalog((*folders, wanted.parent))


def tasks_of_group_file(file: Path) -> tuple[str, ...]:
    """The tasks of a group that is named by its file. The files beside it are known from here on."""
    folder = file.resolve().parent
    if folder not in (*included_folders(), *_beside.get()):
        _beside.set((*_beside.get(), folder))
    said = _own_names(file.resolve())
    return open_catalog().find(str(said.get("group")))


@cache
def _catalog(folders: tuple[Path, ...], beside: tuple[Path, ...] = ()) -> TaskCatalog:
    """`beside`: folders of which only the files that lie in them themselves are read."""
    found: dict[str, TaskEntry] = {}
    for folder, files in [(f, f.rglob("*.yaml")) for f in folders] + [(f, f.glob("*.yaml")) for f in beside]:
        for name, entry in _entries(folder, files).items():
            if name in found and found[name].file != entry.file:
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


def _entries(root: Path, files: Iterable[Path]) -> dict[str, TaskEntry]:
    found: dict[str, TaskEntry] = {}
    tagged: dict[str, list[str]] = {}
    for file in sorted(files, key=lambda path: path.as_posix()):
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
        return TaskEntry(name=said["group"], file=file, root=root, members=members, tags=tags, kind="group")
    name = said.get("task")
    return TaskEntry(name=name, file=file, root=root, tags=tags) if isinstance(name, str) else None


def _names(file: Path, depth: int = 0) -> dict[str, Any]:
    """What a file and those that it includes say of names: a dozen keys of thousands of files are read in a second."""
    own = dict(_own_names(file))
    included = own.pop("include", ())
    found: dict[str, Any] = {}
    for name in included if isinstance(included, list) else [included]:
        other = file.parent / str(name)
        if isinstance(name, str) and other.is_file() and depth < DEEPEST_GROUPS:
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


def lm_eval_rows(what: str, search: str, folders: Sequence[Path]) -> list[dict[str, Any]]:
    """A row for each name of lm-evaluation-harness's with these words in it; all names where there are none. UserError
    where something else than benchmarks is wanted."""
    if what != "benchmarks":
        raise UserError(f"{option_name('lm_eval', search)} lists benchmarks; there is {what!r}")
    include_folders(folders)
    catalog = open_catalog()
    words = search.lower().split()
    found = [e for name, e in sorted(catalog.entries.items()) if all(word in name.lower() for word in words)]
    return [
        {
            "name": f"lm_eval/{entry.name}",
            "kind": entry.kind,
            "tasks": 1 if entry.kind == "task" else len(entry.members),
            "file": "" if entry.file is None else str(entry.file.relative_to(entry.root)),
        }
        for entry in found
    ]
