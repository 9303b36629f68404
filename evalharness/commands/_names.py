"""What could stand where a name is wanted, for a shell that completes."""

from collections.abc import Callable
from pathlib import Path
from typing import Literal

Completing = Callable[[str], list[str]]


def plugin_names(kind: Literal["benchmarks", "importers", "exporters"]) -> Completing:
    """The names of the plug-ins of a kind that begin as what was typed."""

    def found(incomplete: str) -> list[str]:
        from evalharness import plugins

        return [name for name in plugins.modules(kind) if name.startswith(incomplete)]

    return found


def run_names(incomplete: str) -> list[str]:
    """The runs in the folder `runs` that begin as what was typed."""
    runs = Path("runs")
    there = runs.iterdir() if runs.is_dir() else ()
    return sorted(f.name for f in there if f.name.startswith(incomplete or "") and (f / "run.json").is_file())
