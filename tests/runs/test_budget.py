"""A budget on a run: never passed, the part that was asked is a seeded random one, more money goes on."""

import json
import random
import threading
from itertools import count
from pathlib import Path

import pytest
from stub_server import Reply, serve, text_of

from evalharness import evaluate
from evalharness.errors import UserError
from evalharness.records import Response, Result, Sample
from evalharness.runs.budget import Allowance, Budget
from evalharness.runs.together import budgets_of_each

pytestmark = pytest.mark.usefixtures("heavy_http_client")
PRICES = ("--price-in", 1000, "--price-out", 1000)  # a token costs $0.001


@pytest.fixture(autouse=True)
def key(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "k")


def run(evalh, stub, *more):
    return evalh("run", "mmlu", "--data", "sample", "--model", "openai:m", "--base-url", stub.url, "--json", *more)


def cost(said):
    return sum(used["cost"] for used in said.json["usage"].values())


@pytest.mark.parametrize("concurrency", [1, 16, 64])
def test_a_cost_is_never_passed_and_more_money_goes_on(evalh, concurrency):
    more = ("--concurrency", concurrency, *PRICES)
    with serve(lambda body: Reply(text="A", tokens=(8, 2))) as stub:
        said = run(evalh, stub, "--max-cost", 0.1, *more)
        assert said.code == 3
        assert cost(said) == pytest.approx(0.1) and len(stub.seen) == 10
        figure = said.json["benchmarks"]["mmlu@sample"]["metrics"]["accuracy"]
        assert figure["n"] == 10 and 0 <= figure["low"] < figure["high"] <= 1
        end = said.json["ended_by"]
        assert (end["option"], end["asked"]) == ("max_cost", 10)
        again = run(evalh, stub, "--max-cost", 0.1, *more)
        assert (again.code, len(stub.seen)) == (3, 10) and again.json["benchmarks"] == said.json["benchmarks"]
        onward = run(evalh, stub, "--max-cost", 0.2, *more)
        assert (onward.code, onward.json["ended_by"]["asked"], len(stub.seen)) == (3, 20, 20)
        whole = run(evalh, stub, *more)
        assert (whole.code, "ended_by" in whole.json) == (0, False)
        assert whole.json["benchmarks"]["mmlu@sample"]["missing"] == 0
        assert evalh("verify", whole.json["run"]).code == 0


def test_tokens_are_counted_over_all_starts(evalh):
    with serve(lambda body: Reply(text="A", tokens=(30, 20))) as stub:
        said = run(evalh, stub, "--max-tokens-total", 500)
        assert (said.code, len(stub.seen), said.json["ended_by"]["used"]) == (3, 10, 500)
        assert run(evalh, stub, "--max-tokens-total", 549).json["ended_by"]["asked"] == 10
        assert run(evalh, stub, "--max-tokens-total", 550).json["ended_by"]["asked"] == 11


def test_the_part_is_random_the_same_for_every_model_and_grows(evalh):
    def asked(name, most, seed, reply):
        with serve(reply) as stub:
            said = run(evalh, stub, "--name", name, "--max-cost", most, "--seed", seed, "--no-cache", *PRICES)
        lines = map(json.loads, Path(said.json["run"], "results.jsonl").read_text().splitlines())
        return {line["id"] for line in lines}

    few = asked("few", 0.1, 0, lambda body: Reply(text="A", tokens=(8, 2)))
    slow = asked("other", 0.1, 0, lambda body: Reply(text="D, of course", tokens=(8, 2)))
    more = asked("more", 0.2, 0, lambda body: Reply(text="A", tokens=(8, 2)))
    other = asked("seeded", 0.1, 1, lambda body: Reply(text="A", tokens=(8, 2)))
    assert few == slow < more and len(more) == 20
    assert other != few and len(other) == 10


def test_minutes_end_a_run_whose_server_hangs_and_bounds_hold_what_was_in_flight(evalh):
    """Of those in flight together every third never comes: it is an error, its worth open, and no wait for it."""
    numbers, hang = count(), threading.Event()

    def reply(body):
        if next(numbers) % 3 == 2:
            hang.wait(60)
        return "A"

    try:
        with serve(reply) as stub:
            said = run(evalh, stub, "--max-minutes", 0.03, "--concurrency", 8)
            hang.set()
            assert said.code == 3 and said.json["ended_by"]["option"] == "max_minutes"
            entry = said.json["benchmarks"]["mmlu@sample"]
            assert 0 < entry["counts"]["error"] <= 8 and entry["counts"]["error"] == len(said.json["unanswered"])
            assert entry["bounds"]["low"] < entry["metrics"]["accuracy"]["value"] < entry["bounds"]["high"]
            again = run(evalh, stub, "--max-minutes", 5)
            assert again.code == 0 and again.json["benchmarks"]["mmlu@sample"]["counts"]["error"] == 0
    finally:
        hang.set()


