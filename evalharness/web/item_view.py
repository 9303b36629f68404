"""One result as its page shows it: long texts cut, the part that was read marked, and commands to ask again."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from evalharness.comparison.flips import gold_text
from evalharness.model import Preview
from evalharness.records import Message, Request, Response, Result, Verdict, message_fields
from evalharness.report.escape import printable
from evalharness.report.numbers import format_number, format_tokens, money, seconds
from evalharness.runs.store import Run, record_to_json
from evalharness.scoring.answers import LETTERS

_MOST = 100  # of messages, choices, verdicts, scores and details: a page is no place for thousands of them
HEAD, TAIL = 30_000, 10_000  # characters shown of a longer text: its beginning and its end
_TOKENS = 4_000  # shown of a prompt: its first and its last
_TRIES = 1_000  # places at which an answer is looked for: `A` stands five million times in five million of them
_BY_PROTOCOL = frozenset({"openai", "vllm", "sglang", "llamacpp"})  # kinds of model that a server of it may be behind
_IN_A_COMMAND = 4_000  # bytes of a request beyond which a command would be no help


@dataclass(frozen=True, slots=True, kw_only=True)
class TextPiece:
    """A stretch of a shown text. `marked` is what was read as the answer, `left_out` how many characters are not
    shown."""

    text: str = ""
    marked: bool = False
    left_out: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownChoice:
    """A choice that was ranked: its log-probability, whether it was picked, and whether it is right."""

    letter: str
    text: str
    logprob: float | None
    picked: bool
    right: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownText:
    """A text of the request or the response under a heading; `part` names it in the address of the whole."""

    heading: str
    part: str
    pieces: tuple[TextPiece, ...]

    @property
    def is_cut(self) -> bool:
        return any(piece.left_out for piece in self.pieces)


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemView:
    """All that the page of a result shows."""

    result: Result
    prompt: tuple[ShownText, ...]
    thinking: ShownText | None
    answer: ShownText
    choices: tuple[ShownChoice, ...]
    gold: str
    read: str
    rule: str
    scores: tuple[tuple[str, str], ...]
    details: tuple[tuple[str, str], ...]
    verdicts: tuple[Verdict, ...]
    left_out: str
    facts: tuple[tuple[str, str], ...]
    show_command: str
    curl_command: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownToken:
    """A token of a prompt: its id, and its text with white space made visible."""

    id: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownPrompt:
    """A prompt as it was read: its text, how many tokens it has and whether the first is BOS, and those that are shown,
    of which so many are left out behind `head`."""

    text: str
    count: int
    bos: bool
    head: tuple[ShownToken, ...]
    left_out: int
    tail: tuple[ShownToken, ...]


def shown_prompt(preview: Preview) -> ShownPrompt:
    """What a page shows of a prompt."""
    n = len(preview.ids)
    begin, end = (n, n) if n <= _TOKENS else (_TOKENS - _TOKENS // 4, n - _TOKENS // 4)
    tokens = [ShownToken(id=i, text=_visible(text)) for i, text in zip(preview.ids, preview.pieces, strict=True)]
    return ShownPrompt(
        text=preview.text[:HEAD], count=n, bos=bool(preview.bos), head=tuple(tokens[:begin]), left_out=end - begin,
        tail=tuple(tokens[end:]),
    )  # fmt: skip


def _visible(piece: str) -> str:
    return piece.replace(" ", "·").replace("\n", "↵").replace("\t", "→") or "∅"


def item_view(run: Run, result: Result) -> ItemView:
    """What is shown of one result of a run."""
    sample, response = result.sample, result.response
    said = response.error or response.text
    rule = str(result.detail.get("rule", "the scorer's own" if result.answer is not None else "no rule applies"))
    detail = ((name, value) for name, value in result.detail.items() if name not in ("rule", "stripped"))
    return ItemView(
        result=result,
        prompt=tuple(
            ShownText(heading=message.role, part=f"prompt{place}", pieces=shown_pieces(message.content))
            for place, message in _outer(result.request.messages)
        ),
        thinking=ShownText(heading="thinking", part="thinking", pieces=shown_pieces(response.thinking))
        if response.thinking
        else None,
        answer=ShownText(heading="answer", part="answer", pieces=shown_pieces(said, _span(said, result.answer))),
        choices=_choices(result),
        gold=gold_text(record_to_json(sample)),
        read="" if result.answer is None else result.answer[:HEAD],
        rule=rule,
        scores=tuple((name, format_number(value)) for name, value in islice(result.scores.items(), _MOST)),
        details=tuple((name, _shown(value)) for name, value in islice(detail, _MOST)),
        verdicts=result.verdicts[:_MOST],
        left_out=_left_out(result),
        facts=tuple(_facts(result.request, response)),
        show_command=shlex.join(["evalh", "show", str(run.path), "--item", printable(sample.id)]),
        curl_command=_curl(run, result.request),
    )


def _outer(messages: Sequence[Message]) -> list[tuple[int, Message]]:
    """The first and the last messages with their places."""
    numbered = list(enumerate(messages))
    return numbered if len(numbered) <= _MOST else numbered[: _MOST // 2] + numbered[-_MOST // 2 :]


def _left_out(result: Result) -> str:
    """Of what there are more than the page shows."""
    many = {"messages": result.request.messages, "choices": result.sample.choices or result.request.choices,
            "verdicts": result.verdicts, "scores": result.scores, "details": result.detail}  # fmt: skip
    return ", ".join(f"{_MOST} of {len(of):,} {name}" for name, of in many.items() if len(of) > _MOST)


def whole_text(result: Result, part: str) -> str | None:
    """The text that a `ShownText` is cut from; None where there is no such part."""
    texts = {"answer": result.response.error or result.response.text, "thinking": result.response.thinking}
    texts |= {f"prompt{place}": message.content for place, message in enumerate(result.request.messages)}
    return texts.get(part)


def shown_pieces(text: str, span: tuple[int, int] | None = None) -> tuple[TextPiece, ...]:
    """The text in stretches, the one at `span` marked, the middle of a long one left out."""
    if len(text) <= HEAD + TAIL:
        return tuple(_marked(text, span, 0))
    end = len(text) - TAIL
    head, tail = _marked(text[:HEAD], span, 0), _marked(text[end:], span, end)
    return (*head, TextPiece(left_out=end - HEAD), *tail)


def _marked(text: str, span: tuple[int, int] | None, offset: int) -> list[TextPiece]:
    if span is None:
        return [TextPiece(text=text)] if text else []
    begin, end = (min(max(place - offset, 0), len(text)) for place in span)
    cut = (TextPiece(text=text[:begin]), TextPiece(text=text[begin:end], marked=True), TextPiece(text=text[end:]))
    return [piece for piece in cut if piece.text]


def _span(text: str, answer: str | None) -> tuple[int, int] | None:
    """Where the answer that was read stands: its last place as a word of its own, where it stands there literally."""
    if not answer or not answer.strip() or answer == text:
        return None
    end = len(text) + 1
    for _ in range(_TRIES):
        place = text.rfind(answer, 0, end - 1)
        if place < 0:
            return None
        end = place + len(answer)
        if not (_inside_word(text, place) or _inside_word(text, end)):
            return place, end
    return None


def _inside_word(text: str, place: int) -> bool:
    return 0 < place < len(text) and re.fullmatch(r"\w\w", text[place - 1 : place + 1]) is not None


def _choices(result: Result) -> tuple[ShownChoice, ...]:
    sample, asked, logprobs = result.sample, result.request.choices, result.response.logprobs
    if not asked and not sample.choices:
        return ()
    texts = sample.choices or asked
    best = max(logprobs) if logprobs else None
    values = (*logprobs, *(None for _ in range(len(texts) - len(logprobs))))
    return tuple(
        ShownChoice(
            letter=LETTERS[place] if place < len(LETTERS) else str(place), text=text, logprob=value,
            picked=value is not None and value == best, right=place in sample.gold_indices,
        )
        for place, (text, value) in islice(enumerate(zip(texts, values, strict=False)), _MOST)
    )  # fmt: skip


def _facts(request: Request, response: Response) -> list[tuple[str, str]]:
    found = [("ended by", response.finish), ("time", seconds(response.seconds) if response.seconds else "")]
    found += [
        ("tokens read", format_tokens(response.tokens_in)),
        ("tokens written", format_tokens(response.tokens_out)),
    ]
    found += [("tokens of thinking", format_tokens(response.reasoning_tokens))]
    found += [("cost", "" if response.cost is None else money(response.cost))]
    found += [("tokens cut from the prompt", format_tokens(response.tokens_truncated))]
    found += [("from the cache", "yes" if response.cached else "")]
    found += [("left out of the request", ", ".join(response.left_out)), ("longest answer", f"{request.max_tokens}")]
    found += [("temperature", f"{request.temperature:g}"), ("stop at", " ".join(map(repr, request.stop)))]
    return [(name, value) for name, value in found if value and value != "–"]


def _shown(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=1, default=str)
    return text if len(text) <= HEAD else text[: HEAD - 1] + "…"


def _curl(run: Run, request: Request) -> str:
    """The same question to an OpenAI-compatible endpoint, where one answered; '' for what is too long to paste, or was
    ranked."""
    kind, _, model = (run.manifest.model.name or "").partition(":")
    if request.choices or not model or kind not in _BY_PROTOCOL:
        return ""
    body: Mapping[str, object] = {
        "model": model,
        "messages": [message_fields(message) for message in request.messages],
        "max_tokens": request.max_tokens,
        "temperature": request.temperature,
        **({"stop": list(request.stop)} if request.stop else {}),
    }
    written = json.dumps(body)
    if len(written) > _IN_A_COMMAND:
        return ""
    said = shlex.join(["-H", "Content-Type: application/json", "-d", written])
    return f'curl "$OPENAI_BASE_URL/chat/completions" -H "Authorization: Bearer $OPENAI_API_KEY" {said}'
