"""Judgments made elsewhere, as runs of ours: then they can be shown, compared and audited like any other.

A verdict that the file lacks is null here too, and a file with a part of its rows says how many.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from evalharness import plugins
from evalharness.benchmark import Benchmark
from evalharness.data import files, sources
from evalharness.data.kept import to_json
from evalharness.data.rows import Row, Want
from evalharness.errors import DataError, UserError, nearest, option_name
from evalharness.judge import Judge, JudgeCase, Order
from evalharness.records import Message, Request, Response, Result, Sample, Verdict
from evalharness.runs import summary
from evalharness.runs.journal import dumps
from evalharness.runs.manifest import (
    SCHEMA_VERSION,
    BenchmarkFacts,
    DataFacts,
    JudgingFacts,
    Manifest,
    ModelFacts,
    SamplingFacts,
    SeatFacts,
)
from evalharness.runs.store import JOURNAL, MANIFEST, SUMMARY, Run, result_to_json
from evalharness.runs.surroundings import surroundings
from evalharness.scoring.judgments import with_verdicts


@dataclass(frozen=True, kw_only=True)
class ImportOptions:
    """What the command line says: `data` is the benchmark's own data, `model` the one of several in a file."""

    data: Path | None = None
    model: str | None = None
    against: str | None = None


@dataclass(frozen=True, kw_only=True)
class ImportedJudgment:
    """One answer with the verdicts that others gave it."""

    sample: Sample
    text: str
    verdicts: tuple[Verdict, ...]


@dataclass(frozen=True, kw_only=True)
class ImportedJudgments:
    """A file's judgments. `figures` are what its authors publish of it, `notes` what a reader must know."""

    benchmark: str
    model: str
    judge: str
    score: str
    items: tuple[ImportedJudgment, ...]
    expected: int
    against: str = "reference"
    figures: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Imported:
    """The run that was made."""

    run: Run
    foreign: ImportedJudgments

    def as_json(self) -> dict[str, object]:
        """What `--json` prints."""
        return {
            "run": str(self.run.path), "rows": len(self.foreign.items), "expected": self.foreign.expected,
            "figures": self.figures, "notes": list(self.foreign.notes),
            "benchmarks": to_json(self.run.summary.benchmarks),
        }  # fmt: skip

    @property
    def figures(self) -> dict[str, Any]:
        """As the authors print them: AlpacaEval's leaderboard has its length-controlled rate beside the others."""
        controlled = self.run.summary.benchmarks[self.foreign.benchmark].metrics.get("length_controlled_win_rate")
        if controlled is None:
            return dict(self.foreign.figures)
        rate = controlled.estimate
        added = {"length_controlled_winrate": 100 * rate.value, "bootstrap_error": 100 * rate.stderr}
        return {**self.foreign.figures, **added}


FormatReader = Callable[[Path, ImportOptions], ImportedJudgments]


def import_file(kind: str, path: Path, options: ImportOptions, folder: Callable[[str], Path]) -> Imported:
    """Make a run of the judgments in a file. `folder` gives the run's folder from a name.

    UserError or DataError for an unknown format, a file that is not of it, and a folder that holds a run already.
    """
    read: FormatReader = plugins.load_format("importers", kind).read_judgments
    foreign = read(path, options)
    if not foreign.items:
        raise DataError(f"{path}: it holds no judgments")
    ids = Counter(item.sample.id for item in foreign.items)
    if doubled := [identity for identity, count in ids.items() if count > 1]:
        raise DataError(f"{path}: has the item {doubled[0]!r:.80} {ids[doubled[0]]} times")
    short = files.digest(path)[:8]
    cleaned = "".join(c if c.isalnum() or c in "@+._-" else "-" for c in f"{kind}-{foreign.model}")
    run = Run(folder(f"{cleaned[:100]}-{short}".lstrip(".")))
    if (run.path / MANIFEST).exists():
        raise UserError(f"{run.path}: there is a run already; give another {option_name('name')}")
    return Imported(run=_write(run, path, foreign), foreign=foreign)


def _write(run: Run, path: Path, foreign: ImportedJudgments) -> Run:
    benchmark = plugins.load_benchmark(foreign.benchmark)
    judging = f"{foreign.judge} vs {foreign.against}" if foreign.against else foreign.judge
    owns = benchmark.judge is not None
    facts = JudgingFacts(
        judging=judging,
        score=foreign.score,
        against=foreign.against,
        seats=tuple(SeatFacts(seat=s) for s in sorted({_seat(v) for i in foreign.items for v in i.verdicts})),
        written=("judging", "score", "aggregate", "weights", "against", "seats"),
    )
    results = [_result(foreign, item, facts, owns) for item in foreign.items]
    about = BenchmarkFacts(
        mode="write",
        shots=0,
        seed=0,
        items=max(foreign.expected, len(results)),
        items_published=benchmark.items,
        data=DataFacts(
            origin=f"{path.name} (imported)",
            revision="files",
            sha256=sources.content_hash(item.sample for item in foreign.items),
            kind="imported",
        ),
        prompt_sha256="",
        judge=facts,
    )
    now = surroundings()
    manifest = Manifest(
        schema_version=SCHEMA_VERSION,
        name=run.name,
        model=ModelFacts(name=foreign.model, fingerprint=f"imported:{foreign.model}"),
        benchmarks={foreign.benchmark: about},
        judgings={judging: facts},
        sampling=SamplingFacts(written=()),
        created=now.created,
        versions=now.versions,
        hardware=now.hardware,
        git=now.git,
        command=now.command,
    )
    run.write(MANIFEST, manifest)
    files.write_whole(run.path / JOURNAL, b"".join(dumps(result_to_json(r)) + b"\n" for r in results), files.OWN_FILE)
    run.write(SUMMARY, summary.run_summary(results, [(foreign.benchmark, benchmark, about)]))
    run.seal()
    return run


