"""The sequential rule: when it stops, in which order, and that what it decides is what compare says."""

import json
import math

import numpy as np
import pytest
from run_folders import letters, line, write_run

from evalharness.comparison import align, early_stop
from evalharness.comparison import sequential as s
from evalharness.comparison.compare import Options, compare_runs
from evalharness.comparison.inputs import open_side
from evalharness.stats import e_processes
from evalharness.stats.paired import paired_binary


def test_the_e_values_are_the_formulas_of_the_note():
    draw = np.random.default_rng(0)
    d = draw.choice([-1, 0, 1], size=50, p=[0.2, 0.7, 0.1]).astype(float)
    process, margin = e_processes.EProcess(0.02), 0.02
    for value in d:
        process.add(value, value)
    x, null = (d + 1) / 2, (1 - margin) / 2
    above = np.mean([np.prod(1 + k * (x - null) / null) for k in np.geomspace(0.02, 0.9, 24)])
    below = np.mean([np.prod(1 - k * (x - null) / (1 - null)) for k in np.geomspace(0.02, 0.9, 24)])
    assert (process.passing, process.failing) == pytest.approx((above, below))


def test_half_of_alpha_fifths():
    assert e_processes.evidence_needed(0.05) == pytest.approx(100)
    assert e_processes.final_alpha(0.05) == pytest.approx(0.04)


def test_looks_are_at_30_40_50():
    process, seen = e_processes.EProcess(0.02), []
    for n in range(1, 61):
        process.add(-1.0, -1.0)
        if process.look(1e-9) is not None:
            seen.append(n)
    assert seen == [30, 40, 50, 60]


def test_the_order_depends_on_seed_and_ids_alone():
    ids = [f"q/{i}" for i in range(100)]
    assert s.order(ids, 0) == s.order(reversed(ids), 0) != s.order(ids, 1)


def watch(n=200, base=1.0, repeats=1):
    ids = [f"q/{i}" for i in range(n)]
    return s.Monitor(
        order=s.order(ids, 0),
        base=dict.fromkeys(ids, base),
        repeats=repeats,
        process=e_processes.EProcess(0.02),
        needed=100,
    )


def test_items_count_in_their_order_whatever_the_order_of_answers():
    forward, backward = watch(), watch()
    for identity in forward.order[:25]:
        forward.add(identity, 0, 0.0)
    for identity in reversed(backward.order[:25]):
        backward.add(identity, 0, 0.0)
    assert forward.counted == backward.counted == 25
    assert forward.process.failing == pytest.approx(backward.process.failing)


def test_an_item_counts_when_all_its_answers_are_there_and_failures_are_bounded():
    one = watch(repeats=2)
    one.add(one.order[0], 0, 1.0)
    assert one.counted == 0
    one.add(one.order[0], 1, 0.0)
    assert one.counted == 1
    failed, null = watch(base=1.0), (1 - 0.02) / 2
    failed.add(failed.order[0], 0, None)
    assert failed.process.passing == pytest.approx(np.mean(1 + e_processes.BETS * (0 - null) / null))
    assert failed.process.failing == pytest.approx(np.mean(1 - e_processes.BETS * (0.5 - null) / (1 - null)))


def test_where_less_is_better_more_of_it_is_worse():
    worse = watch(base=0.0)
    worse.lower_is_better = True
    decisions = [worse.add(identity, 0, 1.0) for identity in worse.order]
    assert "fail" in decisions and "pass" not in decisions
    unknown, null = watch(base=1.0), (1 - 0.02) / 2
    unknown.lower_is_better = True
    unknown.add(unknown.order[0], 0, None)  # somewhere between 0 and 1, of a base of 1: at worst the same
    assert unknown.process.passing == pytest.approx(np.mean(1 + e_processes.BETS * (0.5 - null) / null))


def test_a_wreck_is_stopped_at_the_first_look():
    one = watch()
    for identity in one.order:
        if one.add(identity, 0, 0.0):
            break
    assert (one.decision, one.counted) == ("fail", 30)
    assert math.isfinite(one.process.failing)


def replay(path, right):
    path.write_text("".join(json.dumps({"id": i, "text": "A" if r else "B"}) + "\n" for i, r in right.items()))
    return path


@pytest.fixture
def quiz(tmp_path):
    """MMLU rows in which A is always right, and answers to them."""
    rows = [f"Question number {i}?,yes,no,maybe,never,A" for i in range(600)]
    for split in ("test", "dev"):
        folder = tmp_path / "data" / split
        folder.mkdir(parents=True)
        (folder / f"anatomy_{split}.csv").write_text("\n".join(rows if split == "test" else rows[:5]) + "\n")
    ids = [f"anatomy/{i}" for i in range(600)]
    replay(tmp_path / "good.jsonl", dict.fromkeys(ids, True))
    replay(tmp_path / "bad.jsonl", {i: k % 2 == 0 for k, i in enumerate(ids)})
    replay(tmp_path / "near.jsonl", {i: k % 50 != 0 for k, i in enumerate(ids)})
    return ["mmlu", "--data", tmp_path / "data", "--mode", "write", "--shots", 0, "--subjects", "anatomy"]


