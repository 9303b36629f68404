"""Whether two closed answers are equal by computer algebra: `math-verify` (extra `math`) in a process of its own.

It has false positives and may compute for ever, so its verdict is a second figure, `accuracy_symbolic`, and every
question has its time: the process is killed when it is over, and the next question gets a new one. Equal texts are not
asked about.
"""

from __future__ import annotations

import importlib.util
import json
import selectors
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from evalharness.options import RunOptions
from evalharness.records import Request, Response, Sample, Score
from evalharness.scoring.answers import Scorer
from evalharness.scoring.math import boxed

_SECONDS = 5.0  # for one question; the first one of a process has STARTING more, for its imports
STARTING = 60.0
_LONGEST = 2000  # characters of an answer that is asked about
MEMORY = 2 << 30


class Checker:
    """Asks a process about pairs of answers, one at a time. Close it at the end."""

    def __init__(self, seconds: float = _SECONDS) -> None:
        self.seconds = seconds
        self.killed = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()

    @property
    def record(self) -> dict[str, Any]:
        """What the run's manifest says."""
        return {"symbolic": "math-verify", "seconds": self.seconds, "killed": self.killed}

    def equal(self, answer: str, reference: str) -> bool | None:
        """Whether the two are equal; None where that could not be said in time."""
        if len(answer) > _LONGEST or len(reference) > _LONGEST:
            return None
        with self._lock:
            new = self._process is None
            if self._process is None:
                self._process = _started()
            said = self._asked(self._process, [answer, reference], self.seconds + STARTING * new)
            if said is None:
                self.killed += 1
                self._stop()
            return said

    def _asked(self, process: subprocess.Popen[bytes], pair: list[str], seconds: float) -> bool | None:
        assert process.stdin is not None and process.stdout is not None
        try:
            process.stdin.write(json.dumps(pair).encode() + b"\n")
            process.stdin.flush()
        except OSError:
            return None
        with selectors.DefaultSelector() as ready:
            ready.register(process.stdout, selectors.EVENT_READ)
            line = process.stdout.readline() if ready.select(seconds) else b""
        return json.loads(line) if line in (b"true\n", b"false\n") else None

    def _stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def close(self) -> None:
        """End the process."""
        with self._lock:
            self._stop()


def _started() -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "evalharness.scoring.symbolic"]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)


@contextmanager
def open_closed_answers(options: RunOptions) -> Iterator[Scorer]:
    """`boxed`, with `accuracy_symbolic` beside it where math-verify is installed."""
    if importlib.util.find_spec("math_verify") is None:
        yield boxed
        return
    checker = Checker()
    try:
        yield SymbolicScorer(checker)
    finally:
        checker.close()


class SymbolicScorer:
    """Scores closed answers by `boxed` and by a checker."""

    def __init__(self, checker: Checker) -> None:
        self.checker = checker

    @property
    def record(self) -> dict[str, Any]:
        """What the run's manifest says of the checker."""
        return self.checker.record

    def __call__(self, sample: Sample, request: Request, response: Response) -> Score:
        """Score one answer."""
        score = boxed(sample, request, response)
        said: bool | None = score.status == "correct"
        if not said and score.answer is not None:
            verdicts = [self.checker.equal(score.answer, reference) for reference in sample.answers]
            said = True if True in verdicts else None if None in verdicts else False
        detail = score.detail if said is not None else {**score.detail, "symbolic": "no verdict in time"}
        return replace(score, scores={**score.scores, "accuracy_symbolic": float(bool(said))}, detail=detail)


def _main() -> None:
    """Answer the pairs on standard input, a line each, with `true` or `false`."""
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    from math_verify import parse, verify

    for line in sys.stdin:
        answer, reference = json.loads(line)
        try:
            # No limits of its own: they need the main thread's alarm, and the process is killed when its time is over.
            gold, said = (parse(f"\\boxed{{{text}}}", parsing_timeout=None) for text in (reference, answer))
            equal = bool(verify(gold, said, timeout_seconds=None))
        except Exception:  # whatever computer algebra raises on a text that is none means: not equal
            equal = False
        sys.stdout.write("true\n" if equal else "false\n")
        sys.stdout.flush()


if __name__ == "__main__":
    _main()
