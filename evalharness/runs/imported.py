"""Runs that other programs made, as runs of ours: then they can be shown, compared and reported like any other.

Their answers and their scores are kept as they are: nothing is scored again, and what the other program reports of its
answers is what the run says. `imported.json` in the run's folder keeps the other program's own record whole.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from evalharness import plugins
from evalharness.benchmark import Benchmark
from evalharness.data import files, sources
from evalharness.data.rows import Row
from evalharness.errors import DataError, UserError, option_name
from evalharness.records import Estimate, Mode, Result, Sample
from evalharness.runs import summary
from evalharness.runs.journal import dumps, loads
from evalharness.runs.manifest import SCHEMA_VERSION, BenchmarkFacts, DataFacts, Manifest, ModelFacts, SamplingFacts
from evalharness.runs.questions import prompt_hash
from evalharness.runs.store import JOURNAL, MANIFEST, SUMMARY, Run, result_to_json
from evalharness.runs.surroundings import surroundings
from evalharness.scoring.answers import READING_RULES, SCORING_VERSION
from evalharness.scoring.metrics import Metric, mean_where, over_columns

IMPORTED = "imported.json"


@dataclass(frozen=True, kw_only=True)
class ForeignFigure:
    """A figure of another program. `score` names the answers' score that it is the mean of; without one it is that
    program's own `value`, with its standard error, which cannot be computed again from the answers."""

    name: str
    score: str | None = None
    value: float | None = None
    stderr: float | None = None
    n: int = 0
    higher_is_better: bool = True


@dataclass(frozen=True, kw_only=True)
class ForeignTask:
    """One benchmark of another program's run. `expected` counts the questions that it was to ask; `prompts` says
    whether the results' requests are what was really asked."""

    name: str
    mode: Mode
    results: tuple[Result, ...]
    figures: tuple[ForeignFigure, ...]
    expected: int
    shots: int | None = None
    seed: int | None = None
    prompts: bool = True


@dataclass(frozen=True, kw_only=True)
class ForeignRun:
    """Another program's run. `decides` is what makes two of its models the same; `record` is its own record of the run,
    JSON, kept whole for whoever exports it again."""

    model: str
    tasks: tuple[ForeignTask, ...]
    created: str | None = None
    sampling: SamplingFacts = field(default_factory=SamplingFacts)
    versions: Mapping[str, str] = field(default_factory=dict)
    decides: object = None
    record: Mapping[str, Any] = field(default_factory=dict)


def import_run(kind: str, path: Path, foreign: ForeignRun, folder: Callable[[str], Path]) -> Run:
    """Write another program's run as one of ours. `folder` gives the run's folder from a name.

    UserError or DataError for a run without answers, two answers in one place, and a folder that holds a run already.
    """
    foreign = replace(foreign, tasks=tuple(map(_by_plain_name, foreign.tasks)))
    results = [result for task in foreign.tasks for result in task.results]
    if not results:
        raise DataError(f"{path}: it holds no answers")
    (key, count), *_ = Counter(result.key for result in results).most_common(1)
    if count > 1:
        raise DataError(f"{path}: has {count} answers to {key[1]!r:.80} of {key[0]}")
    journal = b"".join(dumps(result_to_json(result)) + b"\n" for result in results)
    named = f"{'+'.join(task.name for task in foreign.tasks[:3])}-{kind}-{foreign.model.rpartition('/')[2]}"
    cleaned = "".join(c if c.isalnum() or c in "@+._-" else "-" for c in named)
    run = Run(folder(f"{cleaned[:100]}-{hashlib.sha256(journal).hexdigest()[:8]}".lstrip(".-")))
    if (run.path / MANIFEST).exists():
        raise UserError(f"{run.path}: there is a run already; give another {option_name('name')}")
    manifest = _manifest(run.name, kind, path, foreign)
    run.write(MANIFEST, manifest)
    kept = {"format": kind, **foreign.record}
    files.write_whole(run.path / IMPORTED, dumps(kept) + b"\n", files.OWN_FILE)
    files.write_whole(run.path / JOURNAL, journal, files.OWN_FILE)
    tasks = [(name, imported_benchmark(name, facts), facts) for name, facts in manifest.benchmarks.items()]
    run.write(SUMMARY, summary.run_summary(results, tasks))
    run.seal()
    return run


def _by_plain_name(task: ForeignTask) -> ForeignTask:
    """A task whose name is no path: `inspect_evals/mmlu` would be a task of a family of ours."""
    name = task.name.replace("/", ":")
    if name == task.name:
        return task
    return replace(task, name=name, results=tuple(replace(result, benchmark=name) for result in task.results))


