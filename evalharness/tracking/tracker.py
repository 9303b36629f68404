"""Contract: a tracker takes figures as they are measured, for a program that keeps them: MLflow, W&B and their like."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evalharness.errors import UserError, install_hint, nearest, option_name
from evalharness.events import Event, Observer
from evalharness.plugins import load_plugin, modules

Figures = Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tracked:
    """What is tracked, a run or a training: its name, the folder of its own in which a tracker may keep files, and its
    settings by name, which hold no answer, no key and no path of a file."""

    name: str
    folder: Path
    settings: Mapping[str, Any]


def _passes(event: Event) -> None:
    """What most trackers do with a single event: nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tracker:
    """`log(figures, step)` takes what was measured at a step, `close()` writes what is still held back; `hear` gets
    every event, for a tracker that keeps more than figures."""

    log: Callable[[Figures, int], object]
    close: Callable[[], object]
    hear: Observer = _passes


def load_tracker(name: str) -> Callable[[Tracked], Tracker]:
    """What begins the tracker called `name`. UserError lists the trackers that there are."""
    found = modules("trackers")
    if name not in found:
        raise UserError(f"{option_name('log_to')} wants {', '.join(found)}{nearest(name, found)}; there is {name!r}")
    begin: Callable[[Tracked], Tracker] = load_plugin("trackers", name).open_tracker
    return begin


def begin_tracker(name: str, tracked: Tracked) -> Tracker:
    """The tracker called `name`, begun. UserError when it is unknown, not installed or cannot start."""
    begin = load_tracker(name)
    try:
        return begin(tracked)
    except ModuleNotFoundError as error:
        missing = error.name or name
        raise UserError(
            f"{option_name('log_to', name)}: the package {missing} is not installed; {install_hint(missing)}"
        ) from error
    except Exception as error:  # whatever a third party raises about its server, its login or its settings
        raise UserError(
            f"{option_name('log_to', name)}: it cannot start ({' '.join(str(error).split())[:200]})"
        ) from error
