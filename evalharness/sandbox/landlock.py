"""Which files a process can reach (https://docs.kernel.org/userspace-api/landlock.html)."""

from __future__ import annotations

import ctypes
import os
import stat
import struct
from collections.abc import Iterable
from functools import partial

from evalharness.sandbox import kernel

_CREATE, _ADD, _RESTRICT = 444, 445, 446
_WRITE, _READ, _LIST = 1 << 1, 1 << 2, 1 << 3
_FILE_RIGHTS = _WRITE | _READ | 1 << 14
# write, read, list, remove, unlink, make directories, files and links, move, truncate; no sockets, fifos, devices, exec
_SCRATCH = sum(1 << bit for bit in (1, 2, 3, 4, 5, 7, 8, 12, 13, 14))
_BITS = {1: 13, 2: 14, 3: 15, 4: 15}  # rights known by version; from 5 on 16


def version() -> int:
    """The kernel's Landlock ABI; 0 where there is none or it is switched off."""
    try:
        return kernel.syscall(_CREATE, None, 0, 1)
    except OSError:
        return 0


def ruleset(readable: Iterable[str], listable: Iterable[str], scratch: str | None, devices: Iterable[str] = ()) -> int:
    """A ruleset's file descriptor: nothing but reading `readable`, listing `listable`, and working in `scratch`.

    Rules follow the inode: a scratch directory that is made anew needs a new ruleset. Raises OSError.
    """
    abi = version()
    known = (1 << _BITS.get(abi, 16)) - 1
    attributes = struct.pack("=QQQ", known, 3, 3)[: 8 if abi < 4 else 16 if abi < 6 else 24]
    rules = kernel.syscall(_CREATE, ctypes.c_char_p(attributes), len(attributes), 0)
    grants = [(path, _READ | _LIST) for path in readable] + [(path, _LIST) for path in listable]
    grants += [(path, _READ | _WRITE) for path in devices]
    if scratch is not None:
        grants.append((scratch, _SCRATCH & known))
    for path, rights in grants:
        _grant(rules, path, rights)
    return rules


def _grant(rules: int, path: str, rights: int) -> None:
    try:
        fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return  # what is not there needs no right
    try:
        if not stat.S_ISDIR(os.fstat(fd).st_mode):
            rights &= _FILE_RIGHTS
        kernel.syscall(_ADD, rules, 1, ctypes.c_char_p(struct.pack("=Qi", rights, fd)), 0)
    finally:
        os.close(fd)


def restriction(rules: int) -> kernel.Step:
    """The call that puts a ruleset on this thread for good. Needs no_new_privs."""
    return partial(kernel.libc.syscall, _RESTRICT, rules, 0)
