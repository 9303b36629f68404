"""Text from outside, made visible: what a model, an endpoint, a file or a library wrote is shown and never obeyed.

Every text that came from outside passes `printable` (or `line`) before it reaches a terminal, a log or a report.
"""

from __future__ import annotations

import re
import shlex

from evalharness.text.deferred import deferred

_UNPRINTABLE = deferred(
    "["
    "\x00-\x08\x0b-\x1f\x7f-\x9f"  # C0 but tab and newline, DEL, C1: they move a terminal's cursor, or begin commands
    "\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069"  # reorder or break a line
    "\u00ad\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200d\u2060-\u2065\u206a-\u206f\u3164\ufeff\uffa0"
    "\ufff9-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"  # without width: two texts that look the same
    "\ufe00-\ufe0e\U000e0000-\U000e0fff"  # variation selectors and tags: a hidden text behind any letter
    "\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff"  # halves of surrogate pairs, and what no text may hold
    "]"
    "|(?<![\u0080-\U0010ffff])\ufe0f|(?<=\ufe0f)\ufe0f"  # the one that colours an emoji may stand behind one
)


def printable(text: str) -> str:
    """Control characters, lone surrogates, marks of direction and what has no width as visible escapes; tab and
    newline stay.

    What is left is legal in XML 1.0 and moves no terminal's cursor.
    """
    return _UNPRINTABLE.sub(_escaped, text.replace("\r\n", "\n"))


def _escaped(found: re.Match[str]) -> str:
    code = ord(found.group())
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}" if code < 65536 else f"\\U{code:08x}"


def shell_word(word: object) -> str:
    """A path or name as a shell takes it for one word, for commands that are shown to be pasted."""
    return shlex.quote(str(word))


def shorten(text: str, length: int) -> str:
    """At most `length` characters, the cut marked."""
    return text if len(text) <= length else text[: max(0, length - 1)] + "…"


def warning_line(text: str) -> str:
    """How a warning stands on standard error."""
    return f"evalh: warning: {line(text, 2000)}"


def line(text: str, length: int = 200) -> str:
    """A text as one printable line: white space runs become one space. For terminals and attributes."""
    return shorten(" ".join(printable(text[: 8 * length]).split()), length)
