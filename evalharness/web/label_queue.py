"""Labels that people give to answers, and which answer comes next.

Each annotator has a file in the run's folder, `labels/NAME.jsonl`, an object with `id` and `label` (0 to 1) a line, as
`evalh judge calibrate --labels` and `evalh judge audit --labels` read them, and `chance` where some answers were
likelier to come than others. The order is that of `label_order`, or of a number that has nothing to do with what was
answered; it is the same for all annotators, so that they meet on the same answers. Two answers that are equal are
passed over: a label would say nothing.
"""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from evalharness.data.files import OWN_FILE, own_folder, write_whole
from evalharness.errors import UserError
from evalharness.records import Result
from evalharness.runs.journal import dumps, loads
from evalharness.runs.store import Run
from evalharness.stats.agreement import krippendorff
from evalharness.web.journal_index import JournalIndex
from evalharness.web.label_order import LabelOrder

FOLDER = "labels"
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
_BATCH = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelTask:
    """An answer to label: where it stands in the queue (`at`) and in the journal (`place`); `other` is the answer that
    it is compared with, where there is one, and `first` says whether the run's own is shown as A."""

    at: int
    place: int
    result: Result
    other: Result | None = None
    first: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelAgreement:
    """How far annotators agree: Krippendorff's alpha over their values (interval), of how many answers with two or more
    labels."""

    annotators: int
    shared: int
    alpha: float | None


def annotator_name(word: str) -> str | None:
    """A name that may stand in a file's name; None for what is none."""
    return word if _NAME.fullmatch(word) else None


class LabelFiles:
    """The labels of one run, or of it against another."""

    def __init__(self, run: Run, against: str = "") -> None:
        self.folder = run.path / FOLDER / (f"against-{against}" if against else "")
        self._lock = threading.Lock()

    def read(self, name: str) -> dict[str, float]:
        """One annotator's labels by item, in the order in which they were given."""
        file = self.folder / f"{name}.jsonl"
        try:
            rows = [loads(line) for line in file.read_bytes().splitlines()] if file.is_file() else []
            return {str(row["id"]): float(row["label"]) for row in rows}
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UserError(f"{file}: edited or damaged ({error!r:.100}); mend it or move it away") from error

    def set(self, name: str, identity: str, label: float, order: LabelOrder | None = None) -> None:
        """Keep a label; one that is there is replaced."""
        with self._lock:
            self._write(name, {**self.read(name), identity: label}, order)

    def undo(self, name: str, order: LabelOrder | None = None) -> None:
        """Take the latest label back."""
        with self._lock:
            labels = self.read(name)
            if labels:
                labels.popitem()
                self._write(name, labels, order)

    def _write(self, name: str, labels: dict[str, float], order: LabelOrder | None) -> None:
        """All labels anew: the chance of each depends on how many there are."""
        chances = order.chances(labels) if order is not None else {}
        told = {identity: {"chance": chance} for identity, chance in chances.items()}
        rows = (dumps({"id": name, "label": label, **told.get(name, {})}) for name, label in labels.items())
        file = self.folder / f"{name}.jsonl"
        try:
            own_folder(self.folder)
            write_whole(file, b"".join(row + b"\n" for row in rows), OWN_FILE)
        except OSError as error:
            raise UserError(f"{file}: cannot be written ({error.strerror})") from error

    def agreement(self) -> LabelAgreement:
        """How far all annotators of this run agree."""
        names = sorted(file.stem for file in self.folder.glob("*.jsonl")) if self.folder.is_dir() else []
        labels = [self.read(name) for name in names]
        items = {identity for one in labels for identity in one}
        units = [[one.get(identity) for one in labels] for identity in sorted(items)]
        shared = [unit for unit in units if sum(value is not None for value in unit) > 1]
        alpha = krippendorff(shared, interval=True) if shared else None
        return LabelAgreement(annotators=len(names), shared=len(shared), alpha=alpha)

    def path(self, name: str) -> Path:
        return self.folder / f"{name}.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelQueue:
    """The results of a run in the order in which they are labelled."""

    index: JournalIndex
    order: LabelOrder | None = None

    def places(self, at: int, most: int) -> Sequence[int]:
        """Where the next results begin."""
        return self.index.scattered(at, most) if self.order is None else self.order.places[at : at + most]


def next_task(
    queue: LabelQueue, other: JournalIndex | None, labelled: dict[str, float], name: str, at: int
) -> LabelTask | None:
    """The next answer from a place in the queue that this annotator has not labelled."""
    for here, place, result in _queue(queue, at):
        identity = result.sample.id
        if identity in labelled or result.repeat or result.response.error or not _said(result):
            continue
        if other is None:
            return LabelTask(at=here, place=place, result=result)
        found = other.find(result.key)
        if found is None:
            continue
        (against,) = other.readable([found])
        if against is None or against.response.error or _said(against) == _said(result):
            continue
        first = hashlib.sha256(f"{name}\n{identity}".encode("utf-8", "replace")).digest()[0] % 2 == 0
        return LabelTask(at=here, place=place, result=result, other=against, first=first)
    return None


def _queue(queue: LabelQueue, at: int) -> Iterator[tuple[int, int, Result]]:
    """Place in the queue, byte in the journal, result."""
    while places := queue.places(at, _BATCH):
        for here, place, result in zip(range(at, at + len(places)), places, queue.index.readable(places), strict=True):
            if result is not None:
                yield here, place, result
        at += len(places)


def _said(result: Result) -> str:
    return result.response.text or result.answer or ""


def answers_shown(task: LabelTask) -> Sequence[str]:
    """The answers in the order in which they are shown."""
    own = _said(task.result)
    if task.other is None:
        return (own,)
    return (own, _said(task.other)) if task.first else (_said(task.other), own)
