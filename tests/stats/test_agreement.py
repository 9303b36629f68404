"""Means that a judge's verdicts sharpen for a few labels, by their formulas."""

import math

import numpy as np
import pytest
from scipy.stats import norm, t

from evalharness.stats.agreement import annotator_agreement, cohen, confusion, fleiss, powered_mean
from evalharness.stats.intervals import bounded_mean


def made(n, m, seed=0, noise=0.2):
    """Labels of n items and a judge's values of all n + m, which lean towards the labels."""
    draw = np.random.default_rng(seed)
    truth = draw.integers(0, 2, n + m).astype(float)
    judged = np.clip(0.2 + 0.5 * truth + draw.normal(0, noise, n + m), 0, 1)
    return {f"i{k:04}": truth[k] for k in range(n)}, {f"i{k:04}": float(judged[k]) for k in range(n + m)}


@pytest.mark.parametrize(("n", "m"), [(5, 1), (40, 500), (100, 50), (101, 50), (240, 900)])
def test_the_powered_mean_is_that_of_its_formula(n, m):
    labels, values = made(n, m)
    found = powered_mean(labels, values, half=0.03, confidence=0.9)
    human, judge = np.array(list(labels.values())), np.array([values[i] for i in labels])
    rest = np.array([v for i, v in values.items() if i not in labels])
    covariance = np.mean(human * judge) - human.mean() * judge.mean()
    lam = min(1.0, max(0.0, covariance / ((1 + n / m) * np.var([*judge, *rest], ddof=1))))
    off = human - lam * judge
    value, stderr = lam * rest.mean() + off.mean(), math.sqrt(lam**2 * np.var(rest) / m + np.var(off) / n)
    z = t.ppf(0.95, n - 1) if n <= 100 else norm.ppf(0.95)
    assert (found.lam, found.powered.value, found.powered.stderr) == pytest.approx((lam, value, stderr))
    ends = max(0.0, value - z * stderr), min(1.0, value + z * stderr)
    assert (found.powered.low, found.powered.high, found.powered.n) == pytest.approx((*ends, n))
    assert found.needed == max(3, math.ceil((z * math.sqrt(np.var(off, ddof=1)) / 0.03) ** 2))
    assert found.human == bounded_mean(list(human)) and found.judge == bounded_mean(list(values.values()))


def test_the_judges_weight_stays_between_0_and_1():
    labels, values = made(50, 400)
    assert powered_mean(labels, {i: 1 - v for i, v in values.items()}).lam == 0.0
    assert powered_mean(labels, {i: 0.5 + (v - 0.5) / 10 for i, v in values.items()}).lam == 1.0


def test_without_any_spread_the_labels_own_width_stands():
    labels, values = {f"i{n}": 0.75 for n in range(20)}, {f"i{n}": 0.5 for n in range(200)}
    found, people = powered_mean(labels, values), bounded_mean([0.75] * 20)
    assert (found.powered.value, found.powered.stderr, found.needed) == (0.75, 0.0, 3)
    assert (found.powered.low, found.powered.high) == pytest.approx((people.low, people.high))
    assert people.low < 0.75 < people.high


def test_too_few_labels_are_refused():
    labels, values = made(3, 1)
    two = dict(list(labels.items())[:2])
    for short, all_labelled in ((two, values), (labels, {i: values[i] for i in labels}), (labels, {"x": 1.0})):
        with pytest.raises(ValueError, match="3 or more labelled items"):
            powered_mean(short, all_labelled)


def test_counts_by_label_and_verdict():
    said = confusion(["b", "a", "b", "b"], ["x", "x", "y", "x"])
    assert said == {"a": {"x": 1}, "b": {"x": 2, "y": 1}}
    assert list(said) == ["a", "b"] and list(said["b"]) == ["x", "y"]


def test_kappas_by_hand():
    assert cohen("aabb", "abbb") == pytest.approx((0.75 - 0.5) / 0.5)
    assert cohen("", "") is None and cohen("aa", "aa") is None and cohen("ab", "ba") == -1.0
    with pytest.raises(ValueError, match="not 1 and 2"):
        cohen("a", "ab")
    assert fleiss(["aab", "bbb"]) == pytest.approx((2 / 3 - 5 / 9) / (4 / 9))
    assert fleiss(["aa", "aa"]) is None
    with pytest.raises(ValueError, match="two or more"):
        fleiss(["a", "b"])


def test_a_split_vote_is_decided_by_the_seed():
    found = {annotator_agreement([[1, 1, 2]], many=2, seed=seed) for seed in range(8)}
    assert len(found) > 1 and found <= {0.0, 1 / 3, 2 / 3} and annotator_agreement([[1, 1, 2]], many=2) in found
    assert annotator_agreement([[1, 2], [1]]) == 0.0, "one vote alone says nothing"


def test_labels_with_unequal_chances_count_by_them():
    """All labels of one kind are asked for, and a fifth of the other: weighed, they say what all would have said."""
    draw = np.random.default_rng(1)
    truth = draw.integers(0, 2, 4000).astype(float)
    values = {f"i{k:04}": float(np.clip(0.3 + 0.4 * t + draw.normal(0, 0.1), 0, 1)) for k, t in enumerate(truth)}
    chances = {f"i{k:04}": 0.5 if t else 0.1 for k, t in enumerate(truth)}
    labels = {f"i{k:04}": t for k, t in enumerate(truth) if draw.random() < (0.5 if t else 0.1)}
    plain, weighed = powered_mean(labels, values), powered_mean(labels, values, chances=chances)
    assert weighed.human.value == pytest.approx(truth.mean(), abs=0.05) and plain.human.value > 0.75
    assert weighed.powered.low < truth.mean() < weighed.powered.high and not plain.powered.low < truth.mean()
    assert weighed.human.n == weighed.powered.n == len(labels)
    alike = powered_mean(labels, values, chances=dict.fromkeys(labels, 0.3))
    assert alike.human.value == pytest.approx(plain.human.value), "equal chances weigh nothing"


def test_where_labels_and_verdicts_differ_by_one_number_the_width_is_peoples():
    labels = {f"i{k}": float(k % 2) for k in range(20)}
    values = {f"i{k}": 0.25 + 0.5 * (k % 2) for k in range(60)}
    same = powered_mean(labels, {item: float(int(item[1:]) % 2) for item in values})
    assert same.powered.value == pytest.approx(0.5) and 0 <= same.powered.low < 0.5 < same.powered.high <= 1
    flat = powered_mean(dict.fromkeys(labels, 1.0), values)
    assert (flat.powered.value, flat.powered.high) == (1.0, 1.0)
    assert flat.powered.low == pytest.approx(flat.human.low), "labels that do not vary leave people's interval"
    values = {f"i{k}": float(k % 2) if k < 20 else 0.7 for k in range(60)}
    moved = powered_mean(labels, values)
    assert (moved.lam, moved.powered.value, moved.powered.stderr) == pytest.approx((1.0, 0.7, 0.0))
    assert moved.powered.low == pytest.approx(0.7 - (moved.human.value - moved.human.low)), "people's, moved along"
