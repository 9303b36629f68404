"""What is known of a large judging that is finished. The same command on the same files, told by their hashes, need not
make a million requests again to find that all of them have their verdicts."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import orjson

from evalharness.data.files import LARGE, OWN_FILE, digest, json_value, own_folder, write_whole
from evalharness.data.kept import to_json
from evalharness.data.typed import record
from evalharness.judge import Judge
from evalharness.judging.cases import opposing_run
from evalharness.judging.panel import JudgeOptions, OpenedJudging
from evalharness.judging.verdicts import VERDICTS
from evalharness.runs.manifest import JudgingFacts
from evalharness.runs.prepared import PREPARED, source_hash
from evalharness.runs.store import JOURNAL, Run

_OURS = "evalharness."


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishedJudging:
    """What a judging of which no verdict failed says beside the summary: verdicts asked for (those of a retest apart),
    those of them without a value, and the answers that were not judged, by reason."""

    asked: int
    nulls: int
    skipped: Mapping[str, int] = field(default_factory=dict)

    def write(self, file: Path) -> None:
        """Keep it. Where that cannot be done everything is looked at next time."""
        try:
            own_folder(file.parent)
            write_whole(file, orjson.dumps(to_json(self)), OWN_FILE)
        except OSError:
            return


def read_finished(file: Path) -> FinishedJudging | None:
    """What is kept in a file; None where there is none, or it is damaged."""
    try:
        return record(FinishedJudging, json_value(file.read_bytes()))
    except (OSError, ValueError):
        return None


def finished_file(run: Run, opened: OpenedJudging, facts: JudgingFacts, options: JudgeOptions) -> Path | None:
    """The file for this judging of a run as it is now, named by the hash of all that decides its verdicts; None for one
    that is quick to look at, or that other code than ours decides. The run's journal is as its manifest says."""
    verdicts, sealed = run.path / VERDICTS, run.manifest.sha256 or {}
    judges = [seat.judge for seat in opened.jury.seats]
    if options.again or JOURNAL not in sealed or not verdicts.is_file() or verdicts.stat().st_size < LARGE:
        return None
    if not all(map(_ours, judges)) or any(entry.holistic for entry in run.summary.benchmarks.values()):
        return None
    other = opposing_run(run, opened.against)
    from_it = {
        "code": source_hash(), "facts": to_json(facts), "retest": options.retest, "judged": sorted(opened.judged),
        "benchmarks": {name: benchmark.code_sha256 for name, benchmark in opened.benchmarks.items()},
        "files": [sealed[JOURNAL], digest(verdicts), None if other is None else digest(other.path / JOURNAL)],
    }  # fmt: skip
    name = hashlib.sha256(json.dumps(from_it, sort_keys=True).encode()).hexdigest()
    return run.path.parent / PREPARED / f"{name}.json"


def _ours(judge: Judge) -> bool:
    """Whether the judge's own prompt, which its hash covers, and our code alone decide what is asked."""
    functions = (judge.parts, judge.order_of)
    return judge.messages is None and all(function.__module__.startswith(_OURS) for function in functions)
