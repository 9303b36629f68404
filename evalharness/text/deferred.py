"""Regular expressions compiled when they are first used: readers know hundreds, and a run needs few of them."""

from __future__ import annotations

import re
from typing import Any, cast


class _Deferred:
    """Stands for a compiled expression, whose attributes it takes over at the first use."""

    def __init__(self, source: str, flags: int) -> None:
        self._source, self._flags = source, flags

    def __getattr__(self, name: str) -> Any:  # found on the instance from the second use of a name on
        found = getattr(re.compile(self._source, self._flags), name)
        setattr(self, name, found)
        return found


def deferred(source: str, flags: int = 0) -> re.Pattern[str]:
    """As `re.compile`, whose cache makes one compilation do for every method that is used."""
    return cast("re.Pattern[str]", _Deferred(source, flags))
