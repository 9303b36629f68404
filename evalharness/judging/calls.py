"""What is asked of a judge, what that takes at most, and the verdict that a reply makes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from evalharness import judge
from evalharness.judge import JudgeCase, JudgeItem, Order
from evalharness.judging.panel import JudgeOptions, JudgePanel, PanelMember
from evalharness.records import Request, Response, Result, Verdict, summed
from evalharness.runs import cache
from evalharness.runs.manifest import JudgingUsage
from evalharness.scoring import judge_replies

Key = tuple[str, str, int, str, str, str, int]  # benchmark, id, repeat, seat, part, order, retest


@dataclass(frozen=True, kw_only=True)
class Call:
    """One verdict that is wanted. `sha` is the digest of the request: a line of the journal answers it or not. `number`
    is its place among all that a judging wants."""

    result: Result
    case: JudgeCase
    seat: PanelMember
    part: JudgeItem
    order: Order
    retest: int
    request: Request
    sha: str
    number: int = 0

    @property
    def key(self) -> Key:
        r = self.result
        return *r.key, self.seat.name, self.part.name, self.order, self.retest


class JudgeQuestion(NamedTuple):
    """Who is asked what about an answer, and in which order a pair is shown."""

    seat: PanelMember
    part: JudgeItem
    order: Order


def questions_of(case: JudgeCase, jury: JudgePanel, options: JudgeOptions) -> Iterator[JudgeQuestion]:
    """What is asked about one answer: every part of every seat, in its order or both."""
    for seat in jury.seats:
        for part in seat.judge.parts(case, jury.criteria):
            for order in _orders(seat, case, options):
                yield JudgeQuestion(seat, part, order)


def call_of(result: Result, case: JudgeCase, asked: JudgeQuestion, retest: int = 0, number: int = 0) -> Call:
    """The call that puts a question."""
    seat, part, order = asked
    request = replace(judge.judge_request(seat.judge, case, part, order), origin=judge.origin(case, retest))
    return Call(
        result=result, case=case, seat=seat, part=part, order=order, retest=retest, request=request,
        sha=cache.reply_key(seat.model.fingerprint, request), number=number,
    )  # fmt: skip


def _orders(seat: PanelMember, case: JudgeCase, options: JudgeOptions) -> tuple[Order, ...]:
    if seat.judge.kind != "pairwise":
        return ("",)
    if (options.order or seat.judge.orders) == "both":
        return ("AB", "BA")
    return (seat.judge.order_of(case, options.seed),)


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


def equal_answers(case: JudgeCase, part: JudgeItem) -> bool:
    """A pair of equal answers is a tie that nobody needs to be asked about."""
    return case.against is not None and [a for _, a in part.turns] == [a for _, a in case.against]


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
