"""A line of JSON is read the fast way only where that reads what Python's own reader does."""

import pytest

from evalharness.data.files import json_value, plain_object

SAME = [
    '{"a": 1, "b": [1.5, -0.0, 1e5, true, null], "c": {"d": "\\u00e9 \\ud83d\\ude00 \\u0000"}}',
    '{"a": 1, "a": 2}', ' {"a": 123456789012345678} ', '{"a": -0, "b": 0.1e1, "c": 1e-400}', '{"ü": "\\n\\t\\/"}', "{}",
]  # fmt: skip
LEFT = [
    '{"a": 12345678901234567890123}', '{"a": NaN}', '{"a": 1e400}', '{"a": "\\ud800"}', '{"a": 01}', "[1]", "1", "",
    "\ufeff{}", '{"a": "' + "7" * 19 + '"}', '{"a": }', "{" * 5000, '{"a":' * 2000 + "1" + "}" * 2000,
]  # fmt: skip


@pytest.mark.parametrize("text", SAME)
def test_the_same_is_read(text):
    found, wanted = plain_object(text.encode()), json_value(text)
    assert found == wanted and repr(found) == repr(wanted)


@pytest.mark.parametrize("text", LEFT)
def test_what_may_be_read_otherwise_is_left_to_python(text):
    assert plain_object(text.encode()) is None


def test_what_is_no_utf_8_is_left_too():
    assert plain_object(b'{"a": "\xff"}') is None
