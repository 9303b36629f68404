"""Finds benchmarks, judges and models by name.

An entry point in the group `evalharness.benchmarks`, `evalharness.judges` or `evalharness.models` names a *package*;
every module in it that does not start with an underscore is a plug-in, and its file name is its name. The built-ins
come through the same door, so a new plug-in is one file: no registration, no reinstall.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import pkgutil
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass, replace
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, Protocol, cast

from evalharness import options
from evalharness.benchmark import Benchmark, Family
from evalharness.errors import UserError, install_hint, known, nearest, option_name
from evalharness.events import warn
from evalharness.judge import Judge, Panel
from evalharness.model import Askable, Model, Previews
from evalharness.records import Mode

_LONGEST_NAME = 100  # characters of a benchmark's name in its file
PluginKind = Literal["benchmarks", "judges", "models", "importers", "exporters", "executors", "trackers"]


@cache
def modules(kind: PluginKind) -> dict[str, str]:
    """Plug-in name -> dotted module name, for everything installed. Imports the packages, not the plug-ins."""
    found: dict[str, str] = {}
    group = f"evalharness.{kind}"
    own = importlib.metadata.EntryPoint("builtin", group, group)  # also where the installation is older than the group
    entries = sorted(importlib.metadata.entry_points(group=group), key=lambda e: e.name != "builtin")
    for entry in dict.fromkeys((own, *entries)):
        try:
            package = entry.load()
            names = [m.name for m in pkgutil.iter_modules(package.__path__) if not m.name.startswith("_")]
        except Exception as error:  # whatever a third party's import raises, the rest must go on
            warn(f"the plug-in package {entry.value} cannot be imported: {type(error).__name__}: {error}")
            continue
        for name in names:
            dotted = f"{package.__name__}.{name}"
            if found.setdefault(name, dotted) != dotted:
                warn(f"{dotted} has the name of {found[name]} and is not used; rename the file")
    return dict(sorted(found.items()))


def load_plugin(kind: PluginKind, name: str) -> ModuleType:
    """The plug-in's module. UserError names the nearest known name, or what its import raised."""
    found = modules(kind)
    if name not in found:
        wanted = kind.removesuffix("s")
        raise UserError(f"there is no {wanted} called {name!r}{nearest(name, found)}; `evalh list {kind}` shows them")
    try:
        return importlib.import_module(found[name])
    except ModuleNotFoundError as error:
        if error.name and error.name.split(".")[0] == "evalharness":
            raise
        raise UserError(f"{name} needs the package {error.name}: {install_hint(str(error.name))}") from error
    except Exception as error:  # a third party's module may raise anything; one that is broken must not hide the others
        raise UserError(f"the plug-in {found[name]} cannot be imported: {type(error).__name__}: {error}") from error


def load_format(kind: Literal["importers", "exporters"], name: str) -> ModuleType:
    """The module of a file format. UserError lists the formats that there are."""
    found = modules(kind)
    if name not in found:
        raise UserError(f"there is no format {name!r}{nearest(name, found)}; there is {', '.join(found)}")
    return load_plugin(kind, name)


def _there(data: Path | None) -> None:
    if data is not None and not data.expanduser().exists():
        raise UserError(f"{option_name('data', data)}: there is no such file or folder")


def is_file(name: str) -> bool:
    """Whether a benchmark's name is that of a file which describes it, or the name that such a file gives itself."""
    return file_of(name) is not None


_named_files: dict[str, str] = {}  # what files of benchmarks call them -> the file, for this process


def file_of(name: str) -> str | None:
    """The file that describes a benchmark of this name; None where none does."""
    return _named_files.get(name, name if _has_suffix(name) else None)


def recall_file(name: str, file: str | None) -> None:
    """Let a benchmark of an earlier run be known by its name, where the file that described it is still there."""
    if file is None or is_file(name) or name in _added or name.partition("/")[0] in modules("benchmarks"):
        return
    if _has_suffix(file) and Path(file).is_file():
        _named_files[name] = file


def _has_suffix(name: str) -> bool:
    """Whether a name ends as those of files that describe benchmarks and judges do."""
    return Path(name).suffix in _suffixes("benchmarks")


