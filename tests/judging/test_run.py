"""Judging a run: what its journal is worth, what is asked again, and what a judging would take."""

import json
from pathlib import Path

import pytest
from judging.test_judging import GOOD, fair, judge, run  # noqa: F401
from stub_server import serve

from evalharness.errors import Exit, UserError
from evalharness.judging.panel import JudgeOptions
from evalharness.judging.run import JudgeRun, estimate_judging, judge_answers, judge_options
from evalharness.runs.manifest import JudgingUsage
from evalharness.runs.store import Run

pytestmark = pytest.mark.usefixtures("heavy_http_client")
PAIRS = "pairwise=openai:stub"


def journal(name):
    return Path("runs", name, "verdicts.jsonl")


@pytest.mark.parametrize(
    "damage",
    [
        '{"key": ["alpaca',
        '{"key": 7, "judging": "j", "verdict": {}}',
        "[1]",
        '{"key": [[1]], "judging": "j", "verdict": {}}',
    ],
)
def test_a_damaged_verdict_is_set_aside_and_asked_again(evalh, run, damage):  # noqa: F811
    name = run(lambda s, n: f"{GOOD} {n}")
    with serve(fair) as stub:
        first = judge(evalh, stub, name, "--no-cache", spec=PAIRS)
        lines = journal(name).read_text().splitlines()
        journal(name).write_text("\n".join([*lines[:3], damage, *lines[4:]]) + "\n")
        again = judge(evalh, stub, name, "--no-cache", spec=PAIRS)
    assert len(stub.seen) == 17 and again.json["benchmarks"] == first.json["benchmarks"]
    assert "1 damaged lines of" in again.err and "are set aside in" in again.err and "judged again" in again.err
    assert len(journal(name).read_text().splitlines()) == 16


def test_what_has_no_verdict_is_asked_again_only_where_that_is_said(evalh, run):  # noqa: F811
    name = run(lambda s, n: f"{GOOD} {n}")
    with serve(lambda body: "Hm.") as stub:
        silent = judge(evalh, stub, name, "--no-cache", "--retries", 0, spec=PAIRS)
        assert (silent.code, silent.json["nulls"], silent.json["asked"], len(stub.seen)) == (Exit.NOT_WHOLE, 16, 16, 16)
        judge(evalh, stub, name, "--no-cache", "--retries", 0, spec=PAIRS)
        assert len(stub.seen) == 16
    with serve(fair) as stub:
        asked = judge(evalh, stub, name, "--no-cache", "--again", spec=PAIRS)
        assert len(stub.seen) == 16 and (asked.code, asked.json["nulls"]) == (0, 0)


def test_what_a_judging_would_take_counts_what_is_left(evalh, run):  # noqa: F811
    name = run(lambda s, n: f"{GOOD} {n}")
    priced = {"base_url": "http://127.0.0.1:9", "price_in": 3.0, "price_out": 5.0}
    estimate = lambda **more: estimate_judging(Run(Path("runs", name)), PAIRS, JudgeOptions(max_tokens=100, **more))
    whole, unpriced = estimate(model=priced), estimate(model={"base_url": "http://127.0.0.1:9"})
    assert (whole.calls, whole.known, whole.tokens_out, whole.skipped) == (16, 0, 1600, {})
    assert whole.cost == pytest.approx((3 * whole.tokens_in + 5 * whole.tokens_out) / 1e6) and unpriced.cost is None
    one = estimate(model=priced, order="seeded")
    assert (one.calls, one.known) == (8, 0) and one.tokens_in < whole.tokens_in
    assert estimate(model=priced, order="seeded", retest=3).calls == 11
    with serve(fair) as stub:
        there = {**priced, "base_url": stub.url}
        judge_answers(Run(Path("runs", name)), PAIRS, JudgeOptions(max_tokens=100, model=there, order="seeded"))
        rest = estimate(model=there)
    assert (rest.calls, rest.known) == (8, 8)


@pytest.mark.parametrize(
    ("failed", "nulls", "asked", "code"),
    [(0, 2, 100, Exit.FINE), (0, 3, 100, Exit.NOT_WHOLE), (1, 1, 100, Exit.NOT_WHOLE), (0, 0, 0, Exit.FINE)],
)
def test_more_than_two_in_a_hundred_missing_verdicts_are_too_many(failed, nulls, asked, code):
    said = JudgeRun(
        run=Run(Path("r")), judging="j", benchmarks={}, skipped={}, failed=failed, usage=JudgingUsage(), nulls=nulls,
        asked=asked, incomparable={"b": (), "c": ("why",)},
    )  # fmt: skip
    assert said.exit_code == code and said.too_many_nulls is (nulls > 2)
    assert said.as_json()["leaderboard"] == {
        "b": {"comparable": True, "reasons": []}, "c": {"comparable": False, "reasons": ["why"]},
    }  # fmt: skip


def test_weights_are_numbers_separated_by_commas():
    assert judge_options(weights="0.5, 1,,2", retries=0).weights == (0.5, 1.0, 2.0)
    assert judge_options().weights == ()
    with pytest.raises(UserError, match="wanted numbers separated by commas"):
        judge_options(weights="0.5,high")


def test_the_manifest_keeps_what_all_judgings_of_a_name_took_and_in_what_order(evalh, run):  # noqa: F811
    name = run(lambda s, n: f"{GOOD} {n}")
    with serve(fair) as stub:
        judge(evalh, stub, name, "--order", "seeded", "--no-cache", spec=PAIRS)
        judge(evalh, stub, name, "--no-cache", spec=PAIRS)
    (facts,) = json.loads(Path("runs", name, "run.json").read_text())["judgings"].values()
    assert facts["order"] == "both" and facts["score"] == "win_rate" and facts["against"] == "reference"
    assert facts["usage"]["calls"] == 16
