"""Which recorded rows answer a question that is asked."""

from __future__ import annotations

import hashlib
import re
from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property

from evalharness.errors import DataError, UserError, option_name
from evalharness.models._recorded import NO_IDS, RecordedAnswers, squeezed
from evalharness.models._recorded_lines import StoredAnswers
from evalharness.records import Origin, Request

FRAME = re.compile(r"\A\s*(?:question|q):|\b(?:answer|a):\s*\Z", re.IGNORECASE)


class _Places:
    """The numbers of rows by a text of theirs, by its hash: twelve bytes a row, whatever the texts. Two texts may have
    one hash, so whoever reads a row looks whether it has the text."""

    def __init__(self) -> None:
        self._hashes, self._rows = array("Q"), array("I")
        self._sorted = 0

    def add(self, text: str, row: int) -> None:
        """Row number `row` has this text. Rows come in ascending order."""
        self._hashes.append(_hash(text))
        self._rows.append(row)

    def of(self, text: str) -> list[int]:
        """The rows that have the text, in their order."""
        self._sort()
        wanted = _hash(text)
        begin = bisect_left(self._hashes, wanted)
        end = begin
        while end < len(self._hashes) and self._hashes[end] == wanted:
            end += 1
        return list(self._rows[begin:end])

    def __contains__(self, text: str) -> bool:
        return bool(self.of(text))

    def __len__(self) -> int:
        """How many texts were added."""
        return len(self._hashes)

    @cached_property
    def different(self) -> int:
        """How many different texts there are; asked for once all are there."""
        import numpy as np

        return len(np.unique(np.array(self._hashes, np.uint64)))

    def _sort(self) -> None:
        import numpy as np

        if self._sorted < len(self._hashes):
            hashes = np.array(self._hashes, np.uint64)
            order = np.argsort(hashes, kind="stable")
            self._rows = array("I", np.array(self._rows, np.uint32)[order].tobytes())
            self._hashes = array("Q", hashes[order].tobytes())
            self._sorted = len(self._hashes)


def _hash(value: object) -> int:
    return hash(value) & 0xFFFF_FFFF_FFFF_FFFF


