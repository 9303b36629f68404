"""What a model is: something with a name that answers requests. `models/` holds the kinds there are, one file each.

A plug-in module defines `open_model(argument, options) -> Model`; `local:PATH` opens plug-in `local` with argument
`PATH`. What it can be told stands in a frozen dataclass of its own, `Options`, and `options` is one of those; a module
without takes no options and gets None. An option that it does not take is refused before it is opened. A module whose
models have tokens of their own may define `open_prompts(argument, facts) -> Previews`: how the model of a run, of which
`facts` are what it described itself by, reads prompts; no weights are read for it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any, Protocol, overload, runtime_checkable

from evalharness.records import Request, Response


class Stop:
    """Said once, from any thread: no more answers are wanted. Whoever waits for an answer is woken by it.

    One that is made within `stopped_by` is said with that one too.
    """

    def __init__(self) -> None:
        self._outer = _stop_of_all.get()
        self._said = False
        self._lock = threading.Lock()
        self._wakes: list[Callable[[], None]] = []

    @property
    def said(self) -> bool:
        return self._said or (self._outer is not None and self._outer.said)

    def say(self) -> None:
        with self._lock:
            self._said = True
            wakes = tuple(self._wakes)
        for wake in wakes:
            wake()

    @contextmanager
    def waking(self, wake: Callable[[], None]) -> Iterator[None]:
        """Within, `wake` is called when the stop is said, and at once where it was said before."""
        with nullcontext() if self._outer is None else self._outer.waking(wake):
            with self._lock:
                self._wakes.append(wake)
                said = self._said
            try:
                if said:
                    wake()
                yield
            finally:
                with self._lock:
                    self._wakes.remove(wake)


_stop_of_all: ContextVar[Stop | None] = ContextVar("stop", default=None)


@contextmanager
def stopped_by(stop: Stop) -> Iterator[None]:
    """Within, whatever is asked ends once `stop` is said."""
    token = _stop_of_all.set(stop)
    try:
        yield
    finally:
        _stop_of_all.reset(token)


class Requests(Sequence[Request]):
    """What a model is asked: known from the start, or added by whoever reads the answers while he reads them.

    Whoever asks says `add`, the model says `take`; both in one thread, as a generator and its reader are. As a sequence
    it has what is known at that moment: iterating it sees nothing that is added meanwhile. `stop` alone may come from
    another thread; once it is said there is nothing more to take, and the model is to end. What was added is there
    until it is answered (`forget`).
    """

    def __init__(self, requests: Iterable[Request] = (), stop: Stop | None = None) -> None:
        # A sequence may make its requests when they are looked at: it is not copied.
        self._given = requests if isinstance(requests, Sequence) else tuple(requests)
        self._first = len(self._given)
        self._added: dict[int, Request] = {}
        self._end = self._first
        self._taken = 0
        self.stop = stop or Stop()

    @classmethod
    def of(cls, requests: Sequence[Request]) -> Requests:
        """Any sequence as one that can be taken from; one that can is returned itself."""
        return requests if isinstance(requests, Requests) else cls(requests)

    def add(self, request: Request) -> int:
        """Ask this too. Returns its index."""
        self._added[self._end] = request
        self._end += 1
        return self._end - 1

    def forget(self, index: int) -> None:
        """An added request whose answer was dealt with is looked at no more: of a million few need stand in memory."""
        self._added.pop(index, None)

    def take(self, most: int | None = None) -> list[tuple[int, Request]]:
        """Those that nobody has taken yet, with their indices, at most so many; empty where there is none now."""
        if self.stop.said:
            return []
        begin, end = self._taken, len(self)
        self._taken = end if most is None else min(end, begin + max(0, most))
        return [(index, self[index]) for index in range(begin, self._taken)]

    @property
    def untaken(self) -> int:
        """How many are known that nobody has taken."""
        return 0 if self.stop.said else len(self) - self._taken

    def __len__(self) -> int:
        return self._end

    def __iter__(self) -> Iterator[Request]:
        added = [self._added[place] for place in range(self._first, self._end)]
        return chain(islice(self._given, self._first), added)

    @overload
    def __getitem__(self, index: int) -> Request: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Request]: ...
    def __getitem__(self, index: int | slice) -> Request | Sequence[Request]:
        if isinstance(index, slice):
            return [self[place] for place in range(len(self))[index]]
        place = range(len(self))[index]
        return self._given[place] if place < self._first else self._added[place]


@runtime_checkable
class Model(Protocol):
    """A model under evaluation or a judge.

    `name` is how the user named it. `fingerprint` decides whether two answers come from the same model (digest of the
    weights, or the endpoint and the name it serves); it is part of every cache key. `chat`: it has a chat template.
    `ranks`: it can score choices by log-probability.
    """

    @property
    def name(self) -> str: ...
    @property
    def fingerprint(self) -> str: ...
    @property
    def chat(self) -> bool: ...
    @property
    def ranks(self) -> bool: ...

    def answer(self, requests: Sequence[Request]) -> Iterator[tuple[int, Response]]:
        """Yield (index into `requests`, response) in order of completion, each index once.

        A model may treat `requests` as a list and answer that. Whoever reads the answers is then asked for the next
        round once they are through. A model that can do better says `Requests.of(requests)` and, before it begins and
        after each answer that it yielded, `take()`: what was added meanwhile (a second turn, a question put again) is
        answered beside the rest. It ends when there is nothing to take and nothing it has taken is unanswered. Closed
        early, it sends nothing more and leaves no thread and no connection.

        A request that failed for good gets a Response with `error`; UserError is raised only where nothing can be
        answered at all (no key, no such model, not enough memory).
        """
        ...

    def describe(self) -> Mapping[str, Any]:
        """Facts for the run's manifest, JSON only: versions, dtype, device, template and its hash, BOS decision, ..."""
        ...


