"""A suite: models x benchmarks x options in one YAML file, with the margins and the budget beside them.

The file is checked against `suite.schema.json`; every mistake names the line it is on. Paths are relative to the file.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from evalharness import plugins
from evalharness.comparison.rules import TaskRule
from evalharness.data.yaml_lines import YamlDocument, YamlPath, read_yaml
from evalharness.errors import UserError, flags_in_messages, nearest, option_name
from evalharness.executor import PlacementOptions
from evalharness.options import RunOptions
from evalharness.runs.budget import Budget
from evalharness.runs.wordings import OWN, read_wordings

_SCHEMA = Path(__file__).with_name("suite.schema.json")
_LARGEST = 1_000_000  # bytes
_JUDGES_MODEL = ("base_url", "concurrency", "price_in", "price_out", "header")  # of a judge's options, its model's
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,99}")
_OF_FILES = ("local", "replay")  # models that are files
NoBaseline = Literal["fail", "pass", "create"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteModel:
    """A model of the suite: what to call its run, what to open, how, and in how many copies; `baseline` where it has
    one of its own."""

    name: str
    spec: str
    options: Mapping[str, object]
    baseline: str | None = None
    placement: PlacementOptions = field(default_factory=PlacementOptions)


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteJudge:
    """Who judges some benchmarks of the suite, and how: the fields of `JudgeOptions`. No benchmarks: those that want a
    judge and have no other."""

    spec: str
    benchmarks: tuple[str, ...]
    options: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """A suite as read. `settings` are the plan's options, `own` what differs for single benchmarks, `rules` what each
    must keep besides its comparison."""

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
    judges: tuple[SuiteJudge, ...] = ()
    rules: Mapping[str, TaskRule] = field(default_factory=dict)
    no_baseline: NoBaseline = "fail"


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
    entries = [_entry(entry, base) for entry in value["benchmarks"]]
    _check_pairs(document, entries)
    seeded = "seeds" in value.get("options", {})
    gate = value.get("gate", {})
    return Suite(
        name=value.get("name", path.stem),
        models=tuple(_models(document)),
        benchmarks=tuple(entry["benchmark"] for entry in entries),
        settings=settings,
        own={entry["benchmark"]: own for entry in entries if (own := _own(entry, base, seeded))},
        run_options=RunOptions(yes_run_untrusted_code=yes_run_untrusted_code, sandbox_packages=packages, **sandbox),
        budget=Budget(**value.get("budget", {})),
        baseline=_baseline(value.get("baseline"), base),
        margins=tuple(_margins(value, entries)),
        alpha=gate.get("alpha", 0.05),
        clusters=gate.get("clusters"),
        gate="gate" in value,
        policy=gate.get("policy"),
        judges=tuple(_judges(value, entries, base)),
        rules=dict(_rules(value, entries)),
        no_baseline=value.get("no_baseline", "fail"),
    )


def suite_name(word: str) -> str:
    """A name for a suite from outside its file. UserError where it could not be part of a folder's name."""
    if not _NAME.fullmatch(word):
        raise UserError(
            f"{option_name('name')} {word!r}: wanted letters, digits and . _ - + @, as in a file's name, at most 100"
        )
    return word


def name_written(path: Path) -> str:
    """What a suite's file calls it, for reports of one that cannot be loaded; the file's own name where that cannot be
    read either."""
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            found = re.search(r"^name:\s*[\"']?([^\"'\s#]+)", file.read(_LARGEST), re.MULTILINE)
    except OSError:
        found = None
    return found[1] if found and _NAME.fullmatch(found[1]) else path.stem


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


def _check_pairs(document: YamlDocument, entries: Sequence[Mapping[str, Any]]) -> None:
    """UserError, with the line, for two keys of which each says what the other is for."""
    for position, entry in enumerate(entries):
        if "margin" in entry and "relative_margin" in entry:
            where = ("benchmarks", position, "relative_margin")
            raise document.error(where, "a margin in points and relative_margin exclude each other; say one")
    places: list[tuple[YamlPath, Mapping[str, Any]]] = [(("options",), document.value.get("options", {}))]
    places += [(("benchmarks", position), entry) for position, entry in enumerate(entries)]
    for at, said in places:
        for key in ("seed", "samples"):
            if "seeds" in said and key in said:
                raise document.error((*at, key), f"seeds are one answer with each seed; leave {key} out beside them")