class AnswerIndex:
    """The rows of a file by id, by the texts of their question, and by the hash of their prompt.

    `stored` keeps the rows of a large file where they are; without it they are held.
    """

    def __init__(self, rows: Iterable[RecordedAnswers], stored: StoredAnswers | None = None) -> None:
        held: list[RecordedAnswers] = []
        self.rows: Sequence[RecordedAnswers] = held if stored is None else stored
        self.answers, self.ranked, self.numbered = 0, False, False  # of all rows
        self._single = True  # every row has one answer, without a number
        self._by_id, self._by_text, self._by_hash = _Places(), _Places(), _Places()
        self._twins: dict[str, list[str]] = {}  # the ids of all asked questions that read as this one does
        for number, row in enumerate(rows):
            if stored is None:
                held.append(row)
            else:
                stored.keep()
            self._count(row)
            for identity in row.ids:
                self._by_id.add(identity, number)
            for text in {*row.questions, *filter(None, [row.prompt])}:
                self._by_text.add(text, number)
            if row.prompt_hash:
                self._by_hash.add(row.prompt_hash, number)

    def _count(self, row: RecordedAnswers) -> None:
        responses = [response for turns in row.answers for response in turns]
        self.answers += len(responses)
        self.ranked = self.ranked or any(response.logprobs for response in responses)
        self.numbered = self.numbered or bool(row.repeat)
        self._single = self._single and len(row.answers) == 1 and row.repeat is None

    @cached_property
    def single(self) -> bool:
        """No question can have more than one answer: each row has one, and an id and texts of its own."""
        whole = all(len(places) in (0, places.different) for places in (self._by_id, self._by_text, self._by_hash))
        return self._single and whole and len(self._by_id) == len(self.rows)

    @cached_property
    def example(self) -> str | None:
        """An id that is there; None where rows have none."""
        return next((identity for row in self.rows for identity in row.ids), None)

    def find(self, request: Request) -> list[RecordedAnswers]:
        """The rows that answer a question: by its id, else by its text, else by the prompt that asks it, or its hash.

        DataError where a row with its id speaks of another question.
        """
        origin = origin_of(request)
        if named := self._named(origin.id):
            agreeing = [row for row in named if self._agrees(row, origin)]
            if not agreeing:
                raise _foreign(named[0], origin)
            exact = [row for row in agreeing if squeezed(origin.question) in row.questions]
            return _of_kind(exact or agreeing, request)
        found = self._with_text(origin, request)
        return self._own_share(_of_kind(_fitting(found, origin), request), origin)

    def _named(self, identity: str) -> list[RecordedAnswers]:
        return [row for row in map(self.rows.__getitem__, self._by_id.of(identity)) if identity in row.ids]

    def _having(self, text: str) -> list[RecordedAnswers]:
        rows = map(self.rows.__getitem__, self._by_text.of(text))
        return [row for row in rows if text in row.questions or text == row.prompt]

    def _texts(self) -> Iterator[str]:
        return (text for row in self.rows for text in {*row.questions, *filter(None, [row.prompt])})

    def _with_text(self, origin: Origin, request: Request) -> list[RecordedAnswers]:
        question = squeezed(origin.question)
        for text in _texts_of(question, origin, request):
            if found := self._having(text):
                return found
        hashed = list[RecordedAnswers]()
        if len(self._by_hash):
            wanted = _sha256(request.text)
            hashed = [r for r in map(self.rows.__getitem__, self._by_hash.of(wanted)) if r.prompt_hash == wanted]
        return hashed or self._framing(question) or self._ending_with(origin, request)

    def hold_to(self, requests: Sequence[Request]) -> None:
        """DataError where a row has the id of one question that is asked and the text of another, however alike."""
        asked, alike, odd = _Places(), array("Q"), array("q")
        for place, request in enumerate(requests):
            origin = origin_of(request)
            question = squeezed(origin.question)
            asked.add(question, place)
            if len(self._by_hash):
                asked.add(_sha256(request.text), place)
            alike.append(_hash((question, origin.choices, origin.group)))
            # Only a row that has texts, and not this question's, can be another question's.
            named = set(self._by_id.of(origin.id)) if len(self._by_text) or len(self._by_hash) else set()
            if named and not named & set(self._by_text.of(question)):
                odd.append(place)
        self._twins = _twins(requests, alike)
        for place in odd:
            self._hold_to(requests[place], asked)

    def _hold_to(self, request: Request, asked: _Places) -> None:
        origin, named = origin_of(request), self._named(origin_of(request).id)
        own = {squeezed(origin.question), _sha256(request.text) if len(self._by_hash) else ""}
        owners = [{text for text in (*row.questions, row.prompt_hash) if text and text in asked} for row in named]
        if owners and all(others and not others & own for others in owners):
            raise _foreign(named[0], origin)

    def _own_share(self, rows: list[RecordedAnswers], origin: Origin) -> list[RecordedAnswers]:
        """Where a question is asked twice and the file has it twice, each has its part, in order: it is the same
        question, so either answer is one to it."""
        twins = self._twins.get(origin.id, [])
        if not twins or len(rows) % len(twins):
            return rows
        size = len(rows) // len(twins)
        start = size * twins.index(origin.id)
        return rows[start : start + size]

    def _agrees(self, row: RecordedAnswers, origin: Origin) -> bool:
        """Whether a row speaks of the question: its texts are the question, are in it, hold it, or have most of its
        words, as published files clean their prompts up. True without texts; one that stands in every row says nothing.
        """
        texts = [t for t in (row.questions or (row.prompt,)) if t and len(self._by_text.of(t)) < max(2, len(self.rows))]
        ours = squeezed(origin.question).casefold()
        return not texts or any(text in ours or ours in text or _alike(text, ours) for text in map(str.casefold, texts))

    @cached_property
    def _frame(self) -> tuple[str, str]:
        """What all recorded texts begin with and end with: a chat template, a header, the same examples."""
        if self._by_text.different < 2:
            return "", ""
        return _beginning(self._texts()), _beginning(text[::-1] for text in self._texts())[::-1]

    def _framing(self, question: str) -> list[RecordedAnswers]:
        """The rows whose text is the question within the frame of all of them, which may have in it what all the
        questions begin and end with."""
        before, after = self._frame
        starts = [n for n in range(min(len(before), len(question)) + 1) if before.endswith(question[:n])]
        ends = [n for n in range(min(len(after), len(question)) + 1) if after.startswith(question[len(question) - n :])]
        cores = (question[a : len(question) - b] for a in starts for b in ends if a + b < len(question))
        texts = (before + core + after for core in cores)
        return next((found for text in texts if (found := self._having(text))), [])

    @cached_property
    def _endings(self) -> list[tuple[str, str]]:
        """Every text backwards, in order, so that the prompts that end with some text stand side by side."""
        return sorted((text[::-1], text) for text in set(self._texts()))

    def _ending_with(self, origin: Origin, request: Request) -> list[RecordedAnswers]:
        """The rows of the one recorded prompt that ends as ours does, after other examples: the question's lines and
        what follows them. Only where something frames the question, or any question might end with it."""
        before, found, after = request.text.rpartition(origin.question)
        line = before.rpartition("\n")[2]
        if not found or not (line.strip() or after.strip() or FRAME.search(origin.question)):
            return []
        ending = " " + squeezed(line + found + after)
        backwards = ending[::-1]
        start = bisect_left(self._endings, (backwards, ""))
        near = [text for back, text in self._endings[start : start + 2] if back.startswith(backwards)]
        return self._having(near[0]) if len(near) == 1 else []


