"""What is no plain data crosses by stand-ins; whatever a program lays out instead is refused or harmless."""

import contextlib
import json
from collections import deque
from datetime import date, datetime, time, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalharness.sandbox import stand_ins, wire


def refuse(value):
    raise wire.NotPlain(type(value).__name__)


def crossed(value):
    return stand_ins.build(json.loads(json.dumps(stand_ins.flatten(value, refuse))), refuse)


def nested(depth):
    value = ()
    for _ in range(depth):
        value = [(value, {1: {2}})]
    return value


VALUES = [
    deque([1, 2], 3), deque(), {1: 2}.keys(), {1: 2}.items(), date(2000, 1, 2), datetime(2000, 1, 2, 3, 4, 5, 6),
    datetime(2000, 1, 2, tzinfo=timezone(timedelta(hours=2))), time(1, 2), timedelta(-3, 5), [{"a": (date(1, 1, 1),)}],
    {frozenset({1}): {2}}, [], (), {}, set(), 10**5000, "\ud800", b"x", [[1, [2]], [1, [2]]],
]  # fmt: skip


@pytest.mark.parametrize("value", VALUES, ids=lambda v: str(type(v).__name__))
def test_a_value_crosses_with_its_type(value):
    assert crossed(value) == value and type(crossed(value)) is type(value)


def test_views_of_values_cross():
    assert list(crossed({1: 2, 3: 2}.values())) == [2, 2]


def test_deep_data_crosses():
    found, wanted = crossed(nested(2_400)), nested(2_400)
    while wanted:
        assert type(found) is type(wanted) and len(found) == len(wanted)
        (found, _), (wanted, _) = found[0], wanted[0]
    assert found == ()


def test_what_contains_itself_is_refused():
    loop = [1]
    loop.append({"in": loop})
    with pytest.raises(wire.NotPlain, match="itself"):
        stand_ins.flatten(loop, refuse)


kinds = st.sampled_from([*stand_ins._BUILDERS, *stand_ins._LEAVES, "held", "object", "", 5, None])
facts = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.floats(),
    lambda inner: st.lists(inner, max_size=3),
)
nodes = st.lists(st.lists(facts, max_size=3).flatmap(lambda rest: kinds.map(lambda kind: [kind, *rest])), max_size=5)


@settings(max_examples=300, deadline=None)
@given(nodes | facts)
def test_forged_nodes_are_data_or_refused(packed):
    with contextlib.suppress(wire.BadFrame):
        stand_ins.build(packed, lambda facts: facts)


def ask_of(answers):
    """The judge's side of one object: what it is asked is answered from a table, and kept."""
    asked = []

    def ask(what, *args, **kwargs):
        asked.append((what, *args))
        return answers[what]

    return ask, asked


def test_a_stand_in_is_equal_to_itself_alone_and_cannot_say_what_is_in_it():
    ask, asked = ask_of({"iter": iter([1, 2]), "bool": True})
    made = stand_ins.made("Yes", ["iter"], ask)
    assert made == made and made != 3 and made not in (3, [3])
    assert asked == [] and 2 in made and asked == [("iter",)]
    with pytest.raises(TypeError):
        _ = made < 3


@pytest.mark.parametrize("name", ["startswith", "issubset", "equals", "count", "__contains__", "get"])
def test_a_stand_in_has_no_method_that_judges(name):
    ask, asked = ask_of({"attribute": lambda *_: True})
    with pytest.raises(AttributeError):
        getattr(stand_ins.made("Yes", [], ask), name)
    assert asked == []


def test_a_stand_in_can_do_what_the_object_can_and_no_more():
    ask, _ = ask_of({"len": 3, "item": 7})
    made = stand_ins.made("Seq", ["len", "item"], ask)
    assert len(made) == 3 and made[0] == 7 and not callable(made)
    assert stand_ins.abilities(iter([])) == ["iter", "next"] and stand_ins.abilities(object()) == []


@pytest.mark.parametrize("kind", ["tuple", "frozenset", "deque"])
def test_depth_without_end_is_refused_on_either_side(kind):
    value = 1
    for _ in range(stand_ins.DEEPEST + 1):
        value = (value,)
    with pytest.raises(wire.NotPlain, match="deeper"):
        stand_ins.flatten(value, refuse)
    nodes = [["plain", 1], *([kind, None, [i]] for i in range(stand_ins.DEEPEST + 1))]
    with pytest.raises(wire.BadFrame, match="deeper"):
        stand_ins.build(nodes, refuse)
