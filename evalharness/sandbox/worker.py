"""The harness's side of one fork server and its judge."""

from __future__ import annotations

import array
import json
import os
import secrets
import select
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, cast

from evalharness.sandbox import orders, wire
from evalharness.sandbox.candidate import HELLO
from evalharness.sandbox.program import Program, ProgramMode, ProgramOutcome, ProgramVerdict, Tier

BOOT = Path(__file__).with_name("boot.py")
_START = 60.0  # seconds that a worker may take to start on a busy machine
WORKER_PATIENCE = 10.0  # beyond the wall limit, before a worker is given up
_STALLED = 3.0  # for the judge to finish after its candidate was ended
_VERDICT = 64 << 10  # bytes of a verdict's frame
_SAID = 2000  # characters kept of a text that a program's process sent
_SIGXCPU = 24
BROKE = "the worker broke"
_LIMITS = {"cpu": "timeout", "time": "timeout", "wall": "timeout", "threads": "fail", "disk": "fail", "memory": "fail"}


class WorkerLost(Exception):  # noqa: N818  an event of the protocol, caught where it is raised for
    """The worker broke or is no longer there: our fault, never the program's."""


class JudgeStalled(Exception):  # noqa: N818  as above
    """The program is over a limit and the judge still chews on what it sent: timed out, and the worker must go."""

    def __init__(self, outcome: ProgramOutcome) -> None:
        super().__init__(outcome.why)
        self.outcome = outcome


def _command() -> list[str]:
    """A clean interpreter with a fixed hash seed: `-I` would ignore the seed."""
    base = getattr(sys, "_base_executable", "") or sys.executable
    return [base, "-P", "-s", "-S", "-B", str(BOOT)]


def _environment() -> dict[str, str]:
    """All that the server inherits."""
    kept = {name: os.environ[name] for name in ("LD_LIBRARY_PATH",) if name in os.environ}
    offline = dict.fromkeys(("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE"), "1")  # or packages wait for a network
    fixed = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "PYTHONHASHSEED": "0", "OMP_NUM_THREADS": "1"}
    return {**fixed, **offline, **kept}


class Shown(NamedTuple):
    """Installed packages that programs may import: where on their path, what is there, and which modules the server
    imports before it forks, so that no program waits for them."""

    path: str
    entries: Mapping[str, str]
    preload: tuple[str, ...] = ()


_NOTHING = Shown("", {})


