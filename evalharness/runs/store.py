"""A run on disk: manifest (`run.json`), journal (`results.jsonl`), `summary.json`.

The journal is the truth. It is append-only, every line goes to the operating system at once and to the disk in
batches, so a run that is killed at any moment goes on where it was: nothing is asked twice, nothing is lost.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import orjson

from evalharness.data.files import write_whole
from evalharness.errors import UserError, nearest
from evalharness.records import KEYS_ON_DISK, Message, Request, Response, Result, ResultKey, Sample, Verdict, from_disk

_FORMAT = 1
MANIFEST, JOURNAL, SUMMARY = "run.json", "results.jsonl", "summary.json"
SYNC_SECONDS = 1.0


T = TypeVar("T")


def dumps(value: object) -> bytes:
    """JSON in UTF-8. Lone surrogates, which UTF-8 cannot hold, are written as escapes."""
    try:
        return orjson.dumps(value)
    except TypeError:  # orjson refuses lone surrogates, which a replayed answer may contain
        return json.dumps(value, ensure_ascii=True, allow_nan=False).encode("ascii")


def loads(line: bytes) -> Any:
    """The value of a JSON text; ValueError when it is none."""
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError:  # an escaped lone surrogate
        return json.loads(line)


class Journal:
    """An append-only JSONL file with one writer. A torn last line, left by a kill, is dropped when it is opened."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        except OSError as error:
            raise UserError(
                f"{path}: cannot be written ({error.strerror}); choose another folder with --runs"
            ) from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._file)
            raise UserError(f"{path.parent}: another evalh is writing this run; wait for it or give --name") from error
        self._size = self._whole_lines()
        os.ftruncate(self._file, self._size)
        self._synced = time.monotonic()

    def _whole_lines(self) -> int:
        """Bytes up to and including the last newline."""
        end = os.fstat(self._file).st_size
        while end > 0:
            start = max(0, end - 65536)
            found = os.pread(self._file, end - start, start).rfind(b"\n")
            if found >= 0:
                return start + found + 1
            end = start
        return 0

    def append(self, line: Mapping[str, Any]) -> None:
        """Write one line. When the disk is full the part that got there is taken back and UserError raised."""
        data = dumps(line) + b"\n"
        try:
            written = 0
            while written < len(data):
                written += os.write(self._file, data[written:])
            if time.monotonic() - self._synced > SYNC_SECONDS:
                self.sync()
        except OSError as error:
            os.ftruncate(self._file, self._size)
            raise UserError(
                f"{self.path}: cannot be written ({error.strerror}); what was answered before is safe, "
                "make room and give the same command again"
            ) from error
        self._size += len(data)

    def sync(self) -> None:
        """Force what was written to the disk."""
        os.fsync(self._file)
        self._synced = time.monotonic()

    def close(self) -> None:
        """Sync and let go of the file."""
        if self._file >= 0:
            try:
                os.fsync(self._file)
            finally:
                os.close(self._file)
                self._file = -1

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def lines(path: Path) -> Iterator[dict[str, Any]]:
    """The whole lines of a journal. UserError names a line that was damaged."""
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.endswith(b"\n"):
                return
            try:
                value = loads(line)
                if not isinstance(value, dict):
                    raise ValueError("not an object")
            except ValueError as error:
                raise UserError(f"{path}:{number}: this line is damaged ({error}); restore it or run again") from error
            yield value


def record_to_json(record: object) -> Any:
    """A record as JSON values, fields at their defaults left out."""
    if is_dataclass(record) and not isinstance(record, type):
        values = {}
        for field in fields(record):
            value = getattr(record, field.name)
            default = field.default_factory() if field.default_factory is not MISSING else field.default
            if field.name != "origin" and value != default:
                values[KEYS_ON_DISK.get(field.name, field.name)] = record_to_json(value)
        return values
    if isinstance(record, Mapping):
        return {key: record_to_json(value) for key, value in record.items()}
    if isinstance(record, list | tuple):
        return [record_to_json(value) for value in record]
    return record


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


def _fields(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values from disk under the names of the records' fields, lists as tuples."""
    return {key: tuple(v) if isinstance(v, list) else v for key, v in from_disk(values).items()}


def verdict_from_json(values: Mapping[str, Any]) -> Verdict:
    """A verdict from its JSON."""
    return Verdict(**{**values, "logprobs": tuple((str(t), float(p)) for t, p in values.get("logprobs", ()))})


def _response(values: Mapping[str, Any]) -> Response:
    top = tuple((str(token), float(p)) for token, p in values.get("top_logprobs", ()))
    return Response(**{**_fields(values), "top_logprobs": top})


def result_from_json(line: Mapping[str, Any]) -> Result:
    """A result from a line of `results.jsonl`. KeyError or TypeError when it is not one."""
    request = dict(line["request"])
    messages = tuple(Message(m["role"], m.get("content", "")) for m in request.pop("messages", ()))
    return Result(
        benchmark=line["benchmark"],
        sample=Sample(**{"id": line["id"], "question": "", **_fields(line["sample"])}),
        request=Request(messages=messages, **_fields(request)),
        response=_response(line["response"]),
        status=line["status"],
        scores=line["scores"],
        answer=line.get("answer"),
        repeat=line.get("repeat", 0),
        detail=line.get("detail", {}),
        verdicts=tuple(verdict_from_json(v) for v in line.get("verdicts", ())),
    )


class Run:
    """A run folder. Reading only; the runner writes."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def name(self) -> str:
        return self.path.name

    @cached_property
    def manifest(self) -> dict[str, Any]:
        """What was run. UserError when the folder holds no run, or one of a later version."""
        found = self._read(MANIFEST)
        if not isinstance(found.get("format", 0), int) or found.get("format", 0) > _FORMAT:
            raise UserError(
                f"{self.path}: written by a later evalharness (format {found['format']}); upgrade to read it"
            )
        return found

    @cached_property
    def summary(self) -> dict[str, Any]:
        """The figures. UserError when the run is not finished."""
        if not (self.path / SUMMARY).is_file():
            raise UserError(f"{self.path}: this run is not finished; give its command again and it goes on")
        return self._read(SUMMARY)

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
                except (KeyError, TypeError, AttributeError) as error:
                    raise UserError(
                        f"{path}:{number}: this line is not a result ({error}); restore it or run again"
                    ) from error
                last[result.key] = result
        return [last[key] for key in sorted(last)]

    def write(self, name: str, value: Mapping[str, Any]) -> None:
        """Write one of the JSON files whole, keys in the order given."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            write_whole(self.path / name, orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
        except OSError as error:
            raise UserError(
                f"{self.path / name}: cannot be written ({error.strerror}); choose another folder"
            ) from error
        self.__dict__.pop({MANIFEST: "manifest", SUMMARY: "summary"}.get(name, ""), None)


def find_run(name: str | Path, runs: Path = Path("runs")) -> Run:
    """The run at a path, or with a name under `runs`. UserError names the nearest."""
    for path in (Path(name), runs / name):
        if (path / MANIFEST).is_file():
            return Run(path)
    known = [run.name for run in all_runs(runs)]
    raise UserError(f"there is no run {str(name)!r}{nearest(str(name), known)}; `evalh list runs` shows them")


def all_runs(runs: Path = Path("runs")) -> list[Run]:
    """Every run under a folder, the newest last."""
    found = [Run(path.parent) for path in runs.glob(f"*/{MANIFEST}")]
    return sorted(found, key=lambda run: (run.path / MANIFEST).stat().st_mtime)
