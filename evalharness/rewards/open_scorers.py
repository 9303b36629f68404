"""The scorers that this process has opened (sandboxes, for programs): once each, closed at its end."""

from __future__ import annotations

import atexit
import ctypes
import os
import threading
from contextlib import ExitStack
from multiprocessing.util import Finalize

from evalharness import plugins
from evalharness.options import RunOptions
from evalharness.scoring.answers import Scorer


class _Opened:
    """The scorers, and what closes them all."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.scorers: dict[tuple[str, str], Scorer] = {}
        self.open = ExitStack()

    def close(self) -> None:
        with self.lock:
            self.scorers.clear()
            self.open.close()


_opened = _Opened()


def scorer_of(name: str, options: RunOptions) -> Scorer:
    """What scores answers to a benchmark, opened with `options` at the first call."""
    benchmark = plugins.load_benchmark(name)
    if benchmark.open_scorer is None:
        return benchmark.score
    mine, key = _opened, (name, repr(options))
    with mine.lock:
        if not mine.scorers:  # processes of multiprocessing end without atexit
            Finalize(None, close, exitpriority=0)
        if key not in mine.scorers:
            mine.scorers[key] = mine.open.enter_context(benchmark.open_scorer(options))
        return mine.scorers[key]


def close() -> None:
    """Close what was opened (sandboxes); it is opened again when it is asked for. Done at exit by itself."""
    _opened.close()


def _forked() -> None:
    """A child opens its own. What its parent opened is the parent's: never to be closed here, not even as garbage."""
    global _opened
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(_opened.open))
    _opened = _Opened()


atexit.register(close)
os.register_at_fork(after_in_child=_forked)