def test_a_part_is_labelled_wherever_it_is_shown(evalh):
    with serve(lambda body: Reply(text="A", tokens=(8, 2))) as stub:
        words = ("run", "mmlu", "--data", "sample", "--model", "openai:m", "--base-url", stub.url, "--name", "part")
        shown = evalh(*words, "--max-cost", 0.1, *PRICES)
        assert "the budget is used up ($0.10 of $0.10, --max-cost): 10 of " in shown.out
        label = "a part of the benchmark: 10 of "
        assert label in " ".join(shown.out.split())
        whole = evalh("run", *words[1:-1], "whole", "--no-cache")
        assert whole.code == 0
    assert label in Path("runs/part/summary.json").read_text()
    assert label in " ".join(evalh("show", "part").out.split())
    verified = evalh("verify", "part")
    assert verified.code == 3 and "the budget is used up" in verified.out
    compared = evalh("compare", "whole", "part", "--gate")
    assert compared.code == 3, compared.out


def test_every_benchmark_gets_its_share_and_what_one_leaves_the_others_get(evalh):
    def reply(body):
        return Reply(text="A", tokens=(1, 1) if "Answer with" in text_of(body) else (15, 5))

    with serve(reply) as stub:
        words = ("run", "mmlu", "gsm8k", "--data", "sample", "--model", "openai:m", "--base-url", stub.url, "--json")
        said = evalh(*words, "--max-cost", 0.4, "--no-cache", *PRICES)
    assert said.code == 3 and 0.36 < cost(said) <= 0.4
    entries = said.json["benchmarks"]
    assert min(entry["n"] / (entry["n"] + entry["missing"]) for entry in entries.values()) > 0.1, entries


def test_what_the_cache_has_costs_nothing(evalh):
    with serve(lambda body: Reply(text="A", tokens=(8, 2))) as stub:
        run(evalh, stub, "--name", "one", "--max-cost", 0.1, *PRICES)
        said = run(evalh, stub, "--name", "two", "--max-cost", 0.1, *PRICES)
    assert (said.json["ended_by"]["asked"], len(stub.seen)) == (20, 20)


@pytest.mark.parametrize(
    ("more", "wanted"),
    [
        (("--max-cost", 1), "--max-cost: the prices of openai:m are not known; give --price-in and --price-out"),
        (("--max-cost", 1, "--price-in", 1), "are not known"),
        (("--max-cost", 0, *PRICES), "--max-cost wants US dollars, more than 0"),
        (("--max-cost", "nan", *PRICES), "--max-cost wants US dollars"),
        (("--max-cost", -1, *PRICES), "--max-cost wants US dollars"),
        (("--max-tokens-total", 0), "--max-tokens-total wants tokens"),
        (("--max-minutes", -2), "--max-minutes wants minutes"),
        (("--max-minutes", "inf"), "--max-minutes wants minutes"),
    ],
)
def test_a_budget_that_cannot_be_kept_is_refused_before_anything_is_asked(evalh, more, wanted):
    with serve(lambda body: "A") as stub:
        said = evalh("run", "mmlu", "--data", "sample", "--model", "openai:m", "--base-url", stub.url, *more)
    assert (said.code, stub.seen) == (2, []) and wanted in said.err and said.err.count("\n") == 1


def test_an_endpoint_that_does_not_say_what_it_took_cannot_be_held_to_a_budget(evalh):
    with serve(lambda body: Reply(text="A", tokens=(0, 0))) as stub:
        said = run(evalh, stub, "--max-cost", 1, *PRICES)
    assert (said.code, len(stub.seen)) == (2, 1)
    assert "does not say how many tokens its answers take, so --max-cost cannot be kept" in said.err


def test_both_turns_of_a_conversation_are_asked_before_the_next_one_begins(evalh):
    with serve(lambda body: Reply(text="fine", tokens=(8, 2))) as stub:
        words = ("run", "mt_bench", "--data", "sample", "--model", "openai:m", "--base-url", stub.url, "--json")
        said = evalh(*words, "--max-cost", 0.05, "--concurrency", 1, *PRICES)
    assert said.json["ended_by"]["asked"] == 2 and len(stub.seen) == 5


