"""A model made of copies that an executor placed: questions are handed out in pieces, a lost copy's are asked again.

How questions are cut depends on the questions alone, and a piece is always answered by one copy from its beginning to
its end. So however many copies there are, and whichever are lost, every question meets the same batch.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import evalharness
from evalharness import plugins
from evalharness.errors import UserError, nearest, option_name
from evalharness.events import Told, tell, warn
from evalharness.executor import (
    Answered,
    Executor,
    Finished,
    Lost,
    Opened,
    PlacementOptions,
    QuestionPiece,
    Recipe,
    Refused,
    ReplicaFacts,
    ReplicaMessage,
    Spoke,
)
from evalharness.model import Model, Requests
from evalharness.options import hold_to_bounds
from evalharness.records import Request, Response

SMALLEST_PIECE, LARGEST_PIECE, PIECES = 8, 256, 128
_MOST_LOSSES = 3  # copies that may be lost over one piece, or before they are open
_LOOK_SECONDS = 30.0


def placed_model(spec: str, given: object, placement: PlacementOptions) -> Model:
    """The model that `PLUGIN[:ARGUMENT]` names, or where copies of it are asked for, one made of those.

    UserError as for `plugins.load_model`, and for an engine that is not there.
    """
    hold_to_bounds(placement)
    if placement.replicas is None and placement.engine is None:
        lone = next((name for name in vars(placement) if getattr(placement, name)), None)
        if lone is not None:
            raise UserError(
                f"{option_name(lone)} does nothing without {option_name('replicas')} or {option_name('engine')}"
            )
        return plugins.load_model(spec, given)
    plugins.model_options(spec, given)  # what it does not take is said before anything is started
    options = cast(Mapping[str, Any], given or {})
    recipe = Recipe(spec=spec, options=dict(options), flags=option_name("a").startswith("-"))
    found, name = plugins.modules("executors"), placement.engine or "processes"
    if name not in found:
        raise UserError(
            f"{option_name('engine')} wants {' or '.join(found)}{nearest(name, found)}; there is {name!r:.80}"
        )
    return PlacedModel(plugins.load_plugin("executors", name).open_executor(recipe, placement))


@dataclass(kw_only=True)
class _OpenPiece:
    """A piece, the indices of its requests, which of them are answered, and how many copies were lost over it."""

    piece: QuestionPiece
    indices: Sequence[int]
    done: bytearray
    losses: int = 0


@dataclass(kw_only=True)
class _Copy:
    """A copy, whether it is open, and the numbers of the pieces that it has, the one it is at first."""

    opened: bool = False
    pieces: deque[int] = field(default_factory=deque)


class PlacedModel:
    """A model that answers by its copies. They are started when they are needed, and end with this object."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self._copies: dict[int, _Copy] = {}
        self._facts: ReplicaFacts | None = None
        self._losses = 0  # since a copy last got anything done
        self._number = 0
        self._said: set[str] = set()

    @property
    def facts(self) -> ReplicaFacts:
        """What the first copy says of the model; it is started where none was."""
        if self._facts is None:
            self._start()
            while self._facts is None:
                for _ in self._messages({}, deque()):
                    pass
        return self._facts

    @property
    def name(self) -> str:
        return self.facts.name

    @property
    def fingerprint(self) -> str:
        return self.facts.fingerprint

    @property
    def chat(self) -> bool:
        return self.facts.chat

    @property
    def ranks(self) -> bool:
        return self.facts.ranks

    def describe(self) -> Mapping[str, Any]:
        return {**self.facts.description, "placement": dict(self._executor.describe())}

    def close(self) -> None:
        """End all copies."""
        self._executor.close()
        self._copies.clear()

    def answer(self, requests: Sequence[Request]) -> Iterator[tuple[int, Response]]:
        """Everything that is known, in pieces; then what was added meanwhile. UserError, and no copy is left, where the
        model refuses or its copies do not stay."""
        given = Requests.of(requests)
        assert self.facts.fingerprint
        try:
            first = True
            while wave := _Wave(given, ordered=not first):
                yield from self._answer_wave(wave)
                first = False
        except UserError:
            self.close()
            raise

    def _answer_wave(self, wave: _Wave) -> Iterator[tuple[int, Response]]:
        open_pieces: dict[int, _OpenPiece] = {}
        again: deque[int] = deque()
        while len(self._copies) < min(self._executor.replicas, wave.pieces):
            self._start()
        try:
            while True:
                self._hand_out(wave, open_pieces, again)
                if not open_pieces:
                    return
                yield from self._messages(open_pieces, again)
        finally:
            for number, copy in self._copies.items():
                if copy.pieces:
                    self._executor.cancel(number)
                    copy.pieces.clear()

    def _hand_out(self, wave: _Wave, open_pieces: dict[int, _OpenPiece], again: deque[int]) -> None:
        """Each copy has a piece that it is at, and while there is much to do a next one, so that it never waits."""
        for most in (1, 2):
            if most == 2 and wave.left < len(self._copies):
                return
            for number, copy in self._copies.items():
                while copy.opened and len(copy.pieces) < most:
                    if again:
                        place = again.popleft()
                    elif (cut := wave.next()) is not None:
                        place, self._number = self._number, self._number + 1
                        piece = QuestionPiece(number=place, requests=[request for _, request in cut])
                        open_pieces[place] = _OpenPiece(
                            piece=piece, indices=[index for index, _ in cut], done=bytearray(len(cut))
                        )
                    else:
                        return
                    self._executor.ask(number, open_pieces[place].piece)
                    copy.pieces.append(place)

    def _start(self) -> None:
        self._copies[self._executor.start()] = _Copy()

    def _messages(self, open_pieces: dict[int, _OpenPiece], again: deque[int]) -> Iterator[tuple[int, Response]]:
        """Wait for messages and deal with them; the answers among them that had not come before."""
        came = self._executor.wait(_LOOK_SECONDS)
        if not came and not any(copy.opened for copy in self._copies.values()):
            tell(Told(text=f"waiting for {len(self._copies)} copies of the model to open"))
        for number, message in came:
            match message:
                case Answered(piece=place, answers=answers) if place in open_pieces:
                    part = open_pieces[place]
                    for index, response in answers:
                        if not part.done[index]:
                            part.done[index] = 1
                            yield part.indices[index], response
                case Finished(piece=place, facts=facts) if place in open_pieces:
                    del open_pieces[place]
                    self._copies[number].pieces.remove(place)
                    self._facts, self._losses = facts, 0
                case Lost(words=words):
                    self._lost(number, words, open_pieces, again)
                case _:
                    self._heard(number, message)

    def _heard(self, number: int, message: ReplicaMessage) -> None:
        match message:
            case Opened(facts=facts):
                self._same(facts)
                self._copies[number].opened = True
            case Refused(text=text):
                raise UserError(text)
            case Spoke(text=text, warning=warning) if text not in self._said:
                self._said.add(text)  # every copy says so
                if warning:
                    warn(text)
                else:
                    tell(Told(text=text))

    def _same(self, facts: ReplicaFacts) -> None:
        """UserError for a copy of another model, or by another version of this program."""
        if facts.version != evalharness.__version__:
            raise UserError(
                f"a copy runs evalharness {facts.version}, and here is {evalharness.__version__}; install one version"
            )
        if self._facts is None:
            self._facts = facts
        elif self._facts.fingerprint != facts.fingerprint:
            raise UserError(
                f"{facts.name} is not the same model everywhere: its weights, tokenizer or arithmetic differ between "
                f"copies ({self._facts.fingerprint[:40]} and {facts.fingerprint[:40]})"
            )

    def _lost(self, number: int, words: str, open_pieces: dict[int, _OpenPiece], again: deque[int]) -> None:
        """Put a lost copy's pieces back in front, and start another. UserError where that has gone wrong too often."""
        gone = self._copies.pop(number)
        theirs = [place for place in gone.pieces if place in open_pieces]
        again.extendleft(reversed(theirs))
        self._losses += 1
        if theirs:
            open_pieces[theirs[0]].losses += 1
        worst = max((open_pieces[place].losses for place in theirs), default=0)
        if worst >= _MOST_LOSSES or self._losses >= _MOST_LOSSES * self._executor.replicas:
            raise UserError(
                f"copies of the model were lost again and again: {words}; with little memory say fewer "
                f"{option_name('replicas')} or a smaller {option_name('batch')}"
            )
        again_too = f"; the {len(theirs)} pieces that it had are asked again" if theirs else ""
        warn(f"a copy of the model was lost: {words}{again_too}")
        self._start()


