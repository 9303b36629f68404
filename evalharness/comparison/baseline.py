"""A baseline: a run's values and hashes in one small text file that can be committed. It holds no prompt and no answer.

The first line is a header (format, name, manifest, summary, sha256 of what follows and of itself without it). Every
further line is one group of one benchmark: a letter per item for its status, values only where the letters do not say
them, ids only where they are not `GROUP/0`, `GROUP/1`, ... MMLU's 14,042 items take some 25 kB. Where people labelled
answers, or items were asked several times, the header has the labels, what asking again told (`noise`) and what
several wordings did (`wording`).
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from evalharness.comparison.scores import STATUS_CODE, Scores, natural
from evalharness.data.files import json_value, write_whole
from evalharness.data.kept import only, to_json
from evalharness.data.typed import record
from evalharness.errors import UserError, option_name
from evalharness.records import STATUSES
from evalharness.runs.figures import Summary
from evalharness.runs.manifest import LabelsFile, Manifest, ModelFacts
from evalharness.stats.reruns import PassNoise

_FORMAT = 1
BASELINES: Path = Path("baselines")
SUFFIX = ".jsonl"
_LETTERS = {status[0]: code for status, code in STATUS_CODE.items()}
# What of the manifest says whether two runs are comparable, and names what was run. Paths and command lines stay out.
_KEPT = ("name", "created", "benchmarks", "sampling", "git", "versions", "flaky", "sequential", "scoring_version",
         "reading_rules")  # fmt: skip
_DATA = ("origin", "revision", "sha256", "rows_sha256", "repeated")
_FIGURES = ("mode", "n", "metrics", "counts", "programs", "bounds")
_NOISES = ("noise", "wording")  # of the scores of a benchmark
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,99}")


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredBaseline:
    """A baseline as read: the manifest and summary of the run that it stands for, its values, and people's labels."""

    name: str
    manifest: Manifest
    summary: Summary
    scores: Mapping[str, Scores]
    labels: LabelsFile | None = None


def find_baseline(name: str, folder: Path = BASELINES) -> Path | None:
    """The file of a baseline given by path or name, or None."""
    path = Path(name)
    if path.suffix == SUFFIX and path.is_file():
        return path
    file = folder / f"{name}{SUFFIX}"
    return file if _NAME.fullmatch(name) and file.is_file() else None


def baseline_names(folder: Path = BASELINES) -> list[str]:
    """The baselines in a folder."""
    return sorted(path.stem for path in folder.glob(f"*{SUFFIX}"))


def hold_baseline_name(name: str) -> None:
    """UserError for a name that could not be a baseline's."""
    if not _NAME.fullmatch(name):
        raise UserError(f"{option_name('name')} {name!r}: wanted letters, digits and . _ - + @, as in a file's name")


def write_baseline(stored: StoredBaseline, folder: Path = BASELINES) -> Path:
    """Write a baseline file and return its path. The same run gives the same bytes."""
    hold_baseline_name(stored.name)
    body = [_dumps(line) for name in sorted(stored.scores) for line in _lines(name, stored.scores[name])]
    header = {
        "evalh_baseline": _FORMAT,
        "name": stored.name,
        "manifest": to_json(_comparable(stored.manifest)),
        "summary": to_json(_measured(stored.summary)),
    }
    header |= {key: said for key, said in _told(stored).items() if said}
    path = folder / f"{stored.name}{SUFFIX}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        whole = {**header, "sha256": _digest(header, body)}
        write_whole(path, "".join(line + "\n" for line in [_dumps(whole), *body]))
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror})") from error
    return path


def _told(stored: StoredBaseline) -> dict[str, Any]:
    """The labels of people, and what several answers to each item told."""
    found: dict[str, Any] = {"labels": to_json(stored.labels)}
    for kind in _NOISES:
        said = {name: getattr(scores, kind) for name, scores in stored.scores.items()}
        found[kind] = {name: to_json(noise) for name, noise in said.items() if noise is not None}
    return found


def _comparable(manifest: Manifest) -> Manifest:
    """What of the manifest says whether two runs are comparable, and names what was run."""
    facts = {name: replace(entry, data=only(entry.data, _DATA)) for name, entry in manifest.benchmarks.items()}
    refused = dict.fromkeys(manifest.model.left_out, "left out")
    more = {"refused_parameters": refused} if refused else {}
    model = ModelFacts(name=manifest.model.name, fingerprint=manifest.model.fingerprint, extra=more)
    return replace(only(manifest, _KEPT), benchmarks=facts, model=model)


def _measured(summary: Summary) -> Summary:
    """What of the summary the values of a baseline are held against."""
    entries = {name: only(entry, _FIGURES) for name, entry in summary.benchmarks.items()}
    return replace(only(summary, ("benchmarks",)), benchmarks=entries)


