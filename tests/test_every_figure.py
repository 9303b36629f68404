"""No figure has an interval beyond its range, or one of no width, whatever the sample: every metric of every benchmark,
HELM's view, averages, ratings, win rates and judges' means, over samples that hardly vary."""

import importlib.util
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from evalharness import plugins
from evalharness.arena.ratings import Battle, rate_models
from evalharness.data import sources
from evalharness.records import Estimate, Request, Response, Result, Verdict
from evalharness.runs import summary
from evalharness.runs.figures import kept_estimate
from evalharness.scoring import perturbations
from evalharness.scoring.calibration import calibration
from evalharness.scoring.holistic import holistic_metrics, mean_win_rate
from evalharness.scoring.metrics import mean
from evalharness.stats import intervals, length_control, paired
from evalharness.stats.agreement import powered_mean

ROOT = Path(__file__).resolve().parents[1]
_spec = importlib.util.spec_from_file_location("pin_prompts", ROOT / "tools" / "pin_prompts.py")
pins = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(pins)

NAMES = [
    name
    for plugin, module in plugins.modules("benchmarks").items()
    if module.startswith("evalharness.") and pins.has_questions(plugin)
    for name, _ in pins.benchmarks(plugin)
]
SIZES = (1, 2, 6)
# What each item is worth, and what is said: a right answer, a wrong one, one that says nothing.
KINDS = {
    "all right": lambda i: 1.0, "all wrong": lambda i: 0.0, "half right each": lambda i: 0.5,
    "all but one": lambda i: float(i > 0), "nothing read": lambda i: None,
}  # fmt: skip
RANGES = {
    "mcc": (-1, 1), "pearson": (-1, 1), "spearman": (-1, 1), "perplexity": (1, math.inf), "avg_length": (0, math.inf),
    "normalized": (-math.inf, 100), "seconds": (0, math.inf), "tokens_in": (0, math.inf), "tokens_out": (0, math.inf),
    "bias_ambiguous": (-1, 1), "bias_disambiguated": (-1, 1),
}  # fmt: skip


class Everything(dict):
    """The scores of an answer, of whatever name: all are `worth`; a log-probability is below 0."""

    def __init__(self, worth):
        super().__init__(accuracy=worth)
        self.worth = worth

    def __contains__(self, name):
        return True

    def __getitem__(self, name):
        return 1.0 if name == "instructions" else self.worth - 1.0 if name == "logprob" else self.worth

    def get(self, name, default=None):
        return self[name]


def range_of(benchmark, name):
    if benchmark.startswith("mt_bench") and name.startswith("score"):
        return 1, 10
    return RANGES.get(name.removesuffix("_macro"), (0, 1))


def fair(what, figure, lowest, highest):
    """The interval holds its figure, keeps the range, and is either wide or not there."""
    assert lowest - 1e-9 <= figure.value <= highest + 1e-9, (what, figure)
    there = [end is not None and math.isfinite(end) for end in (figure.low, figure.high)]
    assert there[0] == there[1], (what, figure, "half an interval")
    if all(there):
        assert lowest <= figure.low <= figure.value + 1e-12 and figure.value - 1e-12 <= figure.high <= highest, (
            what,
            figure,
        )
        assert figure.high - figure.low > 1e-9, (what, figure, "no width")


def answered(benchmark, n, worth, *, one_class):
    """Results of `n` questions of the bundled sample; with `one_class` the first choice is right everywhere."""
    rows = pins.rows(benchmark, benchmark.source.split)
    samples = sources.build_samples(rows, benchmark.sample)
    found = []
    for i in range(n):
        sample = replace(samples[i % len(samples)], id=f"{i}")
        if one_class and sample.choices:
            sample = replace(sample, gold_indices=(0,))
        value = worth(i)
        said = None if value is None else _said(sample, value)
        value = value or 0.0
        status = "unparsed" if said is None else "correct" if value == 1 else "wrong"
        parts = [
            Verdict(
                judge="j", kind="score", value=value, order="AB", status="ok",
                extra={"part": part, "chars": [40 + 7 * i, 50], "judging": "j"},
            )
            for part in ("", "turn_1", "turn_2")
        ]  # fmt: skip
        response = Response(text=said or "", logprobs=(-0.1, -2.0) if sample.choices else (), seconds=0.5)
        found.append(
            Result(
                benchmark=benchmark.name, sample=sample, request=Request(messages=()), response=response, status=status,
                scores=Everything(value), answer=said, verdicts=tuple(parts),
            )
        )  # fmt: skip
    return found


def _said(sample, value):
    if sample.choices and sample.gold_indices:
        right = sample.gold_indices[0]
        return sample.choices[right if value == 1 else right - 1]
    right = sample.answers[0] if sample.answers else "text"
    return right if value == 1 else "3"


