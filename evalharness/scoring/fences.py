"""Code in a text: fenced blocks and inline spans, as models write them. One pass over the lines, in linear time."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from evalharness.text.deferred import deferred

# Blanks, quotation marks and one list marker, then the fence, then what says the language.
_BEFORE = deferred(r"[ \t>]*(?:(?:[-*+•]|\d{1,3}[.)])[ \t]+)?")
_OPENS = deferred(rf"(?P<before>{_BEFORE.pattern})(?P<fence>`{{3,}}|~{{3,}})(?P<info>[^`\n]*)$")
# A fence that opens behind a sentence: `Sure: ```python`.
_OPENS_BEHIND = deferred(
    r"(?<=[^`~\s])[ \t]*(?P<fence>`{3,})[ \t]*(?P<info>\{\.?[A-Za-z][\w.+-]*\}|[A-Za-z][\w.+-]*|)[ \t]*$"
)
_CLOSES = deferred(r"(?P<before>[ \t>]*)(?P<fence>`{3,}|~{3,})[ \t]*$")
# The parts of Python that may hide a fence: strings and comments.
_LEXEME = deferred(r"\\.|'''|\"\"\"|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'|#[^\n]*", re.DOTALL)
# Languages whose blocks may hold the fences of other blocks.
_NESTING = frozenset({"markdown", "md", "text", "txt", "diff"})
MOST_FENCES = 10_000  # of a text with more lines that hold fences the last ones are looked at
_LANGUAGE = deferred(r"\s*\{?\.?([\w+#-]*)")
_TICKS = deferred(r"`+")


class Fenced(NamedTuple):
    """A fenced block: its info string, its code without the indentation of its fence, and where in the text it is.

    `start` and `end` are the offsets of the code as it stands; `closed` says whether a fence ends it.
    """

    info: str
    code: str
    start: int
    end: int
    closed: bool

    @property
    def language(self) -> str:
        """The first word of the info string, in lower case: `python` of `python title="a.py"` and of `{.python}`."""
        return _language(self.info)


class _Open(NamedTuple):
    indent: int
    fence: str
    info: str
    line: int
    first: str = ""

    @property
    def language(self) -> str:
        return _language(self.info)


def _language(info: str) -> str:
    found = _LANGUAGE.match(info)
    return found.group(1).lower() if found else ""


def fenced(text: str) -> list[Fenced]:
    """The fenced blocks of a text, in order; the last may lack its closing fence.

    A fence inside a string of three quotation marks is the string's, unless the string never ends.
    """
    if "```" not in text and "~~~" not in text:
        return []
    lines = text.splitlines(keepends=True)
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line))
    found: list[Fenced] = []
    marked = [number for number, line in enumerate(lines) if "```" in line or "~~~" in line]
    at = marked[-MOST_FENCES] if len(marked) > MOST_FENCES else marked[0]
    while at < len(lines):
        opened = _opened(lines[at], at)
        if opened is None:
            at += 1
            continue
        last, closed = _last_line(lines, opened)
        code = opened.first + "".join(_outdented(line, opened.indent) for line in lines[opened.line + 1 : last])
        end = starts[last]
        if closed and last < len(lines) and not _CLOSES.match(lines[last].rstrip("\r\n")):
            tail = lines[last][: lines[last].rindex(opened.fence)]  # a fence behind the last line of code
            code, end = code + _outdented(tail, opened.indent), end + len(tail)
        found.append(Fenced(opened.info, code, starts[min(opened.line + 1, len(lines))], end, closed))
        at = last + 1 if closed else last
    return found


def _opened(line: str, number: int) -> _Open | None:
    bare = line.rstrip("\r\n")
    if "```" not in bare and "~~~" not in bare:
        return None
    found = _OPENS.match(bare)
    if found is None:
        found = _OPENS_BEHIND.search(bare)
        if found is None or (not found["info"] and _ends_one_line(bare)):
            return None
        return _Open(0, found["fence"], found["info"], number)
    info = found["info"].strip()
    if not info:
        return _Open(len(found["before"]), found["fence"], info, number)
    code = re.match(r"(?:python3?|py)?[ \t]*(?=(?:def|class|import|from|@)\b)", info)
    if code and code.end() < len(info) and re.match(r"(?:def|class|import|from)\s+\w", info[code.end() :]):
        return _Open(len(found["before"]), found["fence"], info[: code.end()], number, info[code.end() :] + "\n")
    return _Open(len(found["before"]), found["fence"], info, number)


def _ends_one_line(line: str) -> bool:
    """Whether the fence at the end of a line ends code that began on the line, and more than a language's name."""
    spans = inline(line)
    if not spans or spans[-1][1] < len(line.rstrip()):
        return False
    return re.search(r"[^\w`]", line[slice(*spans[-1])].strip()) is not None


