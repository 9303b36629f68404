"""A run that is judged: judges elsewhere begin with the first answer, and nobody can tell from the figures."""

import json
import threading

import pytest
from stub_server import serve, text_of

from evalharness.errors import UserError
from evalharness.events import ResultCame, observed_by
from evalharness.judging.panel import JudgeOptions
from evalharness.judging.stage import judging_stage
from evalharness.models.openai import OpenAI
from evalharness.runs import session
from evalharness.runs.plan import Plan
from evalharness.runs.session import RunHooks, RunPlace
from evalharness.runs.store import Run

pytestmark = pytest.mark.usefixtures("heavy_http_client")

PLAN = Plan(benchmarks=("alpaca_eval",), data="sample")
IN_FLIGHT = 4


def run_judged(folder, model, judge, *, early=True, max_cost=None):
    """The outcome of a run of eight questions, each with two verdicts."""
    opened = {"base_url": judge.url, "concurrency": IN_FLIGHT, "price_in": 1.0, "price_out": 1.0}
    said = JudgeOptions(against="reference", max_cost=max_cost, model=opened)
    stage = judging_stage("pairwise=openai:judge", said, PLAN.benchmarks, "sample")
    hooks = RunHooks(stages=[stage if early else lambda run: stage(run)])
    asked = OpenAI(model="m", base_url=model.url, workers=1)
    return session.run_plan(PLAN, asked, RunPlace(runs=folder, cache=False), hooks)


def answer(body):
    return f"an answer to {text_of(body)[:30]}"


def verdict(body):
    return '{"reason": "fine", "verdict": "A"}'


def asked(stub):
    return [json.dumps(body["messages"]) for body in stub.seen]


def test_judging_begins_while_answers_are_still_asked(tmp_path):
    """The last answer is held back until the verdicts of another have been asked."""
    waited = []

    def slow(body):
        if len(model.seen) == 8:
            waited.append(judge.until(lambda: len(judge.seen) >= 2))
        return answer(body)

    with serve(answer) as model, serve(verdict) as judge:
        plain = run_judged(tmp_path / "plain", model, judge, early=False)
        assert len(model.seen) == 8 and len(judge.seen) == 16
    with serve(slow) as model, serve(verdict) as judge:
        early = run_judged(tmp_path / "early", model, judge)
        assert waited == [True]
        assert len(set(asked(judge))) == len(judge.seen) == 16, "nothing is judged twice"
    for name in ("summary.json",):
        assert (early.path / name).read_bytes() == (plain.path / name).read_bytes()
    (one,), (other,) = (run.run.manifest.judgings.values() for run in (early, plain))
    assert one.usage == other.usage and one.usage.calls == 16


def test_a_run_that_ends_early_leaves_no_judge_behind_and_keeps_its_verdicts(tmp_path):
    came = []

    def enough(event):
        came.append(isinstance(event, ResultCame))
        if sum(came) == 6:
            raise UserError("enough")

    def held(body):
        if len(model.seen) == 6:
            judge.until(lambda: len(judge.seen) >= 3)
        return answer(body)

    with serve(held) as model, serve(verdict) as judge:
        with observed_by(enough), pytest.raises(UserError, match="enough"):
            run_judged(tmp_path, model, judge)
        assert not [t.name for t in threading.enumerate() if t.name.startswith("evalh-")]
        kept = next(tmp_path.glob("*/verdicts.jsonl")).read_text().splitlines()
        assert kept
        outcome = run_judged(tmp_path, model, judge)
        assert outcome.stages[0].nulls == 0 and outcome.stages[0].asked == 16
    # Counted in the journal: a request that was given up may reach the server at any later time.
    written = (outcome.path / "verdicts.jsonl").read_text().splitlines()
    assert written[: len(kept)] == kept and len(written) == 16, "a verdict that was kept is not asked for again"


def test_a_judge_that_cannot_be_reached_is_said_once_the_answers_are_kept(tmp_path):
    with serve(verdict) as judge:
        pass
    with serve(answer) as model:
        with pytest.raises(UserError, match="cannot be reached"):
            run_judged(tmp_path, model, judge)
        assert len(model.seen) == 8
    assert Run(next(tmp_path.iterdir())).finished


def test_a_limit_of_cost_is_kept_by_the_stage_alone(tmp_path):
    """What the answers cost is known when they are there: nothing is judged before."""

    def told(body):
        before.append(len(judge.seen))
        return answer(body)

    before: list[int] = []
    with serve(told) as model, serve(verdict) as judge:
        outcome = run_judged(tmp_path, model, judge, max_cost=1.0)
    assert set(before) == {0} and outcome.stages[0].asked == 16
