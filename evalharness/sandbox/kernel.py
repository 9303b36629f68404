"""The few kernel calls that Python does not offer, by ctypes. The numbers are Linux's: manual pages, section 2."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

libc = ctypes.CDLL(None, use_errno=True)
_fork = ctypes.PyDLL(None, use_errno=True).fork

PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_GET_SECCOMP, PR_SET_SECCOMP, PR_CAPBSET_DROP = 1, 4, 21, 22, 24
PR_SET_NO_NEW_PRIVS, PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL = 38, 47, 4
PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}
MOUNT_SETATTR, _CLOSE_RANGE = 442, 436
AT_FDCWD, AT_RECURSIVE = -100, 0x8000


def syscall(number: int, *arguments: Any) -> int:
    """Call the kernel by number. Integers travel as long, bytes and buffers as pointers. Raises OSError."""
    given = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    return checked_call(libc.syscall(ctypes.c_long(number), *given))


def checked_call(result: int) -> int:
    """The result of a C call, or the OSError that errno says."""
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


# A C call with its arguments made ready, as a partial: in a forked child every object that is touched costs a page. The
# arguments are small integers, which travel as int, and buffers.
Step = Callable[[], int]


def make_calls(steps: Iterable[Step]) -> None:
    """Make the calls, one after the other. Raises OSError at the first that is refused."""
    for step in steps:
        if step() < 0:
            checked_call(-1)


def prctl(option: int, *arguments: Any) -> int:
    """prctl(2). Raises OSError."""
    padded = [ctypes.c_ulong(a) if isinstance(a, int) else a for a in arguments] + [ctypes.c_ulong(0)] * 4
    return checked_call(libc.prctl(ctypes.c_int(option), *padded[:4]))


def mount(source: str, target: str, kind: str | None, flags: int, data: str | None = None) -> None:
    """mount(2). Raises OSError that names the target."""
    texts = [None if t is None else os.fsencode(t) for t in (source, target, kind, data)]
    if libc.mount(texts[0], texts[1], texts[2], ctypes.c_ulong(flags), texts[3]) < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), target)


def unmount(target: str, flags: int = 0) -> None:
    """umount2(2). Raises OSError."""
    checked_call(libc.umount2(os.fsencode(target), ctypes.c_int(flags)))


def unshare(flags: int) -> None:
    """unshare(2). Raises OSError."""
    checked_call(libc.unshare(ctypes.c_int(flags)))


def fork() -> int:
    """fork(2) and no more, for a process of one thread. Raises OSError.

    os.fork goes on to look after other threads and to seed random numbers anew: 180 pages copied for nothing.
    """
    return checked_call(_fork())


def drop_bounding_set() -> None:
    """No program started later can gain a capability. Without the right to say so there is nothing to drop."""
    try:
        prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL)
        for capability in range(64):
            prctl(PR_CAPBSET_DROP, capability)
    except OSError:
        return


def without_capabilities() -> Step:
    """The call that empties the effective, permitted and inheritable sets of this thread (capset(2), version 3)."""
    return partial(libc.capset, (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)())


def die_with(parent: int, signal: int = 9) -> None:
    """Be killed when the parent dies; leave at once if it already has. Cleared by every change of uid: say it again."""
    prctl(PR_SET_PDEATHSIG, signal)
    if os.getppid() != parent:
        os._exit(0)


def closing(first: int) -> Step:
    """The call that closes every file descriptor from `first` on (close_range(2), Linux 5.9, else one by one)."""
    none = 1 << 30
    if sys.platform == "linux" and libc.syscall(_CLOSE_RANGE, none, none, 0) == 0:
        return partial(libc.syscall, _CLOSE_RANGE, first, -1, 0)

    def one_by_one() -> int:
        os.closerange(first, 1 << 16)
        return 0

    return one_by_one