def called(word: str) -> str:
    """The name under which a benchmark is run: a file's is the one that it gives itself, and stands for the file from
    now on; it stays its path where a plug-in has that name, or where it describes a group. DataError for a file that
    describes none."""
    if word in _named_files or not is_file(word) or _members_of_file(word):
        return word
    name = " ".join(load_benchmark(word).name.replace("/", "-").replace("@", "-").split())[:_LONGEST_NAME]
    if not name or name in modules("benchmarks") or name in _added:
        return word
    _named_files[name] = word
    return name


def _members_of_file(name: str) -> tuple[str, ...]:
    """The benchmarks that a file puts together; none where it describes one."""
    file = file_of(name) or name
    reader = _file_reader("benchmarks", file)
    return tuple(reader.tasks_of_file(file)) if hasattr(reader, "tasks_of_file") else ()


def describes_benchmark(name: str) -> bool:
    """Whether a file describes a benchmark, and not something else such as a suite of runs."""
    file = file_of(name) or name
    return bool(_file_reader("benchmarks", file).is_benchmark(file))


@cache
def _suffixes(kind: Literal["benchmarks", "judges"]) -> dict[str, importlib.metadata.EntryPoint]:
    """Suffix -> the module that reads such files: the entry points `evalharness.benchmark_files` and `judge_files`."""
    group = f"evalharness.{kind.removesuffix('s')}_files"
    return {f".{entry.name}": entry for entry in importlib.metadata.entry_points(group=group)}


def _file_reader(kind: Literal["benchmarks", "judges"], name: str) -> ModuleType:
    return cast(ModuleType, _suffixes(kind)[Path(name).suffix].load())


_added: dict[str, Benchmark] = {}  # benchmarks that this program made itself, by name


def add_benchmark(benchmark: Benchmark) -> str:
    """Make a benchmark known by its name to this process, in place of an earlier one so added. Returns the name.

    UserError where it has none, or that of a plug-in.
    """
    name = benchmark.name
    if not name or "/" in name or _has_suffix(name):
        raise UserError(f"a benchmark wants a name without slashes to be run under; there is name={name!r}")
    if name in modules("benchmarks"):
        raise UserError(f"there is a plug-in called {name!r}; give your benchmark another name")
    _added[name] = replace(benchmark, modes=benchmark.modes or _modes(benchmark))
    return name


_PYTHON = ".py"
_python_named: set[str] = set()


def name_python_files(names: Iterable[str]) -> None:
    """Let the benchmarks among these names that are files of Python be run: the user typed them. What a run's folder, a
    baseline or a suite names is never run, for it may come from elsewhere."""
    _python_named.update(name for name in names if Path(name).suffix == _PYTHON)


def load_benchmark(name: str, data: Path | None = None) -> Benchmark:
    """The benchmark `NAME` or `FAMILY/TASK`, or the one that a YAML file describes (`./my_bench.yaml`)."""
    _there(data)
    if name in _added:
        return _added[name]
    if (file := file_of(name)) is not None:
        if Path(file).suffix == _PYTHON and file not in _python_named:
            raise UserError(
                f"{file}: a file of Python is run where `evalh run` or `evalh preview` names it, nowhere else"
            )
        return cast(Benchmark, _file_reader("benchmarks", file).open_file(file, load_judge))
    module_name, _, task = name.partition("/")
    module = load_plugin("benchmarks", module_name)
    if hasattr(module, "family"):
        return _filled_in(_task(cast(Family, module.family), module_name, task, data), name, module)
    if task:
        raise UserError(f"{module_name} has no tasks, but {name!r} names one; say {module_name}")
    if not hasattr(module, "benchmark"):
        raise UserError(f"the plug-in {module.__name__} defines no benchmark: wanted `benchmark` or `family`")
    return _filled_in(cast(Benchmark, module.benchmark), name, module)


def _task(roof: Family, name: str, task: str, data: Path | None) -> Benchmark:
    if not task:
        raise UserError(f"{name} is a family of tasks; name one, such as {name}/{(roof.tasks or ('TASK',))[0]}")
    return roof.open(known(f"task of {name}", task, (*roof.tasks, *roof.optional_tasks)) if roof.tasks else task, data)


def _filled_in(found: Benchmark, name: str, module: ModuleType) -> Benchmark:
    """The benchmark with what its plug-in need not say: its name, where its sample lies, how it can be asked."""
    source = replace(found.source, sample=found.source.sample or _beside(module))
    return replace(found, name=name, source=source, modes=found.modes or _modes(found))


