"""The fork server: a clean interpreter that forks one fenced child for each program, watches it, and clears up.

It is started by exec with an environment of its own: no key, no test and no answer of a model was ever in its memory.
It never reads what a candidate says: the harness tells it when the verdict is in.
"""

from __future__ import annotations

import contextlib
import fcntl
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
    orders,
    readable,
    scratch,
    seatbelt,
    seccomp,
    wire,
)
from evalharness.sandbox.program import Limits

PRELOADED = (
    "abc", "array", "base64", "bisect", "builtins", "calendar", "cmath", "collections", "contextlib", "copy",
    "dataclasses", "datetime", "decimal", "dis", "enum",
    "fractions", "functools", "hashlib", "heapq", "inspect", "io", "itertools", "json",
    "math", "numbers", "operator", "random", "re", "statistics", "string", "struct", "sys", "textwrap", "threading",
    "time", "traceback", "typing", "unicodedata",
)  # fmt: skip
_TICK = 50  # milliseconds
_TICKS, _PAGE = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")
_JUDGE_MEMORY = 1 << 30


@dataclass(frozen=True, slots=True)
class World:
    """Where the children live: the fence around them, a descriptor of /proc and, in a namespace, one of the file that
    says which process number was the last; -1 for what there is not. `packages` can be read besides Python's own;
    `preloaded` ones may have started threads, which Python's own fork looks after."""

    fence: fence.Fence
    private: bool
    proc: int
    last_pid: int
    packages: tuple[str, ...] = ()
    preloaded: bool = False


def serve_programs() -> NoReturn:
    """Started as `python ... server.py SETTINGS`; the settings are JSON and hold no secret."""
    settings = json.loads(sys.argv[1])
    for name in ("control", "judge"):
        inherited, settings[name] = settings[name], fcntl.fcntl(settings[name], fcntl.F_DUPFD, 10)
        os.close(inherited)
    fence.clear_low_descriptors()
    harness = socket.socket(fileno=settings["control"])
    try:
        world = _prepare(settings)
        judge_pid = _start_judge(world, settings["judge"], harness)
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        wire.send(harness.fileno(), {"failed": f"{error.strerror}{where}"})
        os._exit(1)
    os.close(settings["judge"])
    server = Server(harness, world, judge_pid)
    abi = landlock.version() if world.fence.filter else 0
    wire.send(harness.fileno(), {"ready": True, "landlock": abi, "waits": server.clock.waits >= 0})
    try:
        server.run()
    except wire.Closed:
        pass
    finally:
        if not world.private:
            scratch.clear(world.fence.scratch)
        os._exit(0)


def _prepare(settings: dict[str, Any]) -> World:
    for name in PRELOADED:
        importlib.import_module(name)
    for interrupt in (signal.SIGINT, signal.SIGHUP):
        signal.signal(interrupt, signal.SIG_DFL)
    machine, tier = os.uname().machine, settings["tier"]
    owner = tuple(settings["owner"]) if settings["owner"] else None
    private, proc = tier == "namespace", -1
    if sys.platform == "linux":
        # A private world vanishes with its first process; elsewhere there is a scratch directory to clear first.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        kernel.die_with(settings["parent"], signal.SIGKILL if private else signal.SIGTERM)
    if private:
        proc = _enter(settings, machine)
        namespaces.mount_scratch(Limits().disk, Limits().files, owner or (os.getuid(), os.getgid()))
        place = namespaces.SCRATCH
        fence.clear_low_descriptors()  # once more: nobody can change the times of this world's /dev/null
    else:
        place = settings["scratch"]
        if owner:
            os.chown(place, *owner)
        with contextlib.suppress(OSError):  # hidden or absent: then only the processor's time counts
            proc = os.open("/proc", os.O_RDONLY | os.O_DIRECTORY)
    os.environ.update(HOME=place, TMPDIR=place)
    packages: tuple[str, ...] = ()
    if settings["path"]:
        sys.path.append(settings["path"])
        packages = (settings["path"], *(() if private else settings["packages"].values()))
    for name in settings["preload"]:
        with contextlib.suppress(Exception):  # whatever a package's import raises, a program that wants it will see
            importlib.import_module(name)
    candidate.set_stage()
    fenced = tier in ("namespace", "landlock", "seccomp")
    code = seccomp.program(machine, metadata=private) if fenced else b""
    if fenced:
        seccomp.require()
        kernel.drop_bounding_set()
        with contextlib.suppress(OSError):
            os.setgroups([])
    world = fence.Fence(
        scratch=place, server=os.getpid(), owner=owner, filter=code,
        count_threads=fenced and (private or owner is not None),
        profile=seatbelt.profile([*readable.roots(), *packages], place) if tier == "seatbelt" else "",
    )  # fmt: skip
    if fenced and tier != "seccomp" and (landlock.version() or not private):
        world = world.with_rules(_rules(place, private, packages))
    gc.collect()
    gc.freeze()
    last_pid = -1
    if private:
        with contextlib.suppress(OSError):
            last_pid = os.open("sys/kernel/ns_last_pid", os.O_WRONLY, dir_fd=proc)
    return World(world, private, proc, last_pid, packages, bool(settings["preload"]))


