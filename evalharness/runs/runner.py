"""Drives the road: samples -> requests -> model.answer -> score -> journal -> summary."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from evalharness.benchmark import Benchmark
from evalharness.errors import UserError, option_name
from evalharness.events import TaskBegan, TaskEnded, tell, warn
from evalharness.model import Model, Remote
from evalharness.options import RunOptions
from evalharness.records import Result
from evalharness.runs import summary
from evalharness.runs.asking import PartsTold, TaskPart, ask_parts, open_scorer
from evalharness.runs.drawn import drawn_items, keep_drawn
from evalharness.runs.figures import Summary, kept_estimate
from evalharness.runs.identity import identity_hash, make_manifest, run_identity, scored_otherwise
from evalharness.runs.index import ResultIndex, index_of, placed_results
from evalharness.runs.journal import Journal, aside
from evalharness.runs.manifest import (
    Identity,
    ModelFacts,
    OptionFacts,
    UsageFacts,
)
from evalharness.runs.plan import Plan, Task
from evalharness.runs.questions import ChosenQuestions, Question
from evalharness.runs.stopping import StoppingRule
from evalharness.runs.store import JOURNAL, MANIFEST, SUMMARY, Run, result_from_json, result_to_json
from evalharness.scoring import judgments
from evalharness.scoring.answers import Scorer, score_response
from evalharness.scoring.columns import ColumnWriter, ScoreColumns
from evalharness.stats.intervals import skewed_mean
from evalharness.text.visible import shell_word


def open_run(folder: Path, tasks: Sequence[Task], plan: Plan, model: Model) -> Run:
    """The run in `folder`, new or to be continued. UserError when the folder holds a different run."""
    run = Run(folder)
    if (folder / MANIFEST).is_file():
        differing = what_differs(run, run_identity(tasks, plan, model))
        if differing:
            raise UserError(
                f"{folder}: holds another run (other {', '.join(differing)}); give another {option_name('name')}"
            )
        programs = any(task.benchmark.open_scorer is not None for task in tasks)
        older = scored_otherwise(run.manifest)
        if older and (programs or not run.finished or len(index_of(run).having("error"))):
            raise UserError(
                f"{folder}: {older}; give `evalh rescore {shell_word(folder)}` and then this command again, or another "
                f"{option_name('name')}"
            )
        if programs:
            _same_check(run, plan.options)
        return run
    keep_drawn(run, {task.name: task.drawn for task in tasks if task.drawn is not None})
    run.write(MANIFEST, make_manifest(folder.name, tasks, plan, model))
    return run


def what_differs(run: Run, now: Identity) -> list[str]:
    """In which parts a run is another than one of this identity; nothing where it can be gone on with."""
    before = run.manifest.identity or Identity()
    pairs = {"model": (before.model, now.model), "sampling": (before.sampling, now.sampling),
             "benchmarks": (before.benchmarks, now.benchmarks), "data": (before.data, now.data)}  # fmt: skip
    return [name for name, (theirs, ours) in pairs.items() if theirs != ours]


def name_beside(name: str, runs: Path, now: Identity) -> str:
    """The name, with the hash of what decides the answers behind it where its folder holds another run."""
    run = Run(runs / name)
    other = (run.path / MANIFEST).is_file() and what_differs(run, now)
    return f"{name}-{identity_hash(now)}" if other else name


def _same_check(run: Run, now: RunOptions) -> None:
    """UserError where a run's programs were checked in another way than is asked for now."""
    said = run.manifest.options or OptionFacts()
    for name, before, wanted in (
        ("check", now.check if said.check is None else said.check, now.check),
        ("sandbox_packages", ",".join(said.sandbox_packages or ()), ",".join(now.sandbox_packages)),
    ):
        if before != wanted:
            raise UserError(
                f"{run.path}: its programs were checked with {option_name(name)} {before or '(none)'}, not "
                f"{wanted or '(none)'}; `evalh rescore {shell_word(run.path)} --{name.replace('_', '-')} ...` checks "
                f"them again, or give another {option_name('name')}"
            )


STOP_BATCH = 32


