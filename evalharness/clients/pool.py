"""Asks many things at once over a network: N workers pull from one list, answers come back in order of completion.

The number of workers adapts: an endpoint that says "too many" halves it and its Retry-After is obeyed; a clean window
adds one again. Every failed attempt that is worth another is counted and bounded; there is no hidden retry below.
"""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass
from queue import SimpleQueue

from evalharness.records import Request, Response

# Answers go to the caller's thread in batches: waking it for each one would double the CPU time of a request.
BATCH_SECONDS = 0.01

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


class Pace:
    """How many workers may ask at this moment, and from when on."""

    def __init__(self, most: int) -> None:
        self.most = self.limit = most
        self.changed = asyncio.Condition()
        self.resume_at = self.halved_at = 0.0
        self.fine = 0
        self.over = False

    async def turn(self, worker: int) -> bool:
        """Wait until this worker may ask. False when there is nothing left to ask."""
        if worker >= self.limit and not self.over:
            async with self.changed:
                await self.changed.wait_for(lambda: self.over or worker < self.limit)
        while not self.over and (pause := self.resume_at - time.monotonic()) > 0:
            await asyncio.sleep(pause)
        return not self.over

    async def end(self) -> None:
        """Nothing is left to ask: let the waiting workers go."""
        async with self.changed:
            self.over = True
            self.changed.notify_all()

    async def clean(self) -> None:
        """An answer came. As many in a row as there are workers allow one worker more."""
        self.fine += 1
        if self.limit < self.most and self.fine >= self.limit:
            self.fine = 0
            self.limit += 1
            async with self.changed:
                self.changed.notify_all()

    def crowded(self, sent: float, wait: float) -> None:
        """The endpoint said "too many". Requests sent before the last halving do not halve again."""
        self.fine = 0
        self.resume_at = max(self.resume_at, time.monotonic() + wait)
        if sent >= self.halved_at:
            self.halved_at = time.monotonic()
            self.limit = max(1, self.limit // 2)


def answers(
    requests: Sequence[Request], connect: Connect, workers: int, retry: Retry
) -> Iterator[tuple[int, Response]]:
    """Yield (index, response) in order of completion; a request whose attempts are used up gets an `error`.

    Whatever else `send` raises (UserError: nothing can be answered at all) ends the iteration and is raised here. The
    event loop has a thread of its own, so that slow scoring does not hold up the network, nor the other way round.
    """
    out: SimpleQueue[list[tuple[int, Response]] | BaseException | None] = SimpleQueue()
    loop = asyncio.new_event_loop()
    ready: list[tuple[int, Response]] = []

    def hand_over() -> None:
        if ready:
            out.put(ready.copy())
            ready.clear()

    def put(item: tuple[int, Response]) -> None:
        if not ready:
            loop.call_later(BATCH_SECONDS, hand_over)
        ready.append(item)

    task = loop.create_task(_ask_all(requests, connect, (min(workers, len(requests)), retry), put))

    def run() -> None:
        try:
            loop.run_until_complete(task)
            hand_over()
            out.put(None)
        except BaseException as error:  # handed over to the caller's thread, which raises it
            hand_over()
            out.put(error)
        finally:
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.close()

    thread = threading.Thread(target=run, name="evalh-network", daemon=True)
    thread.start()
    try:
        while (items := out.get()) is not None:
            if isinstance(items, BaseException):
                raise items
            yield from items
    finally:
        with suppress(RuntimeError):  # the loop has closed: all is done, nothing to cancel
            loop.call_soon_threadsafe(task.cancel)
        thread.join()


async def _ask_all(
    requests: Sequence[Request],
    connect: Connect,
    how: tuple[int, Retry],
    put: Callable[[tuple[int, Response]], None],
) -> None:
    workers, retry = how
    waiting = iter(enumerate(requests))
    pace = Pace(workers)
    async with connect() as send:

        async def work(number: int) -> None:
            while await pace.turn(number):
                item = next(waiting, None)
                if item is None:
                    await pace.end()
                    return
                put((item[0], await _persist(send, item[1], pace, retry)))

        tasks = [asyncio.create_task(work(number)) for number in range(workers)]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def _persist(send: Send, request: Request, pace: Pace, retry: Retry) -> Response:
    """The answer, after as many attempts as are allowed."""
    for attempt in range(1, retry.attempts + 1):
        sent = time.monotonic()
        try:
            response = await send(request)
        except AttemptError as failure:
            wait = failure.wait if failure.wait is not None else _backoff(attempt, retry)
            if attempt == retry.attempts or wait > retry.patience:
                asked = f"; it asks to wait {wait:.0f} s" if wait > retry.patience else ""
                tries = f"{attempt} attempt{'s' * (attempt > 1)}"
                return Response(error=f"{failure} (after {tries}{asked})", seconds=time.monotonic() - sent)
            if failure.crowded:
                pace.crowded(sent, wait)
            await asyncio.sleep(wait)
        else:
            await pace.clean()
            return response
    raise AssertionError("the loop returns")


def _backoff(attempt: int, retry: Retry) -> float:
    """Full jitter over the upper half, so that workers that failed together do not come back together."""
    longest = min(retry.longest, retry.first * 2.0 ** (attempt - 1))
    return longest * random.uniform(0.5, 1.0)