class _Wave:
    """The requests that are known now, in pieces, which are cut when they are taken. False where there are none."""

    def __init__(self, given: Requests, *, ordered: bool) -> None:
        self._given = given
        self._ahead: deque[tuple[int, Request]] = deque()
        if ordered:  # these came in the order of answers, which is another one every time
            self._ahead.extend(sorted(given.take(), key=lambda each: _place(each[1])))
            self._untaken = 0
        else:
            self._untaken = given.untaken
        total = len(self._ahead) + self._untaken
        self._size = min(max(total // PIECES, SMALLEST_PIECE), LARGEST_PIECE)

    def __bool__(self) -> bool:
        return bool(self._ahead or self._untaken) and not self._given.stop.said

    @property
    def left(self) -> int:
        """About how many pieces nobody has taken."""
        return (len(self._ahead) + self._untaken) // self._size

    @property
    def pieces(self) -> int:
        """The same, one at least."""
        return max(1, -(-(len(self._ahead) + self._untaken) // self._size))

    def next(self) -> list[tuple[int, Request]] | None:
        """The next piece: requests that follow each other, cut where they have least in common; None at the end."""
        if self._given.stop.said:
            return None
        taken = self._given.take(min(self._untaken, self._size + 1 - len(self._ahead)))
        self._untaken = max(0, self._untaken - len(taken))
        self._ahead.extend(taken)
        if not self._ahead:
            return None
        texts = [_text(request) for _, request in list(self._ahead)[: self._size + 1]]
        return [self._ahead.popleft() for _ in range(best_cut(texts, self._size))]


def best_cut(texts: Sequence[str], size: int) -> int:
    """How many of the texts are the next piece: at most `size` and, unless they are fewer, more than half of it; up to
    where two neighbours begin least alike. What begins alike is read once, by the copy that has it."""
    if len(texts) <= size:
        return len(texts)
    places = range(size // 2 + 1, size + 1)
    return min(reversed(places), key=lambda place: _alike(texts[place - 1], texts[place]))


def _alike(one: str, other: str) -> int:
    """How many characters two texts begin with alike, to the nearest eighth of the shorter one."""
    shorter = min(len(one), len(other))
    steps = [shorter * eighth // 8 for eighth in range(1, 9)]
    return next((end for end in reversed(steps) if one[:end] == other[:end]), 0)


def _text(request: Request) -> str:
    return "\n".join(message.content for message in request.messages)


def _place(request: Request) -> tuple[str, int, int]:
    origin = request.origin
    return ("", 0, 0) if origin is None else (origin.id, origin.repeat, origin.turn)
