"""Asks many things at once over a network: at most N are in flight, answers come back in order of completion.

The number in flight adapts to what the endpoint keeps up with (`pacing`). Every failed attempt that is worth another is
counted and bounded; there is no hidden retry below.
"""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable, Generator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from queue import SimpleQueue

from evalharness.clients.pacing import Pace
from evalharness.model import Requests
from evalharness.records import Request, Response

# Answers go to the caller's thread in batches: waking it for each one would double the CPU time of a request.
BATCH_SECONDS = 0.01
AHEAD = 64  # requests taken beyond twice those in flight: the network has enough to do between two batches

Send = Callable[[Request], Awaitable[Response]]
Connect = Callable[[], AbstractAsyncContextManager[Send]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """How often a request is tried, and how long to wait: `first` seconds, doubled each time, at most `longest`.

    An endpoint that asks for a longer pause than `patience` seconds is not waited for. One attempt has `deadline`
    seconds: a long answer of a slow local server must fit.
    """

    attempts: int = 6
    first: float = 0.5
    longest: float = 30.0
    patience: float = 120.0
    deadline: float = 600.0


class AttemptError(Exception):
    """This attempt failed and another may not. `wait` is the pause the endpoint asked for, in seconds.

    `crowded`: the endpoint says "too many"; `overloaded`: it fails as one does that has too much to do; `at_once`:
    the first of these need not wait, for the connection was closed before it was asked.
    """

    def __init__(
        self, message: str, *, wait: float | None = None, crowded: bool = False, overloaded: bool = False,
        at_once: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(message)
        self.wait, self.crowded, self.overloaded, self.at_once = wait, crowded, overloaded, at_once


def _new_loop() -> asyncio.AbstractEventLoop:
    """uvloop's where it is installed: a fifth less work."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


class Flight:
    """What one `answers` asks, on the event loop's thread: as many requests in flight as `pace` allows, others wait."""

    def __init__(self, pace: Pace, retry: Retry) -> None:
        self.loop = _new_loop()
        self.out: SimpleQueue[list[tuple[int, Response]] | BaseException | None] = SimpleQueue()
        self.pace = pace
        self.retry = retry
        self.waiting: deque[tuple[int, Request]] = deque()
        self.flying: set[asyncio.Task[None]] = set()
        self.ready: list[tuple[int, Response]] = []
        self.over = self.loop.create_future()
        self.send: Send | None = None  # None until there is a connection
        self.pause: asyncio.TimerHandle | None = None

    def run(self, connect: Connect) -> None:
        """The thread of the event loop, until it is over. What ends it early is the last thing handed over."""
        try:
            self.loop.run_until_complete(self._fly(connect))
        except BaseException as error:  # handed over to the caller's thread, which raises it
            self._hand_over()
            self.out.put(error)
        finally:
            self.loop.run_until_complete(self.loop.shutdown_asyncgens())

    async def _fly(self, connect: Connect) -> None:
        async with connect() as self.send:
            try:
                self._start()
                await self.over
            finally:
                for task in self.flying:
                    task.cancel()
                await asyncio.gather(*self.flying, return_exceptions=True)

    def ask(self, requests: Sequence[tuple[int, Request]]) -> None:
        self.waiting.extend(requests)
        self._start()

    def end(self) -> None:
        if not self.over.done():
            self.over.set_result(None)

    def _may_ask(self, others: int) -> bool:
        """Whether one of those that wait may be sent, with so many in flight."""
        if not self.waiting or others >= self.pace.limit or self.pause is not None or self.over.done():
            return False
        if (pause := self.pace.pause()) > 0:
            self.pause = self.loop.call_later(pause, self._resume)
            return False
        return True

    def _start(self) -> None:
        """Send what may be sent at this moment."""
        while self.send is not None and self._may_ask(len(self.flying)):
            task = self.loop.create_task(self._work(*self.waiting.popleft(), self.send))
            self.flying.add(task)
            task.add_done_callback(self._landed)

    def _resume(self) -> None:
        self.pause = None
        self._start()

    async def _work(self, index: int, request: Request, send: Send) -> None:
        """Ask this and then one after another, as long as any waits and may be sent."""
        while True:
            response = await self._persist(send, request)
            if not self.ready:
                self.loop.call_later(BATCH_SECONDS, self._hand_over)
            self.ready.append((index, response))
            if not self.waiting:  # what this answer brings on may be all that is left to ask
                self._hand_over()
            if not self._may_ask(len(self.flying) - 1):
                return
            index, request = self.waiting.popleft()

    def _landed(self, task: asyncio.Task[None]) -> None:
        self.flying.discard(task)
        if task.cancelled():
            return
        if (error := task.exception()) is not None:
            if not self.over.done():
                self.over.set_exception(error)
            return
        self._start()

    def _hand_over(self) -> None:
        if self.ready:
            self.out.put(self.ready)
            self.ready = []

    async def _persist(self, send: Send, request: Request) -> Response:
        """The answer, after as many attempts as are allowed."""
        hurried = False
        for attempt in range(1, self.retry.attempts + 1):
            expected, turn = self.pace.expected, self.pace.take()
            while turn > 0:
                await asyncio.sleep(turn)
                turn = self.pace.resume_at - time.monotonic()  # others may have been told to wait meanwhile
            sent = time.monotonic()
            try:
                response = await send(request)
            except AttemptError as failure:
                # Never less than our own pause: an endpoint that says 0 would use up all attempts at once.
                wait = max(failure.wait or 0.0, _backoff(attempt, self.retry))
                if attempt == self.retry.attempts or wait > self.retry.patience:
                    return _given_up(failure, attempt, wait, self.retry, sent)
                self._slow_down(failure, sent, wait)
                if failure.at_once and not hurried:
                    hurried = True
                else:
                    await asyncio.sleep(wait)
            else:
                self.pace.answered(response.tokens_in + response.tokens_out, expected)
                if len(self.flying) < self.pace.limit:
                    self._start()
                return response
        raise AssertionError("the loop returns")

    def _slow_down(self, failure: AttemptError, sent: float, wait: float) -> None:
        if failure.crowded:
            self.pace.crowded(sent, wait, len(self.flying))
        elif failure.overloaded:
            self.pace.fails(sent, len(self.flying))


def answers(
    requests: Requests, connect: Connect, pace: Pace, retry: Retry
) -> Generator[tuple[int, Response], None, None]:
    """Yield (index, response) in order of completion; a request whose attempts are used up gets an `error`.

    Whatever else `send` raises (UserError: nothing can be answered at all) ends the iteration and is raised here. The
    event loop has a thread of its own, so that slow scoring does not hold up the network, nor the other way round; but
    no further than AHEAD, so that little is asked in vain where the caller stops.
    """
    if not (known := requests.take(2 * pace.limit + AHEAD)):
        return
    flight = Flight(pace, retry)
    flight.ask(known)
    unread = len(known)
    thread = threading.Thread(target=flight.run, args=(connect,), name="evalh-network", daemon=True)
    thread.start()
    try:
        with requests.stop.waking(lambda: flight.out.put(None)):
            while unread and (items := flight.out.get()) is not None:
                if isinstance(items, BaseException):
                    raise items
                due = time.monotonic() + BATCH_SECONDS
                for place, item in enumerate(items, 1):
                    unread -= 1
                    yield item
                    # Handed over in batches too, unless the reader takes his time.
                    last = place == len(items) or time.monotonic() > due
                    if last and (more := requests.take(2 * pace.limit + AHEAD - unread)):
                        unread += len(more)
                        flight.loop.call_soon_threadsafe(flight.ask, more)
    finally:
        flight.loop.call_soon_threadsafe(flight.end)
        thread.join()
        flight.loop.close()


def _given_up(failure: AttemptError, attempts: int, wait: float, retry: Retry, sent: float) -> Response:
    asked = f"; it asks to wait {wait:.0f} s" if wait > retry.patience else ""
    tries = f"{attempts} attempt{'s' * (attempts > 1)}"
    return Response(error=f"{failure} (after {tries}{asked})", seconds=time.monotonic() - sent)


def _backoff(attempt: int, retry: Retry) -> float:
    """Full jitter over the upper half, so that workers that failed together do not come back together."""
    longest = min(retry.longest, retry.first * 2.0 ** (attempt - 1))
    return longest * random.uniform(0.5, 1.0)