def test_evalh_run_stops_when_it_is_clear_and_goes_on_when_asked_whole(evalh, quiz, tmp_path):
    assert evalh("run", *quiz, "--model", "replay:good.jsonl", "--name", "base").code == 0
    bad = ["run", *quiz, "--model", "replay:bad.jsonl", "--name", "bad"]
    said = evalh(*bad, "--against", "base", "--sequential")
    assert said.code == 0, said.err
    assert "stopped early after" in said.out
    asked = (tmp_path / "runs/bad/results.jsonl").read_text().count("\n")
    assert 30 <= asked < 150
    gate = evalh("compare", "base", "bad", "--gate", "--json")
    assert (gate.code, gate.json["verdict"], gate.json["tasks"][0]["missing"]) == (1, "worse", 0)
    assert gate.json["tasks"][0]["sequential"]["decision"] == "fail"
    # The same command asks nothing more; without --sequential the rest is asked.
    again = evalh(*bad, "--against", "base", "--sequential", "--json")
    assert again.json["comparison"]["tasks"][0]["sequential"]["decision"] == "fail"
    assert (tmp_path / "runs/bad/results.jsonl").read_text().count("\n") == asked
    assert evalh(*bad).code == 0
    assert (tmp_path / "runs/bad/results.jsonl").read_text().count("\n") == 600
    assert evalh("compare", "base", "bad", "--json").json["tasks"][0]["sequential"] is None


ODD = """task: odd
dataset_path: json
dataset_kwargs: {data_files: {test: asks.jsonl}}
test_split: test
output_type: generate_until
doc_to_text: "{{q}}"
doc_to_target: "no"
generation_kwargs: {until: ["\\n"]}
metric_list:
  - {metric: exact_match, aggregation: mean, higher_is_better: false}
"""


def test_a_model_that_has_more_of_what_is_bad_is_stopped_as_worse(evalh, tmp_path):
    asked = [f"Question number {i}?" for i in range(100)]
    (tmp_path / "odd.yaml").write_text(ODD)
    (tmp_path / "asks.jsonl").write_text("".join(json.dumps({"q": one}) + "\n" for one in asked))
    for name, texts in (("good", ["yes", "yes"]), ("bad", ["yes", "no"])):
        lines = [json.dumps({"prompt": one, "response": texts[i % 2]}) + "\n" for i, one in enumerate(asked)]
        (tmp_path / f"{name}.jsonl").write_text("".join(lines))
    assert evalh("run", "odd.yaml", "--model", "replay:good.jsonl", "--name", "base").code == 0
    held = ("--against", "base", "--sequential", "--json")
    task = evalh("run", "odd.yaml", "--model", "replay:bad.jsonl", *held).json["comparison"]["tasks"][0]
    assert (task["verdict"], task["sequential"]["decision"], task["lower_is_better"]) == ("worse", "fail", True)


def test_scores_beyond_0_and_1_have_no_bets(evalh, quiz, tmp_path, monkeypatch):
    assert align.within_range(np.array([0.0, 1.0, math.nan])) and not align.within_range(np.array([0.0, 1.1]))
    evalh("run", *quiz, "--limit", 50, "--model", "replay:good.jsonl", "--name", "base")
    monkeypatch.setattr(early_stop, "within_range", lambda values: False)
    words = ("--limit", 50, "--model", "replay:bad.jsonl", "--against", "base", "--sequential")
    assert "bets on scores from 0 to 1, and accuracy has others" in evalh("run", *quiz, *words).err


def test_near_the_margin_everything_is_asked_and_the_last_test_is_at_four_percent(evalh, quiz, tmp_path):
    evalh("run", *quiz, "--model", "replay:good.jsonl", "--name", "base")
    near = ["run", *quiz, "--model", "replay:near.jsonl", "--name", "near", "--against", "base", "--sequential"]
    assert "no number of items would decide" in evalh(*near).out
    assert (tmp_path / "runs/near/results.jsonl").read_text().count("\n") == 600
    task = evalh("compare", "base", "near", "--json").json["tasks"][0]
    last = paired_binary(0, 12, 600, 1 - 2 * 0.04)
    assert (task["low"], task["high"]) == pytest.approx((last.low, last.high))


def test_a_run_that_would_not_be_comparable_is_refused_before_anything_is_asked(evalh, quiz, tmp_path):
    evalh("run", *quiz, "--model", "replay:good.jsonl", "--name", "base")
    said = evalh(
        "run", *quiz, "--limit", 50, "--model", "replay:bad.jsonl", "--name", "x", "--against", "base", "--sequential"
    )
    assert (said.code, said.err.count("\n")) == (4, 1)
    assert "data differs" in said.err
    assert not (tmp_path / "runs/x").exists()
    assert evalh("run", *quiz, "--model", "replay:bad.jsonl", "--sequential").code == 2


def test_against_another_base_the_rule_is_not_used(tmp_path):
    told = {"decision": "fail", "margin": 0.02, "counted": 40, "planned": 99, "e_pass": 0.1, "e_fail": 200.0}
    plan = {"fingerprint": "other", "benchmarks": {"quiz": told}}
    base = write_run(tmp_path / "a", letters("quiz", "1" * 99))
    new = write_run(tmp_path / "b", [line("quiz", f"g0/{i}", "correct", 1.0) for i in range(40)], sequential=plan,
                    facts={"items": 99})  # fmt: skip
    found = compare_runs(open_side(str(base)), open_side(str(new)), Options())
    assert found.tasks[0].sequential is None
    assert (found.tasks[0].n, found.tasks[0].missing) == (40, 0)
    assert any("stopped early" in note for note in found.notes)
