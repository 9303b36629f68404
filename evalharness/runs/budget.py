"""A limit on what a run may use up, kept by an observer that ends the run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from evalharness.errors import Exit, UserError
from evalharness.events import ObservedTask, Observer
from evalharness.records import Result


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What one model may use up at most: US dollars, tokens; None is no limit."""

    cost: float | None = None
    tokens: int | None = None


@dataclass
class BudgetObserver:
    """Ends the run when its budget is used up. What was answered stays; the same command goes on."""

    inner: Observer
    budget: Budget
    cost: float = 0.0
    tokens: int = 0

    def before(self, results: Iterable[Result]) -> None:
        """Count what earlier starts of the same run used. UserError where that is the whole budget."""
        for result in results:
            self.cost += result.response.cost or 0.0
            self.tokens += result.response.tokens_in + result.response.tokens_out
        self.check()

    def open(self, tasks: Sequence[ObservedTask], model: str) -> None:
        self.inner.open(tasks, model)

    def begin(self, task: ObservedTask, done: int) -> None:
        self.inner.begin(task, done)

    def result(self, result: Result) -> None:
        self.inner.result(result)
        if not result.response.cached:
            self.cost += result.response.cost or 0.0
        self.tokens += result.response.tokens_in + result.response.tokens_out
        self.check()

    def check(self) -> None:
        """UserError with exit 3 once more than the budget is used."""
        used = None
        if self.budget.cost is not None and self.cost > self.budget.cost:
            used = f"${self.cost:.2f} of ${self.budget.cost:.2f}"
        if self.budget.tokens is not None and self.tokens > self.budget.tokens:
            used = f"{self.tokens:,} of {self.budget.tokens:,} tokens"
        if used:
            raise UserError(
                f"the budget is used up ({used}); what was answered is kept, raise it and give the command again",
                Exit.NOT_WHOLE,
            )

    def end(self, task: ObservedTask) -> None:
        self.inner.end(task)