def with_a_variant(results):
    """Each question once more, changed: what `--holistic` looks at."""
    name = next(iter(perturbations.KIND))
    changed = [
        replace(r, sample=replace(r.sample, id=f"{r.sample.id}~x", extra={**r.sample.extra, "perturbation": name, "original": r.sample.id}))  # noqa: E501
        for r in results
    ]  # fmt: skip
    return [*results, *changed]


def unlike():
    """Of each plug-in the tasks that differ in their metrics."""
    seen = {}
    for name in NAMES:
        metrics = tuple(m.name for m in plugins.load_benchmark(name).metrics)
        seen.setdefault((name.partition("/")[0], metrics), name)
    return list(seen.values())


@pytest.mark.parametrize("name", unlike())
def test_every_metric_of_every_benchmark(name):
    benchmark = plugins.load_benchmark(name)
    for n in SIZES:
        for kind, worth in KINDS.items():
            results = answered(benchmark, n, worth, one_class=kind != "all but one")
            for metric in benchmark.metrics:
                if (figure := metric.of(results)) is not None:
                    fair((name, metric.name, n, kind), figure, *range_of(name, metric.name))


@pytest.mark.parametrize("name", ["mmlu", "glue/cola", "squad"])
def test_the_holistic_view(name):
    benchmark = plugins.load_benchmark(name)
    for n in SIZES:
        for kind, worth in KINDS.items():
            results = with_a_variant(answered(benchmark, n, worth, one_class=False))
            for metric, figure in holistic_metrics(results, benchmark.metrics[0]).items():
                fair((name, metric, n, kind), figure, *range_of(name, metric))


def figures_of(benchmark, results):
    return {m.name: kept_estimate(found) for m in benchmark.metrics if (found := m.of(results)) is not None}


@pytest.mark.parametrize("roof", ["glue", "superglue", "bigbench"])
def test_averages_over_tasks(roof):
    tasks = {name: plugins.load_benchmark(name) for name in NAMES if name.startswith(f"{roof}/")}
    for n in (1, 6):
        for kind, worth in KINDS.items():
            known = {
                name: {
                    m.name: kept_estimate(e) for m in b.metrics if (e := m.of(answered(b, n, worth, one_class=True)))
                }
                for name, b in tasks.items()
            }
            found = summary.family_averages(known)
            for average in found.get(roof, {}).values():
                highest = 100 if roof == "bigbench" else 1
                fair((roof, n, kind), average.estimate, -math.inf if roof == "bigbench" else -1, highest)
            # A correlation wants two numbers that were read.
            assert found or n == 1 or kind == "nothing read", (roof, n, kind)


SAMPLES = {
    "one": [1.0], "all 0": [0.0] * 6, "all 1": [1.0] * 6, "two 1": [1.0, 1.0], "constant": [0.3] * 6,
    "constant but for rounding": [0.1 + 0.2, 0.3, 0.3], "one off": [1.0] * 5 + [0.0], "ties": [0.5, 0.5],
}  # fmt: skip


@pytest.mark.parametrize("values", SAMPLES.values(), ids=SAMPLES)
def test_the_means(values):
    n, flat = len(values), max(values) - min(values) < 1e-9
    fair("mean", intervals.bounded_mean(values), 0, 1)
    fair("ratio", intervals.bounded_mean(values, [1.0 + i for i in range(n)]), 0, 1)
    fair("groups", intervals.stratified([values, values]), 0, 1)
    fair("groups of one", intervals.stratified([[v] for v in values]), 0, 1)
    fair("difference", intervals.bounded_difference([2 * v - 1 for v in values]), -1, 1)
    one, other = intervals.bounded_mean(values), intervals.bounded_mean([1.0, 0.0])
    fair("difference of two", intervals.difference_of_estimates(one, other), -1, 1)
    fair("mean of figures", intervals.mean_of_estimates([one, other, one]), 0, 1)
    for scale in (1.0, 1e6, 1e-6):
        found = intervals.skewed_mean([scale * v for v in values])
        fair("without a known end", found, 0, math.inf)
        assert math.isinf(found.low) == (n < 2 or flat), "nothing tells the spread"
    beyond = intervals.stratified([[5 * v + 1 for v in values]] * 2)
    fair("groups beyond the range", beyond, -math.inf, math.inf)


@pytest.mark.parametrize("values", SAMPLES.values(), ids=SAMPLES)
def test_differences_of_two_runs(values):
    if len(values) < 2:
        values = values * 2
    differences = np.array(values)
    clusters = np.arange(len(values)) // 2
    for ranged, lowest, highest in ((True, -1, 1), (False, -math.inf, math.inf)):
        for found in (
            paired.paired_mean(differences, 0.95, ranged=ranged),
            paired.paired_mean(-differences, 0.9, ranged=ranged),
            paired.paired_clustered(differences, clusters, 0.95, ranged=ranged),
            paired.paired_clustered(differences, np.zeros(len(values), int), 0.95, ranged=ranged),
        ):
            fair("paired", found, lowest, highest)
    if (ends := paired.bootstrap_interval(differences, 0.95)) is not None:
        assert -1 <= ends[0] < ends[1] <= 1
    for fixed, broke, n in ((0, 0, 1), (1, 0, 1), (0, 2, 2), (6, 0, 6), (1, 1, 6), (0, 0, 500)):
        fair("paired binary", paired.paired_binary(fixed, broke, n, 0.95), -1, 1)


