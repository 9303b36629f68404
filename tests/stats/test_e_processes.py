"""Evidence that may be looked at again: when it is looked at, and what it amounts to."""

import math

import numpy as np
import pytest

from evalharness.stats import e_processes as s


def test_looks_are_those_agreed_beforehand():
    evidence, seen = s.EProcess(margin=0.02), {}
    for n in range(1, 61):
        evidence.add(1.0, 1.0)
        seen[n] = evidence.look(1e-9)
    assert {n for n, said in seen.items() if said is not None} == {30, 40, 50, 60}
    assert set(seen.values()) == {None, "pass"}


def test_evidence_is_the_mean_of_the_bets_products():
    evidence, margin = s.EProcess(margin=0.1), 0.1
    seen = [(0.5, 0.5), (-1.0, 1.0), (0.0, 0.2), (-0.3, -0.3)]
    for low, high in seen:
        evidence.add(low, high)
    null = (1 - margin) / 2
    above = [math.prod(1 + bet * ((low + 1) / 2 - null) / null for low, _ in seen) for bet in s.BETS]
    below = [math.prod(1 - bet * ((high + 1) / 2 - null) / (1 - null) for _, high in seen) for bet in s.BETS]
    assert evidence.n == 4 and evidence.passing == pytest.approx(math.fsum(above) / len(above))
    assert evidence.failing == pytest.approx(math.fsum(below) / len(below))


def test_a_decision_takes_a_hundred_at_five_percent_and_leaves_four():
    assert s.evidence_needed(0.05) == pytest.approx(100) and s.final_alpha(0.05) == pytest.approx(0.04)
    losing, undecided = s.EProcess(margin=0.02), s.EProcess(margin=0.02)
    for n in range(40):
        losing.add(-1.0, -1.0)
        undecided.add(float(n % 2), float(n % 2) - 1)
    assert losing.look(100) == "fail" and undecided.look(1e300) is None
    assert losing.failing > 100 > losing.passing


def test_a_confidence_sequence_gives_up_what_an_e_process_for_each_mean_rules_out():
    draw = np.random.default_rng(5)
    values = draw.choice([-1.0, 0.0, 1.0], size=200, p=(0.4, 0.5, 0.1)).tolist()
    bounds = s.ConfidenceSequence(needed=100)
    margins = [-float(supposed) for supposed in s.SUPPOSED]
    alone = [s.EProcess(margin) for margin in margins]
    low, high = -1.0, 1.0
    for value in values:
        bounds.add(value, value)
        for process in alone:
            process.add(value, value)
        if bounds.n >= 30 and bounds.n % 10 == 0:
            low = max([low, *(-process.margin for process in alone if process.passing >= 100)])
            high = min([high, *(-process.margin for process in alone if process.failing >= 100)])
    assert (bounds.low, bounds.high) == (low, high) and -0.6 < low < -0.3 < high < 0
    at = int(np.flatnonzero(np.isclose(s.SUPPOSED, -0.02))[0])
    assert bounds.evidence(-0.02) == pytest.approx((alone[at].passing, alone[at].failing))
    # Between two suppositions the one that is harder to rule out.
    near = bounds.evidence(-0.0212)
    assert near == pytest.approx((alone[at].passing, alone[at - 1].failing))


def test_items_of_unknown_worth_are_counted_at_their_worst_for_either_bound():
    known, unknown = s.ConfidenceSequence(needed=20), s.ConfidenceSequence(needed=20)
    for n in range(100):
        known.add(-1.0, -1.0)
        unknown.add(-1.0, 1.0 if n % 10 == 0 else -1.0)
    assert unknown.low == known.low and known.high < unknown.high < 0


def test_tests_where_asking_ends_spend_four_fifths_whatever_their_number():
    assert s.last_levels(0.05, 1, complete=True) == pytest.approx([0.04])
    assert s.last_levels(0.05, 1, complete=False) == pytest.approx([0.02])
    assert s.last_levels(0.05, 3, complete=True) == pytest.approx([0.02, 0.01, 0.01])
    assert sum(s.last_levels(0.05, 40, complete=False)) < 0.04 and s.last_levels(0.05, 0, complete=True) == []


def test_differences_on_a_longer_scale_are_the_same_evidence():
    plain, longer = s.EProcess(margin=0.1), s.EProcess(margin=0.4, reach=4.0)
    for low, high in ((0.5, 0.5), (-1.0, 1.0), (-0.25, 0.75)):
        plain.add(low, high)
        longer.add(4 * low, 4 * high)
    assert (longer.passing, longer.failing) == pytest.approx((plain.passing, plain.failing))


def test_a_mean_beyond_those_supposed_has_the_evidence_of_the_last():
    bounds = s.ConfidenceSequence(needed=20)
    for value in (0.5, -0.25, 1.0):
        bounds.add(value, value)
    assert bounds.evidence(0.999)[0] == bounds.evidence(float(s.SUPPOSED[-1]))[0]
    assert bounds.evidence(-0.999)[1] == bounds.evidence(float(s.SUPPOSED[0]))[1]
