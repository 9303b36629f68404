"""Drives the road: samples -> requests -> model.answer -> score -> journal -> summary."""

from __future__ import annotations

import hashlib
import json
import math
import os
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import asdict, replace
from itertools import groupby
from pathlib import Path
from typing import Any

from evalharness.benchmark import Benchmark
from evalharness.data.kept import to_json
from evalharness.data.typed import record
from evalharness.errors import UserError, option_name
from evalharness.events import ResultCame, TaskBegan, TaskEnded, tell, warn
from evalharness.model import Model, Remote, Requests, answered
from evalharness.options import RunOptions
from evalharness.records import IMPOSSIBLE, Origin, Response, Result, ResultKey
from evalharness.runs import summary
from evalharness.runs.figures import Summary, kept_estimate
from evalharness.runs.manifest import (
    SCHEMA_VERSION,
    Identity,
    Manifest,
    ModelFacts,
    OptionFacts,
    SamplingFacts,
    UsageFacts,
    surroundings,
)
from evalharness.runs.plan import Plan, Question, Task
from evalharness.runs.stopping import StoppingRule
from evalharness.runs.store import JOURNAL, MANIFEST, SUMMARY, Journal, Run, aside, result_from_json, result_to_json
from evalharness.scoring import judgments
from evalharness.scoring.answers import READING_RULES, SCORING_VERSION, Recorded, Scorer, score_response
from evalharness.scoring.metrics import by_group
from evalharness.stats.intervals import skewed_mean

DECIDING = ("mode", "shots", "prompt_sha256", "repeats", "sampling")  # the facts of a task that decide its answers


def run_identity(tasks: Sequence[Task], plan: Plan, model: Model) -> Identity:
    """The facts that decide a run's answers: two runs that agree in them may share one folder."""
    facts = {task.name: to_json(task.facts) for task in tasks}
    return Identity(
        model=model.fingerprint,
        sampling=plan_sampling(plan),
        benchmarks={name: {key: said[key] for key in DECIDING if key in said} for name, said in facts.items()},
        data={task.name: task.facts.data.sha256 for task in tasks},
    )


def identity_hash(identity: Identity) -> str:
    """What ends the name of a run's folder."""
    return hashlib.sha256(json.dumps(to_json(identity), sort_keys=True).encode()).hexdigest()[:8]


def plan_sampling(plan: Plan) -> SamplingFacts:
    """How answers are drawn, where a benchmark does not say otherwise (`sampling` among its facts)."""
    temperature, top_p = plan.temperature or 0.0, 1.0 if plan.top_p is None else plan.top_p
    return SamplingFacts(temperature=temperature, top_p=top_p, seed=plan.seed, max_tokens=plan.max_tokens)


def make_manifest(name: str, tasks: Sequence[Task], plan: Plan, model: Model) -> Manifest:
    """What `run.json` says."""
    now = surroundings()
    return Manifest(
        schema_version=SCHEMA_VERSION,
        scoring_version=SCORING_VERSION,
        name=name,
        model=record(ModelFacts, {"name": model.name, "fingerprint": model.fingerprint, **model.describe()}),
        benchmarks={task.name: task.facts for task in tasks},
        sampling=plan_sampling(plan),
        options=record(OptionFacts, {**asdict(plan.options), "skip_unanswered": plan.skip_unanswered}),
        identity=run_identity(tasks, plan, model),
        reading_rules=READING_RULES,
        created=now.created,
        versions=now.versions,
        hardware=now.hardware,
        git=now.git,
        command=now.command,
    )


def folder_name(tasks: Sequence[Task], plan: Plan, model: Model) -> str:
    """A name that says what was run, ending in the hash of what decides it."""
    short = identity_hash(run_identity(tasks, plan, model))
    named = "+".join(t.name for t in tasks[:3]) + (f"+{len(tasks) - 3}" if len(tasks) > 3 else "")
    cleaned = "".join(c if c.isalnum() or c in "@+._-" else "-" for c in f"{named}-{model.name.rsplit('/', 1)[-1]}")
    return f"{cleaned[:100]}-{short}"


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
        if older and (programs or not run.finished or any(r.status == "error" for r in run.results())):
            raise UserError(
                f"{folder}: {older}; give `evalh rescore {folder}` and then this command again, or another "
                f"{option_name('name')}"
            )
        if programs:
            _same_check(run, plan.options)
        return run
    run.write(MANIFEST, make_manifest(folder.name, tasks, plan, model))
    return run


