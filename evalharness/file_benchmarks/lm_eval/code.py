"""The Python that a task file names (`!function module.name`): run without trust, in a process of the sandbox.

The process sees the standard library, the packages that the code imports and the tasks' folder, all read-only; rows
and texts go in and out as JSON. With `--trust-task-code` the same calls are made in this process.
"""

from __future__ import annotations

import atexit
import builtins
import hashlib
import importlib.util
import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from evalharness.data.files import inside as inside_folder
from evalharness.data.yaml_lines import Function, YamlDocument, YamlPath
from evalharness.errors import DataError, UserError, option_name
from evalharness.file_benchmarks.lm_eval import inside, inside_class, inside_squad
from evalharness.file_benchmarks.lm_eval.settings import TaskCodeSettings, task_code_settings
from evalharness.file_benchmarks.lm_eval.source_files import LM_EVAL, may_define, reached_from
from evalharness.sandbox.pool import Sandbox
from evalharness.sandbox.program import Program
from evalharness.sandbox.service import Service, ServiceEnded
from evalharness.sandbox.tiers import open_sandbox, sandbox_like

_PROGRAMS = 10_000  # of one question
_NOT_GIVEN = {"class", "include", "tag", "group", "task_list"}  # to a task's class
_SERVICES = 8  # processes that are kept for further calls
_PRELOAD = {
    "numpy": "numpy",
    "datasets": "datasets",
    "lm_eval": "lm_eval.tasks",
    "evaluate": "evaluate",
    "sklearn": "sklearn.metrics",
}
_MARK = f"/{LM_EVAL}/tasks/"
# What a task's code raises whatever it is given: a package that is not there, what the sandbox forbids.
_ANYWAY = {
    name for name, kind in vars(builtins).items() if isinstance(kind, type) and issubclass(kind, ImportError | OSError)
}


class TaskCodeError(DataError):
    """A task's code raised on what it was given: another answer may do."""


@dataclass(frozen=True)
class TaskFunction:
    """A function or class that a task file names, and the place that names it. `MODULE.CLASS#PART` is a part of a
    task's class (`inside_class.part`)."""

    document: YamlDocument = field(repr=False)
    where: YamlPath
    spelled: str

    @property
    def folder(self) -> Path:
        """The folder of the file that names it."""
        return self.document.file_of(self.where).parent

    @property
    def module(self) -> str:
        return self.spelled.partition("#")[0].rpartition(".")[0]

    @property
    def name(self) -> str:
        """What it is called in its module."""
        return self.spelled.partition("#")[0].rpartition(".")[2]

    @property
    def file(self) -> Path | None:
        """The file beside the YAML file; None for an installed module."""
        found = self.folder / (self.module.replace(".", "/") + ".py")
        return found.resolve() if found.is_file() else None

    def check(self) -> None:
        """DataError for a reference without module, or to a file that defines no such name."""
        if not self.module:
            raise self.document.error(self.where, f"!function {self.spelled} names no module: wanted MODULE.NAME")
        if self.file is not None and not may_define(self.file, self.name):
            raise self.document.error(self.where, f"{self.file.name} defines no {self.name}")
        if self.file is None and importlib.util.find_spec(self.module.partition(".")[0]) is None:
            said = f"there is no {self.module.replace('.', '/')}.py beside it and no installed module {self.module}"
            raise self.document.error(self.where, said)


def named_functions(document: YamlDocument, value: Any = None, where: YamlPath = ()) -> Iterator[TaskFunction]:
    """Every function that a task file names, wherever it stands."""
    value = document.value if not where else value
    if isinstance(value, Function):
        yield TaskFunction(document, where, str(value))
    elif isinstance(value, Mapping):
        for key, one in value.items():
            yield from named_functions(document, one, (*where, key))
    elif isinstance(value, list):
        for i, one in enumerate(value):
            yield from named_functions(document, one, (*where, i))


