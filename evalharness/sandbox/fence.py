"""The fence: what a process puts around itself, for good, as the last of our code before the first of theirs."""

from __future__ import annotations

import ctypes
import math
import os
import resource
import signal
import sys
from dataclasses import dataclass, replace
from functools import partial

from evalharness.sandbox import kernel, landlock, seatbelt, seccomp
from evalharness.sandbox.program import Limits

CHANNEL = 3  # the one descriptor of a fenced process that leads anywhere
UNFENCED = 97  # exit status of a child that could not raise its fence: our fault, never the program's
FAULT = 30e-6  # seconds: the most that handing over a page costs; 3 to 11 us were measured on a busy machine
_GRACE = 2  # seconds of CPU above the limit before the kernel ends a process that the server did not
_PAGE = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Fence:
    """What a worker's processes are fenced with. `owner`: the uid and gid to become, None to stay. `rules`: Landlock's
    ruleset, -1 for none. `filter`: the system-call filter, empty for none."""

    scratch: str
    server: int
    owner: tuple[int, int] | None = None
    rules: int = -1
    filter: bytes = b""
    count_threads: bool = False
    profile: str = ""  # macOS's, empty elsewhere

    def with_rules(self, rules: int) -> Fence:
        """The same fence around another scratch directory."""
        return replace(self, rules=rules)


@dataclass(frozen=True, slots=True)
class PreparedFence:
    """A fence as the calls that raise it. Made in the server once for many children."""

    steps: tuple[kernel.Step, ...]
    filter: seccomp.Filter | None
    server: int
    profile: str


def prepare_fence(fence: Fence, limits: Limits, cpu: float | None) -> PreparedFence:
    """The calls that raise a fence. `cpu` is the kernel's own limit in seconds, None for the long-lived judge."""
    libc = kernel.libc
    steps: list[kernel.Step] = [partial(libc.chdir, os.fsencode(fence.scratch)), *_limits(fence, limits, cpu)]
    # An empty sigaction is the default one. The server has a handler for this signal, in the tiers with files to clear.
    steps.append(partial(libc.sigaction, signal.SIGTERM.value, bytes(256), None))
    if fence.owner is not None:
        uid, gid = fence.owner
        steps += [partial(libc.setresgid, gid, gid, gid), partial(libc.setresuid, uid, uid, uid)]
    if sys.platform == "linux":
        steps.append(partial(libc.prctl, kernel.PR_SET_DUMPABLE, 0, 0, 0, 0))
        steps.append(partial(libc.prctl, kernel.PR_SET_PDEATHSIG, signal.SIGKILL.value, 0, 0, 0))
    if fence.filter:
        steps.append(kernel.without_capabilities())
        steps.append(partial(libc.prctl, kernel.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
        if fence.rules >= 0:
            steps.append(landlock.restriction(fence.rules))
    steps.append(kernel.closing(CHANNEL + 1))
    return PreparedFence(
        tuple(steps), seccomp.Filter(fence.filter) if fence.filter else None, fence.server, fence.profile
    )


def clear_low_descriptors() -> None:
    """/dev/null as 0 to 3, in the server: a child puts its channel over the last, and nothing else can lie there."""
    null = os.open("/dev/null", os.O_RDWR)
    for number in range(CHANNEL + 1):
        if number != null:
            os.dup2(null, number)
    if null > CHANNEL:
        os.close(null)


def raise_fence(prepared: PreparedFence, channel: int) -> None:
    """Give up everything but the channel, and /dev/null as 0, 1 and 2.

    Raises OSError where any step is refused; the caller must then leave.
    """
    os.dup2(channel, CHANNEL)
    kernel.make_calls(prepared.steps)
    if os.getppid() != prepared.server:
        os._exit(0)
    if prepared.filter is not None:
        prepared.filter.install()
    if prepared.profile:
        seatbelt.restrict(prepared.profile)


def _limits(fence: Fence, limits: Limits, cpu: float | None) -> list[kernel.Step]:
    wanted = {
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_FSIZE: limits.disk,
        resource.RLIMIT_NOFILE: limits.descriptors,
        resource.RLIMIT_AS: limits.memory,
    }
    if sys.platform == "darwin":  # it refuses a limit of memory: there the server watches the resident size
        del wanted[resource.RLIMIT_AS]
    if cpu is not None:
        wanted[resource.RLIMIT_CPU] = math.ceil(cpu + limits.memory / _PAGE * FAULT) + _GRACE
    for name in ("RLIMIT_MEMLOCK", "RLIMIT_MSGQUEUE"):
        if hasattr(resource, name):
            wanted[getattr(resource, name)] = 0
    if fence.count_threads:  # elsewhere the limit counts the user's other programs too: there the server counts
        wanted[resource.RLIMIT_NPROC] = limits.threads
    return [_limit(kind, value) for kind, value in wanted.items()]


def _limit(kind: int, value: int) -> kernel.Step:
    _, hard = resource.getrlimit(kind)
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    return partial(kernel.libc.setrlimit, kind, (ctypes.c_ulonglong * 2)(value, value))
