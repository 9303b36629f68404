"""Messages -> text -> token ids and loss mask: the ONE place, for asking and for training.

Every format is a Jinja chat template, so that what is trained is also what is exported, and transformers, vLLM and
this harness render the same bytes: https://huggingface.co/docs/transformers/chat_templating
The first user message of an Alpaca row is its instruction; a second one right behind it is its input.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Protocol

from evalharness.chat.prompt_styles import ENDS, FORMATS
from evalharness.data.files import json_value
from evalharness.errors import UserError, nearest
from evalharness.records import Message


class ChatTokenizer(Protocol):
    """What rendering needs of a tokenizer. Ids are ints in [0, size).

    `specials` maps the text of each control token to its id. `adds_bos`: the checkpoint expects `bos` in front of
    plain text (Llama does; GPT-2 and Qwen do not).
    """

    @property
    def size(self) -> int: ...
    @property
    def bos(self) -> int | None: ...
    @property
    def eos(self) -> int | None: ...
    @property
    def adds_bos(self) -> bool: ...
    @property
    def specials(self) -> Mapping[str, int]: ...

    def encode(self, text: str) -> list[int]:
        """Ids of ordinary text: no BOS, and the text of a control token is spelled out, never taken for the token."""
        ...

    def decode_bytes(self, ids: Sequence[int]) -> bytes:
        """The bytes that the ids stand for, control tokens as their text."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderedPrompt:
    """A rendered question: `ids` includes the one BOS where there is one (`bos`), `text` shows it spelled out."""

    ids: list[int]
    text: str
    bos: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingExample:
    """A rendered conversation to learn from: `trained[i]` says whether token i is learned (not yet shifted)."""

    ids: list[int]
    trained: list[bool]
    text: str


def chat_of_style(name: str, tokenizer: ChatTokenizer) -> Chat:
    """The format called `name` (see FORMATS, or `none` for a base model) on this tokenizer.

    Where the tokenizer has not the format's own end tag as a token, its end-of-text token ends a turn: a model can
    only learn to stop with one token.
    """
    if name == "none":
        return Chat(tokenizer=tokenizer, name="none", source=None)
    if name not in FORMATS:
        known = [*FORMATS, "none"]
        raise UserError(f"there is no prompt format {name!r}{nearest(name, known)}; there are {', '.join(known)}")
    end = ENDS.get(name, "")
    source = FORMATS[name].replace("END", f"'{end}'" if end in tokenizer.specials else "eos_token")
    if tokenizer.adds_bos:
        source = "{{- bos_token -}}" + source
    return Chat(tokenizer=tokenizer, name=name, source=source)


def choose_chat(wanted: str | None, own: str | None, tokenizer: ChatTokenizer) -> Chat:
    """The chat that the user wants: a format's name, `none`, a template file; by default the checkpoint's own template
    (`own`, see `own_template`), else `none`."""
    if wanted is None:
        return Chat(tokenizer=tokenizer, name="own" if own else "none", source=own or None)
    if wanted == "own":
        if not own:
            raise UserError("the checkpoint has no chat template of its own; name a format: " + ", ".join(FORMATS))
        return Chat(tokenizer=tokenizer, name="own", source=own)
    if wanted.endswith((".jinja", ".jinja2", ".j2")):
        path = Path(wanted)
        if not path.is_file():
            raise UserError(f"there is no template file {wanted}")
        return Chat(tokenizer=tokenizer, name=path.name, source=_template_file(path))
    return chat_of_style(wanted, tokenizer)


def own_template(folder: Path) -> str | None:
    """The Jinja source in a checkpoint's folder (chat_template.jinja, or in tokenizer_config.json), or None."""
    beside = folder / "chat_template.jinja"
    if beside.is_file():
        return _template_file(beside)
    for name in ("tokenizer_config.json", "chat_template.json"):
        if not (folder / name).is_file():
            continue
        try:
            found = json_value((folder / name).read_bytes()).get("chat_template")
        except (ValueError, AttributeError) as error:
            raise UserError(f"{folder / name} is not a JSON object ({error}); copy it again from the model") from error
        if isinstance(found, list):  # several templates by name: tools, rag, ...
            by_name = {entry.get("name"): entry.get("template") for entry in found if isinstance(entry, dict)}
            found = by_name.get("default") or next(iter(by_name.values()), None)
        if isinstance(found, str) and found:
            return found
    return None


