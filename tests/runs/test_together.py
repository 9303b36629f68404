"""Several models in one command: asked at the same time where they are remote, within one limit for each host."""

import gc
import json
import threading

import pytest
from stub_server import Reply, serve, text_of

from evalharness.clients.pacing import Pace, RateCaps, pace_of
from evalharness.errors import UserError
from evalharness.events import Event, ResultCame, TaskBegan, TaskEnded, observed_by
from evalharness.model import Requests, Stop, stopped_by
from evalharness.models.function import FunctionModel
from evalharness.models.openai import OpenAI
from evalharness.runs import session
from evalharness.runs.session import RunHooks, RunOutcome, RunPlace
from evalharness.runs.together import ModelOpening, RunStart, opening, run_together

NAMES = ("a", "b", "c")


def letter(body) -> str:
    return f"The answer is {'ABCD'[(len(text_of(body)) + ord(body['model'][-1])) % 4]}."


def start(model, folder, **hooks) -> RunStart:
    plan = session.make_plan(["mmlu", "gsm8k"], model="m", data="sample", limit=12)
    opened = ModelOpening(lambda: model, apart=isinstance(model, OpenAI))
    return RunStart(label=model.name, plan=plan, model=opened, place=RunPlace(runs=folder), hooks=RunHooks(**hooks))


def endpoint(stub, name, **more):
    return OpenAI(model=name, base_url=stub.url, **{"workers": 4, **more})


def summaries(outcomes) -> list[bytes]:
    return [(outcome.path / "summary.json").read_bytes() for outcome in outcomes]


def test_models_of_one_host_share_a_limit_and_end_in_the_same_bytes_as_one_after_another(tmp_path):
    """No reply is sent before four are in flight; of three models that may have four each never more than four are."""
    held = []

    def reply(body):
        if len(stub.seen) <= 4:
            held.append(stub.until(lambda: len(stub.seen) >= 4))
        return letter(body)

    with serve(reply) as stub:
        together = list(run_together([start(endpoint(stub, name), tmp_path / "together") for name in NAMES]))
    assert held == [True] * 4 and stub.busiest == 4
    assert {body["model"] for body in stub.seen} == set(NAMES)
    with serve(letter) as stub:
        alone = [next(run_together([start(endpoint(stub, name), tmp_path / "alone")])) for name in NAMES]
    assert summaries(together) == summaries(alone)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("evalh-")]


def test_events_say_of_which_run_they_are_and_come_one_at_a_time(tmp_path):
    told, inside = [], threading.Lock()

    def hear(event: Event) -> None:
        assert inside.acquire(blocking=False), "one at a time"
        told.append(event)
        inside.release()

    with serve(letter) as stub, observed_by(hear):
        outcomes = list(run_together([start(endpoint(stub, name), tmp_path) for name in NAMES]))
    for name, outcome in zip(NAMES, outcomes, strict=True):
        of_run = [event for event in told if event.run == f"openai:{name}"]
        came = [event.result.benchmark for event in of_run if isinstance(event, ResultCame)]
        assert {task: came.count(task) for task in set(came)} == {
            task: sum(figures.counts.values()) for task, figures in outcome.benchmarks.items()
        }
        assert sum(isinstance(event, TaskBegan) for event in of_run) == 2
        assert sum(isinstance(event, TaskEnded) for event in of_run) == 2


def test_what_happens_to_one_model_does_not_end_the_others(tmp_path):
    def reply(body):
        return Reply(status=401, error="no such key") if body["model"] == "b" else letter(body)

    with serve(reply) as stub:
        a, b, c = run_together([start(endpoint(stub, name, workers=8), tmp_path) for name in NAMES])
    assert isinstance(a, RunOutcome) and isinstance(c, RunOutcome)
    assert isinstance(b, UserError) and "refuses access" in str(b)


def test_models_of_this_machine_take_turns_while_the_others_are_asked(tmp_path):
    """The model of this machine answers only once the remote one was asked, and the second only after the first."""
    order = []

    def local(name):
        def answer(prompts):
            assert name != "x" or stub.until(lambda: len(stub.seen) > 0)
            order.append(name)
            return ["The answer is A."] * len(prompts)

        return FunctionModel(answer, name=name)

    with serve(letter) as stub:
        starts = [start(local("x"), tmp_path), start(endpoint(stub, "a"), tmp_path), start(local("y"), tmp_path)]
        outcomes = list(run_together(starts))
    assert all(isinstance(outcome, RunOutcome) for outcome in outcomes)
    assert order == sorted(order) and set(order) == {"x", "y"}


def test_an_end_of_one_ends_all_and_what_was_answered_is_kept(tmp_path):
    """An observer's KeyboardInterrupt in the caller's own thread: the endpoint would never have answered the rest."""
    over = threading.Event()

    def reply(body):
        if len(stub.seen) > 6:
            over.wait(30)
        return letter(body)

    def kept():
        return any(path.stat().st_size for path in tmp_path.glob("*/results.jsonl"))

    def local(prompts):
        assert stub.until(lambda: len(stub.seen) > 6)
        assert any(kept() or over.wait(0.01) for _ in range(2000))
        raise KeyboardInterrupt

    with serve(reply) as stub:
        starts = [start(FunctionModel(local, name="x"), tmp_path), start(endpoint(stub, "a"), tmp_path)]
        with pytest.raises(KeyboardInterrupt):
            list(run_together(starts))
        assert not [thread for thread in threading.enumerate() if thread.name.startswith("evalh-")]
        over.set()
    (journal,) = [
        path for path in tmp_path.glob("*/results.jsonl") if "openai" in path.parent.name or path.stat().st_size
    ]
    assert 0 < len(journal.read_text().splitlines()) <= 6