def _enter(settings: dict[str, Any], machine: str) -> int:
    """Go into namespaces. The process that entered waits outside for the first one inside; returns its /proc."""
    inside = namespaces.enter(machine, settings["packages"])
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
    return namespaces.leave_old_root()


def _rules(place: str, private: bool, packages: tuple[str, ...]) -> int:
    # In a private world the package directories are covered already, and a child pays for each rule.
    read, listed = (readable.roots(), []) if private else readable.rules()
    return landlock.ruleset([*read, *packages], listed, place, readable.DEVICES)


def _start_judge(world: World, channel: int, harness: socket.socket) -> int:
    pid = os.fork()  # Python's own: the judge draws other random numbers than the candidates do
    if pid:
        return pid
    try:
        harness.detach()
        code = world.fence.filter and seccomp.program(os.uname().machine, metadata=False, recvmsg=True)
        rules = _rules("/nonexistent", world.private, world.packages) if world.fence.rules >= 0 else -1
        own = replace(world.fence, filter=code, rules=rules)
        fence.raise_fence(fence.prepare_fence(own, Limits(memory=_JUDGE_MEMORY), None), channel)
        judge.serve(fence.CHANNEL)
    finally:
        os._exit(fence.UNFENCED)


class Server:
    """Forks, watches and clears up, one program at a time."""

    def __init__(self, harness: socket.socket, world: World, judge_pid: int) -> None:
        self.harness, self.world, self.judge = harness, world, judge_pid
        self.poll = select.poll()
        self.poll.register(harness, select.POLLIN)
        self.judge_end = os.pidfd_open(judge_pid) if hasattr(os, "pidfd_open") else -1
        if self.judge_end >= 0:
            self.poll.register(self.judge_end, select.POLLIN)
        self.clock = Clock(world.proc, judge_pid)
        self.untouched = self._trace()
        self.asked, self.limits = b"", Limits()
        self.prepared = fence.prepare_fence(world.fence, self.limits, self.limits.seconds)

    def run(self) -> NoReturn:
        """Serve until the harness hangs up or the judge dies: raises Closed."""
        while True:
            self._wait(None)
            serial, asked, channel = orders.next_order(self.harness)
            if channel < 0:
                continue  # a program's verdict came as the program passed a limit
            if asked != self.asked:
                self.asked, self.limits = asked, orders.limits_of(asked)
                self.prepared = fence.prepare_fence(self.world.fence, self.limits, self.limits.seconds)
            self._one(serial, channel)

    def _wait(self, milliseconds: int | None) -> bool:
        """Whether the harness says something. Raises Closed when the judge is gone."""
        ready = self.poll.poll(milliseconds)
        for fd, _ in ready:
            if fd == self.judge_end:
                raise wire.Closed("the judge is gone")
        return bool(ready)

    def _one(self, serial: int, channel: int) -> None:
        if self.world.last_pid >= 0:
            # A program that saw the answers must not tell the next one by how many process numbers it used up.
            number = 300 + int.from_bytes(os.urandom(2), "little") % 30000
            os.pwrite(self.world.last_pid, str(number).encode(), 0)
        self.clock.start()
        started = time.monotonic()
        pid = os.fork() if self.world.preloaded else kernel.fork()
        if pid == 0:
            self._child(channel)
        os.close(channel)
        try:
            why = self._watch(pid, serial, started)
        finally:
            os.kill(pid, signal.SIGKILL)  # it is not reaped yet, so the number is still its own
            _, status, usage = os.wait4(pid, 0)
        self._clear()
        wall, cpu = time.monotonic() - started, usage.ru_utime + usage.ru_stime
        rss = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
        orders.send_report(self.harness, serial, why, wall, cpu, rss, os.waitstatus_to_exitcode(status))

    def _child(self, channel: int) -> NoReturn:
        try:
            self.harness.detach()
            fence.raise_fence(self.prepared, channel)
        except BaseException:  # whatever it was, no line of the program may run without its fence
            os._exit(fence.UNFENCED)
        candidate.run_candidate(fence.CHANNEL)

    def _watch(self, pid: int, serial: int, started: float) -> str:
        """Wait for the harness's word or a limit; says which limit, or nothing. A child that ended is waited for too:
        the judge may still be at work on what it said."""
        looked = started
        while True:
            if self._wait(_TICK) and orders.next_order(self.harness)[0] == serial:
                return ""
            now = time.monotonic()
            if now - looked >= _TICK / 1000:
                looked = now
                why = self._over(pid, self.limits, now - started)
                if why:
                    return why

    def _over(self, pid: int, limits: Limits, wall: float) -> str:
        cpu, waited = self.clock.read(pid)
        threads, filling = self.clock.look(pid, limits.memory)
        if cpu - filling > limits.seconds:
            return "cpu"
        if wall - waited - filling > limits.seconds:
            return "time"
        if wall > limits.wall:
            return "wall"
        if threads > limits.threads:
            return "threads"
        if sys.platform == "darwin" and seatbelt.resident(pid) > limits.memory:
            return "memory"
        if not self.world.private and scratch.exceeds(self.world.fence.scratch, limits.disk, limits.files):
            return "disk"
        return ""

    def _trace(self) -> tuple[int, ...]:
        """What changes with anything that is done to the scratch directory; nobody can set its time of change."""
        place = self.world.fence.scratch
        about = os.stat(place)
        # Clocks tick slowly: two changes can have one time. A private directory's size counts its entries; elsewhere
        # they are counted here, unless its rights were taken away.
        listed = not self.world.private and about.st_mode & 0o700 == 0o700
        names = len(os.listdir(place)) if listed else -1
        return about.st_ino, about.st_mode, about.st_ctime_ns, about.st_mtime_ns, about.st_size, names

    def _clear(self) -> None:
        """Nothing of a program is left for the next one, not even a time: what was touched is made anew."""
        if self._trace() == self.untouched:
            return
        place, owner = self.world.fence.scratch, self.world.fence.owner or (os.getuid(), os.getgid())
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
            rules = _rules(place, self.world.private, self.world.packages)
            self.world = replace(self.world, fence=self.world.fence.with_rules(rules))
            self.prepared = fence.prepare_fence(self.world.fence, self.limits, self.limits.seconds)
        self.untouched = self._trace()


