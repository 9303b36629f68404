"""Which of a training's evaluations is the best: while it goes on, and read from its log afterwards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evalharness.errors import UserError, option_name
from evalharness.runs.summary import lower_is_better


@dataclass
class Best:
    """The best evaluation so far by one figure; the earlier one on ties. `patience` 0 never stops."""

    by: str = "loss"
    patience: int = 0
    value: float | None = None
    step: int = 0
    since: int = 0

    def better(self, step: int, figures: Mapping[str, float]) -> bool:
        """Note an evaluation; True when it is the best so far. UserError when the figure was not measured."""
        if self.by not in figures:
            known = ", ".join(sorted(figures)) or "nothing"
            raise UserError(f"{option_name('best', self.by)} is not measured; there is {known}")
        value = figures[self.by]
        benchmark, _, metric = self.by.rpartition(".")
        down = self.by == "loss" or lower_is_better(benchmark, metric)
        if self.value is None or (value < self.value if down else value > self.value):
            self.value, self.step, self.since = value, step, 0
            return True
        self.since += 1
        return False

    @property
    def over(self) -> bool:
        return bool(self.patience) and self.since >= self.patience


def chosen_step(lines: Sequence[Mapping[str, Any]], by: str) -> int | None:
    """The step of the best evaluation in a log; None where there is none by that figure."""
    best = Best(by=by)
    for line in lines:
        figures = {**(line.get("metrics") or {}), "loss": line.get("validation_loss")}
        if isinstance(figures.get(by), int | float):
            best.better(line["step"], figures)
    return None if best.value is None else best.step
