"""Asks many things at once over a network: at most N are in flight, answers come back in order of completion.

The number in flight adapts: an endpoint that says "too many" halves it and its Retry-After is obeyed; a clean window
adds one again. Every failed attempt that is worth another is counted and bounded; there is no hidden retry below.
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

    An endpoint that asks for a longer pause than `patience` seconds is not waited for.
    """

    attempts: int = 6
    first: float = 0.5
    longest: float = 30.0
    patience: float = 120.0


class AttemptError(Exception):
    """This attempt failed and another may not. `wait` is the pause the endpoint asked for, in seconds."""

    def __init__(self, message: str, *, wait: float | None = None, crowded: bool = False) -> None:
        super().__init__(message)
        self.wait, self.crowded = wait, crowded


class Flight:
    """What one `answers` asks, on the event loop's thread: at most `limit` requests in flight, the others wait."""

    def __init__(self, most: int, retry: Retry) -> None:
        self.loop = asyncio.new_event_loop()
        self.out: SimpleQueue[list[tuple[int, Response]] | BaseException | None] = SimpleQueue()
        self.most = self.limit = most
        self.retry = retry
        self.waiting: deque[tuple[int, Request]] = deque()
        self.flying: set[asyncio.Task[None]] = set()
        self.ready: list[tuple[int, Response]] = []
        self.over = self.loop.create_future()
        self.resume_at = self.halved_at = 0.0
        self.fine = 0
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
        if not self.waiting or others >= self.limit or self.pause is not None or self.over.done():
            return False
        if (pause := self.resume_at - time.monotonic()) > 0:
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
        retry = self.retry
        for attempt in range(1, retry.attempts + 1):
            sent = time.monotonic()
            try:
                response = await send(request)
            except AttemptError as failure:
                # Never less than our own pause: an endpoint that says 0 would use up all attempts at once.
                wait = max(failure.wait or 0.0, _backoff(attempt, retry))
                if attempt == retry.attempts or wait > retry.patience:
                    asked = f"; it asks to wait {wait:.0f} s" if wait > retry.patience else ""
                    tries = f"{attempt} attempt{'s' * (attempt > 1)}"
                    return Response(error=f"{failure} (after {tries}{asked})", seconds=time.monotonic() - sent)
                if failure.crowded:
                    self._crowded(sent, wait)
                await asyncio.sleep(wait)
            else:
                self._clean()
                return response
        raise AssertionError("the loop returns")

    def _clean(self) -> None:
        """An answer came. As many in a row as may be in flight allow one more."""
        self.fine += 1
        if self.limit < self.most and self.fine >= self.limit:
            self.fine = 0
            self.limit += 1
            self._start()

    def _crowded(self, sent: float, wait: float) -> None:
        """The endpoint said "too many". Requests sent before the last halving do not halve again."""
        self.fine = 0
        self.resume_at = max(self.resume_at, time.monotonic() + wait)
        if sent >= self.halved_at:
            self.halved_at = time.monotonic()
            self.limit = max(1, min(self.limit, len(self.flying)) // 2)


def answers(
    requests: Requests, connect: Connect, workers: int, retry: Retry
) -> Generator[tuple[int, Response], None, None]:
    """Yield (index, response) in order of completion; a request whose attempts are used up gets an `error`.

    Whatever else `send` raises (UserError: nothing can be answered at all) ends the iteration and is raised here. The
    event loop has a thread of its own, so that slow scoring does not hold up the network, nor the other way round; but
    no further than AHEAD, so that little is asked in vain where the caller stops.
    """
    most = 2 * workers + AHEAD
    if not (known := requests.take(most)):
        return
    flight = Flight(workers, retry)
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
                    if last and (more := requests.take(most - unread)):
                        unread += len(more)
                        flight.loop.call_soon_threadsafe(flight.ask, more)
    finally:
        flight.loop.call_soon_threadsafe(flight.end)
        thread.join()
        flight.loop.close()


def _backoff(attempt: int, retry: Retry) -> float:
    """Full jitter over the upper half, so that workers that failed together do not come back together."""
    longest = min(retry.longest, retry.first * 2.0 ** (attempt - 1))
    return longest * random.uniform(0.5, 1.0)
