"""Which recorded rows answer a question that is asked."""

from __future__ import annotations

import hashlib
import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cached_property

from evalharness.errors import DataError, UserError, option_name
from evalharness.models._recorded import NO_IDS, RecordedAnswers, squeezed
from evalharness.records import Origin, Request

FRAME = re.compile(r"\A\s*(?:question|q):|\b(?:answer|a):\s*\Z", re.IGNORECASE)


class AnswerIndex:
    """The rows of a file by id, by the texts of their question, and by the hash of their prompt."""

    def __init__(self, rows: Iterable[RecordedAnswers]) -> None:
        self.rows: list[RecordedAnswers] = []
        self._by_id: dict[str, list[RecordedAnswers]] = {}
        self._by_text: dict[str, list[RecordedAnswers]] = {}
        self._by_hash: dict[str, list[RecordedAnswers]] = {}
        self._twins: dict[str, list[str]] = {}  # the ids of all asked questions that read as this one does
        for row in rows:
            self.rows.append(row)
            for identity in row.ids:
                self._by_id.setdefault(identity, []).append(row)
            for text in {*row.questions, *filter(None, [row.prompt])}:
                self._by_text.setdefault(text, []).append(row)
            if row.prompt_hash:
                self._by_hash.setdefault(row.prompt_hash, []).append(row)

    @property
    def example(self) -> str | None:
        """An id that is there; None where rows have none."""
        return next(iter(self._by_id), None)

    def find(self, request: Request) -> list[RecordedAnswers]:
        """The rows that answer a question: by its id, else by its text, else by the prompt that asks it, or its hash.

        DataError where a row with its id speaks of another question.
        """
        origin = origin_of(request)
        if named := self._by_id.get(origin.id):
            agreeing = [row for row in named if self._agrees(row, origin)]
            if not agreeing:
                raise _foreign(named[0], origin)
            exact = [row for row in agreeing if squeezed(origin.question) in row.questions]
            return _of_kind(exact or agreeing, request)
        found = self._with_text(origin, request)
        return self._own_share(_of_kind(_fitting(found, origin), request), origin)

    def _with_text(self, origin: Origin, request: Request) -> list[RecordedAnswers]:
        question = squeezed(origin.question)
        for text in dict.fromkeys((question, squeezed(request.text), _unframed(origin.question))):
            if found := self._by_text.get(text):
                return found
        hashed = self._by_hash.get(_sha256(request.text)) if self._by_hash else None
        return hashed or self._framing(question) or self._ending_with(origin, request)

    def hold_to(self, requests: Sequence[Request]) -> None:
        """DataError where a row has the id of one question that is asked and the text of another, however alike."""
        asked: dict[str, set[str]] = {}
        alike: dict[tuple[object, ...], list[str]] = {}
        for request in requests:
            origin = origin_of(request)
            for text in (squeezed(origin.question), _sha256(request.text) if self._by_hash else ""):
                asked.setdefault(text, set()).add(origin.id)
            alike.setdefault((squeezed(origin.question), origin.choices, origin.group), []).append(origin.id)
        self._twins = {identity: twins for twins in alike.values() if len(twins) > 1 for identity in twins}
        for request in requests:
            origin = origin_of(request)
            named = self._by_id.get(origin.id, [])
            owners = [
                {known for text in (*row.questions, row.prompt_hash) if text for known in asked.get(text, ())}
                for row in named
            ]
            if owners and all(others and origin.id not in others for others in owners):
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
        texts = [t for t in (row.questions or (row.prompt,)) if t and len(self._by_text[t]) < max(2, len(self.rows))]
        ours = squeezed(origin.question).casefold()
        return not texts or any(text in ours or ours in text or _alike(text, ours) for text in map(str.casefold, texts))

    @cached_property
    def _frame(self) -> tuple[str, str]:
        """What all recorded texts begin with and end with: a chat template, a header, the same examples."""
        if len(self._by_text) < 2:
            return "", ""
        return _beginning(self._by_text), _beginning([text[::-1] for text in self._by_text])[::-1]

    def _framing(self, question: str) -> list[RecordedAnswers]:
        """The rows whose text is the question within the frame of all of them, which may have in it what all the
        questions begin and end with."""
        before, after = self._frame
        starts = [n for n in range(min(len(before), len(question)) + 1) if before.endswith(question[:n])]
        ends = [n for n in range(min(len(after), len(question)) + 1) if after.startswith(question[len(question) - n :])]
        cores = (question[a : len(question) - b] for a in starts for b in ends if a + b < len(question))
        texts = (before + core + after for core in cores)
        return next((self._by_text[text] for text in texts if text in self._by_text), [])

    @cached_property
    def _endings(self) -> list[tuple[str, str]]:
        """Every text backwards, in order, so that the prompts that end with some text stand side by side."""
        return sorted((text[::-1], text) for text in self._by_text)

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
        return self._by_text[near[0]] if len(near) == 1 else []


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


def _unframed(question: str) -> str:
    """The question without `Question:` before and `Answer:` behind it, where a benchmark's template has put them."""
    return squeezed(FRAME.sub("", question))


def _beginning(texts: Iterable[str]) -> str:
    """What all texts begin with: what the first and the last of them in order share."""
    first, last = min(texts), max(texts)
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
