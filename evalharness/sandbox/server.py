"""The fork server: a clean interpreter that forks one fenced child for each program, watches it, and clears up.

It is started by exec with an environment of its own: no key, no test and no answer of a model was ever in its memory.
It never reads what a candidate says: the harness tells it when the verdict is in.
"""

from __future__ import annotations

import array
import contextlib
import gc
import importlib
import json
import os
import select
import signal
import socket
import sys
import time
from dataclasses import dataclass, replace
from typing import Any, NoReturn

from evalharness.sandbox import (
    candidate,
    fence,
    judge,
    kernel,
    landlock,
    namespaces,
    readable,
    scratch,
    seatbelt,
    seccomp,
    wire,
)
from evalharness.sandbox.program import Limits

PRELOADED = (
    "abc", "array", "base64", "bisect", "builtins", "calendar", "cmath", "collections", "contextlib", "copy",
    "dataclasses", "datetime", "decimal", "enum",
    "fractions", "functools", "hashlib", "heapq", "inspect", "io", "itertools", "json",
    "math", "numbers", "operator", "random", "re", "statistics", "string", "struct", "sys", "textwrap", "threading",
    "time", "traceback", "typing", "unicodedata",
)  # fmt: skip
_TICK = 0.05
_JUDGE_MEMORY = 1 << 30


@dataclass(frozen=True, slots=True)
class World:
    """Where the children live: the fence around them and, in a namespace, its /proc and the size of its scratch."""

    fence: fence.Fence
    private: bool
    proc: int


def main() -> NoReturn:
    """Started as `python ... server.py SETTINGS`; the settings are JSON and hold no secret."""
    settings = json.loads(sys.argv[1])
    control = socket.socket(fileno=settings["control"])
    try:
        world = _prepare(settings)
        judge_pid = _start_judge(world, settings["judge"], control)
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        wire.send(control.fileno(), {"failed": f"{error.strerror}{where}"})
        os._exit(1)
    os.close(settings["judge"])
    wire.send(control.fileno(), {"ready": True, "landlock": landlock.version() if world.fence.filter else 0})
    try:
        Server(control, world, judge_pid).run()
    except wire.Closed:
        pass
    finally:
        if not world.private:
            scratch.clear(world.fence.scratch)
        os._exit(0)


def _prepare(settings: dict[str, Any]) -> World:
    for name in PRELOADED:
        importlib.import_module(name)
    machine, tier = os.uname().machine, settings["tier"]
    owner = tuple(settings["owner"]) if settings["owner"] else None
    private, proc = tier == "namespace", -1
    if sys.platform == "linux":
        # A private world vanishes with its first process; elsewhere there is a scratch directory to clear first.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        kernel.die_with(settings["parent"], signal.SIGKILL if private else signal.SIGTERM)
    null = os.open("/dev/null", os.O_RDWR)
    if private:
        proc = _enter(settings, machine)
        namespaces.mount_scratch(Limits().disk, Limits().files, owner or (os.getuid(), os.getgid()))
        place = namespaces.SCRATCH
    else:
        place = settings["scratch"]
        if owner:
            os.chown(place, *owner)
        with contextlib.suppress(OSError):  # hidden or absent: then only the processor's time counts
            proc = os.open("/proc", os.O_RDONLY | os.O_DIRECTORY)
    fenced = tier in ("namespace", "landlock", "seccomp")
    code = seccomp.program(machine, metadata=private) if fenced else b""
    if fenced:
        seccomp.require()
        kernel.drop_bounding_set()
        with contextlib.suppress(OSError):
            os.setgroups([])
    world = fence.Fence(
        scratch=place, null=null, server=os.getpid(), owner=owner, filter=code,
        count_threads=fenced and (private or owner is not None),
        profile=seatbelt.profile(readable.roots(), place) if tier == "seatbelt" else "",
    )  # fmt: skip
    if fenced and tier != "seccomp" and (landlock.version() or not private):
        world = world.with_rules(_rules(place))
    gc.collect()
    gc.freeze()
    return World(world, private, proc)