@pytest.mark.parametrize("right", [(1, 1), (0, 0), (1, 0), (0.5, 0.5)])
@pytest.mark.parametrize("confidence", [(0.5, 0.5), (1.0, 1.0), (0.9, 0.6)])
@pytest.mark.parametrize("n", [2, 6, 12, 40])
def test_confidence_and_accuracy(n, confidence, right):
    pairs = [(confidence[i % 2], float(right[i % 2])) for i in range(n)]
    found = calibration(pairs)
    assert len(found) == 4
    for name, figure in found.items():
        fair((name, pairs), figure, 0, 1)
    assert calibration(pairs[:1]) == calibration([*pairs, (0.5, -3.0)]) == {}


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("apart", [0.0, 0.5, 1.0])
def test_win_rates(n, apart):
    units = {"x": {"a": [0.0 + apart] * n, "b": [0.0] * n, "c": [0.0] * (n - 1) + [1.0]}}
    scores = {m: {"x": intervals.bounded_mean(of)} for m, of in units["x"].items()}
    for found in (mean_win_rate(scores, units=units), mean_win_rate(scores)):
        for model, rate in found.items():
            fair((model, n, apart), rate, 0, 1)


def test_a_win_rate_without_an_open_comparison_has_no_interval():
    sure = Estimate(value=0.9, stderr=0.001, low=0.89, high=0.91, n=10_000)
    found = mean_win_rate({"a": {"x": sure}, "b": {"x": replace(sure, value=0.1)}})
    assert (found["a"].value, found["b"].value) == (1.0, 0.0)
    assert all(math.isnan(end) for rate in found.values() for end in (rate.low, rate.high))


def test_ratings_of_few_battles():
    for scores in ([0.5], [1.0, 0.0], [0.5, 0.5, 0.5], [1.0, 0.0, 0.5]):
        for items in (["x"] * len(scores), [str(i) for i in range(len(scores))]):
            battles = [Battle(a="a", b="b", score=s, item=i) for s, i in zip(scores, items, strict=True)]
            for rating in rate_models(battles, draws=20).ratings:
                ends = (rating.low, rating.high, rating.boot_low, rating.boot_high)
                assert (rating.low is None) == (rating.high is None)
                assert rating.low is None or rating.high - rating.low > 1e-6, (scores, items, ends)
                assert rating.boot_low is None or rating.boot_high - rating.boot_low > 1e-6, (scores, items, ends)


@pytest.mark.parametrize("people", [(1.0, 1.0, 1.0), (0.0, 0.0, 0.0), (1.0, 1.0, 0.0), (0.5, 0.5, 0.5)])
@pytest.mark.parametrize("judge", [(1.0, 1.0), (0.0, 0.0), (0.0, 1.0), (0.4, 0.6)])
def test_means_of_people_and_judges(people, judge):
    labels = {str(i): v for i, v in enumerate(people)}
    for rest in (1, 6):
        values = {str(i): judge[i % 2] for i in range(3)} | {f"r{i}": judge[1] for i in range(rest)}
        found = powered_mean(labels, values)
        for figure in (found.human, found.judge, found.powered):
            fair((people, judge, rest), figure, 0, 1)


def test_rates_at_equal_length():
    lengths = [float((-1) ** i * (20 + i)) for i in range(12)]
    constant, split = [0.5] * 12, [float(x > 0) for x in lengths]
    assert length_control.length_adjusted(constant, lengths) is None
    assert length_control.length_adjusted(split, [200.0 * (2 * s - 1) for s in split]) is None, "length explains all"
    almost = [*split[:-1], 1 - split[-1]]
    found = length_control.length_adjusted(almost, lengths)
    assert found is not None
    fair("length adjusted", found, 0, 1)
    rows = np.linspace(-1, 1, 40)
    held = length_control.Regulariser(np.full(40, 0.5), rows, rows)
    for preference in ([1.0] * 6, [0.0] * 6, [0.5] * 6, [1.0] * 5 + [0.0]):
        pairs = length_control.Pairs(np.array(preference), np.array(lengths[:6]), np.linspace(-1, 1, 6))
        fair(preference, length_control.length_controlled(pairs, held, draws=20), 0, 1)


def test_values_beyond_the_range_are_no_shares():
    (result,) = answered(plugins.load_benchmark("mmlu"), 1, lambda i: 1.0, one_class=False)
    found = mean("reward").of([replace(result, scores={"reward": -3.5})])
    assert found.value == -3.5 and not math.isfinite(found.low) and not math.isfinite(found.high)