def _manifest(name: str, kind: str, path: Path, foreign: ForeignRun) -> Manifest:
    now = surroundings()
    decides = json.dumps(foreign.decides, sort_keys=True, default=str)
    short = hashlib.sha256(decides.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return Manifest(
        schema_version=SCHEMA_VERSION,
        scoring_version=SCORING_VERSION,
        reading_rules=READING_RULES,
        name=name,
        model=ModelFacts(name=foreign.model, fingerprint=f"imported:{foreign.model}:{short}"),
        benchmarks={task.name: _facts(task, kind, path) for task in foreign.tasks},
        sampling=foreign.sampling,
        created=foreign.created or now.created,
        versions={**foreign.versions, "evalharness": now.versions["evalharness"]},
        command=now.command,
    )


def _facts(task: ForeignTask, kind: str, path: Path) -> BenchmarkFacts:
    samples = list({result.sample.id: result.sample for result in task.results}.values())
    firsts = [result.request for result in task.results if result.repeat == 0]
    figures = [{key: value for key, value in vars(one).items() if value is not None} for one in task.figures]
    return BenchmarkFacts(
        mode=task.mode,
        shots=task.shots,
        seed=task.seed,
        repeats=1 + max(result.repeat for result in task.results),
        items=max(task.expected, len(samples)),
        items_published=0,
        data=DataFacts(
            origin=f"{path.name} (imported)",
            revision="files",
            sha256=sources.content_hash(samples),
            kind="imported",
        ),
        prompt_sha256=prompt_hash(firsts) if task.prompts else None,
        extra={"imported": {"format": kind, "figures": figures}},
    )


def is_imported(facts: BenchmarkFacts) -> bool:
    """Whether the answers to a benchmark were made and scored by another program."""
    return "imported" in facts.extra


def _figures_of(facts: BenchmarkFacts) -> list[ForeignFigure] | None:
    """The figures that an imported benchmark has; None for every other. DataError where they were damaged."""
    said = facts.extra.get("imported")
    if said is None:
        return None
    try:
        return [ForeignFigure(**one) for one in said["figures"]]
    except (TypeError, KeyError) as error:
        raise DataError(f"{MANIFEST}: its imported figures are damaged ({error}); import the run again") from error


def imported_benchmark(name: str, facts: BenchmarkFacts) -> Benchmark:
    """The benchmark of a run by its manifest: of an imported one its figures and nothing else, as nobody can be asked
    its questions; every other is opened again. UserError or DataError where that cannot be done."""
    figures = _figures_of(facts)
    if figures is None:
        return plugins.reopened(name, facts.data)

    def refused(_: Row) -> Sample:
        raise UserError(f"{name} was imported: its questions are answered and cannot be asked")

    metrics = tuple(map(_metric_of, figures)) or (mean_where("accuracy"),)
    return Benchmark(name=name, title=name, paper="", licence="", items=0, sample=refused, metrics=metrics)


def _metric_of(figure: ForeignFigure) -> Metric:
    if figure.score is not None:
        made = mean_where(figure.score, figure.name)
        return Metric(
            name=made.name, of=made.of, of_columns=made.of_columns, score=made.score,
            higher_is_better=figure.higher_is_better,
        )  # fmt: skip
    value, stderr = _number(figure.value), _number(figure.stderr or None)  # an error of 0 was published, not measured
    half = 1.959964 * stderr
    said = Estimate(value=value, stderr=stderr, low=value - half, high=value + half, n=figure.n)
    return over_columns(figure.name, lambda _: said, higher_is_better=figure.higher_is_better)


def _number(value: float | None) -> float:
    return math.nan if value is None else value


def imported_lower_is_better(facts: BenchmarkFacts, figure: str) -> bool:
    """Whether the program that an imported benchmark came from takes less of a figure as better."""
    known = _figures_of(facts) or []
    return any(figure in (one.name, one.score) and not one.higher_is_better for one in known)


def foreign_record(run: Run, kind: str) -> Mapping[str, Any]:
    """What the program of format `kind` recorded of a run that was imported from it; empty for every other run."""
    path = run.path / IMPORTED
    if not path.is_file():
        return {}
    try:
        found = loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read ({error}); import the run again") from error
    return found if isinstance(found, dict) and found.get("format") == kind else {}


def mean_figures(results: Sequence[Result], lower: frozenset[str] = frozenset()) -> Iterator[ForeignFigure]:
    """The means of all scores that any of the results has, in the order in which they appear."""
    for name in dict.fromkeys(name for result in results for name in result.scores):
        yield ForeignFigure(name=name, score=name, higher_is_better=name not in lower)