def _twins(requests: Sequence[Request], alike: array[int]) -> dict[str, list[str]]:
    """The ids of all questions that read alike, for each that is not alone."""
    import numpy as np

    values, counts = np.unique(np.array(alike, np.uint64), return_counts=True)
    several = set(values[counts > 1].tolist())
    found: dict[tuple[object, ...], list[str]] = {}
    for place, value in enumerate(alike if several else ()):
        if value in several:
            origin = origin_of(requests[place])
            found.setdefault((squeezed(origin.question), origin.choices, origin.group), []).append(origin.id)
    return {identity: twins for twins in found.values() if len(twins) > 1 for identity in twins}


def origin_of(request: Request) -> Origin:
    """Which question is asked. UserError for a request that asks none of a benchmark."""
    if request.origin is None:
        raise UserError("a replay answers the questions of a benchmark only")
    return request.origin


def _foreign(row: RecordedAnswers, origin: Origin) -> DataError:
    own = next(filter(None, (*row.questions, row.prompt, row.prompt_hash)))
    return DataError(
        f"{row.where}: its id {origin.id!r} is that of the question {_short(origin.question)!r}, and its own question "
        f"is {_short(own)!r}; say {option_name('id_key', NO_IDS)} to find questions by their text, or leave the text "
        "out to trust "
        "the ids"
    )


def _texts_of(question: str, origin: Origin, request: Request) -> Iterator[str]:
    """What a row may hold as the question, each made only where those before it are in no row."""
    yield question
    yield squeezed(request.text)
    yield _unframed(origin.question)


def _unframed(question: str) -> str:
    """The question without `Question:` before and `Answer:` behind it, where a benchmark's template has put them."""
    return squeezed(FRAME.sub("", question))


def _beginning(texts: Iterable[str]) -> str:
    """What all texts begin with: what the first and the last of them in order share."""
    texts = iter(texts)
    first = last = next(texts)
    for text in texts:
        first, last = min(first, text), max(last, text)
    return next((first[:n] for n, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), first)


def _alike(theirs: str, ours: str) -> bool:
    """Four of five words of the one are in the other."""
    mine, other = Counter(ours.split()), Counter(theirs.split())
    return (mine & other).total() >= 0.8 * min(mine.total(), other.total())


def _of_kind(rows: list[RecordedAnswers], request: Request) -> list[RecordedAnswers]:
    """Of rows to one question those with log-probabilities where choices are ranked, with texts where it is written."""
    fits = [row for row in rows if any(bool(r.logprobs) == bool(request.choices) for t in row.answers for r in t)]
    return fits or rows


def _fitting(rows: list[RecordedAnswers], origin: Origin) -> list[RecordedAnswers]:
    """Of rows with a question's text, those with its choices, else those that list none, else those that have them in
    another order; and of these likewise those of its group."""
    options = tuple(map(squeezed, origin.choices))
    if len(rows) == 1 and rows[0].choices == options:
        return rows
    for fits in (
        [row for row in rows if row.choices and row.choices == options],
        [row for row in rows if not row.choices or not options],
        [row for row in rows if sorted(row.choices) == sorted(options)],
    ):
        if fits:
            fits = [row for row in fits if row.group == origin.group] or [row for row in fits if not row.group] or fits
            place = origin.id.rpartition("/")[2]  # where a question stands twice, its position tells which it is
            return [row for row in fits if place in row.ids] or fits
    return []


def _short(text: str) -> str:
    shown = squeezed(text)
    return shown if len(shown) <= 60 else f"{shown[:57]}..."


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
