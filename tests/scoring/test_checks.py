"""Checks that a row brings along: each on a text that passes and one that does not, and what is no check."""

import pytest

from evalharness.records import Request, Response, Sample
from evalharness.scoring.checks import CHECKS, all_checks, check_problem, passes
from evalharness.text.patterns import SlowPatternError

SCHEMA = {"type": "object", "required": ["a"]}

CASES = [
    ("equals", "yes ", " yes\n", "yes!"),
    ("equals", 7, "7", "77"),
    ("contains", "Ye", "oh Yes", "oh yes"),
    ("icontains", "YES", "oh yes", "no"),
    ("contains-any", ["a", "b"], "xbx", "xcx"),
    ("contains-any", "a, b", "xbx", " , "),
    ("contains-all", ["a", "b"], "ba", "a"),
    ("icontains-any", ["A"], "xax", "x"),
    ("icontains-all", "A,b", "aB", "a"),
    ("starts-with", "yes", "yes, no", "no, yes"),
    ("regex", r"\d{2}", "x12x", "x1x"),
    ("is-json", None, '{"b": 1}', "{b: 1}"),
    ("is-json", SCHEMA, '{"a": 1}', '{"b": 1}'),
    ("contains-json", None, "so: [1, 2] is it", "so: [1, 2 is it"),
    ("contains-json", None, "{not this} but [1]", "none"),
    ("contains-json", SCHEMA, 'so: {"a": 1}.', 'so: {"b": 1}.'),
]


@pytest.mark.parametrize(("kind", "value", "good", "bad"), CASES)
def test_every_check_and_its_opposite(kind, value, good, bad):
    assert {case[0] for case in CASES} == set(CHECKS)
    check = {"type": kind, "value": value}
    assert check_problem(check) == check_problem({**check, "type": f"not-{kind}"}) == ""
    assert (passes(check, good), passes(check, bad)) == (True, False)
    turned = {**check, "type": f"not-{kind}"}
    assert (passes(turned, good), passes(turned, bad)) == (False, True)


@pytest.mark.parametrize(
    ("check", "says"),
    [
        ("equals", "a check wants a type and a value"),
        ({"value": 1}, "a check wants a type and a value"),
        ({"type": 7, "value": 1}, "a check wants a type and a value"),
        ({"type": "like", "value": "x"}, "there is no check 'like'; there is equals, "),
        ({"type": "contains"}, "the check contains wants a value"),
        ({"type": "not-equals", "value": ""}, "the check not-equals wants a value"),
        ({"type": "contains-any", "value": []}, "the check contains-any wants a value"),
        ({"type": "regex", "value": "("}, "the check regex: "),
    ],
)
def test_what_is_no_check_is_said(check, says):
    assert check_problem(check).startswith(says)


def score(checks, text):
    return all_checks(Sample(id="1", question="?", extra={"checks": checks}), Request(messages=()), Response(text=text))


def test_an_answer_is_right_where_all_checks_pass():
    one, two = {"type": "contains", "value": "a"}, {"type": "not-contains", "value": "b"}
    assert score([one, two], " a ").scores == {"accuracy": 1.0, "checks_passed": 1.0}
    half = score([one, two], "ab")
    assert (half.status, half.scores) == ("wrong", {"accuracy": 0.0, "checks_passed": 0.5})
    assert half.detail == {"failed": ["not-contains b"]}
    good = score([one], " a ")
    assert (good.status, good.answer, good.detail) == ("correct", "a", {})
    assert score([], "x").scores == {"accuracy": 1.0, "checks_passed": 1.0}


def test_a_pattern_that_takes_too_long_leaves_the_answer_unread(monkeypatch):
    def slow(self, text):
        raise SlowPatternError("too long")

    monkeypatch.setattr("evalharness.text.patterns.Pattern.matches", slow)
    found = score([{"type": "regex", "value": "x"}], "x")
    assert (found.status, found.scores) == ("unparsed", {"accuracy": 0.0, "checks_passed": 0.0})
    assert found.detail == {"unread": "too long"}
