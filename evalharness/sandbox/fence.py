"""The fence: what a process puts around itself, for good, as the last of our code before the first of theirs."""

from __future__ import annotations

import fcntl
import math
import os
import resource
import signal
import sys
from dataclasses import dataclass, replace

from evalharness.sandbox import kernel, landlock, seatbelt, seccomp
from evalharness.sandbox.program import Limits

CHANNEL = 3  # the one descriptor of a fenced process that leads anywhere
UNFENCED = 97  # exit status of a child that could not raise its fence: our fault, never the program's
_GRACE = 2  # seconds of CPU above the limit before the kernel ends a process that the server did not


@dataclass(frozen=True, slots=True, kw_only=True)
class Fence:
    """What a worker's processes are fenced with. `owner`: the uid and gid to become, None to stay. `rules`: Landlock's
    ruleset, -1 for none. `filter`: the system-call filter, empty for none."""

    scratch: str
    null: int
    server: int
    owner: tuple[int, int] | None = None
    rules: int = -1
    filter: bytes = b""
    count_threads: bool = False
    profile: str = ""  # macOS's, empty elsewhere

    def with_rules(self, rules: int) -> Fence:
        """The same fence around another scratch directory."""
        return replace(self, rules=rules)


def raise_fence(fence: Fence, channel: int, limits: Limits, cpu: float | None) -> None:
    """Give up everything but the channel. `cpu` is the kernel's own limit in seconds, None for the long-lived judge.

    Raises OSError where any step is refused; the caller must then leave.
    """
    rules = _only_descriptors(fence, channel)
    os.chdir(fence.scratch)
    os.environ.update(HOME=fence.scratch, TMPDIR=fence.scratch)
    _set_limits(fence, limits, cpu)
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    if fence.owner is not None:
        os.setresgid(fence.owner[1], fence.owner[1], fence.owner[1])
        os.setresuid(fence.owner[0], fence.owner[0], fence.owner[0])
    if sys.platform == "linux":
        kernel.prctl(kernel.PR_SET_DUMPABLE, 0)
        kernel.die_with(fence.server)
    if fence.filter:
        kernel.drop_capabilities()
        kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
        if rules >= 0:
            landlock.restrict(rules)
            os.close(rules)
        seccomp.install(fence.filter)
    if fence.profile:
        seatbelt.restrict(fence.profile)


def _only_descriptors(fence: Fence, channel: int) -> int:
    """0, 1, 2 are /dev/null, 3 the channel, 4 the ruleset until it is in force; nothing else stays open."""
    high = [fcntl.fcntl(fd, fcntl.F_DUPFD, 100) for fd in (fence.null, channel)]
    rules = fcntl.fcntl(fence.rules, fcntl.F_DUPFD, 100) if fence.rules >= 0 else -1
    for target in (0, 1, 2):
        os.dup2(high[0], target)
    os.dup2(high[1], CHANNEL)
    if rules >= 0:
        os.dup2(rules, CHANNEL + 1)
    kernel.close_all_from(CHANNEL + (2 if rules >= 0 else 1))
    return CHANNEL + 1 if rules >= 0 else -1


def _set_limits(fence: Fence, limits: Limits, cpu: float | None) -> None:
    wanted = {
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_FSIZE: limits.disk,
        resource.RLIMIT_NOFILE: limits.descriptors,
        resource.RLIMIT_AS: limits.memory,
    }
    if cpu is not None:
        wanted[resource.RLIMIT_CPU] = math.ceil(cpu) + _GRACE
    for name in ("RLIMIT_MEMLOCK", "RLIMIT_MSGQUEUE"):
        if hasattr(resource, name):
            wanted[getattr(resource, name)] = 0
    if fence.count_threads:  # elsewhere the limit counts the user's other programs too: there the server counts
        wanted[resource.RLIMIT_NPROC] = limits.threads
    for kind, value in wanted.items():
        _, hard = resource.getrlimit(kind)
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        try:
            resource.setrlimit(kind, (value, value))
        except ValueError:  # macOS refuses RLIMIT_AS: there the server watches the resident size
            if kind != resource.RLIMIT_AS:
                raise