def read_baseline(path: Path) -> StoredBaseline:
    """A baseline file. UserError when it is none, of a later version, or not as it was written."""
    try:
        header_line, *body = path.read_text(encoding="utf-8").splitlines()
        header = json_value(header_line)
        version = header["evalh_baseline"]
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from error
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path}: not a baseline; `evalh baseline set RUN --name {path.stem}` writes one") from error
    if not isinstance(version, int) or version > _FORMAT:
        raise UserError(
            f"{path}: written by a later evalharness (format {version}, this one reads {_FORMAT}); "
            "pip install --upgrade evalharness, or set the baseline again"
        )
    if header.pop("sha256", None) != _digest(header, body):
        raise UserError(f"{path}: edited or damaged (its sha256 differs); restore it or set it again")
    scores = {}
    try:
        groups = [record(_Group, json_value(line)) for line in body]
        noises = {
            kind: {name: record(PassNoise, told) for name, told in header.get(kind, {}).items()} for kind in _NOISES
        }
        for name in dict.fromkeys(group.benchmark for group in groups):
            values = _scores([group for group in groups if group.benchmark == name])
            scores[name] = replace(values, noise=noises["noise"].get(name), wording=noises["wording"].get(name))
        named = {key: header[key] for key in ("name", "manifest", "summary")} | {"labels": header.get("labels")}
        return record(StoredBaseline, named | {"scores": scores})
    except (ValueError, KeyError, TypeError, OverflowError) as error:
        raise UserError(f"{path}: not a whole baseline ({error}); set it again") from error


def _digest(header: Mapping[str, Any], body: list[str]) -> str:
    # Over lines, not bytes: a checkout may turn line ends around.
    return hashlib.sha256("\n".join([_dumps(header), *body]).encode("utf-8", "surrogatepass")).hexdigest()


def _dumps(value: object) -> str:
    return json.dumps(value, ensure_ascii=True, separators=(",", ":"), sort_keys=True)


def _lines(benchmark: str, scores: Scores) -> Iterator[dict[str, Any]]:
    """One object per group, groups in alphabetical order, items in natural order of their ids."""
    for code in sorted(range(len(scores.group_names)), key=lambda c: scores.group_names[c]):
        members = sorted(np.flatnonzero(scores.groups == code).tolist(), key=lambda i: natural(scores.ids[i]))
        if not members:
            continue
        group, ids = scores.group_names[code], [scores.ids[i] for i in members]
        status = "".join(STATUSES[scores.status[i]][0] for i in members)
        values = [None if math.isnan(v) else v for v in scores.values[members].tolist()]
        line: dict[str, Any] = {"benchmark": benchmark, "metric": scores.metric, "group": group, "status": status}
        if ids == _numbered(group, len(ids)):
            line["numbered"] = len(ids)
        else:
            line["ids"] = ids
        if values != _implied(status):
            line["values"] = values
        answers = scores.answers[members].tolist()
        if any(count > 1 for count in answers):
            line["answers"] = answers
        yield line


def _numbered(group: str, n: int) -> list[str]:
    return [f"{group}/{i}" if group else str(i) for i in range(n)]


def _implied(status: str) -> list[float | None]:
    return [None if letter == "e" else float(letter == "c") for letter in status]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Group:
    """A line of the file: one group of one benchmark."""

    benchmark: str
    metric: str
    group: str
    status: str
    numbered: int | None = None
    ids: tuple[str, ...] = ()
    values: tuple[float | None, ...] | None = None
    answers: tuple[int, ...] | None = None


def _scores(lines: list[_Group]) -> Scores:
    ids: list[str] = []
    values: list[float] = []
    answers: list[int] = []
    groups: list[int] = []
    status = "".join(line.status for line in lines)
    for code, line in enumerate(lines):
        size = len(line.status)
        if line.numbered is not None and line.ids:
            raise ValueError("a group has ids and is numbered")
        held = line.values if line.values is not None else _implied(line.status)
        ids += line.ids if line.numbered is None else _numbered(line.group, min(line.numbered, size + 1))
        values += [math.nan if value is None else float(value) for value in held]
        answers += line.answers if line.answers is not None else [int(value is not None) for value in held]
        groups += [code] * size
    if not len(ids) == len(set(ids)) == len(values) == len(answers) == len(status):
        raise ValueError("its lists differ in length")
    n = len(ids)
    return Scores(
        metric=lines[0].metric,
        ids=ids,
        values=np.array(values, np.float64),
        answers=np.array(answers, np.int32),
        status=np.array([_LETTERS[letter] for letter in status], np.uint8),
        groups=np.array(groups, np.int32),
        group_names=[line.group for line in lines],
        clusters=None,
        lengths=np.full(n, -1, np.int32),
        places=np.full(n, -1, np.int64),
    )
