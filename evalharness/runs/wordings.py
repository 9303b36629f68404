"""The same questions in other words: k wordings of a benchmark's prompt, each a template in a file.

A run with k wordings asks every item k times, once in each. With several seeds beside them (as many) the design is a
Latin square: an item's wordings go round by a hash of its id, so that every wording meets every seed alike, and k
answers to an item tell of both. A full crossing would take k times as many.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalharness.benchmark import Benchmark, Prompt, TextOf
from evalharness.errors import DataError, UserError, option_name
from evalharness.records import Message, Request, Sample
from evalharness.runs.manifest import WordingFacts

if TYPE_CHECKING:
    import jinja2

OWN = "own"  # the benchmark's own wording
_LARGEST = 100_000  # bytes
_FIELDS = ("prompt", "question", "choices", "letters", "group")
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wording:
    """A wording by the name of its file, and its template."""

    name: str
    template: str

    @property
    def sha256(self) -> str:
        """The hash of the template."""
        return hashlib.sha256(self.template.encode("utf-8", "surrogatepass")).hexdigest()


def read_wordings(files: Sequence[str | Path]) -> tuple[Wording, ...]:
    """The wordings in these files; `own` stands for the benchmark's. UserError for a file that cannot be read, is no
    template, does not hold the question, or says what another says."""
    found: dict[str, Wording] = {}
    for file in files:
        wording = Wording(name=OWN, template="{{ prompt }}") if str(file) == OWN else _read(Path(file))
        if same := found.get(wording.template.strip()):
            raise UserError(f"{_flag(file)} says the same as {same.name}; each wording is to be another")
        if wording.name in {one.name for one in found.values()}:
            raise UserError(f"{_flag(file)}: two wordings are called {wording.name!r}; give one file another name")
        found[wording.template.strip()] = wording
    return tuple(found.values())


def _flag(file: str | Path) -> str:
    return option_name("wording", str(file))


def _read(file: Path) -> Wording:
    from jinja2 import TemplateError, meta

    from evalharness.text import templating

    try:
        if file.stat().st_size > _LARGEST:
            raise UserError(f"{_flag(file)}: larger than {_LARGEST:,} bytes; a wording is a short text")
        text = file.read_text(encoding="utf-8")
        named = meta.find_undeclared_variables(_environment().parse(text))
        templating.compiled(_environment(), text)
    except OSError as error:
        raise UserError(f"{_flag(file)}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{_flag(file)}: is not UTF-8 text") from error
    except TemplateError as error:
        raise UserError(f"{_flag(file)}: is not a valid template ({error})") from error
    if strange := sorted(named - set(_FIELDS)):
        raise UserError(f"{_flag(file)}: there is no {strange[0]!r}; the fields are {', '.join(_FIELDS)}")
    if not named & {"prompt", "question"}:
        raise UserError(f"{_flag(file)}: it asks nothing; write {{{{ prompt }}}} or {{{{ question }}}} where that goes")
    return Wording(name=file.stem, template=text.removesuffix("\n"))


@cache
def _environment() -> Any:
    from evalharness.text import templating

    return templating.strict(keep_trailing_newline=True)


@cache
def _compiled(template: str) -> jinja2.Template:
    from evalharness.text import templating

    return templating.compiled(_environment(), template)


def wording_facts(wordings: Sequence[Wording]) -> tuple[WordingFacts, ...] | None:
    """What the manifest keeps of them."""
    return tuple(WordingFacts(name=one.name, sha256=one.sha256) for one in wordings) or None


def worded(benchmark: Benchmark, wording: Wording) -> Benchmark:
    """The benchmark with its questions in this wording, those of its examples too. One that makes its requests itself
    has the wording round its last turn of the user."""
    if wording.name == OWN:
        return benchmark
    if (ask := benchmark.ask) is not None:
        return replace(benchmark, ask=lambda sample, *rest: _last_turn(ask(sample, *rest), sample, wording))
    return replace(benchmark, prompt=_worded_prompt(benchmark.prompt, wording))


def _worded_prompt(prompt: Prompt, wording: Wording) -> Prompt:
    question: TextOf = lambda sample: _said(wording, sample, prompt.question(sample))
    written = None if prompt.written is None else _worded_prompt(prompt.written, wording)
    return replace(prompt, question=question, written=written)


def _last_turn(request: Request, sample: Sample, wording: Wording) -> Request:
    turns = list(request.messages)
    place = max((i for i, turn in enumerate(turns) if turn.role == "user"), default=None)
    if place is None:
        raise DataError(f"{sample.id} is asked without a turn of the user, which a wording could stand in")
    turns[place] = Message("user", _said(wording, sample, turns[place].content), extra=turns[place].extra)
    return replace(request, messages=tuple(turns))


def _said(wording: Wording, sample: Sample, prompt: str) -> str:
    from evalharness.text import templating

    letters = list(_LETTERS[: len(sample.choices)])
    values: Mapping[str, Any] = {
        "prompt": prompt, "question": sample.question, "choices": list(sample.choices), "letters": letters,
        "group": sample.group,
    }  # fmt: skip
    try:
        return templating.rendered(_compiled(wording.template), values)
    except templating.FAILURES as error:
        raise DataError(f"the wording {wording.name} fails on {sample.id} ({error})") from error


def wording_place(identity: str, repeat: int, wordings: int, *, crossed: bool) -> int:
    """Which of the wordings a repeat of an item is asked in; `crossed` with as many seeds."""
    if not crossed:
        return repeat % wordings
    turned = hashlib.sha256(f"wording/{identity}".encode("utf-8", "surrogatepass")).digest()
    return (repeat + int.from_bytes(turned[:6], "big")) % wordings