class RunWriter:
    """A run while it is asked: what was answered before is known, every answer is scored and journalled as it comes.

    Whoever opens it chooses what is asked and when; `finish` writes the summary. Not finished, the run goes on later.
    """

    def __init__(self, run: Run, tasks: Sequence[Task], plan: Plan, model: Model) -> None:
        self.run, self.tasks, self.plan, self.model = run, tasks, plan, model
        self.done = ResultIndex(run.path / JOURNAL)
        self._columns: dict[str, ColumnWriter] = {task.name: ColumnWriter() for task in tasks}
        self._records: dict[str, Any] = dict(run.manifest.scorers or {})
        self._asked = 0
        self._began = time.monotonic()

    def __enter__(self) -> RunWriter:
        self.journal = Journal(self.run.path / JOURNAL)
        try:
            self._recall()
        except BaseException:
            self.journal.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.journal.close()

    def _recall(self) -> None:
        """What was answered before. Damaged lines are set aside, and said: their questions are asked again."""
        try:
            self._read()
        except UserError:
            count = self.journal.set_aside(result_from_json)
            path = self.journal.path
            warn(f"{count} damaged lines of {path} are set aside in {aside(path).name} and asked again")
            self._read()

    def _read(self) -> None:
        self._columns = {task.name: ColumnWriter() for task in self.tasks}
        self.done = ResultIndex(self.journal.path)
        for result, place in placed_results(self.journal.path):
            self._count(result)
            if result.status == "error":
                self.done.discard(result.key)
            else:
                self.done.add(result.key, place, result.status)

    def _count(self, result: Result) -> None:
        self._columns.setdefault(result.benchmark, ColumnWriter()).add(result)

    def left(self, task: Task) -> Sequence[Question]:
        """The questions of a task that had no answer when this run was opened; an error is none."""
        if not self.done:
            return task.questions
        asked = enumerate(task.questions)
        return ChosenQuestions(
            task.questions, (place for place, q in asked if (task.name, q.sample.id, q.repeat) not in self.done)
        )

    def ask(self, parts: Sequence[TaskPart]) -> Iterator[Result]:
        """Results in order of completion, each written down; whoever reads them tells observers (`PartsTold`)."""
        for result in ask_parts(parts, self.model, self.plan.options, self._records):
            self.keep(result)
            self._asked += 1
            yield result

    def keep(self, result: Result) -> None:
        """Write a result down, and count it among the figures."""
        self.journal.append(result_to_json(result))
        self._count(result)

    def finish(self, seconds: float | None = None) -> Run:
        """Write manifest and summary; `seconds` is what this start took, where that is not the time since then."""
        run, asked = self.run, self._asked
        self.journal.sync()
        if not asked and run.finished and scored_otherwise(run.manifest):
            return run  # its figures are those of the rules it was scored by; `evalh rescore` makes today's
        columns = {name: self._columns.pop(name).columns(last=True) for name in tuple(self._columns)}
        before = sum(used.seconds or 0.0 for used in (run.manifest.usage or {}).values())
        usage = run_usage(columns, before + (time.monotonic() - self._began if seconds is None else seconds))
        facts = _learned(run.manifest.model, self.model) if asked else run.manifest.model
        scorers = self._records or run.manifest.scorers
        run.write(MANIFEST, replace(run.manifest, model=facts, usage=usage, scorers=scorers))
        if self.plan.shard is not None:
            return run  # the figures are those of all the parts
        tasks = [(t.name, t.benchmark, t.facts) for t in self.tasks]
        made = summary.summary_of_columns(columns, run.results, tasks, drawn_items(run))
        _write_summary(run, made, changed=asked > 0)
        run.seal()
        return run


def evaluate_tasks(run: Run, tasks: Sequence[Task], plan: Plan, model: Model, stop: StoppingRule | None = None) -> Run:
    """Ask what has not been answered yet, score, journal, and write the summary.

    Answers with an error are asked again. A model that computes elsewhere gets the next task's questions while the last
    answers of one are awaited. `stop`, told of each result, may end a task early; then questions are asked in its order
    and in small batches, so that little is asked in vain.
    """
    if stop is None and _nothing_left(run, tasks):
        for task in tasks:
            tell(TaskBegan(task=task, done=task.size))
            tell(TaskEnded(task=task))
        return run
    with RunWriter(run, tasks, plan, model) as writer:
        parts = [TaskPart(task=task, questions=writer.left(task)) for task in tasks]
        together = stop is None and isinstance(model, Remote) and model.remote
        for some in [parts] if together else [[part] for part in parts]:
            with PartsTold(some) as told:
                for batch in _batches(some, writer.done, stop):
                    for result in writer.ask(batch):
                        told.tell(result)
                        if stop is not None and stop(result):
                            break
        return writer.finish()


