"""Benchmarks that files describe, under one name: version 0.1.0 knew them by path, later ones by the name inside."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from evalharness import plugins
from evalharness.comparison.inputs import Side
from evalharness.comparison.scores import numbered_lines
from evalharness.runs.journal import dumps
from evalharness.runs.store import JOURNAL

V = TypeVar("V")


def _paths(base: Side, new: Side) -> dict[str, str]:
    """What BASE knows by a file's path -> what NEW calls the file of that name."""
    files = {
        Path(facts.data.described_by).name: name
        for name, facts in new.facts.items()
        if facts.data.described_by is not None and name not in base.facts
    }
    there = {own: files.get(Path(own).name) for own in base.facts if own not in new.facts and plugins.is_file(own)}
    return {own: name for own, name in there.items() if name is not None}


@contextmanager
def named_as_now(base: Side, new: Side) -> Iterator[Side]:
    """BASE with its files' benchmarks under the names that NEW has for them; as it is where none is meant."""
    told = _paths(base, new)
    if not told:
        yield base
        return

    def renamed(known: Mapping[str, V]) -> dict[str, V]:
        return {told.get(name, name): value for name, value in known.items()}

    usage = None if base.manifest.usage is None else renamed(base.manifest.usage)
    manifest = replace(base.manifest, benchmarks=renamed(base.facts), usage=usage)
    summary = replace(base.summary, benchmarks=renamed(base.summary.benchmarks))
    side = replace(base, manifest=manifest, summary=summary, stored=renamed(base.stored))
    if base.journal is None:
        yield side
        return
    with tempfile.TemporaryDirectory(prefix="evalh-named-") as folder:
        journal = Path(folder) / JOURNAL
        with journal.open("wb") as file:
            for _, _, line in numbered_lines(base.journal):
                name = str(line["benchmark"])
                file.write(dumps({**line, "benchmark": told.get(name, name)}) + b"\n")
        yield replace(side, journal=journal)