@dataclass(frozen=True)
class TaskCode:
    """The Python of one task file. `root` is the folder that is shown to it, `sha256` that of all files that it is made
    of, `packages` what it imports besides; `given` is the file as it stands, of which a class made `document`."""

    document: YamlDocument = field(repr=False)
    given: YamlDocument = field(repr=False)
    root: Path
    settings: TaskCodeSettings
    files: tuple[Path, ...]
    packages: tuple[str, ...]
    sha256: str

    def call(self, do: str, by: TaskFunction, /, *, seconds: float = 0.0, **message: Any) -> Any:
        """What a message is answered with. DataError by the line that names the function where it fails."""
        where, spelled = by.where, by.spelled
        try:
            said = self._answered({"do": do, **message}, self.settings.seconds + seconds)
        except ServiceEnded as ended:
            raise self.document.error(where, f"{spelled} in the sandbox: {ended}") from ended
        if "error" in said:
            line = f" ({said['line']})" if said.get("line") else ""
            error = self.document.error(where, f"{spelled} fails: {said['error']}{line}{self._hint(said['error'])}")
            raise error if said["error"].partition(":")[0] in _ANYWAY else TaskCodeError(str(error))
        return said["value"]

    def named(self, function: TaskFunction) -> dict[str, Any]:
        """A function as the process that runs it finds it."""
        module = function.module
        folder = str(function.folder.resolve())
        called = str(function.file.with_suffix("")) if function.file is not None else module
        if function.file is not None and _MARK in str(function.file):
            inner = str(function.file.with_suffix("")).partition(_MARK)[2]
            called = f"{LM_EVAL}.tasks.{inner.replace('/', '.')}"
        if not self.settings.trusted:
            folder = f"{inside.SHOWN}/{os.path.relpath(folder, self.root)}"
        named = {"folder": folder, "module": module, "name": function.name, "called": called}
        part = function.spelled.partition("#")[2]
        return {**named, "part": part, "settings": self._class_settings()} if part else named

    def _class_settings(self) -> dict[str, Any]:
        """What a task's class is made with: the rest of what its file says."""
        said = {key: one for key, one in self.given.value.items() if key not in _NOT_GIVEN}
        return {
            key: {inside_class.FUNCTION: self.named(TaskFunction(self.given, (key,), str(one)))}
            if isinstance(one, Function) else one
            for key, one in said.items()
        }  # fmt: skip

    def _answered(self, message: dict[str, Any], seconds: float) -> dict[str, Any]:
        if self.settings.trusted:
            return inside.answer(message)
        found = _processes.of(self).call(message, seconds)
        return found if isinstance(found, dict) else {"error": "what it answers is no answer"}

    def _hint(self, error: str) -> str:
        name = error.partition("No module named ")[2].strip("'").partition(".")[0]
        if not error.startswith("ModuleNotFoundError") or not name:
            return ""
        return f"; `pip install {name}`, or {option_name('sandbox_packages', 'VENV:' + name)}"


def task_code(document: YamlDocument, root: Path | None = None) -> TaskCode:
    """The Python that a task file names, none of it run yet. DataError for a function that is not there."""
    named = list(named_functions(document))
    for function in named:
        function.check()
    shown = (root or _root_of(document.file)).resolve()
    folders = [inside_folder(shown, function.folder.resolve(), document.file) for function in named]
    shown = Path(os.path.commonpath([shown, *folders]))
    files, packages = reached_from([function.file for function in named if function.file is not None], shown)
    packages |= {function.module.partition(".")[0] for function in named if function.file is None}
    if any(function.where[0] in ("process_docs", "fewshot_config", "class") for function in named):
        packages |= {"datasets"}
    total = hashlib.sha256()
    for file in files:
        total.update(f"{file.relative_to(shown) if file.is_relative_to(shown) else file.name}\0".encode())
        total.update(file.read_bytes())
    return TaskCode(
        document,
        document,
        shown,
        task_code_settings(),
        files,
        tuple(sorted(packages)),
        total.hexdigest() if files else "",
    )


def _root_of(file: Path) -> Path:
    """The folder that the code of a lone file may read: lm_eval's folder of tasks where it lies there, else its own."""
    before, mark, _ = str(file.resolve()).partition(_MARK)
    return Path(before + mark) if mark else file.parent