def _nothing_left(run: Run, tasks: Sequence[Task]) -> bool:
    """Whether a run is finished, every question has its answer, and all stands there as it was written."""
    if not run.finished:
        return False
    with Journal(run.path / JOURNAL):  # nobody else is writing it
        found = run.summary.benchmarks if run.intact else {}
    counts = {task.name: found[task.name].counts for task in tasks if task.name in found}
    return all(
        task.name in counts and sum(counts[task.name].values()) == task.size and not counts[task.name].get("error")
        for task in tasks
    )


def _learned(before: ModelFacts, model: Model) -> ModelFacts:
    """What an endpoint says of itself after it answered: what it serves, what it refuses. Earlier starts of the same
    run may have met another one, so lists and objects keep what they had."""
    if not (isinstance(model, Remote) and model.remote):
        return before
    found = dict(before.extra)
    for key, now in model.describe().items():
        had = found.get(key)
        if isinstance(had, list) and isinstance(now, list):
            now = [*had, *(each for each in now if each not in had)]
        elif isinstance(had, Mapping) and isinstance(now, Mapping):
            now = {**had, **now}
        found[key] = now
    return replace(before, extra=found)


def _write_summary(run: Run, made: Summary, *, changed: bool) -> None:
    """The summary, written anew; one that was finished and says otherwise than its journal was edited or damaged."""
    path = run.path / SUMMARY
    before = path.read_bytes() if path.is_file() else None
    run.write(SUMMARY, made)
    if before is not None and not changed and before != path.read_bytes():
        warn(f"{path}: edited or damaged: it said otherwise than its journal; it is written anew from the journal")


def _batches(parts: Sequence[TaskPart], done: ResultIndex, stop: StoppingRule | None) -> Iterator[Sequence[TaskPart]]:
    """All at once; or, where something may stop the one task, its order in small batches until it is over."""
    task = parts[0].task
    rank = None if stop is None else stop.rank(task.name)
    if stop is None or rank is None:
        yield parts
        return
    for result in done.values():
        stop(result)
    ordered = sorted(parts[0].questions, key=lambda q: rank[q.sample.id])
    for start in range(0, len(ordered), STOP_BATCH):
        if stop.over(task.name):
            return
        yield [TaskPart(task=task, questions=ordered[start : start + STOP_BATCH])]


def run_usage(columns: Mapping[str, ScoreColumns], seconds: float) -> dict[str, UsageFacts]:
    """What a run took, by benchmark. `seconds` are those of the whole run, over all its starts."""
    answers = sum(map(len, columns.values()))
    return {
        name: UsageFacts(
            seconds=round(seconds * len(members) / answers, 3),
            tokens_in=int(members.tokens_in.sum()),
            tokens_out=int(members.tokens_out.sum()),
            cost=summary.total_cost(members),
            seconds_each=kept_estimate(skewed_mean(members.seconds.tolist())),
        )
        for name, members in sorted(columns.items())
        if len(members)
    }


def rescored(
    results: Iterable[Result], benchmarks: Mapping[str, Benchmark], options: RunOptions
) -> Iterator[tuple[Result, Result]]:
    """Each result, and the same answer scored again, asking nobody."""
    scorers: dict[str, Scorer] = {}
    with ExitStack() as opened:
        for result in results:
            benchmark = benchmarks[result.benchmark]
            if result.benchmark not in scorers:  # tasks that were asked together stand mixed in a journal
                scorers[result.benchmark] = opened.enter_context(open_scorer(benchmark, options))
            score = score_response(scorers[result.benchmark], result.sample, result.request, result.response)
            anew = replace(result, status=score.status, scores=score.scores, answer=score.answer, detail=score.detail)
            yield result, judgments.kept(result, anew, benchmark.judge is not None)
