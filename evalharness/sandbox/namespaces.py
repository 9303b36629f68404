"""A world of its own for one worker: nothing in it but the standard library, a scratch directory and its processes.

The calls are those of namespaces(7), user_namespaces(7), pivot_root(2) and mount_setattr(2).
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import struct
from collections.abc import Mapping

from evalharness.sandbox import kernel, readable

_USER, _PID, _NET, _IPC, _UTS, _MOUNT = 0x10000000, 0x20000000, 0x40000000, 0x8000000, 0x4000000, 0x20000
_RDONLY, _NOSUID, _NODEV, _NOEXEC, _REMOUNT, _BIND, _REC, _PRIVATE = 1, 2, 4, 8, 32, 4096, 16384, 1 << 18
_DETACH = 2
_NOATIME = 1024
_PLACES = ("/tmp", "/mnt", "/media", "/srv", "/run")
SCRATCH = "/tmp"
PACKAGES = "/site-packages"  # dill takes what lies in a folder of this name for installed, and pickles it by name


def enter(machine: str, packages: Mapping[str, str]) -> int:
    """Leave the host's namespaces. Returns the pid of the new world's first process: 0 in it.

    `packages`: what stands in the new world's package folder, and where it is here.

    Raises OSError where any step is refused: a success of unshare alone proves nothing (Ubuntu's AppArmor).
    """
    uid, gid = os.getuid(), os.getgid()
    kernel.unshare((_USER if uid else 0) | _PID | _NET | _IPC | _UTS | _MOUNT)
    if uid:
        _write("/proc/self/setgroups", "deny")
        _write("/proc/self/uid_map", f"{uid} {uid} 1")
        _write("/proc/self/gid_map", f"{gid} {gid} 1")
    kernel.mount("none", "/", None, _REC | _PRIVATE)
    roots, hidden = readable.roots(), readable.hidden()
    # The new root is put together on a directory that every system has; it is covered in this namespace only.
    wanted = (*roots, *packages.values())
    base = next((p for p in _PLACES if os.path.isdir(p) and not any(w.startswith(p + "/") for w in wanted)), "")
    if not base:
        raise OSError(errno.ENOENT, f"none of {', '.join(_PLACES)} is free to build a root on")
    kernel.mount("tmpfs", base, "tmpfs", _NOSUID | _NODEV, "size=1m,nr_inodes=4096,mode=755")
    for path in (*roots, *readable.DEVICES):
        _bind(path, base + path)
    for entry, path in packages.items():
        _bind(path, f"{base}{PACKAGES}/{entry}")
    for path in hidden:
        if os.path.isdir(base + path):
            kernel.mount("tmpfs", base + path, "tmpfs", _RDONLY | _NOSUID | _NODEV | _NOEXEC, "size=4k,nr_inodes=2")
    for name in (".old", "proc", SCRATCH.strip("/")):
        os.makedirs(f"{base}/{name}", exist_ok=True)
    os.chdir(base)
    kernel.syscall(kernel.PIVOT_ROOT[machine], ctypes.c_char_p(b"."), ctypes.c_char_p(b".old"))
    os.chdir("/")
    return os.fork()


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="ascii") as file:
        file.write(text)


def _bind(path: str, target: str) -> None:
    if os.path.lexists(target) or not os.path.exists(path):
        return
    os.makedirs(os.path.dirname(target), exist_ok=True)
    if os.path.islink(path) and os.path.dirname(path) == "/":  # /lib -> usr/lib stays a link
        os.symlink(os.readlink(path), target)
        return
    if os.path.isdir(path):
        os.makedirs(target, exist_ok=True)
    else:
        os.close(os.open(target, os.O_CREAT | os.O_WRONLY, 0o644))
    kernel.mount(path, target, None, _BIND | _REC)
    _read_only(target, device=path.startswith("/dev/"))


def _read_only(target: str, device: bool) -> None:
    flags = _NOSUID | _RDONLY | (0 if device else _NODEV)  # a device is written to all the same
    attributes = struct.pack("=QQQQ", flags, 0, 0, 0)  # the same bits as mount's for these three
    try:
        kernel.syscall(
            kernel.MOUNT_SETATTR, kernel.AT_FDCWD, ctypes.c_char_p(os.fsencode(target)), kernel.AT_RECURSIVE,
            ctypes.c_char_p(attributes), len(attributes),
        )  # fmt: skip
    except OSError:  # before Linux 5.12: this mount only, repeating the flags that are locked on it
        locked = os.statvfs(target).f_flag & (_NOSUID | _NODEV | _NOEXEC | 1024 | 2048)
        kernel.mount("none", target, None, _REMOUNT | _BIND | flags | locked)


def leave_old_root() -> int:
    """In the first process of the new world: let go of the old root. Returns a descriptor of its /proc.

    The processes after this one have no path to /proc; the server keeps the descriptor to read their waiting times.
    """
    # The kernel wants to see a whole /proc before it lets this namespace mount its own: so before /.old goes.
    kernel.mount("proc", "/proc", "proc", _NOSUID | _NODEV | _NOEXEC)
    kernel.unmount("/.old", _DETACH)
    os.rmdir("/.old")
    fd = os.open("/proc", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    kernel.unmount("/proc", _DETACH)
    kernel.mount("none", "/", None, _REMOUNT | _BIND | _RDONLY | _NOSUID | _NODEV)
    return fd


def mount_scratch(size: int, files: int, owner: tuple[int, int]) -> None:
    """An empty scratch directory of bounded size, in place of the one that is there."""
    with contextlib.suppress(OSError):  # the first time nothing is mounted there yet
        kernel.unmount(SCRATCH, _DETACH)
    data = f"size={size},nr_inodes={files},mode=700,uid={owner[0]},gid={owner[1]}"
    kernel.mount("tmpfs", SCRATCH, "tmpfs", _NOSUID | _NODEV | _NOEXEC | _NOATIME, data)
