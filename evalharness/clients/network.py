"""One event loop for all that is asked over the network at the same time, on a thread of its own.

It is there as long as anybody asks: slow scoring does not hold up the network, nor the other way round, and a process
that asks nobody has no such thread.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager


def new_loop() -> asyncio.AbstractEventLoop:
    """uvloop's where it is installed: a fifth less work."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


class Network:
    """The event loop, and how many are using it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._loop: asyncio.AbstractEventLoop
        self._thread: threading.Thread | None = None

    @contextmanager
    def joined(self) -> Iterator[asyncio.AbstractEventLoop]:
        """The loop, which runs at least until the block ends. The last one to leave ends it and its thread."""
        with self._lock:
            if self._thread is None or not self._thread.is_alive():  # in the child of a fork no thread lives on
                self._users = 0
                self._loop = new_loop()
                self._thread = threading.Thread(target=_run, args=(self._loop,), name="evalh-network", daemon=True)
                self._thread.start()
            self._users += 1
            loop, thread = self._loop, self._thread
        try:
            yield loop
        finally:
            with self._lock:
                self._users -= 1
                last = not self._users
                if last:
                    self._thread = None
                    loop.call_soon_threadsafe(loop.stop)
            if last:
                thread.join()


def _run(loop: asyncio.AbstractEventLoop) -> None:
    try:
        loop.run_forever()
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.run_until_complete(loop.shutdown_default_executor())
    finally:
        loop.close()


NETWORK = Network()