def scored_otherwise(manifest: Manifest) -> str:
    """How a run's answers were read or scored by older or newer rules than ours; '' where by the same."""
    for what, before, now in (
        ("scored by version", manifest.scoring_version, SCORING_VERSION),
        ("read by rules of version", manifest.reading_rules, READING_RULES),
    ):
        if before != now:
            return f"its answers were {what} {before}, new ones would be by {now}"
    return ""


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
        self.done: dict[ResultKey, Result] = {}
        self._records: dict[str, Any] = dict(run.manifest.scorers or {})
        self._asked = 0
        self._began = time.monotonic()

    def __enter__(self) -> RunWriter:
        self.journal = Journal(self.run.path / JOURNAL)
        try:
            self.done = {r.key: r for r in _known(self.run, self.journal) if r.status != "error"}
        except BaseException:
            self.journal.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.journal.close()

    def left(self, task: Task) -> list[Question]:
        """The questions of a task that had no answer when this run was opened; an error is none."""
        return [q for q in task.questions if (task.name, q.sample.id, q.repeat) not in self.done]

    def ask(self, task: Task, questions: Sequence[Question]) -> Iterator[Result]:
        """Results in order of completion."""
        for result in _asked(task, questions, self.model, self.plan.options, self._records):
            self.journal.append(result_to_json(result))
            self._asked += 1
            tell(ResultCame(result=result))
            yield result

    def finish(self, seconds: float | None = None) -> Run:
        """Write manifest and summary; `seconds` is what this start took, where that is not the time since then."""
        run, asked = self.run, self._asked
        self.journal.sync()
        if not asked and run.finished and scored_otherwise(run.manifest):
            return run  # its figures are those of the rules it was scored by; `evalh rescore` makes today's
        results = run.results()
        usage = _usage(run, results, time.monotonic() - self._began if seconds is None else seconds)
        facts = _learned(run.manifest.model, self.model) if asked else run.manifest.model
        scorers = self._records or run.manifest.scorers
        run.write(MANIFEST, replace(run.manifest, model=facts, usage=usage, scorers=scorers))
        made = summary.run_summary(results, [(t.name, t.benchmark, t.facts) for t in self.tasks])
        _write_summary(run, made, changed=asked > 0)
        run.seal()
        return run


def evaluate_tasks(run: Run, tasks: Sequence[Task], plan: Plan, model: Model, stop: StoppingRule | None = None) -> Run:
    """Ask what has not been answered yet, score, journal, and write the summary.

    Answers with an error are asked again. `stop`, told of each result, may end a task early; then questions are asked
    in its order and in small batches, so that little is asked in vain.
    """
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


def _known(run: Run, journal: Journal) -> list[Result]:
    """What was answered before. Damaged lines are set aside, and said: their questions are asked again."""
    try:
        return run.results()
    except UserError:
        count = journal.set_aside(result_from_json)
        warn(f"{count} damaged lines of {journal.path} are set aside in {aside(journal.path).name} and asked again")
        return run.results()


def _write_summary(run: Run, made: Summary, *, changed: bool) -> None:
    """The summary, written anew; one that was finished and says otherwise than its journal was edited or damaged."""
    path = run.path / SUMMARY
    before = path.read_bytes() if path.is_file() else None
    run.write(SUMMARY, made)
    if before is not None and not changed and before != path.read_bytes():
        warn(f"{path}: edited or damaged: it said otherwise than its journal; it is written anew from the journal")


def _batches(
    task: Task, left: Sequence[Question], done: Mapping[ResultKey, Result], stop: StoppingRule | None
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


def _usage(run: Run, results: Sequence[Result], seconds: float) -> dict[str, UsageFacts]:
    """What the run took, by benchmark. Seconds are those of the whole run, over all its starts."""
    before = sum(used.seconds or 0.0 for used in (run.manifest.usage or {}).values())
    by_name = by_group(results, lambda r: r.benchmark)
    return {
        name: UsageFacts(
            seconds=round((before + seconds) * len(members) / len(results), 3),
            tokens_in=sum(r.response.tokens_in for r in members),
            tokens_out=sum(r.response.tokens_out for r in members),
            cost=summary.total_cost(members),
            seconds_each=kept_estimate(skewed_mean([r.response.seconds for r in members])),
        )
        for name, members in by_name.items()
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
    asked = list(questions)
    requests = Requests(question.request for question in asked)
    with closing(answered(model, requests)) as answers:
        for index, response in answers:
            question = asked[index]
            turn = None
            if benchmark.follow_up is not None and not response.error:
                turn = benchmark.follow_up(question.sample, question.request, response)
            if turn is None:
                yield question, response
            else:
                turn = replace(turn, origin=_next_turn(question.request.origin))
                requests.add(turn)
                asked.append(replace(question, request=turn))


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


def rescored(results: Sequence[Result], benchmarks: Mapping[str, Benchmark], options: RunOptions) -> list[Result]:
    """The same answers scored again, asking nobody."""
    scored = []
    for name, members in groupby(results, key=lambda r: r.benchmark):
        with _scorer(benchmarks[name], options) as scorer:
            for result in members:
                score = score_response(scorer, result.sample, result.request, result.response)
                anew = replace(
                    result, status=score.status, scores=score.scores, answer=score.answer, detail=score.detail
                )
                scored.append(judgments.kept(result, anew, benchmarks[name].judge is not None))
    return scored
