"""A suite: models x benchmarks x options in one YAML file, with the margins and the budget beside them.

The file is checked against `suite.schema.json`; every mistake names the line it is on.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evalharness import plugins
from evalharness.data.yaml_lines import YamlDocument, YamlPath, read_yaml
from evalharness.errors import UserError, flags_in_messages, nearest, option_name
from evalharness.options import RunOptions
from evalharness.runs.budget import Budget

_SCHEMA = Path(__file__).with_name("suite.schema.json")
_LARGEST = 1_000_000  # bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteModel:
    """A model of the suite: what to call its run, what to open, and how."""

    name: str
    spec: str
    options: Mapping[str, object]


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


def load_suite(path: Path, *, yes_run_untrusted_code: bool = False) -> Suite:
    """Read and check a suite. UserError `FILE:LINE: ...` for the first mistake.

    Consent to run untrusted code comes from the command line alone, never from a file.
    """
    document = _read(path)
    value = document.value
    _check(document)
    base = path.parent
    settings = _settings(value.get("options", {}), base)
    sandbox = {key: settings.pop(key) for key in ("sandbox", "check", "workers") if key in settings}
    packages = tuple(settings.pop("sandbox_packages", ()))
    names, own, margins = _benchmarks(value, base)
    gate = value.get("gate", {})
    return Suite(
        name=value.get("name", path.stem),
        models=tuple(_models(document)),
        benchmarks=names,
        settings=settings,
        own=own,
        run_options=RunOptions(yes_run_untrusted_code=yes_run_untrusted_code, sandbox_packages=packages, **sandbox),
        budget=Budget(**value.get("budget", {})),
        baseline=value.get("baseline"),
        margins=margins,
        alpha=gate.get("alpha", 0.05),
        clusters=gate.get("clusters"),
        gate="gate" in value,
        policy=gate.get("policy"),
    )


def _read(path: Path) -> YamlDocument:
    try:
        if path.stat().st_size > _LARGEST:
            raise UserError(f"{path}: larger than {_LARGEST:,} bytes; a suite is a short file")
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from error
    return read_yaml(path)


def _check(document: YamlDocument) -> None:
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import best_match

    schema = json.loads(_SCHEMA.read_text(encoding="utf-8"))
    mistake = best_match(Draft202012Validator(schema).iter_errors(document.value))
    if mistake is None:
        return
    where: YamlPath = tuple(mistake.absolute_path)
    message = " ".join(str(mistake.message).split())[:300]
    if mistake.validator == "additionalProperties" and isinstance(mistake.instance, dict):
        known = mistake.schema.get("properties", {})
        unknown = next(key for key in mistake.instance if key not in known)
        message = f"there is no {unknown!r} here{nearest(str(unknown), known)}; there is {', '.join(known)}"
        where = (*where, str(unknown))
    named = ".".join(map(str, where))
    raise document.error(where, f"{named}: {message}" if named else message)


def _models(document: YamlDocument) -> Iterator[SuiteModel]:
    seen: set[str] = set()
    for position, entry in enumerate(document.value["models"]):
        options: dict[str, Any] = {"model": entry} if isinstance(entry, str) else dict(entry)
        spec = options.pop("model")
        name = options.pop("name", "".join(c if c.isalnum() or c in "._-" else "-" for c in spec))
        if name in seen:
            raise document.error(("models", position), f"two models are called {name!r}; give one another name")
        seen.add(name)
        own = options.pop("options", {})
        for key, value in (*options.items(), *own.items()):
            _held_to_plugin(document, ("models", position, *(["options"] if key in own else []), key), spec, value)
        yield SuiteModel(name=name, spec=spec, options={**options, **own})


def _held_to_plugin(document: YamlDocument, where: YamlPath, spec: str, value: object) -> None:
    """UserError, with the line, for an option that a model's plug-in does not take. A plug-in that is not there is told
    of by whoever opens it: comparing runs with a suite needs none."""
    if spec.partition(":")[0] not in plugins.modules("models"):
        return
    try:
        with flags_in_messages(False):  # it is a field of this file
            plugins.check_option(spec, str(where[-1]), value)
    except UserError as error:
        raise document.error(where, f"{'.'.join(map(str, where))}: {error}") from error


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


def is_suite(named: Sequence[str], said: Collection[str]) -> bool:
    """Whether the one thing named is a suite's file. UserError when it stands beside options that it says itself."""
    files = [word for word in named if plugins.is_file(word)]
    if not files or all(plugins.describes_benchmark(word) for word in files):
        return False
    if len(named) > 1 or said:
        without = f", without {option_name(min(said))}" if said else ""
        raise UserError(f"a suite names its models, benchmarks, data and baseline itself; give the file alone{without}")
    return True


def with_suite(
    suite: Path | None, margin: Sequence[str], alpha: float | None, clusters: str | None
) -> tuple[list[str], float, str | None]:
    """Margins, alpha and clusters: the command line's own first, then the suite's, then the usual."""
    if suite is None:
        return list(margin), 0.05 if alpha is None else alpha, clusters
    found = load_suite(suite)
    return [*found.margins, *margin], found.alpha if alpha is None else alpha, clusters or found.clusters