def test_a_model_of_this_machine_is_held_to_tokens_and_minutes_too(tmp_path):
    settings = {"data": "sample", "limit": 40, "runs": tmp_path / "runs"}
    part = evaluate("tiny_exam", "tiny", max_tokens_total=1000, **settings)
    assert part.exit_code == 3 and 0 < part.run.manifest.ended_by.asked < part.run.manifest.ended_by.planned
    used = sum(r.response.tokens_in + r.response.tokens_out for r in part.results())
    assert used == part.run.manifest.ended_by.used <= 1000
    whole = evaluate("tiny_exam", "tiny", max_cost=1, max_minutes=60, **settings)
    assert (whole.exit_code, whole.ended_by) == (0, "")
    with pytest.raises(UserError, match="max_minutes wants minutes"):
        evaluate("tiny_exam", "tiny", max_minutes=0, name="no", **settings)


def test_judges_are_paid_out_of_what_the_answers_leave(evalh):
    with serve(lambda body: Reply(text="[[A]]" if body["model"] == "j" else "fine", tokens=(80, 20))) as stub:
        words = ("run", "alpaca_eval", "--data", "sample", "--limit", 4, "--model", "openai:m", "--base-url", stub.url,
                 "--judge", "pairwise=openai:j", "--judge-base-url", stub.url, "--order", "seeded", "--max-tokens", 20,
                 "--judge-price-in", 1000, "--judge-price-out", 1000, *PRICES)  # fmt: skip
        said = evalh(*words, "--max-cost", 2)
        asked = [body["model"] for body in stub.seen]
        assert said.code == 3 and "--max-cost 2 is reached" in said.err
        assert asked.count("m") == 4 and len(asked) < 8
        assert evalh(*words, "--max-cost", 100).code == 0


def test_several_models_of_one_command_share_its_budget_and_more_goes_on(evalh):
    with serve(lambda body: Reply(text="A", tokens=(8, 2))) as stub:
        words = (
            "run",
            "mmlu",
            "--data",
            "sample",
            "--model",
            "openai:a",
            "--model",
            "openai:b",
            "--base-url",
            stub.url,
        )
        told = evalh(*words, "--max-cost", 0.1, *PRICES)
        assert told.code == 3 and "openai:a: $0.05; openai:b: $0.05" in told.err, told.err
        asked = [body["model"] for body in stub.seen]
        assert (asked.count("a"), asked.count("b")) == (5, 5)
        assert evalh(*words, "--max-cost", 0.1, *PRICES).code == 3 and len(stub.seen) == 10
        assert evalh(*words, "--max-tokens-total", 150).code == 3 and len(stub.seen) == 14


def test_each_model_has_the_part_that_it_may_use():
    budget = Budget(cost=6.0, tokens=300, minutes=30.0)
    paid, free, other = budgets_of_each(budget, ["openai:a", "local:x", "gemini:b"], judged=False)
    assert paid == other == Budget(cost=3.0, tokens=100, minutes=30.0)
    assert free == Budget(cost=6.0, tokens=100, minutes=30.0)  # it costs nothing
    assert [one.cost for one in budgets_of_each(budget, ["local:x", "openai:a"], judged=True)] == [3.0, 3.0]
    assert [one.minutes for one in budgets_of_each(budget, ["local:x", "local:y"], judged=False)] == [15.0, 15.0]
    assert {one.minutes for one in budgets_of_each(budget, ["openai:m"] * 17, judged=False)} == {15.0}  # 16 at a time
    assert budgets_of_each(budget, ["openai:m"], judged=True) == [budget]
    assert budgets_of_each(Budget(), ["openai:m", "tiny"], judged=False) == [Budget(), Budget()]


@pytest.mark.parametrize("flying", [1, 8, 64])
def test_an_allowance_is_not_passed_by_more_than_the_last_few(flying):
    """Costs as they are, a few of them long: in whatever order they come back."""
    draw = random.Random(flying)
    for _ in range(200):
        allowance, air, dearest = Allowance(Budget(cost=100.0)), [], 0.0
        while True:
            while len(air) < flying and allowance.fits(len(air)):
                air.append(draw.lognormvariate(-1, 1))
            if not air:
                break
            dearest = max(dearest, *air)
            allowance.spend(Response(tokens_out=1, cost=air.pop(draw.randrange(len(air)))))
        assert 100 - dearest < allowance.used["cost"] < 100 + dearest


def test_earlier_starts_are_part_of_the_budget():
    allowance = Allowance(Budget(tokens=100))
    done = Result(benchmark="b", sample=Sample(id="1", question="q"), request=None, status="wrong",
                  response=Response(tokens_in=40, tokens_out=20))  # fmt: skip
    allowance.recall([done])
    assert not allowance.fits(0) and allowance.ended_by == "max_tokens_total"
