"""Answers recorded elsewhere, given again: `replay:FILE`, or the files of a folder. docs/replay.md has all formats.

A row has the answer, or several, or log-probabilities of the choices, and says what it answers: by id, or by the
question's text or the prompt, with choices and group where one text stands for several questions. Nothing is invented:
a question without answer, or with two different ones where one is asked for, gets an error that says so. An id and a
text in one row that speak of two different questions are refused.
"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from evalharness.data.files import digest
from evalharness.data.rows import Row
from evalharness.errors import DataError, UserError, option_name
from evalharness.events import warn
from evalharness.model import Preview
from evalharness.models._recorded import RecordedAnswers, recorded_answers, squeezed
from evalharness.models._recorded_answers import AnswerKeys, Turns
from evalharness.models._recorded_index import AnswerIndex, origin_of
from evalharness.models._recorded_lines import stored_answers
from evalharness.models._recorded_rows import answer_files, placed_rows
from evalharness.options import ReplayOptions
from evalharness.records import Request, Response

Options = ReplayOptions
AnswerSlots = list[list[Turns]]  # for each of several answers to a question, the different ones that claim its place


class Replay:
    """A file's answers as a model."""

    chat = False

    def __init__(self, path: Path, keys: AnswerKeys) -> None:
        self.name = f"replay:{path.name}"
        self.path, self.keys = path, keys
        self.fingerprint = f"replay-{_fingerprint(path, keys)}"
        self._planned: dict[tuple[str, str], int] = {}  # answers wanted of each benchmark, by its first question
        self._given, self._used = 0, array("Q")  # answers given so far; the rows that they were in, by hash
        self._stored = stored_answers(path, keys)
        if self._stored is None:
            self._hold_to_answers()

    @cached_property
    def _index(self) -> AnswerIndex:
        rows = placed_rows(self.path) if self._stored is None else self._stored.placed()
        return AnswerIndex(_once(rows, self.keys), self._stored)

    def _hold_to_answers(self) -> None:
        """DataError where no row has any."""
        if not self._index.answers:
            first = self._index.rows[0].where if self._index.rows else self.path
            raise DataError(f"{first}: wanted the answer as text, there is null, and so in every row")

    @cached_property
    def ranks(self) -> bool:
        """Whether there are log-probabilities among the answers."""
        self._hold_to_answers()
        return self._index.ranked

    def repeats(self, requests: Sequence[Request]) -> int:
        """How many answers the file has to each question: several where it has more than one to most of them."""
        self._hold_to_answers()
        self._index.hold_to(requests)
        count = self._count(requests)
        if requests:
            first = origin_of(requests[0])
            self._planned[first.id, first.question] = count * len(requests)
        return count

    def _count(self, requests: Sequence[Request]) -> int:
        if self._index.single:
            return 1
        counts, varied = list[int](), False
        for request in requests:
            if found := _slots(self._index.find(request)):
                counts.append(len(found))
                varied = varied or len(_distinct(turns for slot in found for turns in slot)) > 1
        most = 2 * sum(count > 1 for count in counts) > len(counts)
        return max(counts) if counts and (self._index.numbered or (most and varied)) else 1

    def answer(self, requests: Sequence[Request]) -> Iterator[tuple[int, Response]]:
        for index, request in enumerate(requests):
            response = self._answer(request)
            self._given += origin_of(request).turn == 0
            if self._given == sum(self._planned.values()) and index + 1 == len(requests):
                self._tell_of_rest()
            yield index, response

    def _tell_of_rest(self) -> None:
        """Say how many rows answer nothing that was asked, once all has been asked."""
        total = len(self._index.rows)
        left = total - len(set(self._used))
        self._given, self._used = 0, array("Q")
        if left > 0:
            warn(f"{self.path.name}: {left:,} of {total:,} rows answer{'s' * (left == 1)} no question that was asked")

    def _answer(self, request: Request) -> Response:
        origin = origin_of(request)
        rows = self._index.find(request)
        self._used.extend(hash(row.where) & 0xFFFF_FFFF_FFFF_FFFF for row in rows)
        slots = _slots(rows)
        if origin.repeats > 1:
            found = slots[origin.repeat] if origin.repeat < len(slots) else []
        else:
            found = _distinct(turns for slot in slots for turns in slot)
        found = [turns for turns in found if turns] or found[:1]
        if not found:
            return self._unanswered(f"holds no answer to it{self._hint(slots)}")
        if len(found) > 1:
            return self._unanswered(f"holds {len(found)} different answers to it")
        if not found[0]:
            return self._unanswered("holds null for it")
        if origin.turn >= len(found[0]):
            return self._unanswered(f"holds {len(found[0])} turns of this conversation, and this is a later one")
        row = next(row for row in rows if found[0] in row.answers)
        return self._fitted(found[0][origin.turn], row, request)

    def _hint(self, slots: AnswerSlots) -> str:
        example = self._index.example
        return "" if slots or example is None else f" (an id in it is {example!r})"

    def _fitted(self, response: Response, row: RecordedAnswers, request: Request) -> Response:
        """The response in the order of our choices; an error where it cannot be an answer to what is asked."""
        options = origin_of(request).choices
        if request.choices:
            count = len(response.logprobs)
            if count != len(request.choices):
                held = f"{count} log-probabilities" if count else "a text and no log-probabilities (say --mode write)"
                return self._unanswered(f"holds {held}, the question has {len(request.choices)} choices")
            order = _order(row.continuations, options) or _order(row.choices, options)
            order = order or _order(row.continuations, request.choices)
            return response if order is None else _reordered(response, order)
        if response.logprobs:
            return self._unanswered("holds log-probabilities and no text (say --mode rank)")
        if row.choices != options and _order(row.choices, options) not in (None, list(range(len(options)))):
            return self._unanswered("holds an answer to it with its choices in another order")
        return response

    def _unanswered(self, said: str) -> Response:
        return Response(error=f"unanswered: {self.path.name} {said}")

    def preview(self, request: Request) -> Preview:
        return Preview(text=request.text)

    def describe(self) -> Mapping[str, Any]:
        named = {"answer_key": self.keys.answer, "id_key": self.keys.id}
        said = {name: key for name, key in named.items() if key is not None}
        return {"file": self.path.name, "answers": self._index.answers, **said, "template": "none"}