def _models(document: YamlDocument) -> Iterator[SuiteModel]:
    seen: set[str] = set()
    for position, entry in enumerate(document.value["models"]):
        options: dict[str, Any] = {"model": entry} if isinstance(entry, str) else dict(entry)
        spec = options.pop("model")
        name = options.pop("name", "".join(c if c.isalnum() or c in "._-" else "-" for c in spec))
        if name in seen:
            raise document.error(("models", position), f"two models are called {name!r}; give one another name")
        seen.add(name)
        baseline = _baseline(options.pop("baseline", None), document.file.parent)
        placement = _placement(document, ("models", position, "placement"), options.pop("placement", {}))
        options = _with_header(options)
        if "system" in options:
            options["system"] = _beside(options["system"], document.file.parent)
        own = options.pop("options", {})
        for key, value in (*options.items(), *own.items()):
            _held_to_plugin(document, ("models", position, *(["options"] if key in own else []), key), spec, value)
        kind, colon, place = spec.partition(":")
        opened = f"{kind}:{_beside(place, document.file.parent)}" if colon and kind in _OF_FILES else spec
        yield SuiteModel(name=name, spec=opened, options={**options, **own}, baseline=baseline, placement=placement)


def _placement(document: YamlDocument, where: YamlPath, said: Mapping[str, Any]) -> PlacementOptions:
    """Where the copies of a model are. UserError, with the line, for what does nothing."""
    if said and not {"replicas", "engine"} & said.keys():
        raise document.error(where, f"{next(iter(said))} does nothing without replicas or engine")
    resources = tuple(f"{name}={amount}" for name, amount in said.get("replica_resource", {}).items())
    return PlacementOptions(**{**said, "replica_resource": resources})


def _with_header(options: Mapping[str, Any]) -> dict[str, Any]:
    """`headers: {NAME: ENVVAR}` as a model's plug-in takes it."""
    found = {key: value for key, value in options.items() if key != "headers"}
    if "headers" in options:
        found["header"] = tuple(f"{name}={variable}" for name, variable in options["headers"].items())
    return found


def _beside(word: Any, base: Path) -> Any:
    """A path relative to the suite's file, where something is there; any other word as it stands."""
    if not isinstance(word, str) or not word or "\n" in word or len(word) > 4096:
        return word
    try:
        there = (base / word).exists()
    except (OSError, ValueError):
        there = False
    elsewhere = there and not Path(word).is_absolute() and base.resolve() != Path.cwd()
    return os.path.relpath(base / word) if elsewhere else word


def _baseline(word: str | None, base: Path) -> str | None:
    """A baseline by name as it stands; by path relative to the suite's file, unless it lies in the working folder."""
    by_path = word is not None and ("/" in word or word.endswith(".jsonl"))
    return word if word is None or not by_path or Path(word).exists() else os.path.relpath(base / word)


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
    if "seeds" in found:
        seeds = tuple(found["seeds"])
        found |= {"seeds": seeds, "seed": seeds[0], "repeats": len(seeds)}
    if "groups" in found:
        found["groups"] = tuple(found["groups"])
    if "wordings" in found:
        found["wordings"] = read_wordings([word if word == OWN else base / word for word in found["wordings"]])
    if "using" in found:
        found["using"] = tuple(_beside(word, base) for word in found["using"])
    if found.get("data") not in (None, "sample"):
        found["data"] = str(base / found["data"])
    return found


_RULES = ("tier", "at_least", "at_most", "limits", "max_cost", "max_seconds", "relative_margin", "relative_guard")


def _entry(entry: str | Mapping[str, Any], base: Path) -> dict[str, Any]:
    """A benchmark of the list, with the name that it runs under."""
    mine: dict[str, Any] = {"benchmark": entry} if isinstance(entry, str) else dict(entry)
    if plugins.is_file(mine["benchmark"]):
        mine["benchmark"] = _beside(mine["benchmark"], base)
        with suppress(UserError):  # whoever runs the suite is told of it; a comparison needs no file
            mine["benchmark"] = plugins.called(mine["benchmark"])
    return mine