def test_a_stop_made_within_another_is_said_with_it():
    outer, woken = Stop(), []
    with stopped_by(outer):
        inner, requests = Stop(), Requests([])
    apart = Stop()
    with inner.waking(lambda: woken.append("inner")):
        outer.say()
    assert woken == ["inner"] and inner.said and requests.stop.said and not apart.said
    with inner.waking(lambda: woken.append("late")):
        assert woken == ["inner", "late"]


def test_a_host_has_one_pace_as_long_as_anybody_has_it_and_the_tightest_caps_hold():
    first = pace_of("host:1", 16, 128, RateCaps(rpm=600))
    assert pace_of("host:1", 64, 64, RateCaps(rpm=60)) is first and pace_of("host:2", 1, 1, RateCaps()) is not first
    assert (first.most, first.limit) == (128, 64)
    assert first.take() <= 0 and 0.9 < first.take() <= 1.0, "one a second"
    del first
    assert pace_of("host:1", 2, 2, RateCaps()).most == 2


class Someone:
    def __init__(self, waiting: bool) -> None:
        self.waiting = waiting

    def waits(self) -> bool:
        return self.waiting

    def start(self) -> None:
        pass


def test_those_who_wait_share_the_room_and_who_does_not_wait_leaves_his_share():
    pace = Pace(9, 9, RateCaps())
    pace.askers = [Someone(True), Someone(True), Someone(True), Someone(False)]
    pace.flying = 8
    assert pace.room(2) and not pace.room(3)
    pace.askers[0].waiting = pace.askers[1].waiting = False
    assert pace.room(8) and not pace.room(9)
    pace.flying = 9
    assert not pace.room(0) and pace.room(8, free=1)


def words(url, *more):
    return ("run", "mmlu", "--data", "sample", "--base-url", url, "--limit", 10, "--model", "openai:a", *more)


def test_a_command_of_several_models(evalh, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "k" * 20)
    with serve(letter) as stub:
        both = evalh(*words(stub.url, "--model", "openai:b", "--concurrency", 2, "--json"))
        shown = evalh(*words(stub.url, "--model", "openai:b", "--concurrency", 2))
        asked = len(stub.seen)
        one = evalh(*words(stub.url, "--json"))
        assert len(stub.seen) == asked == 20 and stub.busiest <= 2
    assert both.code == 0 and len(both.json["runs"]) == 2 and both.json["exit_code"] == 0
    assert both.json["runs"][0] == one.json
    assert "openai:b: mmlu@sample: 10 questions" in both.err or "openai:b: mmlu@sample: 10 questions" in shown.err
    assert shown.code == 0 and all(run["run"] in shown.out for run in both.json["runs"])


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--model", "openai:b", "--name", "x"), "--name is one run's"),
        (("--model", "openai:a"), "--model openai:a is said twice"),
        (("--model", "nobody"), "nobody"),
    ],
)
def test_models_that_cannot_be_told_apart_or_opened_are_refused_before_anything_is_asked(evalh, more, said):
    with serve(letter) as stub:
        found = evalh(*words(stub.url, *more))
    assert (found.code, len(stub.seen)) == (2, 0) and said in found.err


def test_of_several_models_one_that_fails_is_said_at_the_end(evalh):
    def reply(body):
        return Reply(status=401, error="no such key") if body["model"] == "b" else letter(body)

    with serve(reply) as stub:
        found = evalh(*words(stub.url, "--model", "openai:b", "--json"))
    assert found.code == 2 and "refuses access" in found.err.splitlines()[-1]
    (line,) = found.out.splitlines()
    assert [run["run"] for run in json.loads(line)["runs"]]


def test_a_model_of_this_machine_is_opened_in_its_turn_and_gone_before_the_next(tmp_path):
    """Two might not fit; one behind an endpoint is opened before anything is asked."""
    there, most = set(), []

    class Held(FunctionModel):
        def __init__(self, name):
            super().__init__(lambda prompts: ["A"] * len(prompts), name=name)
            there.add(name)
            most.append(len(there))

        def __del__(self):
            there.discard(self.name)

    def held(name):
        plan = session.make_plan(["mmlu"], model="m", data="sample", limit=4)
        model = opening(f"local:{name}", lambda: Held(name))
        return RunStart(label=name, plan=plan, model=model, place=RunPlace(runs=tmp_path), hooks=RunHooks())

    starts = [held(name) for name in NAMES]
    assert not there
    for _ in run_together(starts):
        gc.collect()
    assert most == [1, 1, 1]
    made = []
    assert opening("openai:m", lambda: made.append(1) or FunctionModel(len, name="m")).apart is False and made == [1]
