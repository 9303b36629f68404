"""What an arena puts before its voters: prompts with the answers of several models, recorded or asked as they come."""

from __future__ import annotations

import re
import secrets
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Protocol

from evalharness.data.large_files import JsonlRows
from evalharness.errors import DataError, UserError, nearest, option_name
from evalharness.records import Result
from evalharness.runs.store import Run
from evalharness.web.journal_index import JournalIndex, ResultFilter

ModelPair = tuple[str, str]
_DRAWN, _LOOKED_AT = 32, 5000  # items that are tried before a voter is told that all was seen
_COUNTED = 2000  # prompts of which it is counted what can be voted on before an arena opens
_LONGEST_ANSWER = 200_000  # characters that a voter is shown
_LETTERS = re.compile(r"[a-z]+")
_KINDS = frozenset({"chat", "base", "instruct", "tuned", "preview", "latest", "mini"})  # words of many names
_SAYS = r"(?:i am|i'm|my name is|known as|called|as|this is)(?:\W+\w+){0,3}?\W+"
_MADE_BY = r"\b(?:i am|i'm|i was)\b.{0,80}?\b(?:created|trained|developed|made|built) by\W+(?:the\W+)?"


@dataclass(frozen=True, slots=True, kw_only=True)
class ArenaItem:
    """A prompt and what models answered to it."""

    item: str
    prompt: str
    category: str
    answers: Mapping[str, str]


