"""A run that ends where its budget is used up, with a seeded random part of its questions.

Questions are asked in the order of a hash of seed and id, and no more than fit are in flight. So whatever ends the run,
what was asked is a random part, the same for every model; its figures are valid, with the interval of so many.
"""

from __future__ import annotations

import hashlib
import threading
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass

from evalharness.errors import UserError, option_name
from evalharness.model import Model, Requests, WrappedModel, answered
from evalharness.records import Request, Response, Result, ResultKey
from evalharness.runs.asking import PartsTold, TaskPart
from evalharness.runs.budget import Allowance, Budget
from evalharness.runs.manifest import BudgetEnd
from evalharness.runs.plan import Plan, Task
from evalharness.runs.questions import Question
from evalharness.runs.runner import RunWriter, evaluate_tasks
from evalharness.runs.stopping import StoppingRule
from evalharness.runs.store import Run

# Requests known to a model at most: to an endpoint, and to an engine of this machine.
MOST_IN_FLIGHT, ENGINE_BATCH = 320, 64
FIRST_BATCH = 8  # of an engine, until it is known how long an answer takes
NOT_IN_TIME = "not answered when the budget was used up"


@dataclass(frozen=True, kw_only=True)
class BudgetedModel(WrappedModel):
    """A model that is asked no more than an allowance leaves, in the order given."""

    allowance: Allowance

    def answer(self, requests: Sequence[Request]) -> Iterator[tuple[int, Response]]:
        """As the model's, until the allowance is used up: what is left then has no answer, and `requests` is stopped.
        UserError where an answer does not say what it took, so that no limit can be kept."""
        given, asked = Requests.of(requests), Requests()
        feeder = _Feeder(self.allowance, given, asked, in_batches=not self.remote)
        seconds = self.allowance.seconds_left()
        alarm = threading.Timer(0.0 if seconds is None else seconds, asked.stop.say)
        alarm.daemon = True
        if seconds is not None:
            alarm.start()
        try:
            with given.stop.waking(asked.stop.say):
                feeder.feed()
                with closing(answered(self.model, asked)) as answers:
                    for number, response in answers:
                        self._hold_to_account(response)
                        index = feeder.landed(number, response)
                        feeder.feed()
                        yield index, response
                        if asked.stop.said:
                            break
        finally:
            alarm.cancel()
        if feeder.waiting or feeder.flying:
            self.allowance.fits(0)  # which says why
            given.stop.say()

    def _hold_to_account(self, response: Response) -> None:
        silent = not (response.tokens_in or response.tokens_out or response.cost or response.cached)
        if not (self.allowance.limit and silent and (response.text or response.logprobs)):
            return
        name = "max_cost" if self.allowance.budget.tokens is None else "max_tokens_total"
        if self.remote or name == "max_tokens_total":
            raise UserError(
                f"{self.name} does not say how many tokens its answers take, so {option_name(name)} cannot be kept; "
                f"leave it out, or say {option_name('max_minutes')}"
            )


class _Feeder:
    """Hands requests on in their order, as many as may be in flight; what was added meanwhile comes first: it is the
    next turn of a conversation that has begun. An engine of this machine takes a batch, then the next."""

    def __init__(self, allowance: Allowance, given: Requests, asked: Requests, *, in_batches: bool) -> None:
        self.allowance, self.given, self.asked, self.in_batches = allowance, given, asked, in_batches
        self.waiting = deque(given.take())
        self.flying = 0
        self._places: list[int] = []  # of each request that was handed on: its index in `given`
        self._began, self._landed = allowance.clock(), 0

    def feed(self) -> None:
        self.waiting.extendleft(reversed(self.given.take()))
        if self.in_batches and self.flying:
            return
        most = self._batch() if self.in_batches else MOST_IN_FLIGHT
        while self.waiting and self.flying < most and not self.asked.stop.said and self.allowance.fits(self.flying):
            index, request = self.waiting.popleft()
            self._places.append(index)
            self.asked.add(request)
            self.flying += 1

    def _batch(self) -> int:
        """So many that an engine should be through with them in time."""
        left = self.allowance.seconds_left()
        if left is None:
            return ENGINE_BATCH
        if not self._landed:
            return FIRST_BATCH
        each = (self.allowance.clock() - self._began) / self._landed
        return ENGINE_BATCH if each * ENGINE_BATCH <= left else max(1, int(left / each))

    def landed(self, number: int, response: Response) -> int:
        """Count an answer; the index of its request in `given`."""
        self.flying -= 1
        self._landed += 1
        self.allowance.spend(response)
        return self._places[number]


