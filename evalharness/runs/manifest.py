"""What a run records of the world it ran in: versions, hardware, git state, command line. Never a secret."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import subprocess
import sys
from datetime import UTC, datetime
from typing import Any

_PACKAGES = (
    "evalharness",
    "torch",
    "transformers",
    "tokenizers",
    "tiktoken",
    "datasets",
    "openai",
    "numpy",
    "scikit-learn",
)
# An option that carries a secret is recorded without its value.
_SECRET = re.compile(r"(?i)(key|token|secret|password|authorization)")


def environment() -> dict[str, Any]:
    """The facts of this moment and this machine."""
    return {
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {"python": platform.python_version(), **versions()},
        "hardware": {"machine": platform.machine(), "system": platform.system(), "cpus": os.cpu_count()},
        "git": git_state(),
        "command": command(sys.argv),
    }


def versions() -> dict[str, str]:
    """The versions of the packages that can move a score, of those installed."""
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def git_state() -> dict[str, Any] | None:
    """Commit of the working folder and whether it has changes; None outside a repository."""
    try:
        commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, timeout=5, check=True)
        status = subprocess.run(
            ["git", "status", "--porcelain", "--untracked-files=no"],
            capture_output=True,
            text=True,
            timeout=5,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return {"commit": commit.stdout.strip(), "changed": bool(status.stdout.strip())}


def command(argv: list[str]) -> list[str]:
    """The command line with the values of secret options and the secrets in addresses left out."""
    shown = ["evalh"]
    hide = False
    for word in argv[1:]:
        option, equals, _ = word.partition("=")
        secret = option.startswith("-") and _SECRET.search(option) is not None and "max-tokens" not in option
        if hide:
            shown.append("***")
        else:
            shown.append(f"{option}=***" if secret and equals else re.sub(r"://[^/@\s]+@", "://***@", word))
        hide = secret and not equals
    return shown
