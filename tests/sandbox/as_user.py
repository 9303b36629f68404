"""Runs a command as an ordinary user (uid 65534) from a test-suite that runs as root: as_user.py COMMAND...

The interpreter can lie where only root may look (/root/.pyenv): in a mount namespace of its own the closed folder on
the way is replaced by an open one that holds nothing else.
"""

import os
import sys
from pathlib import Path

from evalharness.sandbox import kernel

_MOUNT, _PRIVATE, _BIND = 0x20000, 16384 | 1 << 18, 4096 | 16384
ROOT = Path(__file__).resolve().parents[2]


def closed(path):
    """The topmost folder on the way to `path` that others cannot pass, or None."""
    return next((p for p in reversed([path, *path.parents]) if not p.stat().st_mode & 0o001), None)


def open_way(paths):
    """Make paths reachable for everybody, in this process's own view of the file system."""
    blocked = {path: closed(path) for path in paths}
    held = {path: os.open(path, os.O_PATH) for path, at in blocked.items() if at is not None}
    for top in {at for at in blocked.values() if at is not None}:
        kernel.mount("tmpfs", str(top), "tmpfs", 0, "mode=755")
    for path, fd in held.items():
        path.mkdir(parents=True, exist_ok=True)
        kernel.mount(f"/proc/self/fd/{fd}", str(path), None, _BIND)


def main(command):
    kernel.unshare(_MOUNT)
    kernel.mount("none", "/", None, _PRIVATE)
    packages = {Path(p).resolve() for p in sys.path if p and Path(p).is_dir()}
    open_way(sorted({Path(sys.base_prefix).resolve(), Path(sys.prefix).resolve(), ROOT} | packages, key=str)[:8])
    os.setgroups([])
    os.setresgid(65534, 65534, 65534)
    os.setresuid(65534, 65534, 65534)
    os.environ.update(HOME="/tmp", PYTHONPATH=os.pathsep.join(map(str, [ROOT, *packages])))
    os.chdir("/tmp")
    os.execv(sys.executable, [sys.executable, *command])


if __name__ == "__main__":
    main(sys.argv[1:])