class _Processes:
    """The processes that run code, kept for further calls: one for each folder of tasks, so that no code is in reach of
    another folder's. The oldest goes where there are too many."""

    def __init__(self) -> None:
        self._sandboxes: dict[tuple[Any, ...], Sandbox] = {}
        self._services: OrderedDict[tuple[Any, ...], _Locked] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, code: TaskCode) -> _Locked:
        """The process of a task's code, started where there is none."""
        packages = code.settings.packages or _installed(code.packages)
        place = (code.settings.sandbox, packages, str(code.root))
        key = (*place, str(code.document.file.parent), code.sha256)
        with self._lock:
            found = self._services.get(key)
            if found is None or found.ended:
                found = self._services[key] = self._started(code, place, packages)
            self._services.move_to_end(key)
            while len(self._services) > _SERVICES:
                self._services.popitem(last=False)[1].close()
            return found

    def _started(self, code: TaskCode, place: tuple[Any, ...], packages: tuple[str, ...]) -> _Locked:
        sandbox = self._sandbox(code, place, packages)

        def programs() -> Sandbox:
            key = (place[0], "programs")
            with self._lock:
                if key not in self._sandboxes:
                    self._sandboxes[key] = sandbox_like(sandbox, packages=(), folders={}, preload=())
                return self._sandboxes[key]

        return _Locked(sandbox.serve(_source()), programs)

    def _sandbox(self, code: TaskCode, place: tuple[Any, ...], packages: tuple[str, ...]) -> Sandbox:
        if place not in self._sandboxes:
            if code.settings.sandbox == "none" or code.settings.sandbox.partition(":")[0] in _ENGINES:
                raise UserError(
                    f"{option_name('sandbox', code.settings.sandbox)} runs no code of task files; say "
                    f"{option_name('trust_task_code', True)} to run it with all your rights"
                )
            names = {word.rpartition(":")[2] for word in packages}
            shown: dict[str, Any] = {
                "packages": packages,
                "folders": {inside.SHOWN: str(code.root)},
                "preload": [module for name, module in _PRELOAD.items() if name in names],
            }
            tested = next((one for (tier, *_), one in self._sandboxes.items() if tier == place[0]), None)
            try:
                made = sandbox_like(tested, **shown) if tested else open_sandbox(place[0], workers=1, **shown)
            except UserError as error:
                said = f"{option_name('trust_task_code', True)} runs the task's code with all your rights"
                raise UserError(f"{error}; {said}") from error
            self._sandboxes[place] = made
        return self._sandboxes[place]

    def close(self) -> None:
        """End all processes."""
        with self._lock:
            while self._services:
                self._services.popitem()[1].close()
            while self._sandboxes:
                self._sandboxes.popitem()[1].close()


_ENGINES = ("docker", "podman", "gvisor")


class _Locked:
    """A service that several threads may call."""

    def __init__(self, service: Service, programs: Callable[[], Sandbox]) -> None:
        self._service, self._programs = service, programs
        self._lock, self.ended = threading.Lock(), False

    def call(self, message: dict[str, Any], seconds: float) -> Any:
        with self._lock:
            try:
                found = self._service.call(message, seconds)
                while isinstance(found, dict) and found.get("ask") == "programs":
                    found = self._service.call({"said": self._passed(found.get("programs"))}, seconds)
                return found
            except ServiceEnded:
                self.ended = True
                raise

    def _passed(self, asked: Any) -> list[bool]:
        """Which programs pass their tests, each in a process of its own that sees neither task nor packages."""
        listed = asked if isinstance(asked, list) else []
        texts = [(str(one.get("source")), str(one.get("test"))) for one in listed[:_PROGRAMS] if isinstance(one, dict)]
        programs = [Program(source=source, test=test, entry="") for source, test in texts]
        return [self._programs().run(program, "inproc").verdict == "pass" for program in programs]

    def close(self) -> None:
        self.ended = True
        self._service.close()


_processes = _Processes()
atexit.register(_processes.close)


@cache
def _installed(names: tuple[str, ...]) -> tuple[str, ...]:
    """Those of some modules that are installed here; what is not there, the code will say."""
    return tuple(name for name in names if importlib.util.find_spec(name) is not None)


@cache
def _source() -> str:
    """The texts of `inside` and what is beside it as modules of their own in the fenced process, and its loop."""
    files = [Path(str(module.__file__)) for module in (inside_class, inside_squad, inside)]
    texts = [(file.stem, file.read_text(encoding="utf-8")) for file in files]
    return (
        "import sys, types\n"
        f"for name, text in {texts!r}:\n"
        "    module = sys.modules[f'evalh_{name}'] = types.ModuleType(f'evalh_{name}')\n"
        "    exec(compile(text, f'{name}.py', 'exec', dont_inherit=True), module.__dict__)\n"
        "module.serve_task_code(3)\n"
    )
