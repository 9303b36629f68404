"""macOS: a profile that a process puts on itself with sandbox_init(3), and what a process uses. UNTESTED there.

The self-test decides: where the profile does not hold, the tier is refused.
"""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Iterable


def profile(readable: Iterable[str], scratch: str) -> str:
    """Nothing but reading some paths and working in the scratch directory: no processes, no network, no signals."""
    paths = " ".join(f'(subpath "{path}")' for path in (*readable, "/System/Library", "/dev"))
    return "\n".join([
        "(version 1)",
        "(deny default)",
        "(allow sysctl-read)",
        "(allow file-read-metadata)",
        f"(allow file-read* {paths})",
        '(allow file-write-data (literal "/dev/null") (literal "/dev/zero"))',
        f'(allow file-read* file-write* (subpath "{scratch}"))',
        "(allow signal (target self))",
    ])  # fmt: skip


def restrict(text: str) -> None:
    """Put a profile on this process for good. Raises OSError with what the system says."""
    library = ctypes.CDLL("/usr/lib/libsandbox.dylib", use_errno=True)
    said = ctypes.c_char_p()
    if library.sandbox_init(text.encode(), ctypes.c_uint64(0), ctypes.byref(said)) != 0:
        raise OSError((said.value or b"sandbox_init failed").decode(errors="replace"))


def resident(pid: int) -> int:
    """The resident size of a process in bytes (proc_pid_rusage, version 0); 0 where it cannot be had."""
    room = ctypes.create_string_buffer(96)
    if ctypes.CDLL(None).proc_pid_rusage(pid, 0, room) != 0:
        return 0
    return int(struct.unpack_from("=Q", room.raw, 64)[0])
