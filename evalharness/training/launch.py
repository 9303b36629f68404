"""Starts the processes of a training on this machine, as `torchrun` would, and says in one line why they ended.

Each is an interpreter of `children` with the variables that torchrun sets: over its socket comes what to do, and goes
back how it ended. So no process outlives the command.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import TYPE_CHECKING

from evalharness.children.interpreter import ChildInterpreter, end_children, start_child
from evalharness.errors import Exit, UserError, flags_in_messages, option_name
from evalharness.text.visible import line
from evalharness.training.world import LostProcessError, check_sharding, check_shares, started_processes

if TYPE_CHECKING:
    from evalharness.training.job import FinetuneJob

_BEGIN = """
try:
    from evalharness.training.launch import carry_out
    carry_out(FILE)
except KeyboardInterrupt:
    sys.exit(130)
"""
_PATIENCE = 10.0  # seconds that the others have to end by themselves once one has failed


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessEnd:
    """How a process ended: its exit code and, where it failed, why. `consequence`: because another one is gone."""

    code: int
    message: str = ""
    consequence: bool = False

    @property
    def failed(self) -> bool:
        return bool(self.message) or self.code == Exit.INTERRUPTED


@dataclass(frozen=True, slots=True)
class _Process:
    """A process of the training, and what it is called."""

    child: ChildInterpreter
    name: str

    def unsaid(self) -> ProcessEnd:
        """How it ended, where it has not said so, and what it printed last."""
        end = self.child.end()
        if end.code in (Exit.INTERRUPTED, -signal.SIGINT, -signal.SIGTERM):  # before it could heed that
            return ProcessEnd(code=Exit.INTERRUPTED)
        how = f"{self.name} {end.how}" + (f" ({line(end.printed, 300)})" if end.printed else "")
        ended = "the others were ended, and the same command goes on from what was saved last"
        return ProcessEnd(code=Exit.USAGE, message=f"{how}; {ended}")


def check_processes(count: int, job: FinetuneJob) -> None:
    """UserError where so many processes cannot be started, or cannot share this training."""
    if count < 1:
        raise UserError(f"{option_name('nproc')} wants 1 or more, there is {count}")
    if count > 1 and "WORLD_SIZE" in os.environ:
        raise UserError(
            f"{option_name('nproc', count)} starts processes, and torchrun has started {started_processes()} already "
            f"(WORLD_SIZE is set); leave {option_name('nproc')} out"
        )
    check_shares(max(count, started_processes()), job.settings)
    check_sharding(job.fsdp, max(count, started_processes()))


def run_processes(count: int, work: Callable[[], int]) -> int:
    """Do `work`, which can be pickled, in so many processes that know of each other; its exit code in the first.

    The first one's output is shown, no other's. Ctrl-C and SIGTERM are passed on to all. UserError with the reason of
    the one that failed first; KeyboardInterrupt where they were interrupted.
    """
    environment = {**_address(), "WORLD_SIZE": str(count), "LOCAL_WORLD_SIZE": str(count)}
    with ExitStack() as stack:
        started: list[_Process] = []
        stack.callback(lambda: end_children((each.child for each in started), _PATIENCE))
        stack.enter_context(_passed_on(started))
        for rank in range(count):
            child = start_child(_BEGIN, {**environment, "RANK": str(rank), "LOCAL_RANK": str(rank)}, shown=rank == 0)
            started.append(_Process(child, f"process {rank + 1} of {count}"))
            with suppress(OSError):  # it is gone already, which is noticed below
                child.connection.send(work)
        ends = _ends(started)
    return _outcome(ends)


def _address() -> dict[str, str]:
    """Where the processes meet: a free port of this machine."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free.getsockname()[1])}


@contextmanager
def _passed_on(started: Sequence[_Process]) -> Iterator[None]:
    """Within, Ctrl-C and SIGTERM go to all processes: each heeds the first between two steps, the second at once."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def pass_on(number: int, _: object) -> None:
        for each in started:
            each.child.process.send_signal(number)

    before = {number: signal.signal(number, pass_on) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _ends(started: Sequence[_Process]) -> dict[int, ProcessEnd]:
    """How each ended, by rank and in the order of their ends. Once one has failed the others have a while to end."""
    found: dict[int, ProcessEnd] = {}
    running = {each.child.connection: rank for rank, each in enumerate(started)}
    until: float | None = None
    while running:
        ready = wait(list(running), None if until is None else max(0.0, until - time.monotonic()))
        if not ready:
            return found
        for rank in [running.pop(each) for each in list(running) if each in ready]:
            try:
                found[rank] = started[rank].child.connection.recv()
            except (EOFError, OSError):
                found[rank] = started[rank].unsaid()
        if until is None and any(end.message for end in found.values()):
            until = time.monotonic() + _PATIENCE
    return found


def _outcome(ends: Mapping[int, ProcessEnd]) -> int:
    failed = [end for end in ends.values() if end.failed]
    if not failed:
        return ends[0].code
    first = next((end for end in failed if not end.consequence), failed[0])
    if first.code == Exit.INTERRUPTED:
        raise KeyboardInterrupt
    raise UserError(first.message, Exit(first.code))


def carry_out(file: int) -> None:
    """Be a process of a training for the one at the other end of a socket, and tell it how the work ended. Where the
    other end closes before, this process ends as by SIGTERM: what can be saved is saved."""
    connection: Connection[ProcessEnd, Callable[[], int]] = Connection(file)
    work = connection.recv()
    over = threading.Event()

    def watch() -> None:
        with suppress(EOFError, OSError):
            connection.recv()
        if not over.is_set():
            os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()
    try:
        with flags_in_messages(True):
            ended = ProcessEnd(code=int(work()))
    except UserError as error:
        ended = ProcessEnd(code=error.exit_code, message=str(error), consequence=isinstance(error, LostProcessError))
    except KeyboardInterrupt:
        ended = ProcessEnd(code=Exit.INTERRUPTED)
    over.set()
    with suppress(OSError):
        connection.send(ended)
    sys.exit(ended.code)
