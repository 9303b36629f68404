"""What the sandbox is asked to run, within which limits, and what it answers."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, field
from typing import Literal

ProgramVerdict = Literal["pass", "fail", "timeout", "error"]
ProgramMode = Literal["split", "inproc"]
Tier = Literal["namespace", "landlock", "seccomp", "seatbelt", "none"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one program may use. Times in seconds, sizes in bytes.

    `seconds` bounds the processor time, and also the wall time without the time spent waiting for a core, so that a
    busy machine fails no honest program. `wall` is the hard cap.
    """

    seconds: float = 3.0
    wall: float = 30.0
    memory: int = 1 << 30
    disk: int = 16 << 20
    files: int = 512
    descriptors: int = 64
    threads: int = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """An untrusted program and the test that it must pass.

    `source` is the untrusted text; `entry` the function of it that `test` calls. `context` is what the judge runs first
    (a prompt with its imports and helpers). Where all runs in one process, the text is `source` and `test`.
    """

    source: str
    test: str
    entry: str
    context: str = ""
    limits: Limits = field(default_factory=Limits)

    @property
    def text(self) -> str:
        """The program with its test, as the published evaluators execute it."""
        return self.source + "\n" + self.test

    @property
    def key(self) -> str:
        """sha256 of everything that decides the outcome: equal programs are run once."""
        decisive = (self.source, self.test, self.entry, self.context, self.limits)
        return hashlib.sha256(ascii(decisive).encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgramOutcome:
    """What became of a program.

    `fail` and `timeout` are the program's; `error` is the sandbox's, or with `faulty_test` the test's: never scored.
    `why` says it in a few words, `line` is the line of the test that did not hold, `calls` how often the program was
    called, `last_call` the last call and its answer as text. `stand_ins`: not all that the program gave was plain data,
    the judge saw stand-ins. `cpu` and `wall` in seconds, `rss` in bytes.
    """

    verdict: ProgramVerdict
    why: str = ""
    line: str = ""
    calls: int = 0
    last_call: str = ""
    stand_ins: bool = False
    cpu: float = 0.0
    wall: float = 0.0
    rss: int = 0
    tier: str = ""
    mode: ProgramMode = "split"
    attempts: int = 1
    faulty_test: bool = False

    def as_json(self) -> dict[str, object]:
        """Plain data, for a run's journal."""
        return asdict(self)
