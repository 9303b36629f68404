"""Drives the road: samples -> requests -> model.answer -> score -> journal -> summary."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Any

from evalharness.benchmark import Benchmark
from evalharness.errors import UserError, option_name
from evalharness.events import ResultCame, TaskBegan, TaskEnded, tell, warn
from evalharness.model import Model, Remote, Requests, answered
from evalharness.options import RunOptions
from evalharness.records import IMPOSSIBLE, Origin, Response, Result
from evalharness.runs import summary
from evalharness.runs.drawn import drawn_items, keep_drawn
from evalharness.runs.figures import Summary, kept_estimate
from evalharness.runs.identity import make_manifest, run_identity, scored_otherwise
from evalharness.runs.index import ResultIndex, index_of, placed_results
from evalharness.runs.manifest import (
    Identity,
    ModelFacts,
    OptionFacts,
    UsageFacts,
)
from evalharness.runs.plan import Plan, Task
from evalharness.runs.questions import ChosenQuestions, OpenQuestions, Question
from evalharness.runs.stopping import StoppingRule
from evalharness.runs.store import JOURNAL, MANIFEST, SUMMARY, Journal, Run, aside, result_from_json, result_to_json
from evalharness.scoring import judgments
from evalharness.scoring.answers import Recorded, Scorer, score_response
from evalharness.scoring.columns import ColumnWriter, ScoreColumns
from evalharness.stats.intervals import skewed_mean


def open_run(folder: Path, tasks: Sequence[Task], plan: Plan, model: Model) -> Run:
    """The run in `folder`, new or to be continued. UserError when the folder holds a different run."""
    run = Run(folder)
    if (folder / MANIFEST).is_file():
        before, now = run.manifest.identity or Identity(), run_identity(tasks, plan, model)
        pairs = {"model": (before.model, now.model), "sampling": (before.sampling, now.sampling),
                 "benchmarks": (before.benchmarks, now.benchmarks), "data": (before.data, now.data)}  # fmt: skip
        differing = [name for name, (theirs, ours) in pairs.items() if theirs != ours]
        if differing:
            raise UserError(
                f"{folder}: holds another run (other {', '.join(differing)}); give another {option_name('name')}"
            )
        programs = any(task.benchmark.open_scorer is not None for task in tasks)
        older = scored_otherwise(run.manifest)
        if older and (programs or not run.finished or len(index_of(run).having("error"))):
            raise UserError(
                f"{folder}: {older}; give `evalh rescore {folder}` and then this command again, or another "
                f"{option_name('name')}"
            )
        if programs:
            _same_check(run, plan.options)
        return run
    keep_drawn(run, {task.name: task.drawn for task in tasks if task.drawn is not None})
    run.write(MANIFEST, make_manifest(folder.name, tasks, plan, model))
    return run


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
                f"{wanted or '(none)'}; `evalh rescore {run.path} --{name.replace('_', '-')} ...` checks them again, "
                f"or give another {option_name('name')}"
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

    def ask(self, task: Task, questions: Sequence[Question]) -> Iterator[Result]:
        """Results in order of completion."""
        for result in _asked(task, questions, self.model, self.plan.options, self._records):
            self.keep(result)
            self._asked += 1
            tell(ResultCame(result=result))
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
        columns = {name: writer.columns(last=True) for name, writer in self._columns.items()}
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

    Answers with an error are asked again. `stop`, told of each result, may end a task early; then questions are asked
    in its order and in small batches, so that little is asked in vain.
    """
    if stop is None and _nothing_left(run, tasks):
        for task in tasks:
            tell(TaskBegan(task=task, done=task.size))
            tell(TaskEnded(task=task))
        return run
    with RunWriter(run, tasks, plan, model) as writer:
        for task in tasks:
            left = writer.left(task)
            tell(TaskBegan(task=task, done=len(task.questions) - len(left)))
            try:
                for batch in _batches(task, left, writer.done, stop):
                    for result in writer.ask(task, batch):
                        if stop is not None and stop(result):
                            break
            finally:  # however it ends: a bar must leave the terminal as it was
                tell(TaskEnded(task=task))
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


