"""The system-call filter: an allow-list as a BPF program (https://docs.kernel.org/userspace-api/seccomp_filter.html)."""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from functools import partial
from itertools import pairwise

from evalharness.sandbox import kernel, syscalls

ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_LOAD, _JEQ, _JGE, _AND, _RETURN = 0x20, 0x15, 0x35, 0x54, 0x06
_ALLOW, _KILL = 0x7FFF0000, 0x80000000
_PID = 0xFFFFFFF1  # stands for the process's own pid until the filter is installed

_THREAD = 0x10000
_NOT_A_THREAD = 0x7E020000 | 0x80  # new namespaces
_FCNTL = (*range(8), 1030, 1032)  # dup, flags, locks; not the owner of asynchronous signals (8, 10, 15), not leases
_IOCTL = (0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451)
_SOCKET_OPTIONS = (
    3,
    4,
    7,
    8,
    30,
    38,
    39,
)  # type, error, buffers, listening, protocol, domain; no descriptors, no peers
_PRCTL = (15, 16)  # the thread's name

Instruction = tuple[int, int, int, int]
_Block = tuple[Instruction, ...]


def _return(action: int) -> _Block:
    return ((_RETURN, 0, 0, action),)


ALLOW, REFUSE, UNKNOWN = _return(_ALLOW), _return(0x50000 | errno.EPERM), _return(0x50000 | errno.ENOSYS)


def _load(argument: int) -> Instruction:
    return (_LOAD, 0, 0, 16 + 8 * argument)


def _one_of(argument: int, allowed: tuple[int, ...]) -> _Block:
    """Allow when an argument is one of some values."""
    tests: list[Instruction] = []
    for value in allowed:
        tests += [(_JEQ, 0, 1, value), *ALLOW]
    return (_load(argument), *tests, *REFUSE)


_CHECKS: dict[str, _Block] = {
    # Threads, never processes. clone3 keeps its flags in memory, where a filter cannot look: it does not exist here.
    "clone": (_load(0), (_AND, 0, 0, _THREAD | _NOT_A_THREAD), (_JEQ, 0, 1, _THREAD), *ALLOW, *REFUSE),
    "kill": _one_of(0, (_PID,)),
    "tgkill": _one_of(0, (_PID,)),
    # With another's pid a candidate could lower the limits of the judge, and fail the programs after it.
    "prlimit64": _one_of(0, (0,)),
    "fcntl": _one_of(1, _FCNTL),
    "ioctl": _one_of(1, _IOCTL),
    "getsockopt": _one_of(2, _SOCKET_OPTIONS),
    "prctl": _one_of(0, _PRCTL),
    # A pair of streams only: a datagram socket could send to any address.
    "socketpair": (_load(0), (_JEQ, 0, 3, 1), _load(1), (_AND, 0, 0, 15), (_JEQ, 1, 0, 1), *REFUSE, *ALLOW),
}


def program(machine: str, *, metadata: bool, recvmsg: bool = False) -> bytes:
    """The filter for a machine, with a placeholder for the pid. `metadata`: chmod and utime are allowed."""
    s = syscalls
    rules: dict[int, _Block] = dict.fromkeys(s.numbers(s.ALLOWED, machine).values(), ALLOW)
    if machine == "x86_64":
        rules |= dict.fromkeys(s.numbers(s.ALLOWED_X86_64, machine).values(), ALLOW)
    if metadata:
        rules |= dict.fromkeys(s.numbers(s.METADATA, machine).values(), ALLOW)
        if machine == "x86_64":
            rules |= dict.fromkeys(s.numbers(s.METADATA_X86_64, machine).values(), ALLOW)
    if recvmsg:
        rules |= dict.fromkeys(s.numbers(s.RECVMSG, machine).values(), ALLOW)
    rules |= {number: _CHECKS[name] for name, number in s.numbers(s.CHECKED, machine).items()}
    rules[s.CLONE3] = UNKNOWN
    blocks = [(number, rules.get(number, REFUSE)) for number in range(s.NEWEST)] + [(s.NEWEST, UNKNOWN)]
    starts = [blocks[0], *(new for old, new in pairwise(blocks) if old[1] is not new[1])]
    head: _Block = ((_LOAD, 0, 0, 4), (_JEQ, 1, 0, ARCH[machine]), *_return(_KILL), (_LOAD, 0, 0, 0))
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in (*head, *_search(starts)))


def _search(starts: list[tuple[int, _Block]]) -> _Block:
    """A binary search for the call's number: an eighth of the steps of a list, and the kernel tries every number."""
    if len(starts) == 1:
        return starts[0][1]
    half = len(starts) // 2
    below, above = _search(starts[:half]), _search(starts[half:])
    if len(below) > 255:
        raise ValueError("the filter is too long for 8-bit jumps")
    return ((_JGE, len(below), 0, starts[half][0]), *below, *above)


def require() -> None:
    """Raises OSError where the kernel has no seccomp."""
    try:
        kernel.prctl(kernel.PR_GET_SECCOMP)
    except OSError as error:
        raise OSError(error.errno, "this kernel has no seccomp (CONFIG_SECCOMP_FILTER)") from error


class Filter:
    """A filter in memory, ready to be put on a process: only the process's own number is missing."""

    def __init__(self, code: bytes) -> None:
        self._words = (ctypes.c_uint32 * (len(code) // 4)).from_buffer_copy(code)
        self._places = [at for at, word in enumerate(self._words) if word == _PID and at % 2]
        program = struct.pack("=HxxxxxxQ", len(code) // 8, ctypes.addressof(self._words))
        self._install = partial(kernel.libc.prctl, kernel.PR_SET_SECCOMP, 2, program, 0, 0)

    def install(self) -> None:
        """Put it on this process for good. Needs no_new_privs. Raises OSError."""
        own = os.getpid()
        for place in self._places:
            self._words[place] = own
        kernel.checked_call(self._install())