def _enter(settings: dict[str, Any], machine: str) -> int:
    """Go into namespaces. The process that entered waits outside for the first one inside; returns its /proc."""
    inside = namespaces.enter(machine)
    if inside:
        kernel.die_with(settings["parent"])
        for name in ("control", "judge"):
            os.close(settings[name])
        os.waitpid(inside, 0)
        os._exit(0)
    kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != 0:  # the parent is outside of this pid namespace and has no number in it
        os._exit(0)
    os.setsid()
    return namespaces.settle()


def _rules(place: str) -> int:
    return landlock.ruleset(*readable.rules(), place, readable.DEVICES)


def _start_judge(world: World, channel: int, control: socket.socket) -> int:
    pid = os.fork()
    if pid:
        return pid
    try:
        control.detach()
        code = world.fence.filter and seccomp.program(os.uname().machine, metadata=False, recvmsg=True)
        own = replace(world.fence, filter=code, rules=_rules("/nonexistent") if world.fence.rules >= 0 else -1)
        fence.raise_fence(own, channel, Limits(memory=_JUDGE_MEMORY), None)
        judge.serve(fence.CHANNEL)
    finally:
        os._exit(fence.UNFENCED)


class Server:
    """Forks, watches and clears up, one program at a time."""

    def __init__(self, control: socket.socket, world: World, judge_pid: int) -> None:
        self.control, self.world, self.judge = control, world, judge_pid
        self.judge_end = os.pidfd_open(judge_pid) if hasattr(os, "pidfd_open") else -1
        self.clock = Clock(world.proc)
        self.untouched = self._trace()

    def run(self) -> None:
        """Serve until the harness hangs up or the judge dies."""
        while True:
            message, fd = self._request()
            if message is None:
                return
            if fd >= 0:
                report = self._one(message, fd)
                wire.send(self.control.fileno(), report)

    def _request(self) -> tuple[dict[str, Any] | None, int]:
        ends = [self.control.fileno()] + ([self.judge_end] if self.judge_end >= 0 else [])
        ready, _, _ = select.select(ends, [], [])
        if self.judge_end in ready:
            return None, -1
        byte, extra, _, _ = self.control.recvmsg(1, socket.CMSG_SPACE(array.array("i").itemsize))
        if not byte:
            return None, -1
        found = array.array("i")
        for _level, _kind, data in extra:
            found.frombytes(data)
        return wire.receive(self.control.fileno()), found[0] if found else -1

    def _one(self, message: dict[str, Any], fd: int) -> dict[str, Any]:
        limits = Limits(**message["limits"])
        if self.world.private:
            self._scatter_pids()
        started = time.monotonic()
        pid = os.fork()
        if pid == 0:
            self._child(fd, limits)
        os.close(fd)
        end = os.pidfd_open(pid) if hasattr(os, "pidfd_open") else -1
        try:
            why = self._watch(pid, end, message["serial"], limits, started)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)  # it is not reaped yet, so the number is still its own
            _, status, usage = os.wait4(pid, 0)
            if end >= 0:
                os.close(end)
        self._clear()
        return {
            "serial": message["serial"], "why": why, "wall": time.monotonic() - started,
            "cpu": usage.ru_utime + usage.ru_stime, "rss": usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024),
            "status": os.waitstatus_to_exitcode(status),
        }  # fmt: skip

    def _scatter_pids(self) -> None:
        """A program that saw the answers must not tell the next one by how many process numbers it used up."""
        number = 300 + int.from_bytes(os.urandom(2), "little") % 30000
        with contextlib.suppress(OSError):
            last = os.open("sys/kernel/ns_last_pid", os.O_WRONLY, dir_fd=self.world.proc)
            try:
                os.write(last, str(number).encode())
            finally:
                os.close(last)

    def _child(self, fd: int, limits: Limits) -> NoReturn:
        try:
            self.control.detach()
            fence.raise_fence(self.world.fence, fd, limits, limits.seconds)
        except BaseException:  # whatever it was, no line of the program may run without its fence
            os._exit(fence.UNFENCED)
        candidate.run()

    def _watch(self, pid: int, end: int, serial: int, limits: Limits, started: float) -> str:
        """Wait for the child's end, the harness's word or a limit; says which limit, or nothing."""
        ends = [self.control.fileno()] + [fd for fd in (end, self.judge_end) if fd >= 0]
        self.clock.start(pid, self.judge)
        looked = started
        while True:
            ready, _, _ = select.select(ends, [], [], _TICK)
            if self.judge_end in ready:
                sys.exit(1)
            if self.control.fileno() in ready:
                if not self.control.recv(1):
                    sys.exit(0)
                if wire.receive(self.control.fileno()).get("stop") == serial:
                    return ""
            now = time.monotonic()
            if end in ready:
                ends = [fd for fd in ends if fd != end]  # the judge may still be at work on what the program said
            if now - looked >= _TICK:
                looked = now
                why = self._over(pid, limits, now - started)
                if why:
                    return why

    def _over(self, pid: int, limits: Limits, wall: float) -> str:
        cpu, waited = self.clock.read()
        if cpu > limits.seconds:
            return "cpu"
        if wall - waited > limits.seconds:
            return "time"
        if wall > limits.wall:
            return "wall"
        if self.clock.threads(pid) > limits.threads:
            return "threads"
        if sys.platform == "darwin" and seatbelt.resident(pid) > limits.memory:
            return "memory"
        if not self.world.private and scratch.exceeds(self.world.fence.scratch, limits.disk, limits.files):
            return "disk"
        return ""

    def _trace(self) -> tuple[int, ...]:
        """What changes with anything that is done to the scratch directory; nobody can set its time of change."""
        about = os.stat(self.world.fence.scratch)
        return (
            about.st_ino,
            about.st_mode,
            about.st_ctime_ns,
            about.st_mtime_ns,
            len(os.listdir(self.world.fence.scratch)),
        )

    def _clear(self) -> None:
        """Nothing of a program is left for the next one, not even a time: what was touched is made anew."""
        place, owner = self.world.fence.scratch, self.world.fence.owner or (os.getuid(), os.getgid())
        if os.stat(place).st_mode & 0o700 == 0o700 and self._trace() == self.untouched:
            return
        if self.world.private:
            namespaces.mount_scratch(Limits().disk, Limits().files, owner)
        else:
            os.chmod(place, 0o700)
            scratch.clear(place)
            os.rmdir(place)  # an OSError ends the server: a new worker has a new place
            os.mkdir(place, 0o700)
            os.chown(place, *owner)
        if self.world.fence.rules >= 0:
            os.close(self.world.fence.rules)
            fenced = self.world.fence.with_rules(_rules(place))
            self.world = World(fenced, self.world.private, self.world.proc)
        self.untouched = self._trace()


