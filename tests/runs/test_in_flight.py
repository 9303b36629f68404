"""A run does not wait where it need not: second turns beside first ones, answers from the cache before those asked."""

import threading
from collections.abc import Callable

import pytest
from stub_server import Stub, serve, text_of

from evalharness.errors import UserError
from evalharness.events import ResultCame, TaskBegan, TaskEnded, observed_by
from evalharness.model import Requests
from evalharness.models.openai import OpenAI
from evalharness.options import RunOptions
from evalharness.records import Message, Request, Response
from evalharness.runs import cache, plan, runner

pytestmark = pytest.mark.usefixtures("heavy_http_client")

MT_BENCH = plan.Plan(benchmarks=("mt_bench",), data="sample")


def turn(body) -> int:
    return sum(m["role"] == "user" for m in body["messages"])


def evaluate(folder, stub: Stub, observer=None, wrapped: Callable = lambda model: model, workers=8):
    model = wrapped(OpenAI(model="m", base_url=stub.url, workers=workers))
    tasks = [plan.prepare_task("mt_bench", MT_BENCH, model)]
    run = runner.open_run(folder, tasks, MT_BENCH, model)
    with observed_by(observer):
        return runner.evaluate_tasks(run, tasks, MT_BENCH, model)


def first_of(stub: Stub) -> str:
    return text_of(next(body for body in stub.seen if turn(body) == 1))


@pytest.mark.parametrize("cached", [False, True])
def test_second_turns_wait_for_no_other_first_turn(tmp_path, cached):
    """One item's first turn is held back until the second turns of all others have been asked."""
    held = []

    def reply(body):
        if turn(body) == 1 and text_of(body) == first_of(stub):
            held.append(stub.until(lambda: sum(turn(b) == 2 for b in stub.seen) == 4))
        return f"answer {turn(body)} to {body['messages'][0]['content'][:20]}"

    wrapped = (lambda model: cache.with_cache(model, tmp_path / "c.sqlite")) if cached else (lambda model: model)
    with serve(reply) as stub:
        run = evaluate(tmp_path / "slow", stub, wrapped=wrapped)
        assert held == [True] and len(stub.seen) == 10
    with serve(lambda body: f"answer {turn(body)} to {body['messages'][0]['content'][:20]}") as stub:
        quick = evaluate(tmp_path / "quick", stub)
    assert (run.path / "summary.json").read_bytes() == (quick.path / "summary.json").read_bytes()
    assert all(result.response.text.startswith("answer 2") for result in run.results())


def test_the_next_benchmarks_do_not_wait_for_the_last_answers_of_one(tmp_path, evalh):
    """The first question's answer is held back until every other question of all three benchmarks was asked; with a
    program's scorer among them. Figures are those of the benchmarks run one by one."""
    names = ("gsm8k", "humaneval", "mmlu")
    wanted = plan.Plan(benchmarks=names, data="sample", options=RunOptions(yes_run_untrusted_code=True))
    held, told = [], []

    def reply(body):
        if len(stub.seen) == 1:
            held.append(stub.until(lambda: len(stub.seen) == total))
        return f"The answer is {len(text_of(body)) % 7}."

    def hear(event):
        match event:
            case TaskBegan(task=task, done=done):
                told.append(("began", task.name, done))
            case TaskEnded(task=task):
                told.append(("ended", task.name, sum(t == ("result", task.name) for t in told)))
            case ResultCame(result=result):
                told.append(("result", result.benchmark))

    with serve(reply) as stub:
        model = OpenAI(model="m", base_url=stub.url, workers=8)
        tasks = [plan.prepare_task(name, wanted, model) for name in names]
        total = sum(task.size for task in tasks)
        run = runner.open_run(tmp_path / "together", tasks, wanted, model)
        with observed_by(hear):
            runner.evaluate_tasks(run, tasks, wanted, model)
        assert held == [True] and len(stub.seen) == total
    sizes = {task.name: task.size for task in tasks}
    assert sorted(t for t in told if t[0] == "began") == sorted(("began", name, 0) for name in sizes)
    assert sorted(t for t in told if t[0] == "ended") == sorted(("ended", name, n) for name, n in sizes.items())
    for name, size in sizes.items():
        kinds = [kind for kind, of, *_ in told if of == name]
        assert kinds == ["began", *["result"] * size, "ended"]
    assert set(run.manifest.scorers) == {"humaneval@sample"}
    for name, task in zip(names, tasks, strict=True):
        with serve(lambda body: f"The answer is {len(text_of(body)) % 7}.") as stub:
            model = OpenAI(model="m", base_url=stub.url, workers=8)
            alone = runner.open_run(tmp_path / name, [task], wanted, model)
            runner.evaluate_tasks(alone, [task], wanted, model)
        assert alone.summary.benchmarks[task.name] == run.summary.benchmarks[task.name]


def test_nothing_is_sent_once_the_budget_is_used_up(tmp_path):
    over = threading.Event()

    def stingy(event):
        if isinstance(event, ResultCame):
            raise UserError("the budget is used up")

    def reply(body):
        if turn(body) == 2 and sum(turn(b) == 2 for b in stub.seen) > 1:
            over.wait(20)
        return "x"

    with serve(reply) as stub:
        with pytest.raises(UserError, match="budget"):
            evaluate(tmp_path / "r", stub, stingy, workers=1)
        assert not [thread for thread in threading.enumerate() if thread.name == "evalh-network"]
        over.set()
        assert stub.until(lambda: stub.connections == 0)
        assert len(stub.seen) <= 5 + 2, "five first turns, the second one that was answered, and the one in flight"


class Taking:
    """Answers one at a time what it is given meanwhile."""

    name, fingerprint, chat, ranks = "taking", "t", True, False

    def __init__(self):
        self.seen = []

    def answer(self, requests):
        given = Requests.of(requests)
        while taken := given.take(1):
            ((index, request),) = taken
            self.seen.append(request.text)
            yield index, Response(text=request.text.upper(), cost=1.0)

    def describe(self):
        return {}


def ask(text):
    return Request(messages=(Message("user", text),))


def test_the_cache_answers_at_once_and_passes_on_what_is_added(tmp_path):
    model = Taking()
    kept = cache.with_cache(model, tmp_path / "c.sqlite")
    list(kept.answer([ask("known"), ask("also known")]))
    model.seen.clear()
    requests = Requests([ask("new"), ask("known"), ask("newer")])
    answers = kept.answer(requests)
    assert next(answers)[0] == 1 and model.seen == [], "what is known does not wait for what is not"
    requests.add(ask("also known"))
    assert next(answers) == (3, Response(text="ALSO KNOWN", cost=0.0, cached=True)) and model.seen == []
    assert next(answers)[0] == 0
    for text in ("newest", "known", "newest", "new", "newer"):
        requests.add(ask(text))
    found = [(index, response.cached) for index, response in answers]
    assert found == [(5, True), (7, True), (2, False), (8, True), (4, False), (6, True)]
    assert model.seen == ["new", "newer", "newest"]
