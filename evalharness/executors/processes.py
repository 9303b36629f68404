"""Copies of a model in processes of this machine: one for each GPU, or sharing its cores.

A copy is a fresh interpreter with one end of a socket. It ends when the other end closes, so it outlives nobody,
however that ends; it is in a session of its own, so Ctrl-C reaches only whoever gives it its pieces.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import weakref
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import IO, Any

from evalharness.errors import UserError, option_name
from evalharness.executor import Lost, PlacementOptions, QuestionPiece, Recipe, ReplicaMessage, own_cores, visible_gpus
from evalharness.text.visible import line

_BEGIN = """
import json, sys
sys.path[:] = json.loads(sys.argv[1])
from evalharness.executors._replica import serve
serve(int(sys.argv[2]))
"""
_PATIENCE = 5.0  # seconds that a copy may take to end


@dataclass(kw_only=True)
class _Process:
    """A copy: its process, our end of the socket, what it prints, its place among the copies, and its last piece."""

    process: subprocess.Popen[bytes]
    connection: Connection[object, ReplicaMessage]
    log: IO[bytes]
    slot: int
    last_piece: int = -1

    def last_words(self) -> str:
        """How it ended, and what it printed last."""
        try:
            code = self.process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait()
        self.log.seek(max(0, self.log.seek(0, os.SEEK_END) - 2000))
        printed = self.log.read().decode("utf-8", "replace").strip().splitlines()
        how = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
        return line(f"its process {how}" + (f": {printed[-1]}" if printed else ""), 300)


class Processes:
    """Copies of a model in processes of this machine."""

    def __init__(self, recipe: Recipe, options: PlacementOptions) -> None:
        self._gpus = _shares_of_gpus(recipe, options)
        self.replicas = options.replicas or max(1, len(self._gpus))
        self._recipe = replace(recipe, cores=options.replica_cores or max(1, own_cores() // self.replicas))
        self._running: dict[int, _Process] = {}
        self._count = 0
        self.close = weakref.finalize(self, _end, self._running)

    def start(self) -> int:
        taken = {each.slot for each in self._running.values()}
        slot = next(slot for slot in range(len(taken) + 1) if slot not in taken)
        ours, theirs = socket.socketpair()
        log = tempfile.TemporaryFile()  # noqa: SIM115  # closed with the process
        with theirs:
            process = subprocess.Popen(
                [sys.executable, "-c", _BEGIN, json.dumps(sys.path), str(theirs.fileno())],
                pass_fds=[theirs.fileno()], env={**os.environ, **self._environment(slot)}, start_new_session=True,
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
            )  # fmt: skip
        number, self._count = self._count, self._count + 1
        made = _Process(process=process, connection=Connection(ours.detach()), log=log, slot=slot)
        self._running[number] = made
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
            self._running[replica].connection.send(order)

    def wait(self, seconds: float) -> Sequence[tuple[int, ReplicaMessage]]:
        found: list[tuple[int, ReplicaMessage]] = []
        numbers = {each.connection: number for number, each in self._running.items()}
        for ready in wait(list(numbers), seconds):
            number = numbers[ready]  # type: ignore[index]  # `wait` gives back what it was given
            try:
                found.append((number, self._running[number].connection.recv()))
            except (EOFError, OSError):
                gone = self._running.pop(number)
                gone.connection.close()
                found.append((number, Lost(words=gone.last_words())))
                gone.log.close()
        return found

    def describe(self) -> Mapping[str, Any]:
        return {"engine": "processes", "replicas": self.replicas}


def _end(running: dict[int, _Process]) -> None:
    for each in running.values():
        each.connection.close()  # which a copy hears at once, whatever it is doing
    for each in running.values():
        try:
            each.process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            each.process.kill()
            each.process.wait()
        each.log.close()
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