def evaluate_within(
    run: Run, tasks: Sequence[Task], plan: Plan, model: Model, budget: Budget, rule: StoppingRule | None = None
) -> tuple[Run, BudgetEnd | None]:
    """Ask what has not been answered yet until the budget is used up, score, journal, and write the summary. Returns
    what the budget left unasked, None where it was enough.

    Each task gets a share by the number of its questions; what one leaves the others get. With a `rule` that may stop a
    task early, that rule's order is asked, task after task.
    """
    allowance = Allowance(budget)
    thrifty = BudgetedModel(model=model, allowance=allowance)
    planned = sum(task.size for task in tasks)
    if rule is not None:
        allowance.recall(run.results())
        found = evaluate_tasks(run, tasks, plan, thrifty, rule)
        open_ = [task for task in tasks if not rule.over(task.name)]
        there = {result.key for result in found.results()}
        unasked = sum((task.name, q.sample.id, q.repeat) not in there for task in open_ for q in task.questions)
        return found, allowance.end(planned - unasked, planned) if unasked else None
    with RunWriter(run, tasks, plan, thrifty) as writer:
        allowance.recall(writer.done.values())
        orders = {task.name: sorted(writer.left(task), key=lambda q: _rank(q, plan.seed)) for task in tasks}
        came = _in_turns(writer, orders, allowance)
        unasked = unanswered = 0
        for task in tasks:
            passed_over, behind = _unanswered(orders[task.name], came[task.name])
            for question in passed_over:
                writer.keep(_no_answer(task, question))
            unasked, unanswered = unasked + behind, unanswered + len(passed_over)
        found = writer.finish()
    return found, allowance.end(planned - unasked - unanswered, planned) if unasked or unanswered else None


def _rank(question: Question, seed: int) -> tuple[bytes, str, int]:
    """The order of asking. Changed forms of a question (`--holistic`) and all its repeats stand beside it."""
    item = str(question.sample.extra.get("original", question.sample.id))
    drawn = hashlib.sha256(f"budget/{seed}/{item}".encode("utf-8", "surrogatepass")).digest()
    return drawn, question.sample.id, question.repeat


def _in_turns(
    writer: RunWriter, orders: Mapping[str, Sequence[Question]], allowance: Allowance
) -> dict[str, set[ResultKey]]:
    """Ask every task within its share of what is left, again and again until nothing more fits. Returns what came."""
    came: dict[str, set[ResultKey]] = {name: set() for name in orders}
    before = -1
    while sum(map(len, came.values())) > before:
        before = sum(map(len, came.values()))
        left = {name: [q for q in order if _key(name, q) not in came[name]] for name, order in orders.items()}
        for place, task in enumerate(writer.tasks):
            questions = left[task.name]
            if not questions:
                continue
            allowance.share(len(questions) / sum(len(left[later.name]) for later in writer.tasks[place:]))
            part = [TaskPart(task=task, questions=questions)]
            with PartsTold(part) as told:
                for result in writer.ask(part):
                    told.tell(result)
                    came[task.name].add(result.key)
    return came


def _no_answer(task: Task, question: Question) -> Result:
    return Result(
        benchmark=task.name, sample=question.sample, request=question.request, repeat=question.repeat,
        response=Response(error=NOT_IN_TIME), status="error",
    )  # fmt: skip


def _key(task: str, question: Question) -> ResultKey:
    return task, question.sample.id, question.repeat


def _unanswered(order: Sequence[Question], came: set[ResultKey]) -> tuple[list[Question], int]:
    """The questions that others behind them were answered before, so that they belong to the part that was asked; and
    how many stand behind all of those."""
    got = {key[1:] for key in came}
    without = [place for place, question in enumerate(order) if (question.sample.id, question.repeat) not in got]
    behind = 0
    while behind < len(without) and without[-1 - behind] == len(order) - 1 - behind:
        behind += 1
    return [order[place] for place in without[: len(without) - behind]], behind