def _seat(verdict: Verdict) -> str:
    return str(verdict.extra.get("seat", verdict.judge))


def _result(foreign: ImportedJudgments, item: ImportedJudgment, facts: JudgingFacts, owns: bool) -> Result:
    result = Result(
        benchmark=foreign.benchmark,
        sample=item.sample,
        request=Request(messages=(Message("user", item.sample.question),)),
        response=Response(text=item.text),
        status="scored",
    )
    judging = str(facts.judging)
    named = [_named(v, judging) for v in item.verdicts]
    return with_verdicts(result, named, judging, facts, owns=owns)


def _named(verdict: Verdict, judging: str) -> Verdict:
    from dataclasses import replace

    return replace(verdict, extra={"judging": judging, **verdict.extra})


def imported_verdict(judge: str, kind: Any, value: float | None, **rest: Any) -> Verdict:
    """A verdict of a judge elsewhere; without value it is null."""
    return Verdict(judge=judge, kind=kind, value=value, status="ok" if value is not None else "unparsable", **rest)


def field_of(row: Row, name: str, where: str) -> Any:
    """A field of a row. DataError names the row that lacks it."""
    if not isinstance(row, Mapping):
        raise DataError(f"{where}: wanted an object, there is {type(row).__name__}")
    if name not in row:
        raise DataError(f"{where}: wanted the field {name!r}; there is {', '.join(sorted(row)[:6]) or 'nothing'}")
    return row[name]


def text_of(row: Row, name: str, where: str, default: str | None = None) -> str:
    """A field that is a text, or a number or truth value, which published files hold where such a text was meant;
    `default` where it is absent or null. DataError names the row that has something else."""
    if default is not None and (not isinstance(row, Mapping) or row.get(name) is None):
        return default
    found = field_of(row, name, where)
    if not isinstance(found, str | int | float):
        raise DataError(f"{where}: its {name} is {found!r:.60}, wanted a text")
    return str(found)


def number_of(value: Any, where: str, name: str) -> float | None:
    """A number, also written as a text; None where the file has null or not-a-number. DataError for anything else."""
    try:
        if isinstance(value, bool) or not isinstance(value, int | float | str | None):
            raise ValueError
        found = None if value is None else float(value)
    except (ValueError, OverflowError):
        raise DataError(f"{where}: its {name} is {value!r:.60}, wanted a number") from None
    return found if found is not None and math.isfinite(found) else None


def known_samples(benchmark: Benchmark, data: Path) -> dict[str, Sample]:
    """The benchmark's samples by question, from its own files."""
    loaded = sources.load_rows(benchmark.source, Want(split=benchmark.source.split), str(data))
    return {s.question: s for s in sources.build_samples(loaded.rows, benchmark.sample)}


def seeded(judge: str, identity: str, question: str) -> Order:
    """The order in which a seeded judge shows an item."""
    found = plugins.load_judge(judge)
    return found.order_of(JudgeCase(id=identity, turns=((question, ""),)), 0) if isinstance(found, Judge) else ""


def one_of(names: Sequence[str], wanted: str | None, option: str, path: Path) -> str:
    """The one model that is meant. UserError when there are several and none is named, or another is."""
    if wanted is None and len(names) == 1:
        return names[0]
    if wanted is None:
        shown = ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")
        raise UserError(f"{path}: judges several models; say {option_name(option)} with one of {shown}")
    if wanted not in names:
        raise UserError(f"{path}: has no judgments of {wanted!r}{nearest(wanted, names)}")
    return wanted


def import_notes(rows: int, expected: int, known: Mapping[str, Sample]) -> tuple[str, ...]:
    """What a reader must know of a file: that it is not whole, or that its length-controlled rate cannot be had."""
    found = []
    if rows != expected:
        found.append(f"{rows} rows of {expected}: {expected - rows} items have no judgment and are in no figure")
    if not any("difficulty" in s.extra for s in known.values()):
        found.append(
            "without the published difficulties there is no length-controlled win rate as published, only one "
            "adjusted for length alone; say --data with a folder that "
            "has df_gamed.csv and the baseline's outputs"
        )
    return tuple(found)