def _own(entry: Mapping[str, Any], base: Path, seeded: bool) -> dict[str, Any]:
    """What of a benchmark's entry is the plan's. Its own samples are in place of a suite's several seeds."""
    other = {"benchmark", "margin", "judge", *_RULES}
    own = _settings({key: value for key, value in entry.items() if key not in other}, base)
    return {**own, "seeds": ()} if seeded and "samples" in entry else own


def _margins(value: Mapping[str, Any], entries: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Margins as the command line writes them: the common one, then those of single benchmarks."""
    if "margin" in value:
        yield str(value["margin"])
    for entry in entries:
        if "margin" in entry:
            yield f"{entry['benchmark']}={entry['margin']}"


def _rules(value: Mapping[str, Any], entries: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, TaskRule]]:
    """What each benchmark must keep; the suite's own limits stand where a benchmark does not say another."""
    common = value.get("limits", {})
    for entry in entries:
        said = {key: entry[key] for key in _RULES if key in entry}
        if said or common:
            yield entry["benchmark"], TaskRule(**{**said, "limits": {**common, **said.get("limits", {})}})


def _judges(value: Mapping[str, Any], entries: Sequence[Mapping[str, Any]], base: Path) -> Iterator[SuiteJudge]:
    """The judges, each with the benchmarks that name it; the suite's own is for the others."""
    named: list[tuple[dict[str, Any], list[str]]] = []
    for entry in entries:
        if "judge" in entry:
            said = {"judge": entry["judge"]} if isinstance(entry["judge"], str) else dict(entry["judge"])
            same = next((names for other, names in named if other == said), None)
            if same is None:
                named.append((said, [entry["benchmark"]]))
            else:
                same.append(entry["benchmark"])
    for said, names in named:
        yield _judge(said, tuple(names), base)
    if "judge" in value:
        yield _judge({"judge": value["judge"]} if isinstance(value["judge"], str) else value["judge"], (), base)


def _judge(said: Mapping[str, Any], benchmarks: tuple[str, ...], base: Path) -> SuiteJudge:
    options = _with_header({key: value for key, value in said.items() if key != "judge"})
    model = {key: options.pop(key) for key in _JUDGES_MODEL if key in options}
    if "criteria" in options:
        options["criteria"] = base / options["criteria"]
    if "weights" in options:
        options["weights"] = tuple(options["weights"])
    kind, equals, place = options.get("template", "").partition("=")
    if equals:
        options["template"] = f"{kind}={_beside(place, base)}"
    name, equals, rest = said["judge"].partition("=")
    spec = f"{_beside(name, base)}={rest}" if equals else name
    return SuiteJudge(spec=spec, benchmarks=benchmarks, options={**options, "model": model})


def is_suite(named: Sequence[str], said: Collection[str]) -> bool:
    """Whether the one thing named is a suite's file. UserError when it stands beside options that it says itself."""
    files = [word for word in named if plugins.is_file(word)]
    if not files or all(plugins.describes_benchmark(word) for word in files):
        return False
    if absent := [word for word in files if not Path(word).expanduser().is_file()]:
        raise UserError(f"{absent[0]}: cannot be read (No such file or directory)")
    if len(named) > 1 or said:
        without = f", without {option_name(min(said))}" if said else ""
        raise UserError(f"a suite names its models, benchmarks, data and baseline itself; give the file alone{without}")
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonTerms:
    """How a comparison is made and gated, from the command line and a suite."""

    margins: tuple[str, ...]
    alpha: float
    clusters: str | None
    gate: bool
    policy: str | None
    rules: Mapping[str, TaskRule]


def with_suite(
    suite: Path | None, margin: Sequence[str], alpha: float | None, clusters: str | None, *, gate: bool,
    policy: str | None,
) -> ComparisonTerms:  # fmt: skip
    """The terms of a comparison: the command line's own first, then the suite's, then the usual. A suite that has a
    `gate` asks for one."""
    found = None if suite is None else load_suite(suite)
    if found is None:
        return ComparisonTerms(
            margins=tuple(margin), alpha=0.05 if alpha is None else alpha, clusters=clusters, gate=gate, policy=policy,
            rules={},
        )  # fmt: skip
    gated = gate or found.gate
    return ComparisonTerms(
        margins=(*found.margins, *margin),
        alpha=found.alpha if alpha is None else alpha,
        clusters=clusters or found.clusters,
        gate=gated,
        policy=policy or (found.policy if gated else None),
        rules=found.rules,
    )
