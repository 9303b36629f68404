"""The runs that are shown, each under a key of its own: no path from an address reaches the file system."""

from __future__ import annotations

import hashlib
import math
import os
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from evalharness.errors import UserError
from evalharness.runs.run_rows import readable_run_rows, run_rows
from evalharness.runs.store import JOURNAL, MANIFEST, Run, find_run
from evalharness.training.curves import LOG_FILE, TRAINING_FOLDER
from evalharness.web.foreign_logs import imported_log, log_format
from evalharness.web.journal_index import JournalIndex, Progress

_CACHE = Path(".cache") / "view"
_RECENT = 10.0  # seconds
_PATIENCE = 0.4  # seconds that a page waits for an index before it shows how far that is


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRow:
    """One benchmark of one run, as the list shows it. `n` is None where the run is not finished, `damaged` where it
    cannot be read."""

    key: str
    name: str
    benchmark: str = ""
    model: str = ""
    mode: str = ""
    n: int | None = None
    score: float | None = None
    low: float | None = None
    high: float | None = None
    created: str = ""
    damaged: bool = False


@dataclass(slots=True)
class _Building:
    """An index that is being made, or brought up to date."""

    thread: threading.Thread
    share: float = 0.0
    error: UserError | None = None
    done: threading.Event = field(default_factory=threading.Event)


class RunLibrary:
    """The runs at some places: run folders, names under `runs`, folders that hold runs, what trainings wrote with the
    runs in it, folders with such folders in them, and logs of other programs. Without places `runs` and the trainings
    beside it. UserError for a place that is none of these."""

    def __init__(self, places: Sequence[str], runs: Path = Path("runs")) -> None:
        self._folders: list[Path] = []
        self._single: list[Path] = []
        self._trainings: dict[str, Path] = {}
        for place in places:
            self._take(place, runs)
        if not places:
            beside = _trainings_in(runs.parent)
            if not runs.is_dir() and not beside:
                raise UserError(f"{runs}: there is no such folder; name the runs, or `evalh run` makes one")
            self._take_folder(runs)
            for training in beside:
                self._take_training(training)
        self._paths: dict[str, Path] = {}
        self._recent: tuple[float, list[RunRow]] = (-math.inf, [])
        self._lock = threading.Lock()
        self._building: dict[str, _Building] = {}

    def _take(self, place: str, runs: Path) -> None:
        path = Path(place)
        if (path / TRAINING_FOLDER).is_dir():
            self._take_training(path)
        elif (kind := log_format(path)) is not None:
            self._single.append(imported_log(path, kind, _cache_of(path.parent) / "imported").path)
        elif path.is_dir() and not (path / MANIFEST).is_file():
            self._take_folder(path)
            self._take_folder(path / runs.name)
            for training in _trainings_in(path):
                self._take_training(training)
        else:
            self._single.append(find_run(place, runs).path)

    def _take_folder(self, path: Path) -> None:
        if path.is_dir():
            self._folders.append(path)

    def _take_training(self, path: Path) -> None:
        self._trainings[run_key(path)] = path
        # They are made while the training goes on, and may not be there yet.
        self._folders += [path / TRAINING_FOLDER / "evaluations", path / "runs"]

    def rows(self) -> list[RunRow]:
        """A row for every benchmark of every run, as the disk has them now; the newest run first."""
        paths: dict[str, Path] = {}
        found: list[RunRow] = []
        for folder in self.folders:
            for values in run_rows(folder):
                found.append(_row(folder / values["name"], values, paths))
        for path in self._single:
            for values in readable_run_rows(Run(path)) or [{"name": path.name, "n": "damaged"}]:
                found.append(_row(path, values, paths))
        unique = {(row.key, row.benchmark): row for row in reversed(found)}
        rows = sorted(unique.values(), key=lambda row: row.created, reverse=True)
        with self._lock:
            self._paths, self._recent = paths, (time.monotonic(), rows)
        return rows

    def recent_rows(self) -> list[RunRow]:
        """The same, some seconds old at most: looking at ten thousand runs takes a while."""
        then, rows = self._recent
        return rows if time.monotonic() - then < _RECENT else self.rows()

    @property
    def folders(self) -> list[Path]:
        """The folders of runs, those that are there by now."""
        return [folder for folder in self._folders if folder.is_dir()]

    def trainings(self) -> dict[str, Path]:
        """The output folders of trainings, by key."""
        return dict(self._trainings)

    def named_runs(self) -> list[Run]:
        """The runs that were named one by one."""
        return [Run(path) for path in self._single]

    def run(self, key: str) -> Run | None:
        """The run with this key."""
        path = self._paths.get(key)
        if path is None:
            self.rows()
            path = self._paths.get(key)
        return None if path is None or not (path / MANIFEST).is_file() else Run(path)

    def index(self, run: Run, progress: Progress | None = None) -> JournalIndex:
        """The index of a run's results, brought up to date. UserError where it cannot be made."""
        made = JournalIndex(run.path / JOURNAL, _index_file(run.path))
        made.refresh(progress)
        return made

    def index_soon(self, run: Run) -> JournalIndex | float:
        """The index of a run's results, or where it takes longer than a reader likes to wait the share that is done.
        UserError where it cannot be made."""
        key = run_key(run.path)
        with self._lock:
            building = self._building.get(key)
            if building is None:
                building = self._building[key] = self._start(key, run)
        if not building.done.wait(_PATIENCE):
            return building.share
        with self._lock:
            self._building.pop(key, None)
        if building.error is not None:
            raise building.error
        return JournalIndex(run.path / JOURNAL, _index_file(run.path))

    def _start(self, key: str, run: Run) -> _Building:
        def build() -> None:
            try:
                self.index(run, told)
            except UserError as error:
                made.error = error
            finally:
                made.done.set()

        def told(read: int, size: int) -> None:
            made.share = read / max(size, 1)

        made = _Building(threading.Thread(target=build, name=f"index of {key}", daemon=True))
        made.thread.start()
        return made


def run_key(path: Path) -> str:
    """What stands for a run in an address."""
    return hashlib.sha256(str(path.resolve()).encode("utf-8", "surrogateescape")).hexdigest()[:12]


def _trainings_in(folder: Path) -> list[Path]:
    return sorted(file.parents[1] for file in folder.glob(f"*/{TRAINING_FOLDER}/{LOG_FILE}"))


def _row(path: Path, values: dict[str, Any], paths: dict[str, Path]) -> RunRow:
    key = run_key(path)
    paths[key] = path
    if values["n"] == "damaged":
        return RunRow(key=key, name=values["name"], damaged=True)
    n = values["n"] if isinstance(values["n"], int) else None
    return RunRow(
        key=key, name=values["name"], benchmark=values["benchmark"], model=values["model"] or "?",
        mode=values["mode"] or "", n=n, score=values["score"], low=values["low"], high=values["high"],
        created=values["created"] or "",
    )  # fmt: skip


def _index_file(run: Path) -> Path:
    return _cache_of(run.parent) / f"{run_key(run)}.sqlite"


def _cache_of(folder: Path) -> Path:
    """Beside the runs where that can be written, else in the user's own cache."""
    beside = folder / _CACHE
    return beside if _can_be_made(beside) else Path.home() / ".cache" / "evalharness" / "view"


def _can_be_made(folder: Path) -> bool:
    while not folder.exists():
        folder = folder.parent
    return os.access(folder, os.W_OK | os.X_OK)
