"""Asks many things at once over a network: at most N are in flight, answers come back in order of completion.

The number in flight adapts to what the endpoint keeps up with (`pacing`). Every failed attempt that is worth another is
counted and bounded; there is no hidden retry below.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from collections.abc import Awaitable, Callable, Generator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from queue import SimpleQueue

from evalharness.clients.network import NETWORK
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


class Flight:
    """What one `answers` asks, on the network's thread: as many requests in flight as `pace` allows and at most `most`,
    others wait."""

    def __init__(self, loop: asyncio.AbstractEventLoop, pace: Pace, most: int, retry: Retry) -> None:
        self.loop = loop
        self.out: SimpleQueue[list[tuple[int, Response]] | BaseException | None] = SimpleQueue()
        self.pace, self.most, self.retry = pace, most, retry
        self.waiting: deque[tuple[int, Request]] = deque()
        self.flying: set[asyncio.Task[None]] = set()
        self.ready: list[tuple[int, Response]] = []
        self.over = loop.create_future()
        self.send: Send | None = None  # None until there is a connection
        self.pause: asyncio.TimerHandle | None = None

    async def fly(self, connect: Connect) -> None:
        """Until it is over. What ends it early is the last thing handed over."""
        try:
            async with connect() as self.send:
                self.pace.askers.append(self)
                try:
                    self.start()
                    await self.over
                finally:
                    await self._land_all()
        except BaseException as error:  # handed over to the caller's thread, which raises it
            self._hand_over()
            self.out.put(error)

    async def _land_all(self) -> None:
        self.pace.askers.remove(self)
        tasks = tuple(self.flying)
        self.pace.flying -= len(tasks)
        self.flying.clear()
        for task in tasks:
            task.cancel()
        self.pace.wake()
        await asyncio.gather(*tasks, return_exceptions=True)

    def ask(self, requests: Sequence[tuple[int, Request]]) -> None:
        self.waiting.extend(requests)
        self.start()

    def end(self) -> None:
        if not self.over.done():
            self.over.set_result(None)

    def waits(self) -> bool:
        return bool(self.waiting) and len(self.flying) < self.most and not self.over.done()

    def _may_ask(self, free: int) -> bool:
        """Whether one of those that wait may be sent, when so many of those in flight have just landed."""
        own = len(self.flying) - free
        if not self.waiting or own >= self.most or self.pause is not None or self.over.done():
            return False
        if not self.pace.room(own, free):
            return False
        if (pause := self.pace.pause()) > 0:
            self.pause = self.loop.call_later(pause, self._resume)
            return False
        return True

    def start(self) -> None:
        """Send what may be sent at this moment."""
        while self.send is not None and self._may_ask(0):
            task = self.loop.create_task(self._work(*self.waiting.popleft(), self.send))
            self.flying.add(task)
            self.pace.flying += 1
            task.add_done_callback(self._landed)

    def _resume(self) -> None:
        self.pause = None
        self.start()

    async def _work(self, index: int, request: Request, send: Send) -> None:
        """Ask this and then one after another, as long as any waits and may be sent."""
        while True:
            response = await self._persist(send, request)
            if not self.ready:
                self.loop.call_later(BATCH_SECONDS, self._hand_over)
            self.ready.append((index, response))
            if not self.waiting:  # what this answer brings on may be all that is left to ask
                self._hand_over()
            if not self._may_ask(1):
                return
            index, request = self.waiting.popleft()

    def _landed(self, task: asyncio.Task[None]) -> None:
        if task not in self.flying:  # all were landed at once
            return
        self.flying.discard(task)
        self.pace.flying -= 1
        if not task.cancelled() and (error := task.exception()) is not None and not self.over.done():
            self.over.set_exception(error)
        self.pace.wake()

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
                if self.pace.flying < self.pace.limit:
                    self.pace.wake()
                return response
        raise AssertionError("the loop returns")

    def _slow_down(self, failure: AttemptError, sent: float, wait: float) -> None:
        if failure.crowded:
            self.pace.crowded(sent, wait)
        elif failure.overloaded:
            self.pace.fails(sent)


def answers(
    requests: Requests, connect: Connect, pace: Pace, retry: Retry, most: int | None = None
) -> Generator[tuple[int, Response], None, None]:
    """Yield (index, response) in order of completion; a request whose attempts are used up gets an `error`.

    At most `most` are in flight (None: as many as the pace has), and no more than the pace of the host leaves beside
    others. Whatever else `send` raises (UserError: nothing can be answered at all) ends the iteration and is raised
    here. No more is taken than AHEAD of what is read, so that little is asked in vain where the caller stops.
    """
    most = pace.most if most is None else most
    if not (known := requests.take(2 * min(most, pace.limit) + AHEAD)):
        return
    with NETWORK.joined() as loop:
        flight = Flight(loop, pace, most, retry)
        flight.ask(known)
        unread = len(known)
        landed = asyncio.run_coroutine_threadsafe(flight.fly(connect), loop)
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
                        room = 2 * min(most, pace.limit) + AHEAD - unread
                        if last and (more := requests.take(room)):
                            unread += len(more)
                            loop.call_soon_threadsafe(flight.ask, more)
        finally:
            loop.call_soon_threadsafe(flight.end)
            landed.result()


def _given_up(failure: AttemptError, attempts: int, wait: float, retry: Retry, sent: float) -> Response:
    asked = f"; it asks to wait {wait:.0f} s" if wait > retry.patience else ""
    tries = f"{attempts} attempt{'s' * (attempts > 1)}"
    return Response(error=f"{failure} (after {tries}{asked})", seconds=time.monotonic() - sent)


def _backoff(attempt: int, retry: Retry) -> float:
    """Full jitter over the upper half, so that workers that failed together do not come back together."""
    longest = min(retry.longest, retry.first * 2.0 ** (attempt - 1))
    return longest * random.uniform(0.5, 1.0)
