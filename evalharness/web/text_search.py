"""Looks for a text in the lines of a journal, within a time that a reader waits for."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass

from evalharness.records import Result
from evalharness.runs.journal import ODD_LINE, dumps, loads
from evalharness.runs.store import result_from_json
from evalharness.web.journal_index import JournalIndex, ResultFilter

LONGEST_TEXT = 1000  # characters that may be looked for
_SECONDS = 1.0  # of one page's search
_BLOCK = 4 << 20
_TELL = 0.3  # seconds between two counts that are told


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundTexts:
    """Where results with the text begin, and how far was looked: None where the journal ended."""

    places: tuple[int, ...]
    looked: int | None


def search_page(index: JournalIndex, wanted: ResultFilter, *, after: int = -1, most: int = 50) -> FoundTexts:
    """The next results that hold the text, at most so many and for at most about a second."""
    end = time.monotonic() + _SECONDS
    places: list[int] = []
    looked = after
    for looked, hit in _looked_at(index, wanted, after):
        if hit:
            places.append(looked)
        if len(places) >= most or time.monotonic() > end:
            return FoundTexts(places=tuple(places), looked=looked)
    return FoundTexts(places=tuple(places), looked=None)


def count_within(index: JournalIndex, wanted: ResultFilter, seconds: float | None) -> tuple[int, bool]:
    """How many results hold the text, and whether that is all: so long is counted at most, None for to the end."""
    end = math.inf if seconds is None else time.monotonic() + seconds
    found = 0
    for _, hit in _looked_at(index, wanted, -1):
        found += hit
        if time.monotonic() > end:
            return found, False
    return found, True


def running_count(index: JournalIndex, wanted: ResultFilter) -> Iterator[tuple[int, bool]]:
    """How many results hold the text so far, told now and then; True with the last."""
    found, told = 0, time.monotonic()
    for _, hit in _looked_at(index, wanted, -1):
        found += hit
        if time.monotonic() - told > _TELL:
            told = time.monotonic()
            yield found, False
    yield found, True


def _looked_at(index: JournalIndex, wanted: ResultFilter, after: int) -> Iterator[tuple[int, bool]]:
    """(byte, whether a wanted result begins there) of lines behind `after`: of every line that has the text somewhere,
    and of the last line of each block that was read, so that whoever waits hears from it."""
    if not index.journal.is_file():  # no answer has come yet
        return
    needles = _as_written(wanted.text)
    with index.journal.open("rb") as file, index.membership(wanted) as is_wanted:
        begin = max(after, 0)
        file.seek(begin)
        if after >= 0:
            begin += len(file.readline())
        while block := file.read(_BLOCK):
            block += file.readline()
            place = 0
            while (hit := _first(block, needles, place)) >= 0:
                start = block.rfind(b"\n", 0, hit) + 1
                end = block.find(b"\n", hit)
                if end < 0:  # a torn last line
                    return
                yield begin + start, is_wanted(begin + start) and _holds(block[start:end], wanted.text)
                place = end + 1
            last = block.rfind(b"\n", 0, len(block) - 1) + 1
            if last >= place:
                yield begin + last, False
            begin += len(block)


def _as_written(text: str) -> tuple[bytes, ...]:
    """The text as JSON has it, in UTF-8 and with escapes."""
    return tuple({dumps(text)[1:-1], json.dumps(text)[1:-1].encode()})


def _first(block: bytes, needles: tuple[bytes, ...], begin: int) -> int:
    found = [place for needle in needles if (place := block.find(needle, begin)) >= 0]
    return min(found, default=-1)


def _holds(raw: bytes, text: str) -> bool:
    """Whether the text stands in what is shown of a result, and not in a key of its line alone."""
    try:
        return any(text in part for part in _shown_texts(result_from_json(loads(raw))))
    except ODD_LINE:
        return False


def _shown_texts(result: Result) -> Iterator[str]:
    sample, response = result.sample, result.response
    yield from (sample.id, sample.question, *sample.choices, *sample.answers)
    yield from (message.content for message in result.request.messages)
    yield from (response.text, response.thinking, response.error, result.answer or "")
    yield from (verdict.raw for verdict in result.verdicts)
