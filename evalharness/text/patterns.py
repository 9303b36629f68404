"""Regular expressions that come from a file. Some take exponential time on some texts, and models write any text, so
they are matched under a limit of time, by the package `regex` (https://pypi.org/project/regex/), which has one."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Any

_SECONDS = 1.0  # for one search through one text


class SlowPatternError(ValueError):
    """The expression takes too long on a text."""


@dataclass(frozen=True)
class Pattern:
    """A compiled expression. Its methods raise SlowPatternError beyond the limit of time."""

    source: str
    groups: int
    _compiled: Any

    def matches(self, text: str) -> list[tuple[str, ...]]:
        """Every match: the text of the whole and of each group, '' for a group that took no part."""
        try:
            found = list(self._compiled.finditer(text, timeout=_SECONDS))
        except TimeoutError as error:
            raise self._slow(text) from error
        return [(one.group(), *(group or "" for group in one.groups())) for one in found]

    def sub(self, by: str, text: str, count: int = 0) -> str:
        """The text with the first `count` matches replaced, all where it is 0."""
        try:
            replaced: str = self._compiled.sub(by, text, count=count, timeout=_SECONDS)
        except TimeoutError as error:
            raise self._slow(text) from error
        return replaced

    def _slow(self, text: str) -> SlowPatternError:
        said = f"the regular expression {self.source!r:.100} takes more than {_SECONDS:g} s on {len(text):,} characters"
        return SlowPatternError(said)


@cache
def pattern_of(source: str, *, ignore_case: bool = False) -> Pattern:
    """The expression in Python's own syntax. ValueError where it is none."""
    import regex

    try:
        plain = re.compile(source)
        case = regex.IGNORECASE if ignore_case else 0
        return Pattern(source, plain.groups, regex.compile(source, regex.V0 | case))
    except (re.error, regex.error, RecursionError, OverflowError, MemoryError) as error:
        raise ValueError(f"not a valid regular expression ({str(error) or 'nested too deep'})") from error
