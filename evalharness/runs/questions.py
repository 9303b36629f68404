"""The questions of a task, held or made when they are looked at: a million of them need not stand in memory."""

from __future__ import annotations

import hashlib
import json
from abc import abstractmethod
from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, chain
from typing import TypeVar, overload

from evalharness.records import Request, Sample

_Item = TypeVar("_Item")


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One thing to ask: a sample, which of its repeats, and the request."""

    sample: Sample
    repeat: int
    request: Request


class PromptHash:
    """sha256 over what is asked: messages and choices of every request, in order."""

    def __init__(self) -> None:
        self._total = hashlib.sha256()

    def add(self, asked: Request) -> None:
        """Take the next request in."""
        said = [[m.role, m.content, *([m.extra] if m.extra else [])] for m in asked.messages]
        more = [asked.template_kwargs] if asked.template_kwargs else []
        self._total.update(_encode([said, asked.choices, asked.context_per_choice, *more]).encode())

    @property
    def sha256(self) -> str:
        """The hash of the requests so far."""
        return self._total.hexdigest()


_encode = json.JSONEncoder(ensure_ascii=True).encode


def prompt_hash(requests: Iterable[Request]) -> str:
    """The `PromptHash` of requests."""
    total = PromptHash()
    for asked in requests:
        total.add(asked)
    return total.sha256


class MadeSequence(Sequence[_Item]):
    """Things that are made when they are looked at. Whoever derives from it says how many there are, and makes one."""

    @abstractmethod
    def made(self, index: int) -> _Item:
        """The one at an index from 0 on, which is there."""

    @overload
    def __getitem__(self, index: int) -> _Item: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[_Item]: ...
    def __getitem__(self, index: int | slice) -> _Item | Sequence[_Item]:
        if isinstance(index, slice):
            return [self.made(place) for place in range(len(self))[index]]
        return self.made(range(len(self))[index])


class FirstRequests(MadeSequence[Request]):
    """The request of every sample, held where the samples are. Whoever first reads them all also hashes them."""

    def __init__(self, samples: Sequence[Sample], make: Callable[[Sample], Request]) -> None:
        self.samples, self._make = samples, make
        self.held = isinstance(samples, list | tuple)
        self._requests = [make(sample) for sample in samples] if self.held else []
        self._sha256: str | None = None

    @property
    def sha256(self) -> str:
        """The hash of what they ask."""
        return prompt_hash(self) if self._sha256 is None else self._sha256

    def pairs(self) -> Iterator[tuple[Sample, Request]]:
        """Each sample with its request."""
        total = PromptHash()
        for place, sample in enumerate(self.samples):
            asked = self._requests[place] if self.held else self._make(sample)
            if self._sha256 is None:
                total.add(asked)
            yield sample, asked
        self._sha256 = self._sha256 or total.sha256

    def __len__(self) -> int:
        return len(self.samples)

    def __iter__(self) -> Iterator[Request]:
        return (asked for _, asked in self.pairs())

    def made(self, index: int) -> Request:
        return self._requests[index] if self.held else self._make(self.samples[index])


class AskedQuestions(MadeSequence[Question]):
    """Every sample as often as it is asked, each time with the request of that repeat: `make` has it from the sample,
    its first request and the repeat."""

    def __init__(self, first: FirstRequests, repeats: int, make: Callable[[Sample, Request, int], Request]) -> None:
        self._first, self._repeats, self._make = first, repeats, make

    def __len__(self) -> int:
        return len(self._first) * self._repeats

    def __iter__(self) -> Iterator[Question]:
        for sample, asked in self._first.pairs():
            for repeat in range(self._repeats):
                yield Question(sample=sample, repeat=repeat, request=self._make(sample, asked, repeat))

    def made(self, index: int) -> Question:
        place, repeat = divmod(index, self._repeats)
        sample = self._first.samples[place]
        return Question(sample=sample, repeat=repeat, request=self._make(sample, self._first[place], repeat))


class ChosenQuestions(MadeSequence[Question]):
    """Some of the questions, by their places."""

    def __init__(self, questions: Sequence[Question], places: Iterable[int]) -> None:
        self._questions = questions
        self._places = places if isinstance(places, range) else array("q", places)

    def __len__(self) -> int:
        return len(self._places)

    def made(self, index: int) -> Question:
        return self._questions[self._places[index]]


class JoinedQuestions(MadeSequence[Question]):
    """Several sequences of questions as one."""

    def __init__(self, parts: Sequence[Sequence[Question]]) -> None:
        self._parts = parts
        self._ends = list(accumulate(map(len, parts)))

    def part_of(self, index: int) -> int:
        """Which of the sequences has the question at an index."""
        return bisect_right(self._ends, index)

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def __iter__(self) -> Iterator[Question]:
        return chain.from_iterable(self._parts)

    def made(self, index: int) -> Question:
        part = self.part_of(index)
        return self._parts[part][index - self._ends[part]]  # counted from the part's end


class OpenQuestions(MadeSequence[Request]):
    """The requests of questions for a model to answer. A question that was looked at is kept until `pop` gives it back
    with its answer, so that it is made once."""

    def __init__(self, questions: Sequence[Question]) -> None:
        self._questions = questions
        self._open: dict[int, Question] = {}

    def pop(self, index: int) -> Question:
        """The question whose answer came."""
        found = self._open.pop(index, None)
        return self._questions[index] if found is None else found

    def put(self, index: int, question: Question) -> None:
        """Another turn of a question, which was added to the requests at this index."""
        self._open[index] = question

    def __len__(self) -> int:
        return len(self._questions)

    def __iter__(self) -> Iterator[Request]:
        for index, question in enumerate(self._questions):
            self._open[index] = question
            yield question.request

    def made(self, index: int) -> Request:
        if index not in self._open:
            self._open[index] = self._questions[index]
        return self._open[index].request
