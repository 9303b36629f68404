"""What is told while a model is trained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from evalharness.events import Event
from evalharness.training.prepare import PreparedTraining
from evalharness.training.step import StepStats, Training


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingPrepared(Event):
    """The rows are read, split and encoded; nothing is trained yet."""

    prepared: PreparedTraining


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingBegan(Event):
    """Training begins, or goes on; `facts` say what was chosen for this machine."""

    training: Training
    facts: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class StepDone(Event):
    """One step of `steps` is done."""

    stats: StepStats
    steps: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingEnded(Event):
    """No step follows, whether all are done or it was stopped early; what was learned is chosen and written now."""

    step: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingEvaluated(Event):
    """The validation rows, and the benchmarks that were wished, were asked: a line of the log."""

    line: Mapping[str, Any]
