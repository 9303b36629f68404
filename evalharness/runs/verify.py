"""Whether what a run says of itself agrees: journal, summary, manifest, hashes. Asks nobody, changes nothing.

What is found out is damage and carelessness: whoever can write the folder can make every part of it agree again.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from evalharness.data.files import digest
from evalharness.data.kept import to_json
from evalharness.errors import Exit, UserError
from evalharness.records import Result
from evalharness.runs import summary
from evalharness.runs.budget import end_in_words
from evalharness.runs.drawn import drawn_items
from evalharness.runs.identity import identity_hash
from evalharness.runs.imported import imported_benchmark
from evalharness.runs.journal import ODD_LINE, aside, loads
from evalharness.runs.manifest import Manifest
from evalharness.runs.store import JOURNAL, MANIFEST, SUMMARY, Run, result_from_json

REPORTED = 20


@dataclass(frozen=True, kw_only=True)
class Verified:
    """What was found: `problems` are what does not agree, `notes` what could not be or need not be checked."""

    run: Run
    results: int
    problems: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def exit_code(self) -> int:
        """2 where something does not agree, 3 where the run is not finished."""
        whole = self.run.finished and self.run.manifest.ended_by is None
        return Exit.USAGE if self.problems else Exit.FINE if whole else Exit.NOT_WHOLE

    def as_json(self) -> dict[str, object]:
        """What `--json` prints."""
        return {
            "run": str(self.run.path), "results": self.results, "agrees": not self.problems,
            "problems": list(self.problems), "notes": list(self.notes),
        }  # fmt: skip


def verify_run(run: Run) -> Verified:
    """Check a run's folder. UserError when its manifest cannot be read at all."""
    manifest = run.manifest
    results, problems = _journal(run)
    notes = []
    if (kept := aside(run.path / JOURNAL)).is_file():
        notes.append(f"{kept.name} holds {len(kept.read_bytes().splitlines())} damaged lines that were set aside")
    if not run.finished:
        notes.append("the run is not finished: there is no summary to check")
    if manifest.ended_by is not None:
        notes.append(end_in_words(manifest.ended_by))
    bent = list(_form(run))
    bent += _drawn(run)
    problems += bent or [*_identity(manifest), *_counted(run, results)]
    problems += [] if problems else list(_recomputed(run, results, notes))
    problems += _hashes(run, notes)
    return Verified(run=run, results=len(results), problems=tuple(problems), notes=tuple(notes))


def _journal(run: Run) -> tuple[list[Result], list[str]]:
    """The results, of each answer the last, in their order; and every line that is none. A torn last line is passed
    over, as it is everywhere."""
    path, problems = run.path / JOURNAL, list[str]()
    last: dict[tuple[str, str, int], Result] = {}
    for number, line in enumerate(path.read_bytes().split(b"\n")[:-1] if path.is_file() else (), 1):
        try:
            if line:
                result = result_from_json(loads(line))
                last[result.benchmark, result.sample.id, result.repeat] = result
        except ODD_LINE as error:
            problems.append(f"{JOURNAL}:{number}: not a result ({error})")
    more = len(problems) - REPORTED
    problems = [*problems[:REPORTED], f"{JOURNAL}: and {more} more such lines"] if more > 0 else problems
    return [last[key] for key in sorted(last)], problems


def _form(run: Run) -> Iterator[str]:
    """What is wrong with the form of the summary; the manifest was read."""
    if run.finished:
        try:
            _ = run.summary
        except UserError as error:
            yield str(error)


def _drawn(run: Run) -> Iterator[str]:
    """What is wrong with the draw of a run that asked fewer items."""
    try:
        drawn_items(run)
    except UserError as error:
        yield str(error)


def _identity(manifest: Manifest) -> Iterator[str]:
    """The facts that decide the answers stand twice, and their hash ends the name that was made from them."""
    said = manifest.identity
    if said is None:
        return
    if said.model != manifest.model.fingerprint:
        yield f"{MANIFEST}: the model's fingerprint is not that of the run's identity"
    if said.sampling != manifest.sampling:
        yield f"{MANIFEST}: the sampling is not that of the run's identity"
    for name, facts in manifest.benchmarks.items():
        own, there = (said.benchmarks or {}).get(name), to_json(facts)
        if own is None or any(there.get(key) != value for key, value in own.items()):
            yield f"{MANIFEST}: mode, shots or prompts of {name} are not those of the run's identity"
        if (said.data or {}).get(name) != facts.data.sha256:
            yield f"{MANIFEST}: the data of {name} are not those of the run's identity"
    short = identity_hash(said)
    name = str(manifest.name)
    ending = name.rpartition("-")[2]
    made = len(ending) == 8 and set(ending) <= set("0123456789abcdef")
    if made and ending != short:
        yield f"{MANIFEST}: the run is called {name}, but its identity's hash is {short}"


def _counted(run: Run, results: list[Result]) -> Iterator[str]:
    manifest = run.manifest
    for name in sorted({r.benchmark for r in results} - manifest.benchmarks.keys()):
        yield f"{JOURNAL}: has answers to {name}, which the manifest does not name"
    for name, facts in manifest.benchmarks.items():
        there = len({r.sample.id for r in results if r.benchmark == name and "perturbation" not in r.sample.extra})
        early = manifest.sequential is not None or manifest.ended_by is not None
        whole = run.finished and not early and not facts.data.imported
        if whole and there != facts.items:
            yield f"{JOURNAL}: has answers to {there:,} items of {name}, the manifest says {facts.items:,}"


def _recomputed(run: Run, results: list[Result], notes: list[str]) -> Iterator[str]:
    """The summary once more, from the journal."""
    if not run.finished:
        return
    try:
        tasks = [(n, imported_benchmark(n, facts), facts) for n, facts in run.manifest.benchmarks.items()]
        made = summary.run_summary(results, tasks, drawn_items(run))
    except UserError as error:
        notes.append(f"the summary cannot be computed again: {error}")
        return
    yield from (f"{SUMMARY}: {what}" for what in _differences(to_json(run.summary), to_json(made)))


def _differences(said: object, made: object, where: str = "") -> list[str]:
    """The first places in which two JSON values differ; floats but for their last digits."""
    if where.endswith(".cautions") and set(said or ()) <= set(made or ()):  # type: ignore[call-overload]  # lists
        return []  # an earlier version did not say all that is said now
    if isinstance(said, dict) and isinstance(made, dict):
        keys = dict.fromkeys([*said, *made])
        found = [d for k in keys for d in _differences(said.get(k), made.get(k), f"{where}.{k}" if where else str(k))]
        return found[:REPORTED]
    if isinstance(said, float) and isinstance(made, float) and math.isclose(said, made, rel_tol=1e-9, abs_tol=1e-12):
        return []
    return [] if said == made else [f"{where} is {said!r:.60}, the journal gives {made!r:.60}"]


def _hashes(run: Run, notes: list[str]) -> Iterator[str]:
    kept = run.manifest.sha256
    if kept is None:
        if run.finished:
            notes.append("the manifest has no hashes of journal and summary: an earlier version wrote it")
        return
    for name, sha in kept.items():
        path = run.path / name
        if name == SUMMARY and not run.finished:
            continue
        if name in (JOURNAL, SUMMARY) and (not path.is_file() or digest(path) != sha):
            yield f"{name}: is not as it was when the run was finished (its sha256 differs)"
