"""A run on disk: manifest (`run.json`), journal (`results.jsonl`), `summary.json`.

The journal is the truth. It is append-only, every line goes to the operating system at once and to the disk in
batches, so a run that is killed at any moment goes on where it was: nothing is asked twice, nothing is lost.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass, replace
from functools import cache, cached_property
from pathlib import Path
from types import NoneType
from typing import Any

import orjson

from evalharness import plugins
from evalharness.data.files import OWN_FILE, digest, own_folder, write_whole
from evalharness.data.kept import to_json
from evalharness.data.typed import Kept, record
from evalharness.errors import UserError, nearest, option_name
from evalharness.records import KEYS_ON_DISK, Result, ResultKey, Verdict
from evalharness.runs.figures import Summary
from evalharness.runs.journal import ODD_LINE, damaged_line, lines, loads
from evalharness.runs.manifest import Manifest
from evalharness.runs.schema import read_manifest, read_summary
from evalharness.runs.shards import shard_facts

MANIFEST, JOURNAL, SUMMARY = "run.json", "results.jsonl", "summary.json"
LABELS = "labels.json"  # what `evalh judge calibrate` leaves in a run's folder


@cache
def _written_fields(kind: type[Any]) -> tuple[tuple[str, str, Any], ...] | None:
    """(name, key on disk, default) of each field of a record that is written; None for what is no record."""
    if not is_dataclass(kind):
        return None
    return tuple(
        (f.name, KEYS_ON_DISK.get(f.name, f.name), f.default if f.default_factory is MISSING else f.default_factory())
        for f in fields(kind)
        if f.name != "origin"
    )


_PLAIN = frozenset({str, int, float, bool, NoneType})


def record_to_json(record: object) -> Any:
    """A record as JSON values, fields at their defaults left out."""
    kind = type(record)
    if kind in _PLAIN:
        return record
    if kind is list or kind is tuple:
        return [one if type(one) in _PLAIN else record_to_json(one) for one in record]  # type: ignore[attr-defined]
    if (known := _written_fields(kind)) is not None:  # type: ignore[arg-type]  # classes are hashable
        values = {}
        for name, key, default in known:
            value = getattr(record, name)
            if value is not default and value != default:
                values[key] = value if type(value) in _PLAIN else record_to_json(value)
        return values
    if isinstance(record, Mapping):
        return {key: one if type(one) in _PLAIN else record_to_json(one) for key, one in record.items()}
    return [record_to_json(value) for value in record] if isinstance(record, list | tuple) else record


def result_to_json(result: Result) -> dict[str, Any]:
    """A result as a line of `results.jsonl`."""
    return {
        "benchmark": result.benchmark,
        "id": result.sample.id,
        "group": result.sample.group,
        "repeat": result.repeat,
        "status": result.status,
        "scores": dict(result.scores),
        "answer": result.answer,
        "response": record_to_json(result.response),
        "sample": record_to_json(result.sample),
        "request": record_to_json(result.request),
        **({"detail": record_to_json(result.detail)} if result.detail else {}),
        **({"verdicts": record_to_json(result.verdicts)} if result.verdicts else {}),
    }


def verdict_from_json(values: Any) -> Verdict:
    """A verdict from its JSON. ValueError names the field that is of another kind."""
    return record(Verdict, values)


def result_from_json(line: Any) -> Result:
    """A result from a line of `results.jsonl`. ValueError names what it lacks, or what is of another kind."""
    if not isinstance(line, dict):
        raise ValueError("not an object")
    values = {name: value for name, value in line.items() if name in Result.__dataclass_fields__}
    values["sample"] = {"question": "", **_object(line, "sample"), "id": line.get("id")}
    values["request"] = request = {"messages": [], **_object(line, "request")}
    if isinstance(request["messages"], list):
        request["messages"] = [{"content": "", **m} if isinstance(m, dict) else m for m in request["messages"]]
    return record(Result, values)


def _object(line: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = line.get(name)
    if not isinstance(found, dict):
        raise ValueError(f"its {name} is {found!r:.60}, wanted an object")
    return found


class Run:
    """A run folder. Reading only; the runner writes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._digests: dict[str, tuple[tuple[int, ...], str]] = {}

    @property
    def name(self) -> str:
        return self.path.name

    @cached_property
    def manifest(self) -> Manifest:
        """What was run. UserError when the folder holds no run, one of a later version, or a damaged one."""
        found = read_manifest(self.path / MANIFEST, self._read(MANIFEST))
        for name, facts in found.benchmarks.items():
            plugins.recall_file(name, facts.data.described_by)
        return found

    @cached_property
    def summary(self) -> Summary:
        """The figures. UserError when the run is not finished, or they are damaged."""
        if not (self.path / SUMMARY).is_file():
            if (facts := shard_facts(self.manifest)) is not None:
                raise UserError(f"{self.path}: is part {facts.shard} of a run; `evalh merge` puts the parts together")
            raise UserError(f"{self.path}: this run is not finished; give its command again and it goes on")
        return read_summary(self.path / SUMMARY, self._read(SUMMARY))

    def _read(self, name: str) -> dict[str, Any]:
        path = self.path / name
        try:
            value = loads(path.read_bytes())
        except OSError as error:
            raise UserError(f"{self.path}: not a run folder ({name} cannot be read: {error.strerror})") from error
        except ValueError as error:
            raise UserError(f"{path}: not valid JSON ({error})") from error
        if not isinstance(value, dict):
            raise UserError(f"{path}: wanted a JSON object")
        return value

    @property
    def finished(self) -> bool:
        return (self.path / SUMMARY).is_file()

    @property
    def intact(self) -> bool:
        """Journal and summary are byte for byte as they were when the run was finished."""
        kept = self.manifest.sha256 or {}
        if not kept.keys() >= {JOURNAL, SUMMARY} or not all((self.path / n).is_file() for n in (JOURNAL, SUMMARY)):
            return False
        return all(self._digest(name) == kept[name] for name in (JOURNAL, SUMMARY))

    def _digest(self, name: str) -> str:
        """The hash of a file, computed again once it was written."""
        now = (self.path / name).stat()
        state = now.st_size, now.st_mtime_ns, now.st_ino
        if name not in self._digests or self._digests[name][0] != state:
            self._digests[name] = state, digest(self.path / name)
        return self._digests[name][1]

    def results(self, benchmark: str | None = None) -> list[Result]:
        """All results, the last line of each item, in the order of benchmark, id and repeat."""
        path = self.path / JOURNAL
        if not path.is_file():
            return []
        last: dict[ResultKey, Result] = {}
        for number, line in enumerate(lines(path), 1):
            if benchmark is None or line.get("benchmark") == benchmark:
                try:
                    result = result_from_json(line)
                except ODD_LINE as error:
                    raise damaged_line(path, number, f"is not a result ({error})") from error
                last[result.key] = result
        return [last[key] for key in sorted(last)]

    def write(self, name: str, record: Kept) -> None:
        """Write one of the JSON files whole."""
        value = to_json(record)
        try:
            text = orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
        except TypeError:  # half a surrogate pair in a name
            text = json.dumps(value, ensure_ascii=True, allow_nan=False, indent=2).encode("ascii") + b"\n"
        try:
            own_folder(self.path)
            write_whole(self.path / name, text, OWN_FILE)
        except OSError as error:
            raise UserError(
                f"{self.path / name}: cannot be written ({error.strerror}); choose another folder"
            ) from error
        self.__dict__.pop({MANIFEST: "manifest", SUMMARY: "summary"}.get(name, ""), None)

    def seal(self) -> None:
        """Keep in the manifest the hashes of journal and summary as they are now, for `evalh verify`."""
        hashes = {name: digest(self.path / name) for name in (JOURNAL, SUMMARY)}
        self.write(MANIFEST, replace(self.manifest, sha256=hashes))


def new_folder(runs: Path, name: str) -> Path:
    """The folder of a run that is given a name. UserError for a name that would lead out of `runs`, or to the cache."""
    if name in ("", ".", "..", ".cache") or any(c in "/\\" or not c.isprintable() for c in name):
        raise UserError(f"{option_name('name')} {name!r:.80}: wanted the name of a folder in {runs}, without slashes")
    if len(name.encode("utf-8", "replace")) > 240:
        raise UserError(f"{option_name('name')} {name!r:.40}...: wanted at most 240 bytes")
    return runs / name


def find_run(name: str | Path, runs: Path = Path("runs")) -> Run:
    """The run at a path, or with a name under `runs`. UserError names the nearest."""
    for path in (Path(name), runs / name):
        if (path / MANIFEST).is_file():
            return Run(path)
    known = [run.name for run in all_runs(runs)]
    raise UserError(f"there is no run {str(name)!r}{nearest(str(name), known)}; `evalh list runs` shows them")


def all_runs(runs: Path = Path("runs")) -> list[Run]:
    """Every run under a folder, the newest last."""
    found = [path for path in runs.glob(f"*/{MANIFEST}") if path.is_file()]
    return [Run(path.parent) for path in sorted(found, key=lambda path: path.stat().st_mtime)]
