"""Installed packages that programs may import, read-only: those that were named, and what these need.

They are shown entry by entry (`numpy`, `numpy.libs`), never as a whole site-packages: benchmarks' solutions can lie
there. The fork server runs without `site`, so that no .pth file is obeyed, and none is shown.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import Distribution, distributions
from pathlib import Path

from evalharness.errors import UserError, option_name

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


_ABOUT = (".dist-info", ".egg-info", ".libs")  # stand beside modules and are none
_NOT_SHOWN = (".pth", ".egg-link")


@dataclass(frozen=True, slots=True, kw_only=True)
class Packages:
    """`entries`: names as they stand in site-packages, and where they are. `versions`: by distribution."""

    entries: Mapping[str, str] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)

    @property
    def names(self) -> frozenset[str]:
        """What can be imported."""
        return frozenset(entry.partition(".")[0] for entry in self.entries if not entry.endswith(_ABOUT))


def find_packages(words: Sequence[str]) -> Packages:
    """The packages that `--sandbox-packages` names: `numpy`, or from a virtual environment `VENV` or `VENV:numpy`.

    UserError where one is not there, or an environment is of another Python.
    """
    entries: dict[str, str] = {}
    versions: dict[str, str] = {}
    for word in words:
        venv, _, name = word.rpartition(":") if ":" in word else (word, "", "") if os.sep in word else ("", "", word)
        installed = _installed(_folders(venv))
        wanted = [name] if name else list(installed)
        while wanted:
            found = _named(installed, wanted.pop(), required=word)
            if found is None or found.metadata["Name"] in versions:
                continue
            versions[found.metadata["Name"]] = found.version
            shown = _entries(found)
            if not shown and name:
                raise UserError(
                    f"{option_name('sandbox_packages', word)}: {name} has no files of its own (installed with -e?)"
                )
            entries |= shown
            wanted += _needs(found)
    return Packages(entries=entries, versions=versions)


def _folders(venv: str) -> list[str]:
    if not venv:
        return [path for path in sys.path if os.path.basename(path) in ("site-packages", "dist-packages")]
    place = Path(venv).expanduser()
    own = place / f"lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages"
    if not own.is_dir():
        there = ", ".join(sorted(path.name for path in place.glob("lib/python*"))) or "none"
        raise UserError(
            f"{option_name('sandbox_packages', venv)}: wanted a virtual environment of Python {sys.version_info.major}."
            f"{sys.version_info.minor}; there is {there}"
        )
    return [str(own.resolve())]


def _installed(folders: list[str]) -> dict[str, Distribution]:
    return {_normal(found.metadata["Name"]): found for found in distributions(path=folders) if found.metadata["Name"]}


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _named(installed: Mapping[str, Distribution], name: str, required: str) -> Distribution | None:
    """The distribution with a name, or that a top-level module of this name belongs to."""
    found = installed.get(_normal(name))
    if found is None and required.rpartition(":")[2] == name:
        found = next((one for one in installed.values() if name in Packages(entries=_entries(one)).names), None)
        if found is None:
            raise UserError(f"{option_name('sandbox_packages', required)}: it is not installed there")
    return found


def _entries(found: Distribution) -> dict[str, str]:
    tops = {file.parts[0] for file in found.files or () if not {"..", "__pycache__", "/"} & set(file.parts[:1])}
    shown = sorted(top for top in tops if not top.endswith(_NOT_SHOWN))
    real = {top: os.path.realpath(str(found.locate_file(top))) for top in shown}
    modules = [top for top in real if not top.endswith(_ABOUT)]
    return {top: path for top, path in real.items() if os.path.exists(path)} if modules else {}


def _needs(found: Distribution) -> list[str]:
    """What a distribution requires, optional extras left out; what is not installed was for another platform."""
    said = [line for line in found.requires or () if "extra ==" not in line]
    return [match[0] for line in said if (match := _NAME.match(line))]


def staged(packages: Packages, folder: str) -> None:
    """Links to the entries in a new folder: what a program has on its path where nothing can be mounted."""
    os.mkdir(folder, 0o755)
    for entry, path in packages.entries.items():
        os.symlink(path, os.path.join(folder, entry))