@runtime_checkable
class TokenScores(Protocol):
    """A model that shows its whole distribution at every token of a text."""

    def token_scores(self, texts: Sequence[str]) -> Iterator[Sequence[float]]:
        """Of each text, in order, the standard score of every token: its log-probability less the mean of the model's
        own distribution there, in that distribution's standard deviations."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """One prompt exactly as it will be sent: rendered text, and for local models its token ids and pieces."""

    text: str
    ids: tuple[int, ...] = ()
    pieces: tuple[str, ...] = ()
    bos: bool | None = None


@runtime_checkable
class Previews(Protocol):
    """A model that can show how it will read a request."""

    def preview(self, request: Request) -> Preview: ...


@runtime_checkable
class Prerecorded(Protocol):
    """A model whose answers were given before it was asked: it knows how many there are to each question."""

    def repeats(self, requests: Sequence[Request]) -> int:
        """The answers that are there to each of the questions. DataError where they are those of other questions."""
        ...


@runtime_checkable
class Priced(Protocol):
    """A model whose answers cost money; US dollars per million tokens, None where unknown."""

    @property
    def prices(self) -> tuple[float, float] | None: ...


@runtime_checkable
class TellsFirstTokens(Protocol):
    """A model that tells the likeliest first tokens of an answer with their log-probabilities (`first_tokens`)."""

    @property
    def first_tokens(self) -> bool: ...


@runtime_checkable
class Askable(Protocol):
    """A model that may be described and still not be asked, such as one whose key is missing."""

    def check(self) -> None: ...


@runtime_checkable
class Remote(Protocol):
    """A model that computes elsewhere (`remote` is true): others may be asked beside it, each from its own thread."""

    @property
    def remote(self) -> bool: ...


@runtime_checkable
class Probed(Protocol):
    """A model behind an endpoint that lets `evalh doctor` look at it closely."""

    @property
    def refused(self) -> Mapping[str, str]:
        """Parameters that it does not take, and what is done about each."""
        ...

    def anew(self, model: str | None = None) -> Model:
        """The same endpoint of which nothing was learned, asked for a model of that name or the same."""
        ...

    def post_once(self, request: Request, more: Mapping[str, Any], seconds: float) -> tuple[int, str]:
        """One attempt with further fields in its body: the status, and the body's beginning as text. UserError where
        the endpoint cannot be reached or gives no whole reply in time."""
        ...


@runtime_checkable
class Batched(Protocol):
    """A model that may have its requests handed in all at once (`in_batches`): what was handed in is paid."""

    @property
    def in_batches(self) -> bool: ...


@runtime_checkable
class Started(Protocol):
    """A model whose server is started for it when it is first asked."""

    def opened(self) -> Model:
        """The model behind the running server, which is started where it is not. It ends with this object."""
        ...

    def ended(self) -> str:
        """What the server said last where it was started and is gone; empty otherwise. Asked after a failed answer."""
        ...


@runtime_checkable
class Streams(Protocol):
    """A model that can be heard while it writes."""

    def streamed(self, request: Request, hear: Callable[[str], None]) -> Response:
        """The answer to one request without choices; `hear` is told piece by piece what is written. The answer may
        leave out some of that: a text to stop at, thinking."""
        ...


def heard(model: Model, request: Request, hear: Callable[[str], None]) -> Response:
    """The answer to one request, told while it is written where the model can do that."""
    if isinstance(model, Streams):
        return model.streamed(request, hear)
    return next(response for _, response in answered(model, Requests([request])))


def answered(model: Model, requests: Requests) -> Generator[tuple[int, Response], None, None]:
    """Every request with its answer in order of completion, those too that are added while the answers are read.

    A model that reads `requests` as a list is asked again for what came meanwhile. Where it then gives no answer at
    all, what is left gets an error.
    """
    done = bytearray()  # a million requests may be open: one byte each
    count, before = 0, -1
    while not requests.stop.said:
        done.extend(bytes(len(requests) - len(done)))
        if count == len(done):
            return
        first, left = before < 0, [] if before < 0 else _unanswered(done)
        if before == count:
            for index in left:
                done[index], count = 1, count + 1
                yield index, Response(error="the model gave no answer to it")
                requests.forget(index)
            continue
        before = count
        answers = model.answer(requests if first else [requests[index] for index in left])
        try:
            for number, response in answers:
                index = number if first else left[number]
                done.extend(bytes(len(requests) - len(done)))
                if not done[index]:
                    done[index], count = 1, count + 1
                    yield index, response
                    requests.forget(index)
        finally:
            if isinstance(answers, Generator):
                answers.close()


def _unanswered(done: bytearray) -> list[int]:
    """The indices of the zeros, of which the first is sought fast: what came before is answered."""
    start = max(0, done.find(0))
    return [index for index, flag in enumerate(done[start:], start) if not flag]


@dataclass(frozen=True, kw_only=True)
class WrappedModel:
    """A model that answers by another one, and is known as that one is. Whoever wraps says how in `answer`."""

    model: Model

    @property
    def name(self) -> str:
        return self.model.name

    @property
    def fingerprint(self) -> str:
        return self.model.fingerprint

    @property
    def chat(self) -> bool:
        return self.model.chat

    @property
    def ranks(self) -> bool:
        return self.model.ranks

    @property
    def remote(self) -> bool:
        return isinstance(self.model, Remote) and self.model.remote

    @property
    def first_tokens(self) -> bool:
        return isinstance(self.model, TellsFirstTokens) and self.model.first_tokens

    def describe(self) -> Mapping[str, Any]:
        return self.model.describe()

    def preview(self, request: Request) -> Preview:
        return self.model.preview(request) if isinstance(self.model, Previews) else Preview(text=request.text)
