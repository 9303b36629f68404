"""Asks a model the questions of tasks and scores its answers as they come."""

from __future__ import annotations

import math
import os
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, ExitStack, closing, nullcontext
from dataclasses import dataclass, replace
from typing import Any

from evalharness.benchmark import Benchmark
from evalharness.events import ResultCame, TaskBegan, TaskEnded, tell
from evalharness.model import Model, Requests, answered
from evalharness.options import RunOptions
from evalharness.records import IMPOSSIBLE, Origin, Response, Result, summed
from evalharness.runs.plan import Task
from evalharness.runs.questions import JoinedQuestions, OpenQuestions, Question
from evalharness.scoring.answers import Recorded, Scorer, score_response


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskPart:
    """Those questions of a task that are to be asked."""

    task: Task
    questions: Sequence[Question]

    @property
    def answered_before(self) -> int:
        """How many of the task's questions are not among them."""
        return len(self.task.questions) - len(self.questions)


@dataclass(frozen=True, slots=True)
class _Answer:
    task: Task
    question: Question
    response: Response


def ask_parts(
    parts: Sequence[TaskPart], model: Model, options: RunOptions, records: dict[str, Any]
) -> Generator[Result, None, None]:
    """Results in order of completion. The parts are one sequence of requests: a model that takes many at a time gets
    the next task's while the last answers of one are awaited. `records` receives what the scorers say of themselves.
    """
    parts = [part for part in parts if part.questions]
    if not parts:
        return
    with _Scorers(parts, options, records) as scorers, closing(_conversations(parts, model)) as answers:
        yield from scorers.score(answers)


class PartsTold:
    """Tells observers of results, and where each of several parts begins and ends. Parts that are asked together
    overlap: one begins when none is open or with its first result, and all that began have ended when this ends,
    however it does."""

    def __init__(self, parts: Sequence[TaskPart]) -> None:
        self._waiting = {part.task.name: part for part in parts}
        self._left: dict[str, int] = {}
        self._parts = dict(self._waiting)

    def __enter__(self) -> PartsTold:
        self._begin_next()
        return self

    def __exit__(self, *_: object) -> None:
        for name in list(self._left):
            self._end(name)

    def tell(self, result: Result) -> None:
        """A result that came and was written down."""
        name = result.benchmark
        if name in self._waiting:
            self._begin(name)
        tell(ResultCame(result=result))
        self._left[name] -= 1
        if not self._left[name]:
            self._end(name)
            self._begin_next()

    def _begin_next(self) -> None:
        while self._waiting and not self._left:
            name = next(iter(self._waiting))
            self._begin(name)
            if not self._left[name]:
                self._end(name)

    def _begin(self, name: str) -> None:
        part = self._waiting.pop(name)
        self._left[name] = len(part.questions)
        tell(TaskBegan(task=part.task, done=part.answered_before))

    def _end(self, name: str) -> None:
        del self._left[name]
        tell(TaskEnded(task=self._parts[name].task))


def open_scorer(benchmark: Benchmark, options: RunOptions) -> AbstractContextManager[Scorer]:
    """What scores a benchmark's answers."""
    return nullcontext(benchmark.score) if benchmark.open_scorer is None else benchmark.open_scorer(options)


class _Scorers:
    """The scorers of several parts, all open before anything is asked: an answer that came must find its own."""

    def __init__(self, parts: Sequence[TaskPart], options: RunOptions, records: dict[str, Any]) -> None:
        self._parts, self._options, self._records = parts, options, records
        self._threaded = {part.task.name for part in parts if part.task.benchmark.open_scorer is not None}
        self._scorers: dict[str, Scorer] = {}
        self._open = ExitStack()

    def __enter__(self) -> _Scorers:
        with self._open as opened:
            for part in self._parts:
                task = part.task
                self._scorers[task.name] = opened.enter_context(open_scorer(task.benchmark, self._options))
            self._open = opened.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        for name, scorer in self._scorers.items():
            if isinstance(scorer, Recorded):
                self._records[name] = scorer.record
        self._open.close()

    def score(self, answers: Iterator[_Answer]) -> Generator[Result, None, None]:
        """The results. Programs are run on threads while further answers come in; at most four waiting per worker."""
        workers = self._options.workers or 2 * (os.cpu_count() or 1)
        with ThreadPoolExecutor(workers) as pool:
            waiting: set[Future[Result]] = set()
            try:
                for answer in answers:
                    scorer = self._scorers[answer.task.name]
                    if answer.task.name in self._threaded:
                        waiting.add(pool.submit(_result, answer, scorer))
                    else:
                        yield _result(answer, scorer)
                    if waiting:
                        full = len(waiting) >= 4 * workers
                        finished, waiting = wait(waiting, None if full else 0.0, FIRST_COMPLETED)
                        yield from (future.result() for future in finished)
                while waiting:
                    finished, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                    yield from (future.result() for future in finished)
            finally:
                for future in waiting:
                    future.cancel()


def _conversations(parts: Sequence[TaskPart], model: Model) -> Generator[_Answer, None, None]:
    """Each question with its last answer; a follow-up turn is asked as soon as the turn before it is answered."""
    questions = JoinedQuestions([part.questions for part in parts])
    asked, later = OpenQuestions(questions), dict[int, tuple[Task, Response]]()
    requests = Requests(asked)
    with closing(answered(model, requests)) as answers:
        for index, response in answers:
            question = asked.pop(index)
            task, earlier = later.pop(index, None) or (parts[questions.part_of(index)].task, None)
            turn, follow_up = None, task.benchmark.follow_up
            if earlier is not None and task.benchmark.ranks_after and not response.error:
                response = _beside(earlier, response)
            if follow_up is not None and not response.error:
                turn = follow_up(question.sample, question.request, response)
            if turn is None:
                yield _Answer(task, question, response)
            else:
                turn = replace(turn, origin=_next_turn(question.request.origin))
                place = requests.add(turn)
                asked.put(place, replace(question, request=turn))
                later[place] = task, response


def _next_turn(origin: Origin | None) -> Origin | None:
    return None if origin is None else replace(origin, turn=origin.turn + 1)


def _beside(written: Response, ranked: Response) -> Response:
    """What was written, with the log-probabilities that were asked for after it."""
    ranks = {name: getattr(ranked, name) for name in ("logprobs", "greedy", "lengths")}
    seconds, cached = written.seconds + ranked.seconds, written.cached and ranked.cached
    return replace(written, **ranks, **summed((written, ranked)), seconds=seconds, cached=cached)


def _finite(response: Response) -> Response:
    """What a model says of its choices, in numbers that a journal can hold; an error where they are none."""
    if all(map(math.isfinite, response.logprobs)):
        return response
    if any(math.isnan(value) or value == math.inf for value in response.logprobs):
        return Response(error="its log-probabilities are no numbers", seconds=response.seconds)
    return replace(response, logprobs=tuple(max(value, IMPOSSIBLE) for value in response.logprobs))


def _result(answer: _Answer, scorer: Scorer) -> Result:
    task, question, response = answer.task, answer.question, _finite(answer.response)
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
