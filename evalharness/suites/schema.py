"""A suite: models x benchmarks x options in one YAML file, with the margins and the budget beside them.

The file is checked against `suite.schema.json`; every mistake names the line it is on.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from evalharness import plugins
from evalharness.errors import UserError, nearest
from evalharness.options import ModelOptions, RunOptions
from evalharness.runs.budget import Budget

_SCHEMA = Path(__file__).with_name("suite.schema.json")
LARGEST = 1_000_000  # bytes

_Where = tuple[str | int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteModel:
    """A model of the suite: what to call its run, what to open, and how."""

    name: str
    spec: str
    options: ModelOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """A suite as read. `settings` are the plan's options, `own` what differs for single benchmarks."""

    name: str
    models: tuple[SuiteModel, ...]
    benchmarks: tuple[str, ...]
    settings: Mapping[str, Any]
    own: Mapping[str, Mapping[str, Any]]
    run_options: RunOptions
    budget: Budget
    baseline: str | None = None
    margins: tuple[str, ...] = ()
    alpha: float = 0.05
    clusters: str | None = None
    gate: bool = False
    policy: str | None = None
    lines: Mapping[_Where, int] = field(default_factory=dict)


def load_suite(path: Path, *, yes_run_untrusted_code: bool = False) -> Suite:
    """Read and check a suite. UserError `FILE:LINE: ...` for the first mistake.

    Consent to run untrusted code comes from the command line alone, never from a file.
    """
    value, lines = _parsed(path)
    _check(path, value, lines)
    base = path.parent
    settings = _settings(value.get("options", {}), base)
    sandbox = {key: settings.pop(key) for key in ("sandbox", "check", "workers") if key in settings}
    names, own, margins = _benchmarks(value, base)
    gate = value.get("gate", {})
    return Suite(
        name=value.get("name", path.stem),
        models=tuple(_models(path, value["models"], lines)),
        benchmarks=names,
        settings=settings,
        own=own,
        run_options=RunOptions(yes_run_untrusted_code=yes_run_untrusted_code, **sandbox),
        budget=Budget(**value.get("budget", {})),
        baseline=value.get("baseline"),
        margins=margins,
        alpha=gate.get("alpha", 0.05),
        clusters=gate.get("clusters"),
        gate="gate" in value,
        policy=gate.get("policy"),
        lines=lines,
    )


def _parsed(path: Path) -> tuple[Any, dict[_Where, int]]:
    """The value of the file, and the line of every part of it."""
    try:
        if path.stat().st_size > LARGEST:
            raise UserError(f"{path}: larger than {LARGEST:,} bytes; a suite is a short file")
        text = path.read_text(encoding="utf-8-sig")
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, Loader=yaml.SafeLoader)):
            raise UserError(f"{path}: anchors and aliases are not read; write the value out")
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        lines = dict(_lines(path, root, ())) if root is not None else {}
        return yaml.safe_load(text), lines
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not UTF-8 text") from error
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise UserError(f"{path}:{line}: not valid YAML ({error.problem or error.context})") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise UserError(f"{path}: not valid YAML ({' '.join(str(error).split())[:200]})") from error


def _lines(path: Path, node: yaml.Node, where: _Where) -> Iterator[tuple[_Where, int]]:
    yield where, node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise UserError(f"{path}:{key.start_mark.line + 1}: wanted a name before the colon")
            if key.value in seen:
                raise UserError(f"{path}:{key.start_mark.line + 1}: {key.value} stands here a second time")
            seen.add(key.value)
            yield (*where, key.value, "*key"), key.start_mark.line + 1
            yield from _lines(path, value, (*where, key.value))
    elif isinstance(node, yaml.SequenceNode):
        for position, value in enumerate(node.value):
            yield from _lines(path, value, (*where, position))


def _check(path: Path, value: Any, lines: Mapping[_Where, int]) -> None:
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import best_match

    schema = json.loads(_SCHEMA.read_text(encoding="utf-8"))
    mistake = best_match(Draft202012Validator(schema).iter_errors(value))
    if mistake is None:
        return
    where: _Where = tuple(mistake.absolute_path)
    message = " ".join(str(mistake.message).split())[:300]
    if mistake.validator == "additionalProperties" and isinstance(mistake.instance, dict):
        known = mistake.schema.get("properties", {})
        unknown = next(key for key in mistake.instance if key not in known)
        message = f"there is no {unknown!r} here{nearest(str(unknown), known)}; there is {', '.join(known)}"
        where = (*where, str(unknown), "*key")
    named = ".".join(str(part) for part in where if part != "*key")
    raise UserError(f"{path}:{lines.get(where, 1)}: {f'{named}: ' if named else ''}{message}")


def _models(path: Path, entries: list[Any], lines: Mapping[_Where, int]) -> Iterator[SuiteModel]:
    seen: set[str] = set()
    for position, entry in enumerate(entries):
        options = {"model": entry} if isinstance(entry, str) else dict(entry)
        spec = options.pop("model")
        name = options.pop("name", "".join(c if c.isalnum() or c in "._-" else "-" for c in spec))
        if name in seen:
            line = lines.get(("models", position), 1)
            raise UserError(f"{path}:{line}: two models are called {name!r}; give one of them another name")
        seen.add(name)
        yield SuiteModel(name=name, spec=spec, options=ModelOptions(**options))


def _settings(options: Mapping[str, Any], base: Path) -> dict[str, Any]:
    """The plan's fields, under its names; a folder of data is relative to the suite's file."""
    renamed = {"samples": "repeats"}
    found = {renamed.get(key, key): value for key, value in options.items()}
    if "groups" in found:
        found["groups"] = tuple(found["groups"])
    if found.get("data") not in (None, "sample"):
        found["data"] = str(base / found["data"])
    return found


def _benchmarks(
    value: Mapping[str, Any], base: Path
) -> tuple[tuple[str, ...], dict[str, dict[str, Any]], tuple[str, ...]]:
    """Names, what is each one's own, and the margins as the command line writes them."""
    names, own = [], {}
    margins = [str(value["margin"])] if "margin" in value else []
    for entry in value["benchmarks"]:
        mine = {"benchmark": entry} if isinstance(entry, str) else dict(entry)
        name = mine.pop("benchmark")
        names.append(name)
        if "margin" in mine:
            margins.append(f"{name}={mine.pop('margin')}")
        if mine:
            own[name] = _settings(mine, base)
    return tuple(names), own, tuple(margins)


def is_suite(named: Sequence[str], *options: object) -> bool:
    """Whether the one thing named is a suite's file. UserError when it stands beside what it says itself."""
    files = [word for word in named if plugins.is_file(word)]
    if not files or all(plugins.describes_benchmark(word) for word in files):
        return False
    if len(named) > 1 or any(option is not None for option in options):
        raise UserError("a suite names its models, benchmarks, data and baseline itself; give the file alone")
    return True


def with_suite(
    suite: Path | None, margin: Sequence[str], alpha: float | None, clusters: str | None
) -> tuple[list[str], float, str | None]:
    """Margins, alpha and clusters: the command line's own first, then the suite's, then the usual."""
    if suite is None:
        return list(margin), 0.05 if alpha is None else alpha, clusters
    found = load_suite(suite)
    return [*found.margins, *margin], found.alpha if alpha is None else alpha, clusters or found.clusters
