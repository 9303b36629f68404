"""How far ranked runs' log-probabilities moved: as scipy has it, silent where a side holds none, kept and read."""

import json
import math

import numpy as np
import pytest
from run_folders import line, write_run
from scipy import stats
from scipy.special import log_softmax

from evalharness.comparison import document as documents
from evalharness.comparison.compare import Options, compare_runs
from evalharness.comparison.inputs import open_side
from evalharness.report.words import remarks

N = 40


def ranked(logprobs, gold=0, **changes):
    """A run's lines from log-probabilities [items, choices]; the right choice stands at `gold`."""
    lines = []
    for i, row in enumerate(logprobs):
        status = "correct" if int(np.argmax(row)) == gold else "wrong"
        one = line("bench", f"g{i % 4}/{i}", status, float(status == "correct"))
        one["response"] = {"logprobs": list(map(float, row)), "greedy": [False] * len(row)}
        one["sample"] |= {"choices": [f"c{n}" for n in range(len(row))], "gold": [gold], **changes}
        lines.append(one)
    return lines


def drawn(seed, spread=1.0):
    return np.random.default_rng(seed).normal(-5, spread, (N, 4))


def compared(tmp_path, base, new, **options):
    write_run(tmp_path / "a", base, facts={"mode": "rank"})
    write_run(tmp_path / "b", new, facts={"mode": "rank"})
    return compare_runs(open_side(str(tmp_path / "a")), open_side(str(tmp_path / "b")), Options(**options))


def test_divergence_and_lead_are_scipy_s(tmp_path):
    base = drawn(0)
    new = base + 0.1 * drawn(1) + np.array([0.05, 0, 0, 0])
    found = compared(tmp_path, ranked(base), ranked(new)).tasks[0].choices
    p, q = (np.exp(log_softmax(rows, axis=1)) for rows in (base, new))
    assert found.n == N
    assert found.kl == pytest.approx(stats.entropy(p, q, axis=1).mean(), rel=1e-9)
    assert 0 < found.kl_low < found.kl < found.kl_high
    lead = (new[:, 0] - new[:, 1:].max(1)) - (base[:, 0] - base[:, 1:].max(1))
    right = stats.ttest_1samp(lead, 0)
    low, high = right.confidence_interval(0.95)
    assert (found.lead, found.lead_low, found.lead_high) == pytest.approx((lead.mean(), low, high), rel=1e-6)
    assert found.p_lead == pytest.approx(right.pvalue, rel=1e-6)


def test_it_sees_what_no_flip_shows(tmp_path):
    base = drawn(0, 3.0)
    new = base - np.array([0.05, 0, 0, 0]) + 0.02 * drawn(2)
    task = compared(tmp_path, ranked(base), ranked(new)).tasks[0]
    assert task.broke + task.fixed <= 1 and task.verdict == "can't tell"
    assert task.choices.p_lead < 1e-6 and task.choices.lead_high < 0


def test_clusters_widen_it(tmp_path):
    base, new = drawn(0), drawn(0) + 0.1 * np.repeat(drawn(3)[:4], N // 4, axis=0)[np.argsort(np.arange(N) % 4)]
    plain = compared(tmp_path, ranked(base), ranked(new)).tasks[0].choices
    grouped = compared(tmp_path, ranked(base), ranked(new), clusters="group").tasks[0].choices
    assert grouped.lead == pytest.approx(plain.lead)
    assert grouped.lead_high - grouped.lead_low > plain.lead_high - plain.lead_low


@pytest.mark.parametrize("kind", ["same", "written", "one written", "other choices", "no gold", "not numbers", "short"])
def test_what_is_not_there_is_not_compared(kind, tmp_path):
    base, new = ranked(drawn(0)), ranked(drawn(0) + 0.1 * drawn(1))
    if kind == "same":
        new = ranked(drawn(0))
    for one in (*new, *(base if kind == "written" else ())):
        if "written" in kind:
            one["response"] = {"text": "A", "finish": "stop"}
        if kind == "other choices":
            one["sample"]["choices"] = ["w", "x", "y", "z"]
        if kind == "not numbers":
            one["response"]["logprobs"][1] = None
        if kind == "short":
            one["response"]["logprobs"].pop()
    for one in base if kind == "no gold" else ():
        one["sample"]["gold"] = []
    found = compared(tmp_path, base, new).tasks[0].choices
    if kind == "same":
        assert (found.kl, found.lead, found.p_lead) == (0, 0, 1) and found.kl_low == -math.inf
    elif kind == "no gold":
        assert found.kl > 0 and found.lead is None
    else:
        assert found is None


def test_the_document_keeps_it_and_says_it(tmp_path):
    comparison = compared(tmp_path, ranked(drawn(0)), ranked(drawn(0) + 0.1 * drawn(1)))
    made = documents.comparison_document(comparison, exit_code=0, gated=False, policy="block-on-fail")
    kept = tmp_path / "report.json"
    kept.write_text(json.dumps(documents.document_values(made)))
    again = documents.read_document(kept)
    assert again.tasks[0].choices == made.tasks[0].choices and made.format == 4
    said = [one for one in remarks(again) if "mean KL" in one]
    assert len(said) == 1 and said[0].startswith("bench: choices' log-probabilities over 40 items: mean KL 0.")
    assert "the right choice's lead moved by" in said[0] and " … " in said[0] and ", p " in said[0]
    same = compared(tmp_path / "same", ranked(drawn(0)), ranked(drawn(0)))
    made = documents.comparison_document(same, exit_code=0, gated=False, policy="block-on-fail")
    kept.write_text(json.dumps(documents.document_values(made)))
    said = [one for one in remarks(documents.read_document(kept)) if "mean KL" in one]
    assert said == [
        "bench: choices' log-probabilities over 40 items: mean KL 0 nats; the right choice's lead moved by +0 nats, p 1"
    ]


def test_p_of_clusters_is_twice_that_of_the_nearer_end(tmp_path):
    """With every item a cluster of its own the sandwich is nearly Student's."""
    base, new = ranked(drawn(0)), ranked(drawn(0) + 0.05 * drawn(1) + np.array([0.1, 0, 0, 0]))
    for i, one in enumerate((*base, *new)):
        one["group"] = f"g{i % N}"
    alone = compared(tmp_path, base, new).tasks[0].choices
    grouped = compared(tmp_path, base, new, clusters="group").tasks[0].choices
    assert 0 < alone.p_lead < 0.5 and grouped.p_lead == pytest.approx(alone.p_lead, rel=0.15)


def test_an_item_without_log_probabilities_is_left_out_alone(tmp_path):
    base, new = ranked(drawn(0)), ranked(drawn(0) + 0.1 * drawn(1))
    for one in (base[5], new[5], new[7]):
        one["response"] = {"text": "A", "finish": "stop"}
    assert compared(tmp_path, base, new).tasks[0].choices.n == N - 2


@pytest.mark.parametrize("gold", [None, "0", [7], ["a"], [0, 1, 2, 3], [-1]])
def test_an_item_that_names_no_right_choice_has_no_lead(gold, tmp_path):
    base, new = ranked(drawn(0)), ranked(drawn(0) + 0.1 * drawn(1))
    for one in base:
        one["sample"]["gold"] = gold
    found = compared(tmp_path, base, new).tasks[0].choices
    assert (found.n, found.lead, found.p_lead) == (N, None, None) and found.kl > 0