class Clock:
    """What child and judge used since a program began: processor time, and time spent waiting for a processor."""

    def __init__(self, proc: int) -> None:
        self.proc = proc
        self.pids: tuple[int, ...] = ()
        self.before: dict[int, tuple[float, float]] = {}

    def start(self, child: int, judge_pid: int) -> None:
        """From here on is counted; the child's clock began at 0."""
        self.pids = (child, judge_pid)
        self.before = {child: (0.0, 0.0), judge_pid: self._of(judge_pid)}

    def read(self) -> tuple[float, float]:
        """(processor seconds, waiting seconds) since start, of both together."""
        now = [self._of(pid) for pid in self.pids]
        cpu = sum(n[0] - self.before[pid][0] for pid, n in zip(self.pids, now, strict=True) if n[0])
        waited = sum(n[1] - self.before[pid][1] for pid, n in zip(self.pids, now, strict=True) if n[1])
        return cpu, waited

    def _of(self, pid: int) -> tuple[float, float]:
        try:
            cpu = kernel.cpu_seconds(pid)
        except OSError:
            cpu = 0.0
        words = self._words(f"{pid}/schedstat")
        return cpu, int(words[1]) / 1e9 if len(words) > 1 else 0.0

    def threads(self, pid: int) -> int:
        """How many threads a process has; 0 where /proc does not tell."""
        words = self._words(f"{pid}/stat", after=b")")
        return int(words[17]) if len(words) > 17 else 0

    def _words(self, path: str, after: bytes = b"") -> list[bytes]:
        if self.proc < 0:
            return []
        try:
            fd = os.open(path, os.O_RDONLY, dir_fd=self.proc)
        except OSError:
            return []
        try:
            return os.read(fd, 4096).rpartition(after)[2].split() if after else os.read(fd, 4096).split()
        except OSError:
            return []
        finally:
            os.close(fd)
