"""A fine-tuning as the user asked for it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from evalharness.training.callbacks import BenchmarkChecks
from evalharness.training.config import GuardOptions, MachineOptions, RowOptions, TrainingConfig, WatchOptions


@dataclass(frozen=True, kw_only=True)
class FinetuneJob(RowOptions, MachineOptions, WatchOptions, GuardOptions):
    """A fine-tuning as the user asked for it: what it learns from and changes, and the groups of options that it is."""

    data: str
    model: str
    out: Path
    settings: TrainingConfig = field(default_factory=TrainingConfig)
    file_order: bool = False
    asking: BenchmarkChecks = field(default_factory=BenchmarkChecks)
