"""What a judge is: a prompt, the labels or numbers it may answer with, and how its reply is read. `judges/` holds them.

A plug-in module (its file name is the plug-in's name) defines `judge = Judge(...)`, or `variants = {NAME: Judge(...)}`
where the first is what the plug-in's name alone stands for, or `panel = Panel(...)`; its prompt file lies beside it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal

from evalharness.errors import UserError
from evalharness.records import Message, Origin, Request
from evalharness.scoring.judge_replies import Scale

Order = Literal["AB", "BA", ""]
Turns = tuple[tuple[str, str], ...]  # (what was asked, what was answered), in order


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeCase:
    """One answer to judge. `turns` is the whole conversation that ends in it, `against` the one it is compared with.

    `reference` is the data set's output; `extra` is the sample's.
    """

    id: str
    turns: Turns
    reference: str | None = None
    against: Turns | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def question(self) -> str:
        return self.turns[0][0]

    @property
    def answer(self) -> str:
        return self.turns[-1][1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Criterion:
    """One line of a rubric."""

    name: str
    description: str
    weight: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeItem:
    """One thing that is asked about an answer: the whole of it, one turn, or one criterion.

    `texts` come from models and data and are fenced, `plain` comes from us or from the user's rubric.
    """

    name: str = ""
    weight: float = 1.0
    turns: Turns = ()
    reference: str | None = None
    plain: Mapping[str, str] = field(default_factory=dict)


def whole(case: JudgeCase, criteria: Sequence[Criterion]) -> tuple[JudgeItem, ...]:
    """The answer as a whole."""
    return (JudgeItem(turns=case.turns, reference=case.reference),)


Parts = Callable[[JudgeCase, Sequence[Criterion]], tuple[JudgeItem, ...]]


@dataclass(frozen=True, kw_only=True)
class Judge:
    """One way of judging. Its facts are these fields and stand nowhere else.

    `score` names the figure that its values make. `template` is the prompt: `--- system` and `--- user` sections in
    Jinja (https://jinja.palletsprojects.com). `orders` says how a pair is shown when the user does not: both ways, or
    one way decided by `order_of` (item's id and question, seed) and never by the model. `max_tokens` bounds a reply.
    `texts` are values of the template that are the same for every answer: a prompt that was read from a file is text.
    `messages` replaces the template where a benchmark's authors published their own prompt.
    """

    name: str
    title: str
    paper: str
    kind: Literal["pairwise", "score", "classify"]
    score: str
    template: str
    scale: Scale
    reference: Literal["none", "optional", "required"] = "optional"
    parts: Parts = whole
    needs_criteria: bool = False
    orders: Literal["both", "seeded"] = "both"
    order_of: Callable[[JudgeCase, int], Order] = lambda case, seed: seeded_order(case, seed)
    max_tokens: int = 1024
    temperature: float = 0.0
    top_logprobs: int = 0
    texts: Mapping[str, str] = field(default_factory=dict)
    messages: Callable[[JudgeCase, JudgeItem, Order], tuple[Message, ...]] | None = None

    @property
    def sha(self) -> str:
        """sha256 over what decides a verdict: the prompt, what may be said, and how it is sampled."""
        facts = [self.template, dict(self.scale.labels), self.scale.low, self.scale.high, self.scale.reads]
        facts += [self.max_tokens, self.temperature, self.top_logprobs, *([dict(self.texts)] if self.texts else [])]
        return hashlib.sha256(json.dumps(facts, ensure_ascii=False).encode()).hexdigest()


@dataclass(frozen=True, kw_only=True)
class Panel:
    """Several judges on one answer. `member` is the judge of a seat that names a model only.

    `aggregates` are the ways to make one value of theirs, the first by default.
    """

    name: str
    title: str
    paper: str
    member: str
    aggregates: tuple[str, ...] = ("mean", "majority", "weights")


def seeded_order(case: JudgeCase, seed: int) -> Order:
    """One bit of sha256 over item and seed: the same for every model, so a position effect cancels between models."""
    bit = hashlib.sha256(f"{seed}/{case.id}".encode("utf-8", "surrogatepass")).digest()[0] & 1
    return "AB" if bit else "BA"


def judge_request(judge: Judge, case: JudgeCase, part: JudgeItem, order: Order) -> Request:
    """The request that asks for one verdict. In order AB the judged answer stands first."""
    messages = (
        _fenced_messages(judge, case, part, order) if judge.messages is None else judge.messages(case, part, order)
    )
    return Request(
        messages=messages,
        max_tokens=judge.max_tokens,
        temperature=judge.temperature,
        top_logprobs=judge.top_logprobs,
        schema=judge.scale.schema if "schema" in judge.scale.reads else None,
    )


def _fenced_messages(judge: Judge, case: JudgeCase, part: JudgeItem, order: Order) -> tuple[Message, ...]:
    """The judge's own template, each text from a model or from data in a fence."""
    texts: dict[str, Turns | str] = {"answer": part.turns}
    if judge.kind == "pairwise":
        against = case.against or ()
        first, second = (part.turns, against) if order == "AB" else (against, part.turns)
        texts = {"first": first, "second": second}
    if part.reference is not None and judge.reference != "none":
        texts["reference"] = part.reference
    nonce = _nonce(texts, part.turns)
    fields: dict[str, str] = {"question": _asked(part.turns, nonce), "reference": "", **judge.texts, **part.plain}
    for name, text in texts.items():
        shown = [text] if isinstance(text, str) else [answer for _, answer in text]
        fields[name] = _fenced(name, shown, nonce)
    return tuple(
        Message(role, rendered.strip())
        for role, source in sections(judge.template)
        if (rendered := _rendered(judge.name, source, fields)).strip()
    )


def again(request: Request, reply: str, problem: str, scale: Scale) -> Request:
    """The same question after a reply that could not be read, with the reason stated."""
    from dataclasses import replace

    how = "as the JSON object asked for" if request.schema is not None else "as [[verdict]] alone on the last line"
    if scale.reads == ("logprobs",):
        how = "as that one token and nothing else"
    complaint = f"Your reply could not be used: {problem}. Give your verdict again, {how}: {scale.offer}."
    said = (Message("assistant", reply),) if reply.strip() else ()
    return replace(request, messages=(*request.messages, *said, Message("user", complaint)))


def origin(case: JudgeCase, repeat: int) -> Origin:
    """What the request is about; a retest is another repeat, so that no cache answers it."""
    return Origin(id=case.id, question=case.question, repeat=repeat)


def submissions(case: JudgeCase) -> tuple[str, ...]:
    """Every text of the case that a judge may quote."""
    turns = (*case.turns, *(case.against or ()))
    return (*(text for turn in turns for text in turn), *((case.reference,) if case.reference else ()))


def _nonce(texts: Mapping[str, Turns | str], turns: Turns) -> str:
    """A word that stands in none of the texts and that no author of one could foresee; equal texts, equal word."""
    content = json.dumps([dict(texts), turns], ensure_ascii=True)
    for attempt in range(1000):
        word = hashlib.sha256(f"{attempt}{content}".encode()).hexdigest()[:12]
        if word not in content:
            return word
    raise AssertionError("a text cannot hold a thousand hashes of itself")


def _fenced(name: str, texts: Sequence[str], nonce: str) -> str:
    marks = [name.upper() if len(texts) == 1 else f"{name.upper()}, TURN {i}" for i in range(1, len(texts) + 1)]
    return "\n".join(f"<<{m} {nonce}>>\n{t}\n<<END {m} {nonce}>>" for m, t in zip(marks, texts, strict=True))


def _asked(turns: Turns, nonce: str) -> str:
    return _fenced("question", [asked for asked, _ in turns], nonce)


@cache
def sections(template: str) -> tuple[tuple[Literal["system", "user"], str], ...]:
    """The parts of a prompt file by role. The split is made before anything is filled in."""
    found: list[tuple[Literal["system", "user"], str]] = []
    for piece in ("\n" + template).split("\n--- ")[1:]:
        role, _, text = piece.partition("\n")
        if role.strip() == "system":
            found.append(("system", text))
        elif role.strip() == "user":
            found.append(("user", text))
        else:
            raise UserError(f"a judge's prompt has the sections system and user; there is {role.strip()!r}")
    if not found or found[-1][0] != "user":
        raise UserError("a judge's prompt ends with a section that begins with the line `--- user`")
    return tuple(found)


@cache
def _template(source: str) -> Any:
    from evalharness.text import templating

    return templating.compiled(templating.strict(), source)


def _rendered(name: str, source: str, fields: Mapping[str, str]) -> str:
    """Jinja fills every placeholder in one pass: what a model wrote is data there, never template."""
    from evalharness.text import templating

    try:
        return templating.rendered(_template(source), fields)
    except templating.FAILURES as error:
        raise UserError(f"the prompt of the judge {name} cannot be written: {' '.join(str(error).split())}") from error


def prompt_beside(module: str, name: str | None = None) -> str:
    """The prompt file beside a judge's module (pass `__file__`)."""
    path = Path(module)
    return (path.with_suffix(".txt") if name is None else path.with_name(name)).read_text(encoding="utf-8")