def _modes(found: Benchmark) -> tuple[Mode, ...]:
    return ("rank", "write") if found.prompt.choices is not None else ("write",)


def _beside(module: ModuleType) -> Path:
    return Path(str(module.__file__)).with_name(f"{module.__name__.rpartition('.')[2]}.jsonl")


def bundled(name: str) -> Path:
    """The rows that come along with a plug-in, in the file of its name beside it."""
    return _beside(load_plugin("benchmarks", name))


class KnownData(Protocol):
    """Where the data of a run came from, as its manifest has it (`runs.manifest.DataFacts`)."""

    @property
    def origin(self) -> str | None: ...
    @property
    def kind(self) -> str | None: ...
    @property
    def path(self) -> str | None: ...
    @property
    def described_by(self) -> str | None: ...


def reopened(name: str, data: KnownData) -> Benchmark:
    """The benchmark of a run that was made before, from whatever folder: by the places that its manifest keeps, and
    where they are gone, as on another machine, by what it shows. UserError where only the data tell what it is, and
    there are none."""
    plain = name.removesuffix("@sample")
    if data.described_by is not None and not is_file(plain) and plain.partition("/")[0] not in modules("benchmarks"):
        if not Path(data.described_by).is_file():
            raise UserError(f"{name} is what its file says, and that is gone: {data.described_by}; put it back")
        return load_benchmark(data.described_by)
    family = None if is_file(plain) or "/" not in plain else load_family(plain)
    if data.described_by is not None and Path(data.described_by).is_file():
        if is_file(plain):
            return load_benchmark(data.described_by)
        if family is not None and family.reopen is not None:
            return family.reopen(plain.partition("/")[2], Path(data.described_by))
    there = [path for path in (data.path, data.origin) if path is not None and Path(path).exists()]
    if data.kind is None or there:  # version 0.1.0 kept no more than what it showed
        return load_benchmark(plain, Path(there[0]) if there else None)
    family = load_family(plain) if family is None else family
    if data.path is not None and family is not None and not family.tasks:
        raise UserError(f"{name} is what its data say, and they are gone: {data.path}; put them back")
    return load_benchmark(plain)


def load_family(name: str) -> Family | None:
    """The family called `name`, or None where the plug-in is a single benchmark."""
    if is_file(name) or name in _added:
        return None
    return cast("Family | None", getattr(load_plugin("benchmarks", name.partition("/")[0]), "family", None))


def task_names(name: str, data: Path | None = None) -> tuple[str, ...]:
    """The benchmarks that `name` stands for: itself, or every task of the family."""
    _there(data)
    if is_file(name):
        return _members_of_file(name) or (called(name),)
    if "/" in name:
        roof = load_family(name)
        stem, _, task = name.partition("/")
        return tuple(f"{stem}/{t}" for t in roof.members(task, data)) if roof and roof.members else (name,)
    roof = load_family(name)
    if roof is None:
        return (name,)
    found = roof.discover(data) if data is not None and roof.discover is not None else roof.tasks
    absent = [task for task in roof.tasks if task not in found]
    if found and absent:
        warn(f"{data} has no files of {name}'s {', '.join(absent)}; the others are run, without an average")
    if not found:
        raise UserError(f"{name} has tasks only in its data: say {option_name('data', 'FOLDER')}, or {name}/TASK")
    return tuple(f"{name}/{task}" for task in found)


def load_judge(name: str) -> Judge | Panel:
    """The judge `NAME` or `NAME/VARIANT`, a panel, or what a modelgraded YAML file defines."""
    if _has_suffix(name.partition("#")[0]):
        return cast(Judge, _file_reader("judges", name.partition("#")[0]).open_judge(name))
    module_name, _, variant = name.partition("/")
    module = load_plugin("judges", module_name)
    if hasattr(module, "panel"):
        return cast(Panel, module.panel)
    variants: dict[str, Judge] = getattr(module, "variants", None) or {"": getattr(module, "judge", None)}
    if not all(isinstance(j, Judge) for j in variants.values()):
        raise UserError(f"the plug-in {module.__name__} defines no judge: wanted `judge`, `variants` or `panel`")
    if variant and variant not in variants:
        there = ", ".join(f"{module_name}/{v}" for v in variants if v) or module_name
        raise UserError(f"there is no judge called {name!r}{nearest(variant, variants)}; there is {there}")
    return variants[variant or next(iter(variants))]