def _batches(
    task: Task, left: Sequence[Question], done: ResultIndex, stop: StoppingRule | None
) -> Iterator[Sequence[Question]]:
    """All at once; or, where something may stop the task, its order in small batches until it is over."""
    rank = None if stop is None else stop.rank(task.name)
    if stop is None or rank is None:
        yield left
        return
    for result in done.values():
        stop(result)
    ordered = sorted(left, key=lambda q: rank[q.sample.id])
    for start in range(0, len(ordered), STOP_BATCH):
        if stop.over(task.name):
            return
        yield ordered[start : start + STOP_BATCH]


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


def _asked(
    task: Task, questions: Sequence[Question], model: Model, options: RunOptions, records: dict[str, Any]
) -> Iterator[Result]:
    """Results in order of completion. `records` receives what the scorer has to say of itself."""
    if not questions:
        return
    conversations = _conversations(task.benchmark, questions, model)
    with _scorer(task.benchmark, options) as scorer, closing(conversations) as answers:
        workers = options.workers or 2 * (os.cpu_count() or 1)
        if task.benchmark.open_scorer is None:
            for question, response in answers:
                yield _result(task, question, response, scorer)
        else:
            yield from _in_threads(lambda q, r: _result(task, q, r, scorer), answers, workers)
        if isinstance(scorer, Recorded):
            records[task.name] = scorer.record


def _scorer(benchmark: Benchmark, options: RunOptions) -> AbstractContextManager[Scorer]:
    return nullcontext(benchmark.score) if benchmark.open_scorer is None else benchmark.open_scorer(options)


def _conversations(
    benchmark: Benchmark, questions: Sequence[Question], model: Model
) -> Generator[tuple[Question, Response], None, None]:
    """Each question with its last answer; a follow-up turn is asked as soon as the turn before it is answered."""
    asked = OpenQuestions(questions)
    requests = Requests(asked)
    with closing(answered(model, requests)) as answers:
        for index, response in answers:
            question = asked.pop(index)
            turn = None
            if benchmark.follow_up is not None and not response.error:
                turn = benchmark.follow_up(question.sample, question.request, response)
            if turn is None:
                yield question, response
            else:
                turn = replace(turn, origin=_next_turn(question.request.origin))
                asked.put(requests.add(turn), replace(question, request=turn))


def _next_turn(origin: Origin | None) -> Origin | None:
    return None if origin is None else replace(origin, turn=origin.turn + 1)


def _told(response: Response) -> Response:
    """What a model says of its choices, in numbers that a journal can hold; an error where they are none."""
    if all(map(math.isfinite, response.logprobs)):
        return response
    if any(math.isnan(value) or value == math.inf for value in response.logprobs):
        return Response(error="its log-probabilities are no numbers", seconds=response.seconds)
    return replace(response, logprobs=tuple(max(value, IMPOSSIBLE) for value in response.logprobs))


def _result(task: Task, question: Question, response: Response, scorer: Scorer) -> Result:
    response = _told(response)
    score = score_response(scorer, question.sample, question.request, response)
    return Result(
        benchmark=task.name,
        sample=question.sample,
        request=question.request,
        response=response,
        status=score.status,
        scores=score.scores,
        answer=score.answer,
        repeat=question.repeat,
        detail=score.detail,
    )


def _in_threads(
    score: Callable[[Question, Response], Result], answers: Iterator[tuple[Question, Response]], workers: int
) -> Iterator[Result]:
    """Score on threads while further answers come in; at most four waiting per worker."""
    with ThreadPoolExecutor(workers) as pool:
        waiting: set[Future[Result]] = set()
        try:
            for question, response in answers:
                waiting.add(pool.submit(score, question, response))
                if len(waiting) >= 4 * workers:
                    finished, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                    yield from (future.result() for future in finished)
            while waiting:
                finished, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                yield from (future.result() for future in finished)
        finally:
            for future in waiting:
                future.cancel()


def rescored(
    results: Iterable[Result], benchmarks: Mapping[str, Benchmark], options: RunOptions
) -> Iterator[tuple[Result, Result]]:
    """Each result, and the same answer scored again, asking nobody."""
    for name, members in groupby(results, key=lambda r: r.benchmark):
        with _scorer(benchmarks[name], options) as scorer:
            for result in members:
                score = score_response(scorer, result.sample, result.request, result.response)
                anew = replace(
                    result, status=score.status, scores=score.scores, answer=score.answer, detail=score.detail
                )
                yield result, judgments.kept(result, anew, benchmarks[name].judge is not None)
