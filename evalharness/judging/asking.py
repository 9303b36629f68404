"""Judges asked side by side: every call of every seat, questions put again as soon as a reply cannot be read, and the
budget that all of them share."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Collection, Generator, Iterator, Sequence
from contextlib import closing
from contextvars import copy_context
from dataclasses import dataclass, replace
from queue import SimpleQueue

from evalharness import judge
from evalharness.errors import Exit, UserError
from evalharness.judging.calls import Call, Key, dearest, together, verdict_of
from evalharness.judging.panel import JudgePanel, PanelMember
from evalharness.model import Model, Remote, Requests, Stop, answered
from evalharness.records import Request, Response, Verdict
from evalharness.runs.batched import in_batches
from evalharness.scoring import judge_replies

NO_SCHEMA = ("response_format", "json_schema", "structured output", "guided")
SIDE_BY_SIDE = 16  # models asked at the same time, each from a thread of its own
CALLS_AHEAD = 2048  # calls that a model knows of at most; of a million the others are made when their turn comes
CallsOf = Callable[[Collection[str]], Iterator[Call]]  # the calls of the seats with these names, in their order
Judged = tuple[Call, Verdict]
Lane = Generator[Judged, None, None]


class Purse:
    """What --max-cost leaves: a call is begun where its dearest outcome still fits beside those that are in flight.

    `attempts` are those of a call at most, `spent` says what the calls that have ended cost, `unasked` counts the rest.
    """

    def __init__(self, most: float | None, attempts: int, spent: Callable[[], float], unasked: int) -> None:
        self.most, self.attempts, self.spent, self.unasked = most, attempts, spent, unasked
        self._held: dict[Key, float] = {}  # what calls in flight may cost
        self._together = 0.0
        self._changed = threading.Condition()

    def _fits(self, call: Call) -> bool:
        if self.most is None:
            return True
        return self.spent() + self._together + self._dearest(call) <= self.most

    def _dearest(self, call: Call) -> float:
        return (dearest(call) or 0.0) * self.attempts

    def begin(self, call: Call) -> bool:
        """Whether the call may be asked now; if so, its price is set aside until `settle`."""
        with self._changed:
            if not self._fits(call):
                return False
            self.unasked -= 1
            if self.most is not None:
                self._held[call.key] = self._dearest(call)
                self._together += self._held[call.key]
            return True

    def settle(self, call: Call) -> None:
        """The call has ended, and `spent` knows what it cost."""
        with self._changed:
            self._together -= self._held.pop(call.key, 0.0)
            if not self._held:
                self._together = 0.0  # and nothing of what rounding left
            self._changed.notify_all()

    def wait(self, call: Call, stop: Stop) -> None:
        """Until the call may be asked, or all stops. UserError where nothing in flight will leave enough for it."""
        with stop.waking(self._wake), self._changed:
            self._changed.wait_for(lambda: stop.said or not self._held or self._fits(call))
            if stop.said or self._fits(call):
                return
            raise UserError(
                f"--max-cost {self.most:g} is reached: ${self.spent():.4f} spent, {self.unasked} verdicts not "
                "asked; what was judged is kept, the same command with a higher limit goes on",
                Exit.NOT_WHOLE,
            )

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify_all()


def judged(calls: CallsOf, jury: JudgePanel, retries: int, purse: Purse, stop: Stop | None = None) -> Lane:
    """Each call's verdict as it comes. What is done with a verdict (`purse.settle` among it) is done before anything
    else is asked of that model. Once `stop` is said, nothing more is asked and nothing waited for."""
    stop = stop or Stop()
    lanes = [_in_turn([_ordered(calls, seats) for seats in lane], retries, purse, stop) for lane in _lanes(jury.seats)]
    if len(lanes) == 1:
        yield from lanes[0]
    else:
        yield from _side_by_side(lanes, stop)


def _lanes(seats: Sequence[PanelMember]) -> list[list[list[PanelMember]]]:
    """Who is asked at the same time: lanes of models that are asked in turn, each model with its seats.

    A model that computes elsewhere has a lane, however many seats it has. Those of this machine share one: each of them
    uses all of the machine.
    """
    elsewhere: dict[str, list[PanelMember]] = {}
    here: list[list[PanelMember]] = []
    for seat in seats:
        if isinstance(seat.model, Remote) and seat.model.remote:
            elsewhere.setdefault(seat.model.fingerprint, []).append(seat)
        else:
            here.append([seat])
    apart = list(elsewhere.values())
    lanes = [apart[first::SIDE_BY_SIDE] for first in range(min(len(apart), SIDE_BY_SIDE))]
    return [*lanes, here] if here else lanes


def _ordered(calls: CallsOf, seats: Sequence[PanelMember]) -> Iterator[Call]:
    """The calls of one model. Those with a schema go first: the first of them shows whether it knows schemas."""
    for schema in (True, False):
        if names := [seat.name for seat in seats if ("schema" in seat.judge.scale.reads) == schema]:
            yield from calls(names)


def _in_turn(models: Sequence[Iterator[Call]], retries: int, purse: Purse, stop: Stop) -> Lane:
    for calls in models:
        asked = _Asked(calls=calls, retries=retries, purse=purse)
        while asked.next is not None and not stop.said:
            purse.wait(asked.next, stop)
            yield from asked.verdicts(asked.next.seat.model, stop)


@dataclass(frozen=True)
class _Try:
    """A call that is being asked, and what its earlier attempts said."""

    call: Call
    request: Request
    said: tuple[Response, ...] = ()


@dataclass(kw_only=True)
class _Asked:
    """One model, the calls that it has not been asked yet, and the `next` of them. `proven`: it has answered, and if it
    knows no schemas, `plain` says so."""

    calls: Iterator[Call]
    retries: int
    purse: Purse
    proven: bool = False
    plain: bool = False

    def __post_init__(self) -> None:
        self.next = next(self.calls, None)

    def verdicts(self, model: Model, stop: Stop) -> Lane:
        """Ask all that the purse allows, more as it allows it and as answers come, until nothing is in flight."""
        requests, tries = Requests(stop=stop), dict[int, _Try]()
        most = sys.maxsize if in_batches(model) else CALLS_AHEAD

        def ask(one: _Try) -> None:
            tries[requests.add(one.request)] = one

        def begin() -> None:
            while self.next is not None and len(tries) < most and self.purse.begin(self.next):
                call, self.next = self.next, next(self.calls, None)
                ask(_Try(call, replace(call.request, schema=None) if self.plain else call.request))
                if call.request.schema is not None and not self.proven:
                    return

        begin()
        with closing(answered(model, requests)) as answers:
            for index, response in answers:
                self.proven = True
                found = self._read(tries.pop(index), response)
                if isinstance(found, _Try):
                    ask(found)
                else:
                    yield found
                begin()

    def _read(self, asked: _Try, response: Response) -> Judged | _Try:
        """The verdict; or how the call is put again, at most `retries` times, where the reply cannot be read."""
        call, said = asked.call, (*asked.said, response)
        scale = call.seat.judge.scale
        told = [m.content for m in asked.request.messages if m.role != "assistant"]
        reading = judge_replies.read_verdict(response, scale, judge.submissions(call.case), told)
        refused = response.error and asked.request.schema is not None
        if refused and any(sign in response.error.lower() for sign in NO_SCHEMA):
            self.plain = True
            return replace(asked, request=replace(asked.request, schema=None))
        if reading.status == "unparsable" and not reading.hopeless and len(said) <= self.retries:
            return _Try(call, judge.again(asked.request, response.text, reading.problem, scale), said)
        return call, verdict_of(call, together(said), reading, attempts=len(said))


Handed = tuple[threading.Semaphore, Judged] | BaseException | None  # a verdict and who waits for it; an error; an end


def _side_by_side(lanes: Sequence[Lane], stop: Stop) -> Lane:
    """The verdicts of several lanes as they come, each lane on a thread of its own. A lane goes on when its verdict has
    been dealt with. An error of one ends all; what the others had handed over by then is not lost."""
    out: SimpleQueue[Handed] = SimpleQueue()  # at most one thing of each lane
    turns = [threading.Semaphore(0) for _ in lanes]
    threads: list[threading.Thread] = []
    try:
        for lane, turn in zip(lanes, turns, strict=True):
            # In a copy of our context each, so that whoever hears our warnings hears theirs.
            run = (copy_context().run, (_run, lane, turn, stop, out))
            threads.append(threading.Thread(target=run[0], args=run[1], name="evalh-judge", daemon=True))
            threads[-1].start()
        going = len(lanes)
        while going:
            handed = out.get()
            if handed is None:
                going -= 1
            elif isinstance(handed, BaseException):
                _end(stop, turns, threads)
                yield from _left(out)
                raise handed
            else:
                yield handed[1]
                handed[0].release()
    finally:
        _end(stop, turns, threads)


def _run(lane: Lane, turn: threading.Semaphore, stop: Stop, out: SimpleQueue[Handed]) -> None:
    """The thread of a lane."""
    try:
        with closing(lane):
            for verdict in lane:
                out.put((turn, verdict))
                turn.acquire()
                if stop.said:
                    break
    except BaseException as error:  # raised by the caller's thread
        out.put(error)
    else:
        out.put(None)


def _end(stop: Stop, turns: Sequence[threading.Semaphore], threads: Sequence[threading.Thread]) -> None:
    stop.say()
    for turn in turns:
        turn.release()
    for thread in threads:
        thread.join()


def _left(out: SimpleQueue[Handed]) -> Iterator[Judged]:
    while not out.empty():
        if isinstance(handed := out.get(), tuple):
            yield handed[1]
