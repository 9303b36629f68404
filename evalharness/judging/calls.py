"""Asking a judge: what is wanted, within what budget, and again where a reply cannot be read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from evalharness import judge
from evalharness.errors import Exit, UserError, option_name
from evalharness.judge import JudgeCase, JudgeItem, Order
from evalharness.judging.panel import JudgeOptions, PanelMember
from evalharness.records import Request, Response, Result, Verdict
from evalharness.scoring import judge_replies

Key = tuple[str, str, int, str, str, str, int]  # benchmark, id, repeat, seat, part, order, retest
NO_SCHEMA = ("response_format", "json_schema", "structured output", "guided")


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

    def as_json(self) -> dict[str, Any]:
        tokens = {"tokens_in": self.tokens_in, "tokens_out": self.tokens_out}
        return {"calls": self.calls, "cached": self.cached, **tokens, "cost": self.cost if self.priced else None}


def ask_seat(
    calls: Sequence[Call], options: JudgeOptions, write: Callable[[Call, Verdict], None], spent: Callable[[], float]
) -> None:
    """Ask one judge: first one call alone, which shows whether the endpoint knows schemas, then the rest.

    Under --max-cost the rest goes in batches whose dearest outcome still fits into what is left.
    """
    plain_text = False
    left = list(calls)
    first = True
    while left:
        batch = left[:1] if first else left
        if options.max_cost is not None:
            batch = _affordable(batch, options.max_cost - spent(), 1 + options.retries)
            if not batch:
                raise UserError(
                    f"{option_name('max_cost')} {options.max_cost:g} is reached: ${spent():.4f} spent, {len(left)} "
                    "verdicts not "
                    "asked; what was judged is kept, the same command with a higher limit goes on",
                    Exit.NOT_WHOLE,
                )
        for call, verdict, schema_refused in _ask(batch, options.retries, plain_text):
            plain_text = plain_text or schema_refused
            write(call, verdict)
        left = left[len(batch) :]
        first = False


def _affordable(calls: Sequence[Call], money: float, attempts: int) -> list[Call]:
    chosen = []
    for call in calls:
        money -= (dearest(call) or 0.0) * attempts
        if money < 0:
            break
        chosen.append(call)
    return chosen


def call_tokens(call: Call) -> tuple[int, int]:
    """At most: three bytes a token, a reply as long as allowed."""
    size = sum(len(m.content.encode("utf-8", "surrogatepass")) for m in call.request.messages)
    return size // 3 + 8 * len(call.request.messages), call.request.max_tokens


def dearest(call: Call) -> float | None:
    prices = call.seat.prices
    tokens_in, tokens_out = call_tokens(call)
    return None if prices is None else (tokens_in * prices[0] + tokens_out * prices[1]) / 1e6


@dataclass(frozen=True)
class _Try:
    """A call that is being asked, and what its earlier attempts said."""

    call: Call
    request: Request
    said: tuple[Response, ...] = ()
    schema_refused: bool = False


def _ask(calls: Sequence[Call], retries: int, plain_text: bool) -> Iterator[tuple[Call, Verdict, bool]]:
    """Each call's verdict; a reply that cannot be read is asked again, with the reason, at most `retries` times."""
    open_ = [_Try(c, replace(c.request, schema=None) if plain_text else c.request) for c in calls]
    while open_:
        following: list[_Try] = []
        for index, response in open_[0].call.seat.model.answer([t.request for t in open_]):
            asked = open_[index]
            call, said = asked.call, (*asked.said, response)
            scale = call.seat.judge.scale
            told = [m.content for m in asked.request.messages if m.role != "assistant"]
            reading = judge_replies.read_verdict(response, scale, judge.submissions(call.case), told)
            refused = response.error and asked.request.schema is not None
            if refused and any(sign in response.error.lower() for sign in NO_SCHEMA):
                following.append(_Try(call, replace(asked.request, schema=None), asked.said, schema_refused=True))
            elif reading.status == "unparsable" and not reading.hopeless and len(said) <= retries:
                request = judge.again(asked.request, response.text, reading.problem, scale)
                following.append(_Try(call, request, said, asked.schema_refused))
            else:
                yield call, verdict_of(call, _sum(said), reading, attempts=len(said)), asked.schema_refused
        open_ = following


def _sum(said: Sequence[Response]) -> Response:
    """The last response, with the tokens and costs of all attempts."""
    costs = [r.cost for r in said if r.cost is not None]
    return replace(
        said[-1],
        tokens_in=sum(r.tokens_in for r in said),
        tokens_out=sum(r.tokens_out for r in said),
        cost=sum(costs) if costs else None,
        cached=all(r.cached for r in said),
    )


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
