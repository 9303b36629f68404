"""Brings sides that were scored by other rules up to the rules of today, in a copy: their folders stay as they are."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from evalharness.comparison.inputs import Side
from evalharness.errors import Exit, UserError
from evalharness.runs.imported import is_imported
from evalharness.runs.journal import dumps
from evalharness.runs.store import JOURNAL, Run, result_to_json
from evalharness.scoring.answers import READING_RULES, SCORING_VERSION

NOW = (SCORING_VERSION, READING_RULES)


@contextmanager
def scored_alike(base: Side, new: Side) -> Iterator[tuple[Side, Side]]:
    """Both sides as they are where they were scored by the same version, else both by this one's rules."""
    if base.manifest.scored_by == new.manifest.scored_by:
        yield base, new
        return
    with scored_now(base) as before, scored_now(new) as after:
        yield before, after


@contextmanager
def scored_now(side: Side) -> Iterator[Side]:
    """A side scored by this version's rules: from its journal where it was scored by older ones.

    UserError with exit 4, naming the version, where that cannot be done.
    """
    versions = side.manifest.scored_by
    if versions == NOW or any(is_imported(facts) for facts in side.facts.values()):
        yield side  # another program's scores are its own, whatever our rules are
        return
    said = (
        f"{side.name} was scored by version {versions[0]} of the rules and read by version {versions[1]}, "
        f"these are versions {NOW[0]} and {NOW[1]}"
    )
    if any(theirs > ours for theirs, ours in zip(versions, NOW, strict=True)):
        raise UserError(f"{said}; pip install --upgrade evalharness", Exit.NOT_COMPARABLE)
    if side.journal is None:
        raise UserError(
            f"{said}; a baseline holds no answers to score again: `evalh rescore` its run and set it again",
            Exit.NOT_COMPARABLE,
        )
    with tempfile.TemporaryDirectory(prefix="evalh-rescored-") as folder:
        yield _rescored(side, Path(folder) / JOURNAL, said)


def _rescored(side: Side, journal: Path, said: str) -> Side:
    from evalharness.runs import session

    run = Run(side.path)
    try:
        results, summary = session.rescored_results(run, run.results())
    except UserError as error:
        raise UserError(f"{said}, and its answers cannot be scored again: {error}", Exit.NOT_COMPARABLE) from error
    journal.write_bytes(b"".join(dumps(result_to_json(result)) + b"\n" for result in results))
    manifest = replace(side.manifest, scoring_version=SCORING_VERSION, reading_rules=READING_RULES)
    return replace(side, manifest=manifest, summary=summary, journal=journal, rescored_from=side.manifest.scored_by)
