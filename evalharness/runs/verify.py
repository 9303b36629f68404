"""Whether what a run says of itself agrees: journal, summary, manifest, hashes. Asks nobody, changes nothing.

What is found out is damage and carelessness: whoever can write the folder can make every part of it agree again.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from evalharness import plugins
from evalharness.data.files import digest
from evalharness.errors import Exit, UserError
from evalharness.records import Result
from evalharness.runs import summary
from evalharness.runs.schema import MANIFEST_SCHEMA, SUMMARY_SCHEMA, checked_part
from evalharness.runs.store import HASHES, JOURNAL, MANIFEST, ODD_LINE, SUMMARY, Run, aside, loads, result_from_json

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
        return Exit.USAGE if self.problems else Exit.FINE if self.run.finished else Exit.NOT_WHOLE

    def as_json(self) -> dict[str, Any]:
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
    bent = list(_form(run))
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
    for file, schema in ((MANIFEST, MANIFEST_SCHEMA), (SUMMARY, SUMMARY_SCHEMA))[: 1 + run.finished]:
        try:
            checked_part(run, file, run.manifest if file == MANIFEST else run.summary, schema)
        except UserError as error:
            yield str(error)


def _identity(manifest: Mapping[str, Any]) -> Iterator[str]:
    """The facts that decide the answers stand twice, and their hash ends the name that was made from them."""
    said = manifest.get("identity")
    if not isinstance(said, dict):
        return
    model = manifest.get("model") or {}
    if said.get("model") != model.get("fingerprint"):
        yield f"{MANIFEST}: the model's fingerprint is not that of the run's identity"
    if said.get("sampling") != manifest.get("sampling"):
        yield f"{MANIFEST}: the sampling is not that of the run's identity"
    for name, facts in (manifest.get("benchmarks") or {}).items():
        own = (said.get("benchmarks") or {}).get(name)
        if not isinstance(own, dict) or any(facts.get(key) != value for key, value in own.items()):
            yield f"{MANIFEST}: mode, shots or prompts of {name} are not those of the run's identity"
        if (said.get("data") or {}).get(name) != (facts.get("data") or {}).get("sha256"):
            yield f"{MANIFEST}: the data of {name} are not those of the run's identity"
    short = hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:8]
    name = str(manifest.get("name", ""))
    ending = name.rpartition("-")[2]
    made = len(ending) == 8 and set(ending) <= set("0123456789abcdef")
    if made and ending != short:
        yield f"{MANIFEST}: the run is called {name}, but its identity's hash is {short}"


def _counted(run: Run, results: list[Result]) -> Iterator[str]:
    facts = run.manifest.get("benchmarks") or {}
    for name in sorted({r.benchmark for r in results} - facts.keys()):
        yield f"{JOURNAL}: has answers to {name}, which the manifest does not name"
    stopped = run.manifest.get("sequential")
    for name, said in facts.items():
        there = len({r.sample.id for r in results if r.benchmark == name and "perturbation" not in r.sample.extra})
        wanted = said.get("items") if isinstance(said, dict) else None
        imported = str(((said or {}).get("data") or {}).get("origin", "")).endswith("(imported)")
        if run.finished and isinstance(wanted, int) and not stopped and not imported and there != wanted:
            yield f"{JOURNAL}: has answers to {there:,} items of {name}, the manifest says {wanted:,}"


def _recomputed(run: Run, results: list[Result], notes: list[str]) -> Iterator[str]:
    """The summary once more, from the journal."""
    if not run.finished:
        return
    facts = run.manifest["benchmarks"]
    try:
        tasks = [(n, plugins.reopened(n, str((f.get("data") or {}).get("origin"))), f) for n, f in facts.items()]
        made = json.loads(json.dumps(summary.run_summary(results, tasks)))
    except UserError as error:
        notes.append(f"the summary cannot be computed again: {error}")
        return
    yield from (f"{SUMMARY}: {what}" for what in _differences(run.summary, made))


def _differences(said: Any, made: Any, where: str = "") -> list[str]:
    """The first places in which two JSON values differ; floats but for their last digits."""
    if isinstance(said, dict) and isinstance(made, dict):
        keys = dict.fromkeys([*said, *made])
        found = [d for k in keys for d in _differences(said.get(k), made.get(k), f"{where}.{k}" if where else str(k))]
        return found[:REPORTED]
    if isinstance(said, float) and isinstance(made, float) and math.isclose(said, made, rel_tol=1e-9, abs_tol=1e-12):
        return []
    return [] if said == made else [f"{where} is {said!r:.60}, the journal gives {made!r:.60}"]


def _hashes(run: Run, notes: list[str]) -> Iterator[str]:
    kept = run.manifest.get(HASHES)
    if not isinstance(kept, dict):
        if run.finished:
            notes.append("the manifest has no hashes of journal and summary: an earlier version wrote it")
        return
    for name, sha in kept.items():
        path = run.path / str(name)
        if name == SUMMARY and not run.finished:
            continue
        if name in (JOURNAL, SUMMARY) and (not path.is_file() or digest(path) != sha):
            yield f"{name}: is not as it was when the run was finished (its sha256 differs)"
