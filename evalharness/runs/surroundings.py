"""The world that a run is made in, for its manifest: when, on what, with which versions, by which command."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import evalharness
from evalharness.runs.manifest import GitState


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """The facts of a moment and a machine."""

    created: str
    versions: Mapping[str, str]
    hardware: Mapping[str, Any]
    git: GitState | None
    command: tuple[str, ...]


_PACKAGES = (
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


def surroundings() -> Surroundings:
    """The facts of this moment and this machine."""
    return Surroundings(
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        versions={"python": platform.python_version(), **versions()},
        hardware={"machine": platform.machine(), "system": platform.system(), "cpus": os.cpu_count()},
        git=git_state(),
        command=tuple(command(sys.argv)),
    )


def versions() -> dict[str, str]:
    """The versions of the packages that can move a score, of those installed."""
    found = {"evalharness": evalharness.__version__}  # of a checkout the installed facts may be older
    for name in _PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def git_state() -> GitState | None:
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
    return GitState(commit=commit.stdout.strip(), changed=bool(status.stdout.strip()))


# What stands behind `?` in an address, and fields of JSON that are named like secrets.
_QUERY = re.compile(r"(\w://[^\s?#\"']*+)(?:\?([^\s#\"']+))?")  # one without a query is passed over whole
_FIELD = re.compile(
    r"(?i)(\"(?:[^\"]*[_-])?(?:api_?key|key|secret|password|authorization|credential|token)\"\s*:\s*)\"(?:[^\"\\]|\\.)*\""
)
_PUBLIC_QUERY = ("api-version",)


def command(argv: list[str]) -> list[str]:
    """The command line with the values of secret options and the secrets in addresses and JSON left out."""
    shown = ["evalh"]
    hide = False
    for word in argv[1:]:
        option, equals, _ = word.partition("=")
        secret = option.startswith("-") and _SECRET.search(option) is not None and "max-tokens" not in option
        if hide:
            shown.append("***")
        else:
            shown.append(f"{option}=***" if secret and equals else without_secrets(word))
        hide = secret and not equals
    return shown


def without_secrets(word: str) -> str:
    """A word of a command line without user names, passwords, queries of addresses and secret fields of JSON."""
    word = re.sub(r"://[^/@\s]+@", "://***@", word)
    word = _QUERY.sub(_shown_query, word)
    return _FIELD.sub(r'\1"***"', word)


def _shown_query(found: re.Match[str]) -> str:
    return found[1] if found[2] is None else f"{found[1]}?{'&'.join(map(_shown_part, found[2].split('&')))}"


def _shown_part(part: str) -> str:
    name, equals, _ = part.partition("=")
    return part if name in _PUBLIC_QUERY else f"{name}=***" if equals else "***"
