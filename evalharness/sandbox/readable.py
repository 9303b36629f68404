"""Which files a fenced program can read: the standard library and the shared libraries under it, no installed package.

Installed packages are kept out because a benchmark's reference solutions can be among them.
"""

from __future__ import annotations

import os
import sys
import sysconfig

_PACKAGES = ("site-packages", "dist-packages")
DEVICES = ("/dev/null", "/dev/zero", "/dev/urandom", "/dev/random")
_EXTRA = ("/usr/share/zoneinfo", "/etc/ld.so.cache", "/usr/lib/locale")


def roots() -> list[str]:
    """The directories and files that are mounted, each once, none inside another."""
    stdlib = os.path.dirname(os.__file__)
    dynamic = sysconfig.get_config_var("DESTSHARED") or ""
    wanted = [os.path.dirname(stdlib), stdlib, dynamic, os.path.join(sys.base_prefix, "lib")]
    wanted += ["/usr/lib", "/usr/lib64", "/lib", "/lib64", *_EXTRA]
    kept: list[str] = []
    for path in sorted({os.path.normpath(w) for w in wanted if w and os.path.exists(w)}, key=len):
        if path != "/" and not any(path.startswith(k + "/") for k in kept):
            kept.append(path)
    return kept


def hidden() -> list[str]:
    """The package directories inside the roots, at most three levels down."""
    found: dict[str, None] = {}
    for root in roots():
        for level in (root, *_pythons(root)):
            found |= dict.fromkeys(p for name in _PACKAGES if os.path.isdir(p := os.path.join(level, name)))
    return list(found)


def rules() -> tuple[list[str], list[str]]:
    """(paths to read, directories only to list): the roots without their package directories."""
    read: list[str] = []
    listed: list[str] = []
    for root in roots():
        _split(os.path.realpath(root), read, listed)
    return list(dict.fromkeys(read)), listed


def _split(path: str, read: list[str], listed: list[str]) -> None:
    inner = [p for p in (path, *_pythons(path)) if any(os.path.isdir(os.path.join(p, name)) for name in _PACKAGES)]
    if not inner:
        read.append(path)
        return
    listed.append(path)
    for name in sorted(os.listdir(path)):
        child = os.path.join(path, name)
        if name in _PACKAGES:
            continue
        if child in inner:
            _split(child, read, listed)
        elif not os.path.islink(child) or os.path.realpath(child).startswith(path + "/"):
            read.append(child)


def _pythons(path: str) -> list[str]:
    if not os.path.isdir(path):
        return []
    names = [name for name in sorted(os.listdir(path)) if name.startswith(("python", "pypy"))]
    return [child for name in names if os.path.isdir(child := os.path.join(path, name))]