def _template_file(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8")
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read as UTF-8 text: {error}") from error


@dataclass(frozen=True)
class Chat:
    """One way of writing messages for one tokenizer. `source` is Jinja; None = base model, contents joined as they are.

    `ask` and `lesson` raise UserError where the template fails or cannot be trained with.
    """

    tokenizer: ChatTokenizer
    name: str
    source: str | None
    _texts: dict[int, str] = field(init=False, repr=False, compare=False, default_factory=dict)

    def __post_init__(self) -> None:
        self._texts.update({number: text for text, number in self.tokenizer.specials.items()})

    @cached_property
    def hash(self) -> str:
        """sha256 (hex) of the template's source; that of the empty text for a base model."""
        return hashlib.sha256((self.source or "").encode()).hexdigest()

    @cached_property
    def stops(self) -> frozenset[int]:
        """Ids that end an answer: the end of text, and what the template writes behind the last assistant turn. Only
        these end a turn in `lesson` too: a tag that opens the next turn would never be there to be learned."""
        found = {self.tokenizer.eos, self._probe.end if self._probe is not None else None}
        return frozenset(number for number in found if number is not None)

    def ask(self, messages: Sequence[Message]) -> RenderedPrompt:
        """The prompt that ends where the answer begins; an assistant message at the end is begun, to be continued."""
        if self.source is None:
            text = "".join(message.content for message in messages)
            ids = self.tokenizer.encode(text)
            if self.tokenizer.adds_bos and self.tokenizer.bos is not None:
                return RenderedPrompt(
                    ids=[self.tokenizer.bos, *ids], text=self._texts[self.tokenizer.bos] + text, bos=True
                )
            return RenderedPrompt(ids=ids, text=text, bos=False)
        guarded, mark = self._guard(messages)
        if messages and messages[-1].role == "assistant":
            whole = self._render(guarded, prompt=False)
            last = self._turns(guarded, whole)[-1]
            parts = [whole[: last.start], whole[last.start : last.content_end]]
        else:
            parts = [self._render(guarded, prompt=True)]
        ids = [number for part in parts for number in self._encode(part, mark)]
        text = "".join(parts).replace(mark, "") if mark else "".join(parts)
        begins = bool(ids) and ids[0] == self.tokenizer.bos
        if not begins and self.tokenizer.adds_bos and self.tokenizer.bos is not None:
            return RenderedPrompt(ids=[self.tokenizer.bos, *ids], text=self._texts[self.tokenizer.bos] + text, bos=True)
        return RenderedPrompt(ids=ids, text=text, bos=begins)

    def lesson(self, messages: Sequence[Message]) -> TrainingExample:
        """The whole conversation; trained are every assistant turn and the token that ends it.

        The ids up to the first trained one are exactly those of `ask` on the messages before that turn. A turn that the
        template does not end with a control token is left without one: the preflight refuses it.
        """
        if self.source is None:
            return self._plain_lesson(messages)
        guarded, mark = self._guard(messages)
        whole = self._render(guarded, prompt=False)
        turns = self._turns(guarded, whole)
        ids: list[int] = []
        trained: list[bool] = []
        at = 0
        for turn in turns:
            for text, learn in ((whole[at : turn.start], False), (whole[turn.start : turn.stop], True)):
                part = self._encode(text, mark)
                ids += part
                trained += [learn] * len(part)
            at = turn.stop
        tail = self._encode(whole[at:], mark)
        ids, trained = ids + tail, trained + [False] * len(tail)
        if self.tokenizer.adds_bos and self.tokenizer.bos is not None and ids[:1] != [self.tokenizer.bos]:
            ids, trained = [self.tokenizer.bos, *ids], [False, *trained]
        while trained and not trained[-1] and any(trained):  # the newline behind the last end tag teaches nothing
            ids.pop()
            trained.pop()
        return TrainingExample(ids=ids, trained=trained, text=whole.replace(mark, "") if mark else whole)

    def answer(self, text: str) -> str:
        """What the model wrote, without the header that the format lets the model write itself (the book's formats)."""
        lead = self._lead
        for begin in (lead, lead.strip()):
            if begin and text.lstrip("\n").startswith(begin.lstrip("\n")):
                return text.lstrip("\n")[len(begin.lstrip("\n")) :].lstrip("\n")
        return text

    @cached_property
    def _lead(self) -> str:
        return self._probe.lead if self._probe is not None else ""

    @cached_property
    def _probe(self) -> _Turn | None:
        if self.source is None:
            return None
        whole = self._render(_PROBE, prompt=False)
        return self._turns(_PROBE, whole, frozenset(self.tokenizer.specials.values()))[0]

    def _plain_lesson(self, messages: Sequence[Message]) -> TrainingExample:
        if self.tokenizer.eos is None:
            raise UserError("the tokenizer has no end-of-text token, so an answer cannot be ended; name a chat format")
        ids: list[int] = []
        trained: list[bool] = []
        asked: list[Message] = []
        for message in messages:
            if message.role != "assistant":
                asked.append(message)
                continue
            before = self.ask(asked).ids if not ids else self.tokenizer.encode("".join(m.content for m in asked))
            answer = [*self.tokenizer.encode(message.content), self.tokenizer.eos]
            ids += before + answer
            trained += [False] * len(before) + [True] * len(answer)
            asked = []
        return TrainingExample(ids=ids, trained=trained, text="".join(message.content for message in messages))

    def _guard(self, messages: Sequence[Message]) -> tuple[list[Message], str]:
        """User text that spells a control token is broken by a private character, taken out again when encoded."""
        joined = "".join(message.content for message in messages)
        if not self._pattern.search(joined):
            return list(messages), ""
        mark = next(chr(point) for point in range(0xE000, 0xF900) if chr(point) not in joined)
        split = lambda match: match[0][0] + mark + match[0][1:]
        return [Message(m.role, self._pattern.sub(split, m.content)) for m in messages], mark

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        names = sorted((text for text in self.tokenizer.specials if text), key=len, reverse=True)
        return re.compile("|".join(map(re.escape, names)) or r"(?!)")

    def _encode(self, text: str, mark: str) -> list[int]:
        ids: list[int] = []
        at = 0
        for match in self._pattern.finditer(text):
            ids += self._ordinary(text[at : match.start()], mark)
            ids.append(self.tokenizer.specials[match[0]])
            at = match.end()
        return ids + self._ordinary(text[at:], mark)

    def _ordinary(self, text: str, mark: str) -> list[int]:
        text = text.replace(mark, "") if mark else text
        return self.tokenizer.encode(text) if text else []

    def _render(self, messages: Sequence[Message], *, prompt: bool) -> str:
        from evalharness.chat.templates import render

        return render(self.source or "", messages, prompt, self._named_tokens)

    @cached_property
    def _named_tokens(self) -> tuple[str, str]:
        bos, eos = self.tokenizer.bos, self.tokenizer.eos
        return ("" if bos is None else self._texts.get(bos, "")), ("" if eos is None else self._texts.get(eos, ""))

    def _turns(self, messages: Sequence[Message], whole: str, ends: Collection[int] | None = None) -> list[_Turn]:
        """Where each assistant turn stands in `whole`: found by rendering what is asked before it."""
        ends = self.stops if ends is None else ends
        turns: list[_Turn] = []
        for index, message in enumerate(messages):
            if message.role != "assistant":
                continue
            before = self._render(messages[:index], prompt=True)
            if not whole.startswith(before):
                raise UserError(
                    f"the template {self.name} asks otherwise than it writes: the prompt before assistant turn "
                    f"{len(turns) + 1} is not the beginning of the conversation, so it cannot be trained with; "
                    f"name a format: {', '.join(FORMATS)}"
                )
            turns.append(self._turn(message.content, whole, len(before), ends))
        _check_markers(self.name, self.source or "", messages, turns, self._named_tokens)
        return turns

    def _turn(self, content: str, whole: str, start: int, ends: Collection[int]) -> _Turn:
        for text in dict.fromkeys((content, content.strip())):  # many templates trim
            for skip_space in (False, True):
                for found in _occurrences(text, whole, start):
                    at = found + len(text)
                    if skip_space:
                        at += len(whole[at:]) - len(whole[at:].lstrip())
                    end = self._pattern.match(whole, at)
                    if end is not None and self.tokenizer.specials[end[0]] in ends:
                        return _Turn(
                            start=start, content_end=found + len(text), stop=end.end(), lead=whole[start:found],
                            end=self.tokenizer.specials[end[0]],
                        )  # fmt: skip
        text = content if content in whole[start:] else content.strip()
        found = whole.find(text, start)
        if found < 0:
            raise UserError(f"the template {self.name} does not write the assistant's text as it is given")
        stop = found + len(text)
        return _Turn(start=start, content_end=stop, stop=stop, lead=whole[start:found], end=None)


def _occurrences(text: str, whole: str, start: int) -> Iterator[int]:
    at = whole.find(text, start)
    while at >= 0:
        yield at
        at = whole.find(text, at + 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Turn:
    """Character positions of one assistant turn: what is trained is [start, stop)."""

    start: int
    content_end: int
    stop: int
    lead: str
    end: int | None


_PROBE = (Message("user", "Question"), Message("assistant", "Reply"))


def _check_markers(
    name: str, source: str, messages: Sequence[Message], turns: Sequence[_Turn], tokens: tuple[str, str]
) -> None:
    """Where a template marks what is to be learned with {% generation %}, the marks must hold every answer."""
    if "generation" not in source or "endgeneration" not in source:
        return
    from evalharness.chat.templates import CLOSE, OPEN, render

    marked = render(source, messages, False, tokens, marked=True)
    spans: list[tuple[int, int]] = []
    opened, removed = 0, 0
    for at, letter in enumerate(marked):
        if letter in (OPEN, CLOSE):
            if letter == OPEN:
                opened = at - removed
            else:
                spans.append((opened, at - removed))
            removed += 1
    for number, turn in enumerate(turns, 1):
        begin = turn.start + len(turn.lead)
        if not any(low <= begin and turn.content_end <= high for low, high in spans):
            raise UserError(
                f"the template {name} marks with generation tags something else than assistant turn {number}; "
                "mend the tags or name a format"
            )


def token_pieces(chat: Chat, ids: Sequence[int]) -> Iterator[str]:
    """Each token as text, for showing; bytes that are no text alone appear as replacement characters."""
    for number in ids:
        yield chat.tokenizer.decode_bytes([number]).decode("utf-8", "replace")
