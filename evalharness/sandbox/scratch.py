"""Scratch directories where no file system can be mounted: bounded, swept, and cleared without following a link."""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
from collections.abc import Iterator

_PREFIX = "evalh-sandbox-"
_LOCK = "lock"


def make_root(base: str) -> tuple[str, int]:
    """A new directory for one sandbox's workers and the descriptor of its lock; sweeps those that nobody holds."""
    sweep(base)
    root = os.path.join(base, _PREFIX + os.urandom(8).hex())
    os.mkdir(root, 0o700)
    os.chmod(root, 0o711)  # a worker with a uid of its own must reach its place in it
    lock = os.open(os.path.join(root, _LOCK), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    return root, lock


def sweep(base: str) -> None:
    """Remove what killed runs of this user left behind."""
    with contextlib.suppress(OSError):
        for entry in os.scandir(base):
            about = entry.stat(follow_symlinks=False)
            if entry.name.startswith(_PREFIX) and stat.S_ISDIR(about.st_mode) and about.st_uid == os.getuid():
                _sweep_one(entry.path)


def _sweep_one(root: str) -> None:
    try:
        lock = os.open(os.path.join(root, _LOCK), os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return  # being made at this moment
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return
    else:
        remove(root)
    finally:
        os.close(lock)


def remove(root: str) -> None:
    """The whole directory, whatever is in it."""
    clear(root)
    with contextlib.suppress(OSError):
        os.rmdir(root)


def clear(path: str) -> None:
    """Empty a directory. Never follows a link; gives itself the rights first that a program took away."""
    with contextlib.suppress(OSError):
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        stack = [fd]
        try:
            _clear(stack)
        finally:
            for fd in stack:
                os.close(fd)


def _clear(stack: list[int]) -> None:
    """Depth first, on descriptors: paths of a deep tree can be longer than the kernel takes. Beyond the first one level
    is open at a time; its parent is found again by `..`, which a directory cannot forge."""
    names: list[list[str]] = [os.listdir(stack[0])]
    while names:
        if not names[-1]:
            names.pop()
            if names:
                _up(stack, names)
            continue
        name = names[-1][-1]
        try:
            os.unlink(name, dir_fd=stack[-1])
            names[-1].pop()
        except (IsADirectoryError, PermissionError):
            below = _down(stack[-1], name)
            if below is None:
                names[-1].pop()
                continue
            if len(stack) > 1:
                os.close(stack.pop())
            stack.append(below)
            names.append(os.listdir(below))


def _down(parent: int, name: str) -> int | None:
    try:
        with contextlib.suppress(NotImplementedError, OSError):
            os.chmod(name, 0o700, dir_fd=parent, follow_symlinks=False)
        if stat.S_ISDIR(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode):
            with contextlib.suppress(OSError):
                os.chmod(name, 0o700, dir_fd=parent)
        return os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
    except OSError:
        return None


def _up(stack: list[int], names: list[list[str]]) -> None:
    """Back to the parent of an emptied directory, and remove it there."""
    parent = (
        stack[0] if len(names) == 1 else os.open("..", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=stack[-1])
    )
    os.close(stack.pop())
    if parent != stack[0]:
        stack.append(parent)
    name = names[-1].pop()
    with contextlib.suppress(OSError):
        os.rmdir(name, dir_fd=parent)


def exceeds(path: str, size: int, files: int) -> bool:
    """Whether a directory holds more than `size` bytes or `files` entries; stops counting there."""
    room = [size, files]
    try:
        return _count(path, room, 0)
    except OSError:
        return False


def _entries(path: str) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(path) as found:
            yield from found
    except OSError:
        return


def _count(path: str, room: list[int], depth: int) -> bool:
    for entry in _entries(path):
        room[1] -= 1
        with contextlib.suppress(OSError):
            about = entry.stat(follow_symlinks=False)
            room[0] -= about.st_blocks * 512
            if stat.S_ISDIR(about.st_mode) and (depth > 100 or _count(entry.path, room, depth + 1)):
                return True
        if min(room) < 0:
            return True
    return False
