"""What places copies of a model elsewhere and passes pieces of the questions to them. `executors/` holds the kinds.

A plug-in module defines `open_executor(recipe, options) -> Executor`. It knows places and messages, nothing of runs:
the plan, the scorers and the journal stay where they are, and `runs.placed` makes a model of the copies.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from evalharness.options import setting
from evalharness.records import Request, Response


@dataclass(frozen=True, kw_only=True)
class PlacementOptions:
    """Where the copies of a model are, and what each of them gets."""

    HEADING: ClassVar[str] = "Several copies"

    replicas: int | None = setting(None, "Copies of the model, each in a process of its own.", least=1)
    engine: str | None = setting(None, "What places the copies: processes (of this machine), or ray.")
    address: str | None = setting(
        None, "A Ray cluster that is there; without it one is started here.", unit="HOST:PORT"
    )
    replica_cores: int | None = setting(None, "Processor cores of each copy; they are shared out otherwise.", least=1)
    replica_gpus: int | None = setting(None, "GPUs of each copy; one where there are any.", least=0)
    replica_resource: tuple[str, ...] = setting(
        (), "A resource of the Ray cluster that each copy takes. Repeatable.", repeatable=True, unit="NAME=AMOUNT"
    )


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What each copy opens: a model as the user named it, and its options; `cores` is its share of the processor.
    `flags`: messages name options as flags."""

    spec: str
    options: Mapping[str, Any]
    cores: int = 1
    flags: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class QuestionPiece:
    """Requests that stand together, and are asked together by one copy."""

    number: int
    requests: Sequence[Request]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaFacts:
    """What a copy says of the model that it opened; `version` is that of this package where it runs."""

    name: str
    fingerprint: str
    chat: bool
    ranks: bool
    description: Mapping[str, Any]
    version: str


class ReplicaMessage:
    """What comes from a copy. Each kind is a record of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened(ReplicaMessage):
    """The model is open."""

    facts: ReplicaFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered(ReplicaMessage):
    """Some answers to a piece: each with the index of its request in it."""

    piece: int
    answers: Sequence[tuple[int, Response]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished(ReplicaMessage):
    """A piece has all its answers; `facts` are the model's as they are by now."""

    piece: int
    facts: ReplicaFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class Spoke(ReplicaMessage):
    """What was told where the copy runs."""

    text: str
    warning: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused(ReplicaMessage):
    """The model cannot be opened or asked at all: a UserError, which ends the run."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost(ReplicaMessage):
    """A copy is gone, with all that it had not answered. `words` are its last ones."""

    words: str


class Executor(Protocol):
    """Copies that run somewhere, by number. Nothing here waits but `wait`."""

    @property
    def replicas(self) -> int:
        """How many copies there are to be."""
        ...

    def start(self) -> int:
        """Place one more copy. Its number; `Opened` or `Refused` comes from it."""
        ...

    def ask(self, replica: int, piece: QuestionPiece) -> None:
        """Give a copy another piece, behind those that it has."""
        ...

    def cancel(self, replica: int) -> None:
        """Nobody waits for the pieces any more that a copy has."""
        ...

    def wait(self, seconds: float) -> Sequence[tuple[int, ReplicaMessage]]:
        """What came, with the number of the copy that it came from; empty where nothing came in that time."""
        ...

    def close(self) -> None:
        """End all copies and leave nothing behind. The end of this process does the same, however it comes."""
        ...

    def describe(self) -> Mapping[str, Any]:
        """Facts for the run's manifest, JSON only."""
        ...


def visible_gpus() -> tuple[str, ...]:
    """The GPUs that a program would see: those that CUDA_VISIBLE_DEVICES names, else those that nvidia-smi lists."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return tuple(word for word in map(str.strip, named.split(",")) if word and word != "-1")
    import subprocess  # which costs the start of `evalh` milliseconds

    try:
        listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ()
    return tuple(str(n) for n in range(sum(text.startswith("GPU ") for text in listed.stdout.splitlines())))


def own_cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