def _last_line(lines: Sequence[str], opened: _Open) -> tuple[int, bool]:
    """The line of the closing fence; without one that of a shorter fence, else the number of lines."""
    quotes, hidden, shorter = "", None, None
    for number in range(opened.line + 1, len(lines)):
        line = lines[number].rstrip("\r\n")
        if opened.fence not in line:
            quotes = _within(line, quotes)
            if (
                shorter is None
                and not quotes
                and len(opened.fence) > 3
                and _closes(line, opened._replace(fence=opened.fence[:3]))
            ):
                shorter = number
            continue
        if _closes(line, opened):
            if not quotes:
                return number, True
            hidden = number if hidden is None else hidden
        elif not quotes and line.endswith(opened.fence) and line.strip("`~ \t"):
            return number, True
        elif not quotes and opened.language not in _NESTING and _opens_anew(line, opened):
            return number, False
        quotes = _within(line, quotes)
    found = shorter if hidden is None else hidden
    return (len(lines), False) if found is None else (found, True)


def _closes(line: str, opened: _Open) -> bool:
    found = _CLOSES.match(line)
    return (
        found is not None
        and found["fence"][0] == opened.fence[0]
        and len(found["fence"]) >= len(opened.fence)
        and len(found["before"]) < opened.indent + 4
    )


def _opens_anew(line: str, opened: _Open) -> bool:
    """Whether a line opens a block with a language: the block before it was never closed."""
    found = _OPENS.match(line)
    return (
        found is not None
        and found["fence"] == opened.fence
        and re.fullmatch(r"[A-Za-z][\w-]*|\{\.?[A-Za-z][\w-]*\}", found["info"].strip()) is not None
    )


def _within(line: str, quotes: str) -> str:
    """The three quotation marks that are open at the end of a line, where `quotes` are open at its beginning."""
    if "'''" not in line and '"""' not in line:
        return quotes
    for found in _LEXEME.finditer(line):
        mark = found.group()
        if mark in ("'''", '"""'):
            quotes = mark if not quotes else "" if quotes == mark else quotes
        elif not quotes and mark.startswith("#"):
            break
    return quotes


def _outdented(line: str, indent: int) -> str:
    """A line without the blanks (or quotation marks) that its fence stands behind."""
    if not indent:
        return line
    at = 0
    while at < indent and at < len(line) and line[at] in " \t>":
        at += 1
    return line[at:]


class OneLine(NamedTuple):
    """Code between backticks within one line; `fence`: between three or more, and nothing else is on the line."""

    code: str
    fence: bool


def one_liners(text: str) -> list[OneLine]:
    """All code of a text that begins and ends on one line, in order."""
    found: list[OneLine] = []
    for line in text.splitlines():
        spans = inline(line) if "`" in line else []
        for start, end in spans:
            code = line[start:end]
            alone = len(spans) == 1 and not line[end:].strip() and _BEFORE.fullmatch(line, 0, start) is not None
            found.append(OneLine(code.strip("`").strip(), alone and code.startswith("```")))
    return found


def inline(line: str) -> list[tuple[int, int]]:
    """Where a line has code between backticks: a run of them up to the next run of the same length."""
    runs = [(found.start(), found.end()) for found in _TICKS.finditer(line)]
    partner: dict[int, int] = {}
    next_of: dict[int, int] = {}
    for position in range(len(runs) - 1, -1, -1):
        length = runs[position][1] - runs[position][0]
        if length in next_of:
            partner[position] = next_of[length]
        next_of[length] = position
    spans, position = [], 0
    while position < len(runs):
        if position in partner:
            spans.append((runs[position][0], runs[partner[position]][1]))
            position = partner[position]
        position += 1
    return spans
