"""A limit on what a run may use up, kept by an observer that ends the run."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from evalharness.errors import Exit, UserError, option_name
from evalharness.events import Event, Observer, ResultCame
from evalharness.records import Response, Result


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
            self._count(result.response)
        self._check()

    def __call__(self, event: Event) -> None:
        """Pass the event on, then count what it used. UserError with exit 3 once more than the budget is used."""
        self.inner(event)
        if isinstance(event, ResultCame):
            self._count(event.result.response)
            self._check()

    def _count(self, response: Response) -> None:
        self.tokens += response.tokens_in + response.tokens_out
        if not response.cached:
            self.cost += response.cost or 0.0

    def _check(self) -> None:
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


_DURATION = re.compile(r"(?:(\d{1,4}(?:\.\d{1,3})?)h)?(?:(\d{1,6}(?:\.\d{1,3})?)m)?(?:(\d{1,7}(?:\.\d{1,3})?)s)?")


def duration_seconds(words: str, option: str) -> float:
    """The seconds of `10m`, `90s` or `1h30m`. UserError, naming the option, for other text and for no time at all."""
    found = _DURATION.fullmatch(words.strip().lower())
    parts = [float(part) if part else 0.0 for part in found.groups()] if found else []
    seconds = sum(part * unit for part, unit in zip(parts, (3600, 60, 1), strict=True)) if parts else 0.0
    if not seconds:
        raise UserError(f"{option_name(option)} wants a duration such as 10m, 90s or 1h30m; there is {words!r:.80}")
    return seconds
