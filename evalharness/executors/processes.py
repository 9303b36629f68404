"""Copies of a model in processes of this machine: one for each GPU, or sharing its cores.

A copy is an interpreter of `children`: it ends with whoever gives it its pieces, and only that one heeds Ctrl-C.
"""

from __future__ import annotations

import sys
import weakref
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

from evalharness.children.interpreter import ChildInterpreter, end_children, start_child
from evalharness.errors import UserError, option_name
from evalharness.executor import Lost, PlacementOptions, QuestionPiece, Recipe, ReplicaMessage, own_cores, visible_gpus
from evalharness.text.visible import line

_SERVE = "from evalharness.executors._replica import serve; serve(FILE)"
_PATIENCE = 5.0  # seconds that a copy may take to end


@dataclass(kw_only=True)
class _Copy:
    """A copy: its interpreter, its place among the copies, and its last piece."""

    child: ChildInterpreter
    slot: int
    last_piece: int = -1

    def last_words(self) -> str:
        """How it ended, and what it printed last."""
        end = self.child.end(_PATIENCE)
        return line(f"its process {end.how}" + (f": {end.printed}" if end.printed else ""), 300)


class Processes:
    """Copies of a model in processes of this machine."""

    def __init__(self, recipe: Recipe, options: PlacementOptions) -> None:
        self._gpus = _shares_of_gpus(recipe, options)
        self.replicas = options.replicas or max(1, len(self._gpus))
        self._recipe = replace(recipe, cores=options.replica_cores or max(1, own_cores() // self.replicas))
        self._running: dict[int, _Copy] = {}
        self._count = 0
        self.close = weakref.finalize(self, _end, self._running)

    def start(self) -> int:
        taken = {each.slot for each in self._running.values()}
        slot = next(slot for slot in range(len(taken) + 1) if slot not in taken)
        child = start_child(_SERVE, self._environment(slot))
        number, self._count = self._count, self._count + 1
        self._running[number] = _Copy(child=child, slot=slot)
        self._send(number, self._recipe)
        return number

    def _environment(self, slot: int) -> dict[str, str]:
        """One copy leaves their GPUs to the others."""
        return {"CUDA_VISIBLE_DEVICES": self._gpus[slot % len(self._gpus)]} if self._gpus else {}

    def ask(self, replica: int, piece: QuestionPiece) -> None:
        self._send(replica, piece)
        if replica in self._running:
            self._running[replica].last_piece = piece.number

    def cancel(self, replica: int) -> None:
        if replica in self._running:
            self._send(replica, self._running[replica].last_piece)

    def _send(self, replica: int, order: object) -> None:
        with suppress(KeyError, OSError):  # it is gone, which `wait` says
            self._running[replica].child.connection.send(order)

    def wait(self, seconds: float) -> Sequence[tuple[int, ReplicaMessage]]:
        found: list[tuple[int, ReplicaMessage]] = []
        numbers = {each.child.connection: number for number, each in self._running.items()}
        for ready in wait(list(numbers), seconds):
            number = numbers[ready]  # type: ignore[index]  # `wait` gives back what it was given
            try:
                found.append((number, self._running[number].child.connection.recv()))
            except (EOFError, OSError):
                gone = self._running.pop(number)
                gone.child.connection.close()
                found.append((number, Lost(words=gone.last_words())))
                gone.child.log.close()
        return found

    def describe(self) -> Mapping[str, Any]:
        return {"engine": "processes", "replicas": self.replicas}


def _end(running: dict[int, _Copy]) -> None:
    end_children((each.child for each in running.values()), _PATIENCE)
    running.clear()


def _shares_of_gpus(recipe: Recipe, options: PlacementOptions) -> list[str]:
    """What each copy gets to see of the GPUs; empty where there are none or the user names a device.

    UserError where there are fewer than are wanted.
    """
    each = 1 if options.replica_gpus is None else options.replica_gpus
    if each == 0 or recipe.options.get("device", "auto") not in ("auto", "cuda"):
        return []
    there = visible_gpus()
    if options.replica_gpus and len(there) < each:
        raise UserError(f"{option_name('replica_gpus', each)}: there are {len(there)} GPUs on this machine")
    return [",".join(there[start : start + each]) for start in range(0, len(there) - each + 1, each)]


def open_executor(recipe: Recipe, options: PlacementOptions) -> Processes:
    """Copies on this machine. UserError for options that are for other places, or a folder that is not there."""
    for name in ("address", "replica_resource"):
        if getattr(options, name):
            raise UserError(f"{option_name(name)} is for {option_name('engine', 'ray')}")
    if not Path(sys.executable).is_file():
        raise UserError("there is no Python to start copies with: sys.executable is empty")
    return Processes(recipe, options)