def load_model(spec: str, given: object = None, *, to_ask: bool = True) -> Model:
    """Open the model that `PLUGIN[:ARGUMENT]` names; `given` are options by name, or the plug-in's own `Options`.

    UserError for an option that the plug-in does not take, or a value that makes no sense; and for a model that cannot
    be asked, unless nobody means to ask it.
    """
    name, _, argument = spec.partition(":")
    module = load_plugin("models", name)
    if not callable(getattr(module, "open_model", None)):
        raise UserError(f"the plug-in {module.__name__} defines no model: wanted `open_model`")
    opened = cast(Model, module.open_model(argument, model_options(spec, given)))
    if to_ask and isinstance(opened, Askable):
        opened.check()
    return opened


def load_prompts(spec: str, facts: Mapping[str, Any]) -> Previews | None:
    """How the model of a run reads prompts; None for a kind without tokens to show. UserError where they are gone."""
    kind, _, argument = spec.partition(":")
    return cast(Previews, load_plugin("models", kind).open_prompts(argument, facts)) if has_prompts(spec) else None


def has_prompts(spec: str) -> bool:
    """Whether models of this kind have tokens of their own that can be shown."""
    kind = spec.partition(":")[0]
    return kind in modules("models") and hasattr(load_plugin("models", kind), "open_prompts")


def asks_endpoint(spec: str) -> bool:
    """Whether models of this kind are behind an endpoint that is there already, by the options that they take."""
    kind = _options_of(spec.partition(":")[0])
    return kind is not None and issubclass(kind, options.ApiOptions)


def model_options(spec: str, given: object = None) -> object:
    """The `Options` of the plug-in that `spec` names, from what was given; None where it has none."""
    name = spec.partition(":")[0]
    kind = _options_of(name)
    if kind is not None and isinstance(given, kind):
        given = options.values(given)
    if given is not None and not isinstance(given, Mapping):
        takes = kind.__name__ if kind else "no options"
        raise UserError(f"{name} takes {takes}; there is {type(given).__name__}")
    for word in given or ():
        _taking(name, word)
    return None if kind is None else options.build_options(kind, given or {}, name)


def check_option(spec: str, word: str, value: object) -> None:
    """UserError unless the plug-in that `spec` names has an option of that name, and takes that value."""
    options.read(_taking(spec.partition(":")[0], word), word, value)


def takes_option(spec: str, word: str) -> bool:
    """Whether the plug-in that `spec` names has an option of that name."""
    kind = _options_of(spec.partition(":")[0])
    return kind is not None and word in {each.name for each in fields(kind) if each.init}


def _taking(name: str, word: str) -> type:
    """The options of a model plug-in. UserError where the word is none of them."""
    kind: type | None = _options_of(name)
    if kind is None or not takes_option(name, word):
        raise UserError(f"{name} takes no option {word}{_who_takes(word, kind)}")
    return kind


def _options_of(name: str) -> Any:
    """The dataclass of options that a model plug-in declares, or None."""
    module = load_plugin("models", name)
    kind = getattr(module, "Options", None)
    if kind is not None and not (isinstance(kind, type) and is_dataclass(kind)):
        raise UserError(f"the plug-in {module.__name__}: its `Options` is no dataclass")
    try:
        if kind is not None:
            options.hints(kind)
    except Exception as error:  # a third party's annotations may be anything
        raise UserError(f"the plug-in {module.__name__}: its `Options` cannot be read: {error}") from error
    return kind


def _who_takes(word: str, kind: type | None) -> str:
    """Which plug-ins take an option; where none does, what this one takes."""
    found = []
    for name in modules("models"):
        try:
            found += [name] if takes_option(name, word) else []
        except UserError:  # a broken plug-in is named when it is asked for
            continue
    if not found:
        near = nearest(word, [each.name for each in fields(kind)]) if kind is not None else ""
        return f"{near}; {options.taken(kind)}"
    *before, last = found
    return f"; {', '.join(before)} and {last} take it" if before else f"; {last} takes it"