class Worker:
    """One fork server and its judge: runs one program at a time.

    Start it from a thread that lives as long as the run: the kernel ends the server with the thread that started it.
    """

    def __init__(self, tier: Tier, place: str, owner: tuple[int, int] | None, shown: Shown = _NOTHING) -> None:
        self.tier, self.served, self.serial, self.worn = tier, 0, 0, False
        self.about: dict[str, Any] = {}
        self.control, control = socket.socketpair()
        self.judge, judge = socket.socketpair()
        settings = {
            "control": control.fileno(), "judge": judge.fileno(), "tier": tier, "owner": owner, "scratch": place,
            "packages": dict(shown.entries), "path": shown.path, "preload": shown.preload, "parent": os.getpid(),
        }  # fmt: skip
        try:
            self.process = subprocess.Popen(
                [*_command(), json.dumps(settings)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL, pass_fds=(control.fileno(), judge.fileno()), cwd="/", env=_environment(),
                start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            self.control.close()
            self.judge.close()
            raise WorkerLost(f"the sandbox's interpreter does not start: {error}") from error
        finally:
            control.close()
            judge.close()

    def wait_ready(self) -> None:
        """Returns when the fence stands. Raises WorkerLost with what the kernel refused."""
        try:
            ready, _, _ = select.select([self.control], [], [], _START)
            said = wire.receive(self.control.fileno()) if ready else {"failed": "no answer in a minute"}
        except wire.Closed:
            said = {"failed": "its server ended at once"}
        if "ready" not in said:
            raise WorkerLost(f"the fence does not stand: {said['failed']}")
        self.about = said

    def run(self, program: Program, mode: ProgramMode) -> ProgramOutcome:
        """Run one program. Raises WorkerLost or JudgeStalled; the worker is of no use afterwards."""
        self.served += 1
        self.serial += 1
        ours, theirs = socket.socketpair()
        with ours, theirs:
            try:
                orders.send_run(self.control, self.serial, program.limits, theirs.fileno())
                theirs.close()
                nonce = self._brief(program, mode, ours)
                if mode == "split":
                    ours.close()
                talk = _Talk(self.control, self.judge if mode == "split" else ours, self.serial, mode)
                talk.until(time.monotonic() + program.limits.wall + WORKER_PATIENCE, program.limits)
            except (OSError, wire.Closed) as error:
                raise WorkerLost(f"{BROKE}: {error}") from error
        if mode == "split" and talk.verdict is not None and talk.verdict.get("nonce") != nonce:
            raise WorkerLost("the judge answered another question")
        self.worn = mode == "split" and talk.verdict is not None and talk.verdict.get("worn") is True
        outcome = _outcome(talk, program, mode, self.tier)
        if mode == "split" and talk.verdict is None:
            raise JudgeStalled(outcome)
        return outcome

    def _brief(self, program: Program, mode: ProgramMode, ours: socket.socket) -> str:
        if mode == "inproc":
            try:
                wire.send(ours.fileno(), {"mode": "inproc", "source": program.text})
            except wire.Closed:
                return ""  # the child is gone already: its report says how
            return ""
        nonce = secrets.token_hex(16)
        job = {"source": program.source, "context": program.context, "test": program.test, "entry": program.entry}
        frame = b"!" + wire.frame({**job, "nonce": nonce})
        rights = array.array("i", [ours.fileno()])
        sent = self.judge.sendmsg([frame], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
        if sent < len(frame):
            wire.write_fd(self.judge.fileno(), frame[sent:])
        return nonce

    def close(self) -> None:
        """Hang up; the server ends by itself, or is ended."""
        self.control.close()
        self.judge.close()
        try:
            self.process.wait(2.0)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class _Talk:
    """Waits for a verdict on one socket and for the server's report on another, whichever comes first."""

    def __init__(self, control: socket.socket, reply: socket.socket, serial: int, mode: ProgramMode) -> None:
        self.control, self.reply, self.serial, self.mode = control, reply, serial, mode
        self.heard = bytearray()
        self.greeted = mode == "split"
        self.ended = False
        self.verdict: dict[str, Any] | None = None
        self.report: orders.Report | None = None
        self.stopped = False

    def until(self, deadline: float, limits: Any) -> None:
        """Returns with report and verdict, or with a report alone where no verdict came in time. Raises WorkerLost."""
        poll = select.poll()
        poll.register(self.control, select.POLLIN)
        poll.register(self.reply, select.POLLIN)
        while self.report is None or (self.verdict is None and not self.ended):
            left = deadline - time.monotonic()
            if left <= 0:
                if self.report is not None:
                    return
                raise WorkerLost("the worker does not answer")
            for fd, _ in poll.poll(left * 1000):
                if fd == self.control.fileno():
                    self._hear_report()
                    deadline = min(deadline, time.monotonic() + _STALLED)
                elif not self.ended and not self._hear_verdict():
                    poll.unregister(self.reply)
            if (self.verdict is not None or self.ended) and not self.stopped:
                self.stopped = True
                orders.stop(self.control, self.serial)

    def _hear_report(self) -> None:
        said = orders.next_report(self.control)
        if said.serial == self.serial:
            self.report = said

    def _hear_verdict(self) -> bool:
        """Take what there is; False when nothing more is to be heard."""
        try:
            piece = self.reply.recv(_VERDICT)
        except ConnectionResetError:
            piece = b""
        if not piece:
            if self.mode == "split":
                raise WorkerLost(f"{BROKE}: the judge ended")
            self.ended = True
            return False
        self.heard += piece
        if not self.greeted:
            self.greeted = self.heard.startswith(HELLO)
            del self.heard[: len(HELLO)]
        while len(self.heard) >= 4 and self.verdict is None:
            length = int.from_bytes(self.heard[:4], "little")
            if length > _VERDICT:
                self.ended = True
                return False
            if len(self.heard) < 4 + length:
                break
            body = bytes(self.heard[4 : 4 + length])
            del self.heard[: 4 + length]
            self._take(body)
        return self.verdict is None or self.mode == "split"

    def _take(self, body: bytes) -> None:
        try:
            said = json.loads(body)
        except (ValueError, RecursionError):
            said = None
        if not isinstance(said, dict):
            self.verdict = {"v": "fail", "why": "the program sent something that is no verdict"}
        else:
            self.verdict = said


def _outcome(talk: _Talk, program: Program, mode: ProgramMode, tier: str) -> ProgramOutcome:
    """What verdict and report say together. A pass stands whatever became of the process afterwards.

    Only the judge may say that the fault is not the program's. What a program's own process sends is its pass or its
    fail; whatever else it says, and whatever its exit status, it has failed.
    """
    said, report = talk.verdict or {}, talk.report or orders.Report(talk.serial, "", 0.0, 0.0, 0, 0)
    trusted = mode == "split"
    why, verdict = _text(said.get("why")), said.get("v")
    ours = verdict == "error" if trusted else not talk.greeted
    over, status, faulty = report.why, report.status, trusted and verdict in ("test", "uncrossable")
    if verdict == "pass":
        why = ""
    elif faulty:
        verdict = "error"
    elif over:
        verdict, why = _LIMITS[over], over
    elif status == -_SIGXCPU:
        verdict, why = "timeout", "cpu"
    elif ours:
        verdict, why = "error", (why if trusted else "") or f"the fence could not be raised (exit status {status})"
    elif verdict != "fail" or "process ended" in why:
        how = f"signal {-status}" if status < 0 else f"exit status {status}"
        verdict, why = "fail", f"the program's process ended by itself ({how})"
    counted = int(said["calls"]) if trusted and said else 0
    return ProgramOutcome(
        verdict=cast(ProgramVerdict, verdict), why=why, line=_line(said, program), calls=counted,
        last_call=_text(said.get("last")), stand_ins=trusted and said.get("stand_ins") is True,
        cpu=round(report.cpu, 4), wall=round(report.wall, 4), rss=report.rss, tier=tier, mode=mode, faulty_test=faulty,
    )  # fmt: skip


def _text(said: Any) -> str:
    """What a frame says in a field; a program's own process can put anything there."""
    return said[:_SAID] if isinstance(said, str) else ""


def _line(said: dict[str, Any], program: Program) -> str:
    line = said.get("line")
    if isinstance(line, str):
        return line[:_SAID]
    lines = program.text.splitlines()
    return lines[line - 1].strip()[:_SAID] if type(line) is int and 0 < line <= len(lines) else ""
