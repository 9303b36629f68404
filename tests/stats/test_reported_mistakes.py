"""Mistakes in others' error bars that their users reported, and what stands here in their place."""

import json
import math
import statistics

import numpy as np
import pytest

from evalharness.runs.store import Run
from evalharness.stats.intervals import bounded_mean, mean_interval, wilson
from evalharness.stats.paired import bootstrap_interval, paired_clustered, paired_mean

# https://github.com/openai/evals/pull/1834: NaN of one sample, and half samples without replacement for a bootstrap


def test_one_sample_has_a_figure_and_an_interval_and_nothing_is_no_number(evalh, tmp_path):
    said = evalh("run", "tiny_exam", "--limit", "1", "--model", "echo", "--name", "one", "--json")
    assert said.code == 0, said.err
    entry = said.json["benchmarks"]["tiny_exam"]["metrics"]["accuracy"]
    assert (
        entry["value"] in (0.0, 1.0) and 0 <= entry["low"] < entry["high"] <= 1 and entry["high"] - entry["low"] > 0.5
    )
    assert "NaN" not in (tmp_path / "runs/one/summary.json").read_text() + said.out
    graded = mean_interval([0.3])
    assert graded.value == 0.3 and not math.isfinite(graded.low), "a grade alone does not tell how far grades spread"
    assert bootstrap_interval(np.array([1.0]), 0.95) is None


def test_the_error_of_a_mean_is_that_of_all_values_not_of_half_of_them():
    values = [float(i % 3 == 0) for i in range(90)]
    expected = statistics.stdev(values) / math.sqrt(len(values))
    assert mean_interval(values).stderr == pytest.approx(expected, rel=0.01)
    low, high = bootstrap_interval(np.array(values), 0.95)
    assert (high - low) / 2 == pytest.approx(1.96 * expected, rel=0.1), "half of them would give 1.4 times as much"


# https://github.com/EleutherAI/lm-evaluation-harness/issues/3966 and 4070: an error of exactly 0


@pytest.mark.parametrize(("k", "n"), [(263, 307), (47, 135), (1, 4)])
def test_no_error_is_zero_between_none_and_all(k, n):
    assert wilson(k, n).stderr == pytest.approx(math.sqrt(k / n * (1 - k / n) / n)) and wilson(k, n).stderr > 0


def test_none_right_is_less_certain_of_25_than_of_5000():
    few, many = (bounded_mean([0.0] * n) for n in (25, 5000))
    assert few.low == many.low == 0 and few.high == pytest.approx(0.133, abs=0.02) and 0 < many.high < 0.001


@pytest.mark.parametrize("stderr", [0.0, "N/A", None])
def test_a_published_error_of_zero_is_no_certainty(evalh, tmp_path, stderr):
    stamp = "2025-02-13T18-27-04.338360"
    line = {"doc_id": 0, "doc": {"question": "?"}, "target": "x", "arguments": [["?", {}]], "resps": [["x"]],
            "filtered_resps": ["x"], "filter": "none", "metrics": ["exact_match"], "exact_match": 1.0}  # fmt: skip
    (tmp_path / f"samples_math_{stamp}.jsonl").write_text(json.dumps(line) + "\n")
    said = {"math": {"exact_match,none": 1.0, "brevity,none": 0.856678, "brevity_stderr,none": stderr}}
    (tmp_path / f"results_{stamp}.json").write_text(json.dumps({"results": said}))
    assert evalh("import", "lm_eval", ".", "--name", "theirs").code == 0
    entry = Run(tmp_path / "runs/theirs").summary.benchmarks["math"].metrics
    (published,) = (figure for name, figure in entry.items() if "brevity" in name)
    assert (published.value, published.low, published.high, published.stderr) == (0.856678, None, None, None)


# https://github.com/UKGovernmentBEIS/inspect_ai/pull/1113 and 1118: what asking again does to the error


def repeated(questions, times, seed=5):
    """Right or wrong for each question and repetition; questions differ in how hard they are."""
    draw = np.random.default_rng(seed)
    return (draw.random((questions, times)) < draw.beta(1.5, 1.5, (questions, 1))).astype(float)


def test_the_error_of_means_over_repetitions_is_the_clustered_one():
    answers = repeated(200, 6)
    means = mean_interval(answers.mean(axis=1).tolist())
    flat, clusters = answers.ravel(), np.repeat(np.arange(200), 6)
    clustered = paired_clustered(flat, clusters, 0.95, ranged=False)
    plain = paired_mean(flat, 0.95, ranged=False)
    assert means.high - means.low == pytest.approx(clustered.high - clustered.low, rel=0.02)
    assert plain.high - plain.low < 0.75 * (means.high - means.low), "1,200 answers are not 1,200 questions"


def test_the_interval_holds_the_truth_however_often_each_question_is_asked():
    for times in (1, 8):
        held, widths = [], []
        for seed in range(120):
            found = bounded_mean(repeated(150, times, seed).mean(axis=1).tolist())
            held.append(found.low <= 0.5 <= found.high)
            widths.append(found.high - found.low)
        assert 0.9 <= np.mean(held) <= 0.99, times
    assert np.mean(widths) < 0.85 * 2 * 1.96 * math.sqrt(0.25 / 150), "asked eight times a question is known better"
