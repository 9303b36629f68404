"""The parts of a run put together: one run, as if it had been asked whole."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from evalharness import plugins
from evalharness.data.files import OWN_FILE, own_folder
from evalharness.errors import Exit, UserError, option_name
from evalharness.runs import summary
from evalharness.runs.identity import scored_otherwise
from evalharness.runs.index import ResultIndex, index_of
from evalharness.runs.journal import Journal, loads
from evalharness.runs.runner import run_usage
from evalharness.runs.shards import ShardFacts, shard_facts
from evalharness.runs.store import JOURNAL, MANIFEST, SUMMARY, Run, new_folder, result_from_json
from evalharness.scoring.columns import ColumnWriter, ScoreColumns
from evalharness.text.visible import shell_word


@dataclass(frozen=True, kw_only=True)
class _Part:
    run: Run
    facts: ShardFacts
    index: ResultIndex


def merge_runs(runs: Sequence[Run], folder: Path, name: str | None = None) -> Run:
    """One run of all the parts of one, in `folder`; by default under their own name without what says the part.

    Summary and journal are those that the run would have had, asked whole. UserError where the runs are no parts, parts
    of different runs, or one of them is missing, is there twice or (exit 3) is not finished.
    """
    parts = sorted((_part(run) for run in runs), key=lambda part: part.facts.shard.part)
    _hold_to_one_run(parts)
    _hold_to_all(parts)
    first = parts[0]
    path = new_folder(folder, name or first.run.name.removesuffix(first.facts.shard.suffix))
    merged = Run(path)
    if (path / MANIFEST).is_file() and (merged.finished or merged.manifest.identity != first.run.manifest.identity):
        raise UserError(f"{path}: holds a run already; give another {option_name('name')}")
    columns = _join(parts, path)
    options = first.run.manifest.options
    usage = run_usage(columns, sum(_seconds(part.run) for part in parts))
    kept = None if options is None else replace(
        options, extra={k: v for k, v in options.extra.items() if k != "shard"}, written=None
    )  # fmt: skip
    merged.write(MANIFEST, replace(first.run.manifest, name=path.name, options=kept, usage=usage))
    facts = merged.manifest.benchmarks
    tasks = [(each, plugins.reopened(each, facts[each].data), facts[each]) for each in facts]
    merged.write(SUMMARY, summary.summary_of_columns(columns, merged.results, tasks))
    merged.seal()
    return merged


def _part(run: Run) -> _Part:
    facts = shard_facts(run.manifest)
    if facts is None:
        raise UserError(f"{run.path}: is a whole run and no part of one; `evalh run --shard 1/2` makes a part")
    if older := scored_otherwise(run.manifest):
        raise UserError(f"{run.path}: {older}; `evalh rescore {shell_word(run.path)}` scores them again")
    return _Part(run=run, facts=facts, index=index_of(run))


def _hold_to_one_run(parts: Sequence[_Part]) -> None:
    first = parts[0]
    for part in parts[1:]:
        ours, theirs = first.run.manifest, part.run.manifest
        odd = [
            what
            for what, one, other in (
                ("number of parts", first.facts.shard.of, part.facts.shard.of),
                ("identity", ours.identity, theirs.identity),
                ("benchmarks", ours.benchmarks, theirs.benchmarks),
            )
            if one != other
        ]
        if odd:
            raise UserError(
                f"{first.run.path} and {part.run.path} are parts of different runs (other {', '.join(odd)})"
            )


def _hold_to_all(parts: Sequence[_Part]) -> None:
    """UserError where a part is missing, there twice, or lacks answers."""
    known: dict[int, _Part] = {}
    for part in parts:
        before = known.setdefault(part.facts.shard.part, part)
        if before is not part:
            raise UserError(f"{before.run.path} and {part.run.path} are both part {part.facts.shard}; name one of them")
    of = parts[0].facts.shard.of
    if missing := [f"{number}/{of}" for number in range(1, of + 1) if number not in known]:
        more = f" and {len(missing) - 10} more" if len(missing) > 10 else ""
        raise UserError(f"wanted all {of} parts; missing: {', '.join(missing[:10])}{more}", Exit.NOT_WHOLE)
    for part in parts:
        for name, wanted in part.facts.answers.items():
            there = part.index.count(name)
            if there != wanted:
                said = f"{part.run.path}: part {part.facts.shard} has {there:,} of {wanted:,} answers to {name}"
                raise UserError(f"{said}; give its command again and it goes on", Exit.NOT_WHOLE)


def _join(parts: Sequence[_Part], path: Path) -> Mapping[str, ScoreColumns]:
    """Write the journal of all parts, aside first, and return its figures' arrays."""
    writers = {name: ColumnWriter() for name in parts[0].run.manifest.benchmarks}
    own_folder(path)
    with Journal(path / JOURNAL):  # nobody else writes it
        aside = path / f".{JOURNAL}.{os.getpid()}"
        try:
            with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWN_FILE), "wb") as file:
                for line in _lines(parts):
                    result = result_from_json(loads(line))
                    writers.setdefault(result.benchmark, ColumnWriter()).add(result)
                    file.write(line)
                file.flush()
                os.fsync(file.fileno())
            aside.replace(path / JOURNAL)
        except OSError as error:
            raise UserError(f"{path}: cannot be written ({error.strerror}); choose another folder") from error
        finally:
            aside.unlink(missing_ok=True)
    return {name: writer.columns(last=True) for name, writer in writers.items()}


def _lines(parts: Sequence[_Part]) -> Iterator[bytes]:
    for part in parts:
        yield from part.index.lines(part.index)


def _seconds(run: Run) -> float:
    return sum(used.seconds or 0.0 for used in (run.manifest.usage or {}).values())
