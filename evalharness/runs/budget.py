"""What a run may use up, and what is left of it while the run is asked."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Literal

from evalharness.errors import UserError, option_name
from evalharness.model import Batched, Model, Priced, Remote
from evalharness.records import Response, Result
from evalharness.runs.manifest import BudgetEnd

Limit = Literal["max_cost", "max_tokens_total", "max_minutes"]  # the options that set one


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What one run may use up at most, its part where a command has several: US dollars and tokens over all its starts,
    minutes of one start; None is no limit."""

    cost: float | None = None
    tokens: int | None = None
    minutes: float | None = None

    def __bool__(self) -> bool:
        return any(limit is not None for limit in (self.cost, self.tokens, self.minutes))

    def check(self, model: Model) -> None:
        """UserError for a limit that makes no sense, or one of cost for a model whose prices nobody knows."""
        for name, limit, unit in (
            ("max_cost", self.cost, "US dollars"),
            ("max_tokens_total", self.tokens, "tokens"),
            ("max_minutes", self.minutes, "minutes"),
        ):
            if limit is not None and not 0 < limit < float("inf"):
                raise UserError(f"{option_name(name)} wants {unit}, more than 0; there is {limit:g}")
        if self and isinstance(model, Batched) and model.in_batches:
            said = f"leave out {option_name('batch_api')}, or say {option_name('limit')}"
            raise UserError(f"no budget holds for a batch: what is handed in is paid; {said}")
        elsewhere = isinstance(model, Remote) and model.remote
        if self.cost is not None and elsewhere and not (isinstance(model, Priced) and model.prices is not None):
            raise UserError(
                f"{option_name('max_cost')}: the prices of {model.name} are not known; give {option_name('price_in')} "
                f"and {option_name('price_out')}, US dollars per million tokens (0 where it costs nothing)"
            )


@dataclass
class Allowance:
    """What a budget leaves while a run is asked. `limit` is what may be used now: all, or a task's share of it.

    A request is begun where the dearest answer so far would still fit beside those that are in flight, and no more of
    them at a time than have been answered: so the limit is passed by no more than what the last few cost above that.
    """

    budget: Budget
    clock: Callable[[], float] = time.monotonic
    used: dict[str, float] = field(default_factory=lambda: {"cost": 0.0, "tokens": 0.0})
    limit: dict[str, float] = field(default_factory=dict)
    ended_by: Limit | None = None
    paid: int = 0  # answers that cost something
    _dearest: dict[str, float] = field(default_factory=lambda: {"cost": 0.0, "tokens": 0.0})

    def __post_init__(self) -> None:
        self.began = self.clock()
        self.share(1.0)

    def recall(self, results: Iterable[Result]) -> None:
        """Count what earlier starts of the same run used."""
        for result in results:
            self.spend(result.response)

    def share(self, part: float) -> None:
        """From now on only this part of what is left may be used."""
        most = {"cost": self.budget.cost, "tokens": self.budget.tokens}
        self.limit = {
            kind: self.used[kind] + part * max(0.0, allowed - self.used[kind])
            for kind, allowed in most.items()
            if allowed is not None
        }
        now = self.clock()
        if self.budget.minutes is not None:
            self.until: float | None = now + part * max(0.0, self.began + 60 * self.budget.minutes - now)
        else:
            self.until = None

    def spend(self, response: Response) -> None:
        """Count an answer. One from the cache costs nothing."""
        took = {"cost": response.cost or 0.0, "tokens": float(response.tokens_in + response.tokens_out)}
        if response.cached or not any(took.values()):
            return
        self.paid += 1
        for kind, amount in took.items():
            self.used[kind] += amount
            self._dearest[kind] = max(self._dearest[kind], amount)

    def seconds_left(self) -> float | None:
        """Seconds until asking is to end; None where there is no such limit."""
        return None if self.until is None else max(0.0, self.until - self.clock())

    def fits(self, in_flight: int) -> bool:
        """Whether one more request may be begun beside so many; what forbids it for good is kept in `ended_by`."""
        if self.seconds_left() == 0.0:
            self.ended_by = "max_minutes"
            return False
        if self.limit and in_flight >= max(1, self.paid):
            return False
        for kind, allowed in self.limit.items():
            if self.used[kind] + (in_flight + 1) * self._dearest[kind] > allowed or self.used[kind] >= allowed:
                if not in_flight:
                    self.ended_by = "max_cost" if kind == "cost" else "max_tokens_total"
                return False
        return True

    def end(self, asked: int, planned: int) -> BudgetEnd:
        """What the manifest says of the end."""
        name = self.ended_by or "max_minutes"
        allowed, used = {
            "max_cost": (self.budget.cost, self.used["cost"]),
            "max_tokens_total": (self.budget.tokens, self.used["tokens"]),
            "max_minutes": (self.budget.minutes, (self.clock() - self.began) / 60),
        }[name]
        return BudgetEnd(option=name, allowed=allowed or 0.0, used=round(used, 6), asked=asked, planned=planned)


_WORDS: dict[Limit, str] = {
    "max_cost": "${:,.2f}", "max_tokens_total": "{:,.0f} tokens", "max_minutes": "{:,.1f} minutes",
}  # fmt: skip


def limits_in_words(budget: Budget) -> str:
    """`$0.50, 20.0 minutes`."""
    limits = zip(_WORDS.values(), (budget.cost, budget.tokens, budget.minutes), strict=True)
    return ", ".join(words.format(limit) for words, limit in limits if limit is not None)


def end_in_words(end: BudgetEnd) -> str:
    """`the budget is used up ($1.98 of $2.00): 312 of 14,042 answers, a seeded random part; ...`."""
    unit = _WORDS[end.option]
    used, allowed = unit.format(end.used), unit.format(end.allowed)
    return (
        f"the budget is used up ({used} of {allowed}, {option_name(end.option)}): {end.asked:,} of {end.planned:,} "
        "answers are there, a seeded random part; the same command with more goes on"
    )


_PART = re.compile(r"(\d{1,7}(?:\.\d{1,3})?)([hms])")
_UNITS = {"h": 3600, "m": 60, "s": 1}


def duration_seconds(words: str, option: str) -> float:
    """The seconds of `10m`, `90s` or `1h30m`. UserError, naming the option, for other text and for no time at all."""
    said = words.strip().lower()[:80]
    parts = _PART.findall(said)
    units = [unit for _, unit in parts]
    whole = "".join(number + unit for number, unit in parts) == said and units == [u for u in _UNITS if u in units]
    seconds = sum(float(number) * _UNITS[unit] for number, unit in parts) if whole else 0.0
    if not seconds:
        raise UserError(f"{option_name(option)} wants a duration such as 10m, 90s or 1h30m; there is {words!r:.80}")
    return seconds
