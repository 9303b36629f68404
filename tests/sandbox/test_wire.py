"""Plain data crosses unchanged; whatever else arrives is refused, never believed."""

import json
import math
import os
from collections import Counter, OrderedDict, defaultdict, namedtuple
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalharness.sandbox import wire


def crossed(value):
    return wire.unpack(json.loads(json.dumps(wire.pack_value(value))))


PLAIN = [
    None, True, False, 0, -1, 2**62, 2**63, -(2**63), 2**64, -(2**200), 10**5000,
    1.5, -0.0, math.inf, -math.inf, "", "ünï",
    "\ud800", "\ud83d\ude00", "\U0001f600", [], [1, "a", None], [1, 2**70], (), (1,), (1, (2, [3])), {}, {1: 2, "1": 3},
    {(1, 2): {3}}, {1, 2}, set(), frozenset({1}), {frozenset({1})}, b"", b"\x00\xff", bytearray(b"x"), 1 + 2j, range(3),
    range(10, -3, -2), Fraction(1, 3), Decimal("1.10"), Decimal("NaN"), [[[[1.0]]]], int, str, [True, 1, 1.0],
]  # fmt: skip


@pytest.mark.parametrize("value", PLAIN, ids=lambda v: repr(v)[:30] if not isinstance(v, int) or v < 10**9 else "big")
def test_plain_data_crosses_with_its_type(value):
    back = crossed(value)
    assert type(back) is type(value)
    assert str(back) == str(value) if isinstance(value, float | Decimal) else back == value


scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(max_size=5)
keys = st.integers() | st.text(max_size=3) | st.tuples(st.integers(), st.booleans())
nested = st.recursive(
    scalars, lambda inner: st.lists(inner) | st.lists(inner).map(tuple) | st.dictionaries(keys, inner), max_leaves=12
)


@settings(max_examples=60, deadline=None)
@given(nested)
def test_any_nesting_crosses(value):
    assert crossed(value) == value


def test_sub_classes_become_their_base():
    class Bent(int):
        def __int__(self):
            return 3

        def __eq__(self, other):
            return True

        __hash__ = None

    assert crossed(Bent(7)) == 7 and type(crossed(Bent(7))) is int
    assert (
        crossed(Counter("aab"))
        == {"a": 2, "b": 1}
        == crossed(OrderedDict(a=2, b=1))
        == crossed(defaultdict(int, a=2, b=1))
    )
    assert crossed(namedtuple("P", "x y")(1, 2)) == (1, 2)
    assert crossed([True, False]) == [True, False] and type(crossed([True])[0]) is bool


@pytest.mark.parametrize("value", [iter([]), (x for x in ()), object(), lambda: 0, type("C", (), {}), Counter, ...])
def test_what_is_not_plain_is_refused(value):
    with pytest.raises(wire.NotPlain):
        wire.pack_value(value)


def test_what_contains_itself_is_refused():
    loop = []
    loop.append(loop)
    with pytest.raises(wire.NotPlain):
        wire.pack_value(loop)


@pytest.mark.parametrize(
    "packed",
    [
        {}, {"a": 1, "b": 2}, {"__reduce__": []}, {"tuple": 1}, {"tuple": "ab"}, {"set": [[1]]}, {"dict": [[1]]},
        {"dict": [[[1], 2]]}, {"dict": {}}, {"int": 5}, {"int": "zz"}, {"fraction": [1, 0]}, {"fraction": ["1", "2"]},
        {"range": [1, 2]}, {"range": [1, 2, 0]}, {"range": [1.0, 2, 3]}, {"complex": ["1", "2"]}, {"decimal": "x"},
        {"decimal": 1}, {"bytes": "x"}, {"text": [10**9]}, {"text": "ab"}, {"type": "object"},
        {"frozenset": [{"set": []}, {"x": 1}]},
    ],
    ids=str,
)  # fmt: skip
def test_forged_data_is_refused(packed):
    with pytest.raises(wire.BadFrame):
        wire.unpack(packed)


def test_forged_nesting_is_refused():
    packed = 1
    for _ in range(400):
        packed = {"tuple": [packed]}
    with pytest.raises(wire.BadFrame):
        wire.unpack(packed)


@pytest.mark.parametrize(
    "sent",
    [
        b"\x02\0\0\0[]",
        b"\x01\0\0\0x",
        b"\xff\xff\xff\xff",
        b"\x04\0\0\0null",
        (10**5).to_bytes(4, "little") + b"[" * 10**5,
    ],
)
def test_a_frame_that_is_none_is_refused(sent):
    read, write = os.pipe()
    if len(sent) > 60000:
        import fcntl

        fcntl.fcntl(write, 1031, 1 << 20)
    os.write(write, sent)
    os.close(write)
    with pytest.raises(wire.BadFrame):
        wire.receive(read)
    os.close(read)


@pytest.mark.parametrize("sent", [b"", b"\x05", b"\x05\0\0\0{"])
def test_half_a_frame_is_the_end(sent):
    read, write = os.pipe()
    os.write(write, sent)
    os.close(write)
    with pytest.raises(wire.Closed):
        wire.receive(read)
    os.close(read)
