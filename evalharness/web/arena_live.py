"""Models that are asked while voters wait: what both have said so far, and the turn that it becomes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Literal

from evalharness.errors import UserError
from evalharness.model import Model, Remote, Started, heard
from evalharness.records import Message, Request
from evalharness.report.serving import show_trouble
from evalharness.scoring.final_answer import final_answer
from evalharness.web.arena_prompts import ArenaItem, ModelPair, shown_answer, two_or_more
from evalharness.web.arena_store import ArenaTurn, DrawnBattle

AnswerSide = Literal["a", "b"]
SIDES: tuple[AnswerSide, AnswerSide] = ("a", "b")
_MOST = 64  # turns that are being answered
_FORGOTTEN = 600.0  # seconds after which nobody is told any more that a turn came to nothing


@dataclass(slots=True)
class LiveTurn:
    """A turn that two models are answering. `said` is the answer so far of each side, without thinking; `state` ends as
    `done`, once the turn is kept, or `failed`."""

    battle: DrawnBattle
    prompt: str
    said: dict[AnswerSide, str] = field(default_factory=lambda: {"a": "", "b": ""})
    state: Literal["open", "done", "failed"] = "open"
    begun: float = field(default_factory=time.monotonic)


class LivePrompts:
    """Models that answer while the voter waits, both of a pair at once. `prompts` are asked in turn; without them the
    voter writes."""

    def __init__(self, models: Mapping[str, Model], prompts: Sequence[str] = (), max_tokens: int = 1024) -> None:
        self.models = tuple(models)
        two_or_more(self.models)
        self._models, self._prompts, self._max_tokens = models, prompts, max_tokens
        self._locks = {name: threading.Lock() for name in models}

    def __len__(self) -> int:
        return len(self._prompts)

    def item_name(self, place: int) -> str:
        return str(place + 1)

    def item(self, place: int, pair: ModelPair) -> ArenaItem | None:
        """The prompt at a place; nobody has answered it yet."""
        return ArenaItem(item=self.item_name(place), prompt=self._prompts[place], category="", answers={})

    def answer(self, model: str, turns: Sequence[tuple[str, str]], prompt: str, hear: Callable[[str], None]) -> str:
        """What a model says next, of which `hear` is told all so far. UserError where it gave no answer."""
        messages = [
            message for asked, said in turns for message in (Message("user", asked), Message("assistant", said))
        ]
        request = Request(messages=(*messages, Message("user", prompt)), max_tokens=self._max_tokens, temperature=0.7)
        written: list[str] = []

        def note(piece: str) -> None:
            written.append(piece)
            hear(shown_answer(_spoken("".join(written))))

        asked_of = self._opened(model)
        elsewhere = isinstance(asked_of, Remote) and asked_of.remote
        with nullcontext() if elsewhere else self._locks[model]:  # a model of this machine answers one at a time
            response = heard(asked_of, request, note)
        if response.error:
            raise UserError(response.error)
        return shown_answer(_spoken(response.text))

    def _opened(self, name: str) -> Model:
        model = self._models[name]
        if not isinstance(model, Started):
            return model
        with self._locks[name]:
            return model.opened()


def _spoken(text: str) -> str:
    """A text without the thinking before it."""
    found = final_answer(text)
    return found.text if found.stripped or found.cut else text


class LiveTurns:
    """The turns that are being answered, by battle. `keep` puts a turn that is whole into the store."""

    def __init__(self, prompts: LivePrompts, keep: Callable[[DrawnBattle, ArenaTurn], None]) -> None:
        self._prompts, self._keep = prompts, keep
        self._open: dict[str, LiveTurn] = {}
        self._lock = threading.Lock()

    def begin(self, battle: DrawnBattle, prompt: str) -> LiveTurn | None:
        """Ask both models of a battle. None where too many are asked already; a turn that is open stays the one."""
        with self._lock:
            now = time.monotonic()
            self._open = {k: v for k, v in self._open.items() if v.state == "open" or now - v.begun < _FORGOTTEN}
            there = self._open.get(battle.id)
            if there is not None and there.state == "open":
                return there
            if sum(turn.state == "open" for turn in self._open.values()) >= _MOST:
                return None
            made = self._open[battle.id] = LiveTurn(battle=battle, prompt=prompt)
        threading.Thread(target=self._ask, args=(made,), name=f"turn of {battle.id}", daemon=True).start()
        return made

    def of(self, battle: str) -> LiveTurn | None:
        """The turn of a battle that is being answered, or came to nothing a while ago."""
        with self._lock:
            return self._open.get(battle)

    def of_voter(self, voter: str) -> LiveTurn | None:
        """A turn that is being answered for a voter."""
        with self._lock:
            return next((t for t in self._open.values() if t.battle.voter == voter and t.state == "open"), None)

    def _ask(self, turn: LiveTurn) -> None:
        """Both sides, each in a thread of its own; the turn is kept when both are there."""
        said: dict[AnswerSide, str] = {}
        threads = [threading.Thread(target=self._hear, args=(turn, side, said), daemon=True) for side in SIDES]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        whole = len(said) == len(SIDES)
        try:
            if whole:
                self._keep(turn.battle, ArenaTurn(prompt=turn.prompt, a=said["a"], b=said["b"]))
        except Exception as error:  # the database is away: the voter asks again
            whole = False
            show_trouble(f"a turn was not kept: {error}")
        with self._lock:
            turn.state = "done" if whole else "failed"
            if whole:
                self._open.pop(turn.battle.id, None)

    def _hear(self, turn: LiveTurn, side: AnswerSide, said: dict[AnswerSide, str]) -> None:
        """What one side says. Why it says nothing is for who runs the arena alone: it may say the model's name."""
        battle = turn.battle
        model = battle.model_a if side == "a" else battle.model_b
        before = [(one.prompt, one.a if side == "a" else one.b) for one in battle.turns]

        def hear(text: str) -> None:
            turn.said[side] = text

        try:
            said[side] = self._prompts.answer(model, before, turn.prompt, hear)
        except Exception as error:  # whatever a model raises, the voter is told and the arena goes on
            show_trouble(f"{model} gave no answer: {error}")
