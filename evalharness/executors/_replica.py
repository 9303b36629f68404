"""What goes on where a copy of a model is: it is opened, and answers one piece after another."""

from __future__ import annotations

import os
import queue
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from multiprocessing.connection import Connection
from typing import NoReturn

import evalharness
from evalharness import plugins
from evalharness.errors import UserError, flags_in_messages, option_name
from evalharness.events import Event, Told, Warned, observed_by
from evalharness.executor import (
    Answered,
    Finished,
    Opened,
    QuestionPiece,
    Recipe,
    Refused,
    ReplicaFacts,
    ReplicaMessage,
    Spoke,
    own_cores,
)
from evalharness.model import Model, Remote, Requests, Started, answered
from evalharness.records import Response

_FLUSH_SECONDS = 0.2


class Replica:
    """A copy of a model. Use `open_replica`; `cancel` may be called from another thread."""

    def __init__(self, model: Model, recipe: Recipe) -> None:
        self._model, self._recipe = model, recipe
        self._cancelled = -1  # pieces up to this number are not wanted any more

    @property
    def facts(self) -> ReplicaFacts:
        model = self._model
        return ReplicaFacts(
            name=model.name, fingerprint=model.fingerprint, chat=model.chat, ranks=model.ranks,
            description=dict(model.describe()), version=evalharness.__version__,
        )  # fmt: skip

    def cancel(self, last: int) -> None:
        """Pieces up to this number are not wanted any more."""
        self._cancelled = max(self._cancelled, last)

    def answers(self, piece: QuestionPiece) -> Iterator[ReplicaMessage]:
        """Every answer to a piece, several in a message where they come fast, and its end."""
        if piece.number <= self._cancelled:
            return
        spoken: list[ReplicaMessage] = []
        with flags_in_messages(self._recipe.flags), observed_by(_noting(spoken.append)):
            some: list[tuple[int, Response]] = []
            flushed = time.monotonic()
            with closing(answered(self._model, Requests(piece.requests))) as answers:
                for answer in answers:
                    if words := self._lost_server(answer[1]):
                        yield Answered(piece=piece.number, answers=tuple(some))
                        _lose(words)
                    some.append(answer)
                    if piece.number <= self._cancelled:
                        return
                    if time.monotonic() - flushed > _FLUSH_SECONDS:
                        yield from _taken(spoken)
                        yield Answered(piece=piece.number, answers=tuple(some))
                        some, flushed = [], time.monotonic()
            yield from _taken(spoken)
            if some:
                yield Answered(piece=piece.number, answers=tuple(some))
            yield Finished(piece=piece.number, facts=self.facts)

    def _lost_server(self, response: Response) -> str:
        """The last words of the server that a copy started for itself, where an answer failed because it is gone."""
        model = self._model
        return model.ended() if response.error and isinstance(model, Started) else ""


def _lose(words: str) -> NoReturn:
    """End this copy, as one that was killed: without its server it would fail every question, and so fast that it
    would get most of them. They are asked elsewhere instead."""
    print(words, file=sys.stderr, flush=True)
    os._exit(1)


def open_replica(recipe: Recipe, hear: Callable[[ReplicaMessage], None]) -> Replica:
    """Open a copy; `hear` gets what is told meanwhile. UserError where it cannot be opened, or computes elsewhere."""
    # More threads than cores are free wait for each other. Ray has set the number to the cores that it set aside.
    if (threads := min(recipe.cores, round(own_cores() - os.getloadavg()[0]))) < recipe.cores:
        os.environ["OMP_NUM_THREADS"] = str(max(1, threads))
    os.environ.setdefault("OMP_NUM_THREADS", str(recipe.cores))
    with flags_in_messages(recipe.flags), observed_by(_noting(hear)):
        model = plugins.load_model(recipe.spec, recipe.options)
        if isinstance(model, Remote) and model.remote and not isinstance(model, Started):
            raise UserError(
                f"{recipe.spec} computes elsewhere, so copies of it would be one and the same; "
                f"{option_name('concurrency')} says how many requests it gets at a time"
            )
        found = Replica(model, recipe)
        assert found.facts.fingerprint  # hashing the weights belongs to opening
        return found


def _noting(hear: Callable[[ReplicaMessage], None]) -> Callable[[Event], None]:
    def observe(event: Event) -> None:
        if isinstance(event, Warned | Told):
            hear(Spoke(text=event.text, warning=isinstance(event, Warned)))

    return observe


def _taken(messages: list[ReplicaMessage]) -> list[ReplicaMessage]:
    some = messages[:]
    messages.clear()
    return some


def serve(file: int) -> None:
    """Be a copy of a model for the process at the other end of a socket. Ends when that end closes, at once."""
    connection: Connection[object, ReplicaMessage] = Connection(file)
    recipe = connection.recv()
    assert isinstance(recipe, Recipe)
    waiting: queue.SimpleQueue[QuestionPiece] = queue.SimpleQueue()
    opened: list[Replica] = []

    def listen() -> None:
        """Takes orders also while the model computes: so nobody waits for it, and its end is heard at once."""
        with suppress(EOFError, OSError):
            while True:
                order = connection.recv()
                if isinstance(order, QuestionPiece):
                    waiting.put(order)
                elif isinstance(order, int) and opened:
                    opened[0].cancel(order)
        os._exit(0)

    threading.Thread(target=listen, daemon=True).start()
    try:
        replica = open_replica(recipe, connection.send)
        opened.append(replica)
        connection.send(Opened(facts=replica.facts))
        while True:
            for message in replica.answers(waiting.get()):
                connection.send(message)
    except UserError as error:
        connection.send(Refused(text=str(error)))
        threading.Event().wait()  # until the other end has read it and closes
