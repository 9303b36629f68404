"""Starts the processes of a training on this machine, as `torchrun` would, and says in one line why they ended.

Each is a fresh interpreter with the variables that torchrun sets, and one end of a socket: over it comes what to do,
and goes back how it ended. It ends when the other end closes, so no process outlives the command.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import IO, TYPE_CHECKING

from evalharness.errors import Exit, UserError, flags_in_messages, option_name
from evalharness.text.visible import line
from evalharness.training.world import LostProcessError, check_sharding, check_shares, started_processes

if TYPE_CHECKING:
    from evalharness.training.job import FinetuneJob

_BEGIN = """
import json, sys
sys.path[:] = json.loads(sys.argv[1])
try:
    from evalharness.training.launch import carry_out
    carry_out(int(sys.argv[2]))
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


@dataclass(kw_only=True)
class _Process:
    """A process of the training, our end of its socket, and what it prints where that is not shown."""

    process: subprocess.Popen[bytes]
    connection: Connection[object, ProcessEnd]
    log: IO[bytes]
    name: str

    def unsaid(self) -> ProcessEnd:
        """How it ended, where it has not said so, and what it printed last."""
        code = self.process.wait()
        if code in (Exit.INTERRUPTED, -signal.SIGINT, -signal.SIGTERM):  # before it could heed that
            return ProcessEnd(code=Exit.INTERRUPTED)
        self.log.seek(max(0, self.log.seek(0, os.SEEK_END) - 2000))
        printed = self.log.read().decode("utf-8", "replace").strip().splitlines()
        how = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
        how += f" ({line(printed[-1], 300)})" if printed else ""
        ended = "the others were ended, and the same command goes on from what was saved last"
        return ProcessEnd(code=Exit.USAGE, message=f"{self.name} {how}; {ended}")


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
        stack.callback(_end, started)
        stack.enter_context(_passed_on(started))
        for rank in range(count):
            started.append(_start(rank, {**environment, "RANK": str(rank), "LOCAL_RANK": str(rank)}))
            with suppress(OSError):  # it is gone already, which is noticed below
                started[-1].connection.send(work)
        ends = _ends(started)
    return _outcome(ends)


def _address() -> dict[str, str]:
    """Where the processes meet: a free port of this machine."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free.getsockname()[1])}


def _start(rank: int, environment: Mapping[str, str]) -> _Process:
    ours, theirs = socket.socketpair()
    log = tempfile.TemporaryFile()  # noqa: SIM115  # closed with the process
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-c", _BEGIN, json.dumps(sys.path), str(theirs.fileno())],
            pass_fds=[theirs.fileno()], env={**os.environ, **environment},
            start_new_session=True,  # a Ctrl-C of the terminal reaches this process alone, which passes it on once
            stdin=subprocess.DEVNULL, stdout=log if rank else None, stderr=log if rank else None,
        )  # fmt: skip
    return _Process(
        process=process,
        connection=Connection(ours.detach()),
        log=log,
        name=f"process {rank + 1} of {environment['WORLD_SIZE']}",
    )


@contextmanager
def _passed_on(started: Sequence[_Process]) -> Iterator[None]:
    """Within, Ctrl-C and SIGTERM go to all processes: each heeds the first between two steps, the second at once."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def pass_on(number: int, _: object) -> None:
        for each in started:
            each.process.send_signal(number)

    before = {number: signal.signal(number, pass_on) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _ends(started: Sequence[_Process]) -> dict[int, ProcessEnd]:
    """How each ended, by rank and in the order of their ends. Once one has failed the others have a while to end."""
    found: dict[int, ProcessEnd] = {}
    running = {each.connection: rank for rank, each in enumerate(started)}
    until: float | None = None
    while running:
        ready = wait(list(running), None if until is None else max(0.0, until - time.monotonic()))
        if not ready:
            return found
        for rank in [running.pop(each) for each in list(running) if each in ready]:
            try:
                found[rank] = started[rank].connection.recv()
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


def _end(started: Sequence[_Process]) -> None:
    """Wait for those that have said how they end; end the others."""
    for each in started:
        each.connection.close()  # which one that has not ended yet hears
    for each in started:
        try:
            each.process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            each.process.kill()
            each.process.wait()
        each.log.close()


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
