"""Evidence that may be looked at again: when it is looked at, and what it amounts to."""

import math

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
