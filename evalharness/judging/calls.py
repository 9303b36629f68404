"""What is asked of a judge, what that takes at most, and the verdict that a reply makes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from evalharness.judge import JudgeCase, JudgeItem, Order
from evalharness.judging.panel import PanelMember
from evalharness.records import Request, Response, Result, Verdict, summed
from evalharness.runs.manifest import JudgingUsage
from evalharness.scoring import judge_replies

Key = tuple[str, str, int, str, str, str, int]  # benchmark, id, repeat, seat, part, order, retest


@dataclass(frozen=True, kw_only=True)
class Call:
    """One verdict that is wanted. `sha` is the digest of the request: a line of the journal answers it or not."""

    result: Result
    case: JudgeCase
    seat: PanelMember
    part: JudgeItem
    order: Order
    retest: int
    request: Request
    sha: str

    @property
    def key(self) -> Key:
        r = self.result
        return *r.key, self.seat.name, self.part.name, self.order, self.retest


@dataclass
class Usage:
    """What a judging has taken so far."""

    priced: bool
    calls: int = 0
    cached: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    cost: float = 0.0

    def add(self, verdict: Verdict) -> None:
        self.calls += verdict.attempts
        self.cached += verdict.attempts if verdict.cached else 0
        self.tokens_in += verdict.tokens_in
        self.tokens_out += verdict.tokens_out
        self.cost += verdict.cost or 0.0

    def facts(self) -> JudgingUsage:
        """What the manifest keeps of it."""
        return JudgingUsage(
            calls=self.calls,
            cached=self.cached,
            tokens_in=self.tokens_in,
            tokens_out=self.tokens_out,
            cost=self.cost if self.priced else None,
        )


def call_tokens(call: Call) -> tuple[int, int]:
    """At most: three bytes a token, a reply as long as allowed."""
    size = sum(len(m.content.encode("utf-8", "surrogatepass")) for m in call.request.messages)
    return size // 3 + 8 * len(call.request.messages), call.request.max_tokens


def dearest(call: Call) -> float | None:
    prices = call.seat.prices
    tokens_in, tokens_out = call_tokens(call)
    return None if prices is None else (tokens_in * prices[0] + tokens_out * prices[1]) / 1e6


def together(said: Sequence[Response]) -> Response:
    """The last response, with the tokens and costs of all attempts."""
    return replace(said[-1], cached=all(r.cached for r in said), **summed(said))


def equal_answers(call: Call) -> bool:
    """A pair of equal answers is a tie that nobody needs to be asked about."""
    against = call.case.against
    return against is not None and [a for _, a in call.part.turns] == [a for _, a in against]


def verdict_of(call: Call, response: Response, reading: judge_replies.Reading, *, attempts: int) -> Verdict:
    value = reading.value
    if value is not None and call.order == "BA":
        value = 1.0 - value  # a judge's label speaks of the answer shown first
    against = call.case.against
    notes = {
        "seat": call.seat.name,
        "part": call.part.name,
        "weight": call.part.weight,
        "retest": call.retest,
        "how": reading.how,
        "mass": reading.mass,
        "problem": reading.problem,
        "model": call.seat.model.name,
        "request_sha": call.sha,
        "chars": [len(call.case.answer), len(against[-1][1])] if against else [len(call.case.answer)],
    }
    return Verdict(
        judge=call.seat.judge.name,
        kind=call.seat.judge.kind,
        value=value,
        label=reading.label,
        order=call.order,
        status=reading.status,
        raw=response.text,
        logprobs=response.top_logprobs,
        attempts=attempts,
        tokens_in=response.tokens_in,
        tokens_out=response.tokens_out,
        cost=response.cost,
        cached=response.cached,
        prompt_sha=call.seat.judge.sha,
        extra={k: v for k, v in notes.items() if v not in ("", None, 0)},
    )