class ArenaPrompts(Protocol):
    """Where prompts and answers come from."""

    models: tuple[str, ...]

    def __len__(self) -> int: ...

    def item_name(self, place: int) -> str:
        """What the prompt at a place is called; nobody is asked."""
        ...

    def item(self, place: int, pair: ModelPair) -> ArenaItem | None:
        """The prompt at a place with the answers of two models; None where it lacks one, or both are the same: nobody
        could choose."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class VotablePairs:
    """How many pairs of answers there are to vote on, by the pair of models; `same` are those passed over because both
    answers are the same; `looked` of all `prompts` were counted."""

    by_models: Mapping[ModelPair, int]
    same: int
    looked: int
    prompts: int

    @property
    def meeting(self) -> tuple[ModelPair, ...]:
        """The pairs of models that have something to vote on; all where not every prompt was counted."""
        return tuple(pair for pair, n in self.by_models.items() if n or self.looked < self.prompts)


class RecordedPrompts:
    """A file with an object a line: `prompt` and `answers` by model, and where they are given `item` and `category`."""

    def __init__(self, path: Path, models: Sequence[str]) -> None:
        if not path.is_file():
            raise DataError(f"{path}: there is no such file; wanted prompts with answers, a JSON object a line")
        self._rows, self._path, self._lock = JsonlRows(path), path, threading.Lock()
        found: dict[str, int] = {}
        for place in range(len(self._rows)):
            for model in self._at(place).answers:
                found[model] = found.get(model, 0) + 1
        self.models = tuple(models) or tuple(found)
        for model in self.models:
            if model not in found:
                there = ", ".join(found) or "no answer at all"
                raise DataError(f"{path}: no answer of {model!r}{nearest(model, found)}; there is {there}")
        two_or_more(self.models)

    def __len__(self) -> int:
        return len(self._rows)

    def _at(self, place: int) -> ArenaItem:
        with self._lock:
            row = self._rows[place]
        where = f"{self._path}: row {place + 1}"
        prompt, answers = row.get("prompt"), row.get("answers")
        if not isinstance(prompt, str) or not isinstance(answers, dict):
            raise DataError(f"{where}: wanted prompt and answers by model; there is {', '.join(row) or 'nothing'}")
        for model, text in answers.items():
            if not isinstance(text, str):
                raise DataError(f"{where}: wanted the answer of {model!r} as text; there is {type(text).__name__}")
        item = row.get("item", row.get("id", place + 1))
        return ArenaItem(item=str(item), prompt=prompt, category=str(row.get("category", "")), answers=answers)

    def item_name(self, place: int) -> str:
        return self._at(place).item

    def item(self, place: int, pair: ModelPair) -> ArenaItem | None:
        found = self._at(place)
        return found if all(model in found.answers for model in pair) and _differ(found.answers, pair) else None

    def answers(self, place: int) -> Mapping[str, str]:
        """What each model answered to the prompt at a place."""
        return self._at(place).answers


class RunPrompts:
    """The questions that several runs were asked, and what each model answered. A model goes by its name in the run,
    or where that is another's too by the run's."""

    def __init__(self, runs: Sequence[tuple[Run, JournalIndex]]) -> None:
        names = [run.manifest.model.name or run.name for run, _ in runs]
        shown = [name if names.count(name) == 1 else run.name for name, (run, _) in zip(names, runs, strict=True)]
        self.models = tuple(shown)
        two_or_more(self.models)
        self._indexes = dict(zip(shown, (index for _, index in runs), strict=True))
        first = next(iter(self._indexes.values()))
        self._places = first.places(ResultFilter(), most=1_000_000)

    def __len__(self) -> int:
        return len(self._places)

    def _asked(self, place: int) -> Result | None:
        (asked,) = next(iter(self._indexes.values())).readable([self._places[place]])
        return asked

    def item_name(self, place: int) -> str:
        asked = self._asked(place)
        if asked is None:
            return ""
        return f"{asked.benchmark} {asked.sample.id}" + (f" {asked.repeat}" if asked.repeat else "")

    def item(self, place: int, pair: ModelPair) -> ArenaItem | None:
        asked = self._asked(place)
        if asked is None:
            return None
        answers = {model: text for model in pair if (text := self._answer(model, asked))}
        if len(answers) < len(pair) or not _differ(answers, pair):
            return None
        prompt = asked.sample.question or asked.request.text
        return ArenaItem(
            item=self.item_name(place), prompt=prompt, category=asked.sample.group or asked.benchmark, answers=answers
        )

    def answers(self, place: int) -> Mapping[str, str]:
        """What each model answered to the question at a place; one that wrote nothing is left out."""
        asked = self._asked(place)
        return {} if asked is None else {m: text for m in self.models if (text := self._answer(m, asked))}

    def _answer(self, model: str, asked: Result) -> str:
        """What a model wrote to a question; '' where it was not asked it, or gave no answer."""
        index = self._indexes[model]
        found = index.find(asked.key)
        if found is None:
            return ""
        (result,) = index.readable([found])
        return "" if result is None or result.response.error else result.response.text


def _differ(answers: Mapping[str, str], pair: ModelPair) -> bool:
    return answers[pair[0]] != answers[pair[1]]


def votable_pairs(prompts: ArenaPrompts) -> VotablePairs | None:
    """What there is to vote on, counted over all prompts, or as many as an opening can wait for, evenly spread. None
    where models are asked as voters come; UserError where there is nothing."""
    if not isinstance(prompts, RecordedPrompts | RunPrompts):
        return None
    size = len(prompts)
    places = range(0, size, max(1, -(-size // _COUNTED)))
    by_models, same = dict.fromkeys(pairs_of(prompts.models), 0), 0
    for place in places:
        answers = prompts.answers(place)
        for pair in by_models:
            if all(model in answers for model in pair):
                differ = _differ(answers, pair)
                by_models[pair] += differ
                same += not differ
    found = VotablePairs(by_models=by_models, same=same, looked=len(places), prompts=size)
    if not any(by_models.values()):
        alike = f"; {same:,} pairs of answers are the same word by word" if same else ""
        raise UserError(
            f"there is nothing to vote on: to none of {len(places):,} questions have two of "
            f"{', '.join(prompts.models)} written different answers{alike}"
        )
    return found


def random_items(prompts: ArenaPrompts, pair: ModelPair, seen: set[tuple[str, frozenset[str]]]) -> Iterator[ArenaItem]:
    """Items drawn by chance that a voter has not had with this pair: a few anywhere, then those behind a place that is
    drawn, as one who has had most of them finds the rest."""
    chance, size = secrets.SystemRandom(), len(prompts)
    drawn = chance.sample(range(size), min(size, _DRAWN))
    begin = chance.randrange(size) if size else 0
    for place in (*drawn, *((begin + n) % size for n in range(min(size, _LOOKED_AT)))):
        if (prompts.item_name(place), frozenset(pair)) not in seen:
            found = prompts.item(place, pair)
            if found is not None:
                yield found


def shown_answer(text: str) -> str:
    """An answer as voters see it."""
    return text if len(text) <= _LONGEST_ANSWER else text[:_LONGEST_ANSWER] + "\n[cut]"


def names_itself(text: str, model: str) -> bool:
    """Whether an answer gives away which model it is: it has the model's name, or says of itself to be of its family
    (`I am Llama`) or made by its makers. The bare word of a family is none: flowers bloom."""
    told, name = _plain(text), model.lower()
    last = re.split(r"[:/]", name)[-1]
    whole = {_plain(one).strip() for one in (name, last)}
    if any(len(one) > 2 and re.search(rf"\b{re.escape(one)}\b", told) for one in whole):
        return True
    said = text.lower().replace("’", "'")
    families = {family for family in _LETTERS.findall(last) if len(family) > 2 and family not in _KINDS}
    if any(re.search(rf"\b{_SAYS}(?:chat[- ]?)?{family}\b", said) for family in families):
        return True
    makers = {maker for maker in _LETTERS.findall(re.split("[:/]", name)[-2] if "/" in name else "") if len(maker) > 2}
    return any(re.search(rf"{_MADE_BY}{maker}\b", said) for maker in makers)


def _plain(text: str) -> str:
    """Letters and numbers in lower case, everything else one space: `Llama-2 7B` and `llama 2 7b` are the same."""
    return " ".join(re.findall(r"[^\W_]+", text.lower()))


def pairs_of(models: Sequence[str]) -> list[ModelPair]:
    """Every two models."""
    return list(combinations(models, 2))


def two_or_more(models: Sequence[str]) -> None:
    """UserError where an arena cannot be held between these models."""
    if len(models) < 2 or len(set(models)) < len(models):
        there = ", ".join(models) or "none"
        raise UserError(f"{option_name('models')}: wanted two models or more, each once; there is {there}")