def _once(rows: Iterable[tuple[str, Row]], keys: AnswerKeys) -> Iterator[RecordedAnswers]:
    """The rows as answers, each once: a sample log of lm-evaluation-harness has all of them again for each filter that
    was applied, and earlier versions do not say which filter it was."""
    first: dict[tuple[str, str], object] = {}
    for where, row in rows:
        try:
            if "doc_id" in row and "resps" in row:
                # Where a file holds several tasks, each has a question 0.
                asked = row.get("doc_hash") or row.get("prompt_hash") or row.get("doc")
                place = where.rpartition(":")[0], f"{row['doc_id']} {asked}"
                if place in first and first[place] == row["resps"]:
                    continue
                first[place] = row["resps"]
            read = recorded_answers(row, where, keys)
        except RecursionError:
            raise DataError(f"{where}: nested too deep") from None
        yield read


def _slots(rows: Sequence[RecordedAnswers]) -> AnswerSlots:
    """The answers to one question by repeat: as the rows number them, else in the order of the file."""
    if all(row.repeat is None for row in rows):
        return [[turns] for row in rows for turns in row.answers]
    numbered: dict[int, list[Turns]] = {}
    for row in rows:
        numbered.setdefault(row.repeat or 0, []).extend(row.answers)
    return [_distinct(numbered.get(repeat, ())) for repeat in range(max(numbered) + 1)]


def _distinct(found: Any) -> list[Turns]:
    return list(dict.fromkeys(found))


def _order(theirs: Sequence[str], ours: Sequence[str]) -> list[int] | None:
    """Where each of our choices stands among theirs; None where they are not the same texts, or one stands twice."""
    known = {squeezed(text): place for place, text in enumerate(theirs)}
    wanted = [squeezed(text) for text in ours]
    if len(known) != len(theirs) or known.keys() != set(wanted) or len(wanted) != len(known):
        return None
    return [known[text] for text in wanted]


def _reordered(response: Response, order: Sequence[int]) -> Response:
    greedy = response.greedy and tuple(response.greedy[place] for place in order)
    return Response(logprobs=tuple(response.logprobs[place] for place in order), greedy=greedy)


def _fingerprint(path: Path, keys: AnswerKeys) -> str:
    """sha256 of the file, and of what was read as its answers where that was said."""
    files = answer_files(path)
    if len(files) == 1 and keys == AnswerKeys():
        return digest(files[0])
    whole = "\n".join([*(f"{file.name} {digest(file)}" for file in files), repr(keys)])
    return hashlib.sha256(whole.encode()).hexdigest()


def open_model(argument: str, options: ReplayOptions) -> Replay:
    """The answers in a file or folder. DataError names the line that is none."""
    if not argument:
        raise UserError(f"replay wants a file of recorded answers; say {option_name('model', 'replay:FILE')}")
    path = Path(argument).expanduser()
    if not path.exists():
        raise UserError(f"replay:{argument}: there is no such file")
    return Replay(path, AnswerKeys(answer=options.answer_key, id=options.id_key))