class Clock:
    """What child and judge used since a program began: processor time, and time spent waiting for a processor."""

    def __init__(self, proc: int, judge_pid: int) -> None:
        self.proc, self.judge = proc, judge_pid
        self.waits = self._open(f"{judge_pid}/schedstat")
        self.before = (0.0, 0.0)

    def start(self) -> None:
        """From here on is counted; the child's clock begins at 0."""
        self.before = self._of(self.judge, self.waits)

    def read(self, child: int) -> tuple[float, float]:
        """(processor seconds, waiting seconds) since start, of child and judge together."""
        waits = self._open(f"{child}/schedstat")
        of_child, of_judge = self._of(child, waits), self._of(self.judge, self.waits)
        if waits >= 0:
            os.close(waits)
        cpu, waited = (of_child[i] + (of_judge[i] - self.before[i] if of_judge[i] else 0.0) for i in (0, 1))
        return cpu, waited

    def _of(self, pid: int, waits: int) -> tuple[float, float]:
        try:
            cpu = time.clock_gettime(((~pid) << 3) | 2)  # the processor time of all threads of a process
        except OSError:
            cpu = 0.0
        words = self._words(waits)
        return cpu, int(words[1]) / 1e9 if len(words) > 1 else 0.0

    def look(self, pid: int, memory: int) -> tuple[int, float]:
        """(how many threads a process has, seconds that the kernel took to hand it memory); 0 where /proc is silent.

        The first touch of a page costs what the machine makes it cost, up to fence.FAULT: as much memory as is allowed
        may be touched without paying for it, and no more than that.
        """
        fd = self._open(f"{pid}/stat")
        words = self._words(fd, after=b")")
        if fd >= 0:
            os.close(fd)
        if len(words) <= 17:
            return 0, 0.0
        faults, system = int(words[7]), int(words[12]) / _TICKS
        return int(words[17]), min(system, min(faults, memory // _PAGE) * fence.FAULT)

    def _open(self, path: str) -> int:
        try:
            return os.open(path, os.O_RDONLY, dir_fd=self.proc) if self.proc >= 0 else -1
        except OSError:
            return -1

    def _words(self, fd: int, after: bytes = b"") -> list[bytes]:
        try:
            text = os.pread(fd, 4096, 0) if fd >= 0 else b""
        except OSError:
            return []
        return text.rpartition(after)[2].split() if after else text.split()
