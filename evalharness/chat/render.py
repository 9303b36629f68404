"""Messages -> text -> token ids and loss mask: the ONE place, for asking and for training.

Every format is a Jinja chat template, so that what is trained is also what is exported, and transformers, vLLM and
this harness render the same bytes: https://huggingface.co/docs/transformers/chat_templating
The first user message of an Alpaca row is its instruction; a second one right behind it is its input.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType
from typing import Any

from evalharness.chat.control_tokens import (
    NO_HABITS,
    Habits,
    break_control_tokens,
    encode_stretches,
    split_at_control,
)
from evalharness.chat.prompt_styles import BOS_FIRST, ENDS, FORMATS
from evalharness.chat.tokenizer import ChatTokenizer
from evalharness.chat.turns import (
    End,
    NextEnd,
    Turn,
    behind_thoughts,
    check_written,
    find_turn,
    follow_marks,
    opened_thought,
)
from evalharness.data.files import json_value
from evalharness.errors import UserError, nearest
from evalharness.records import Message

_NOTHING: Mapping[str, Any] = MappingProxyType({})


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
        source = BOS_FIRST + source
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

    `ask` and `example` raise UserError where the template fails or cannot be trained with.
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
        these end a turn in `example` too: a tag that opens the next turn would never be there to be learned."""
        found = {self.tokenizer.eos, self._frame[1]}
        return frozenset(number for number in found if number is not None)

    def ask(self, messages: Sequence[Message], given: Mapping[str, Any] = _NOTHING) -> RenderedPrompt:
        """The prompt that ends where the answer begins; an assistant message at the end is begun, to be continued.

        `given` are further variables of the template, such as `tools`.
        """
        if self.source is None:
            return self._plain(messages)
        messages, given, mark = self._guard(self._alternating(messages), given)
        if messages and messages[-1].role == "assistant":
            turn = self._turn(messages, given)
            text, cuts = turn.text[: turn.content_end], [turn.start]
        else:
            text, cuts = self._render(messages, given, prompt=True), []
        ids = [number for stretch in self._encode(text, cuts, mark) for number in stretch]
        return RenderedPrompt(ids=ids, text=_without(mark, text), bos=ids[:1] == [self.tokenizer.bos])

    def _plain(self, messages: Sequence[Message]) -> RenderedPrompt:
        text = "".join(message.content for message in messages)
        ids = self.tokenizer.encode(text)
        if self.tokenizer.adds_bos and self.tokenizer.bos is not None:
            return RenderedPrompt(ids=[self.tokenizer.bos, *ids], text=self._texts[self.tokenizer.bos] + text, bos=True)
        return RenderedPrompt(ids=ids, text=text, bos=False)

    def example(self, messages: Sequence[Message], given: Mapping[str, Any] = _NOTHING) -> TrainingExample:
        """The one example of a conversation; see `examples`. UserError where its turns are learned one by one."""
        found = self.examples(messages, given)
        if len(found) != 1:
            raise UserError(
                f"the template {self.name} makes {len(found)} examples of this conversation; one was wanted"
            )
        return found[0]

    def examples(self, messages: Sequence[Message], given: Mapping[str, Any] = _NOTHING) -> list[TrainingExample]:
        """The whole conversation; trained are every assistant turn that is to be learned and the token that ends it.

        The ids up to the first trained one are exactly those of `ask` on the messages before that turn. Where the
        template writes a turn otherwise once the conversation has gone on (thoughts are taken out, mostly), each turn
        is a example of its own, written as it will be asked. A turn that the template does not end with a control token
        is left without one: the preflight refuses it. No example where no turn is to be learned.
        """
        if self.source is None:
            return [self._plain_example(messages)]
        messages, given, mark = self._guard(self._alternating(messages), given)
        turns: list[Turn] = []
        taught: list[Turn] = []
        looked_at = 0  # messages that are known to stand in the text before a turn
        for index, message in enumerate(messages):
            if message.role != "assistant":
                continue
            turns.append(self._turn(messages[: index + 1], given))
            if message.learned:
                if taught and not turns[-1].goes_on_from(taught[-1]):
                    looked_at = 0
                check_written(self.name, messages[looked_at : index + 1], turns[-1], given)
                taught.append(turns[-1])
                looked_at = index + 1
        if all(turns[-1].goes_on_from(turn) for turn in turns):
            return [self._taught(turns[-1].text, taught, mark)] if taught else []
        return [self._taught(turn.text, [turn], mark) for turn in taught]

    def outgrows(self, messages: Sequence[Message], limit: int, given: Mapping[str, Any] = _NOTHING) -> bool:
        """Whether a conversation of many turns is sure to be one example with more than `limit` tokens from the first
        learned turn on, told by a few of its turns: to write it up to each of them takes the square of their number.
        """
        learned = [i for i, message in enumerate(messages) if message.role == "assistant" and message.learned]
        if self.source is None or len(learned) <= _MANY or sum(len(m.content) for m in messages) <= limit:
            return False
        messages, given, mark = self._guard(self._alternating(messages), given)
        learned = [i for i, message in enumerate(messages) if message.role == "assistant" and message.learned]
        # What a template writes otherwise once it is answered are thoughts and calls, mostly.
        unlike = [
            i for i in learned if messages[i].extra or behind_thoughts(messages[i].content) != messages[i].content
        ]
        probed = {*learned[:: len(learned) // _MANY + 1], *unlike[:2], *unlike[-2:], learned[-1]}
        first, *others = (self._turn(messages[: index + 1], given) for index in sorted(probed))
        if not all(others[-1].goes_on_from(turn) for turn in (first, *others)):
            return False
        return sum(map(len, self._encode(others[-1].text[first.start : others[-1].stop], (), mark))) > limit

    def _taught(self, text: str, turns: Sequence[Turn], mark: str) -> TrainingExample:
        spans = [span for turn in turns for span in turn.learned]
        cuts = sorted({position for span in spans for position in span} | {turn.start for turn in turns})
        ids: list[int] = []
        trained: list[bool] = []
        for begin, part in zip([0, *cuts], self._encode(text, cuts, mark), strict=True):
            ids += part
            trained += [any(low <= begin < high for low, high in spans)] * len(part)
        while trained and not trained[-1] and any(trained):  # the newline behind the last end tag teaches nothing
            ids.pop()
            trained.pop()
        return TrainingExample(ids=ids, trained=trained, text=_without(mark, text))

    def answer(self, text: str) -> str:
        """What the model wrote, without the header that the format lets the model write itself (the book's formats)."""
        lead = self._frame[0]
        for begin in (lead, lead.strip()):
            if begin and text.lstrip("\n").startswith(begin.lstrip("\n")):
                return text.lstrip("\n")[len(begin.lstrip("\n")) :].lstrip("\n")
        return text

    @cached_property
    def _frame(self) -> tuple[str, int | None]:
        """The header that the template writes before an answer and does not ask with, and the id of the first control
        token behind the answer. A template that cannot be trained with has them too: it can be asked."""
        if self.source is None:
            return "", None
        try:
            before = self._render(_PROBE[:1], _NOTHING, prompt=True)
            upto = self._render(_PROBE, _NOTHING, prompt=False)
        except UserError:  # the question itself says so where it cannot be written either
            return "", None
        at = upto.rfind(_PROBE[1].content)
        if at < 0:
            return "", None
        end = self._next_end(frozenset(self.tokenizer.specials.values()))(upto, at + len(_PROBE[1].content))
        # Behind an opened thought stands its end, which belongs to the answer.
        lead = upto[len(before) : at] if upto.startswith(before) and opened_thought(before) is None else ""
        return lead, None if end is None else end.id

    def _alternating(self, messages: Sequence[Message]) -> Sequence[Message]:
        """The messages; a user's neighbours are one, with a blank line between, where the template takes no two."""
        if not any(a.role == b.role == "user" for a, b in pairwise(messages)) or self._takes_neighbours:
            return messages
        found: list[Message] = []
        for message in messages:
            if found and found[-1].role == message.role == "user" and not message.extra:
                found[-1] = replace(found[-1], content=f"{found[-1].content}\n\n{message.content}")
            else:
                found.append(message)
        return found

    @cached_property
    def _takes_neighbours(self) -> bool:
        """Whether the template writes two messages of a user in a row. Gemma's and Mistral's want an answer between."""
        try:
            self._render([_PROBE[0], _PROBE[0]], _NOTHING, prompt=True)
        except UserError:
            return False
        return True

    def _plain_example(self, messages: Sequence[Message]) -> TrainingExample:
        if self.tokenizer.eos is None:
            raise UserError("the tokenizer has no end-of-text token, so an answer cannot be ended; name a chat format")
        ids: list[int] = []
        trained: list[bool] = []
        asked: list[Message] = []
        for message in messages:
            if message.extra:
                raise UserError(f"the format none leaves out {', '.join(message.extra)}; name a format that writes it")
            if message.role != "assistant":
                asked.append(message)
                continue
            before = self.ask(asked).ids if not ids else self.tokenizer.encode("".join(m.content for m in asked))
            answer = [*self.tokenizer.encode(message.content), self.tokenizer.eos]
            ids += before + answer
            trained += [False] * len(before) + [message.learned] * len(answer)
            asked = []
        return TrainingExample(ids=ids, trained=trained, text="".join(message.content for message in messages))

    def _guard(
        self, messages: Sequence[Message], given: Mapping[str, Any]
    ) -> tuple[Sequence[Message], Mapping[str, Any], str]:
        return break_control_tokens(messages, given, self._pattern)

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        names = sorted((text for text in self.tokenizer.specials if text), key=len, reverse=True)
        return re.compile("|".join(map(re.escape, names)) or r"(?!)")

    def _encode(self, text: str, cuts: Sequence[int], mark: str) -> list[list[int]]:
        """The ids of a rendered text between its cuts."""

        def encode(part: str, inside: bool) -> list[int]:
            part = _without(mark, part)
            return [] if not part else self._inside(part) if inside else self.tokenizer.encode(part)

        found = split_at_control(text, self._pattern, self.tokenizer.specials, self._habits)
        return encode_stretches(text, cuts, found, encode)

    @cached_property
    def _habits(self) -> Habits:
        found: Habits = getattr(self.tokenizer, "habits", NO_HABITS)
        return found

    @cached_property
    def _inside(self) -> Callable[[str], list[int]]:
        found: Callable[[str], list[int]] = getattr(self.tokenizer, "encode_inside", self.tokenizer.encode)
        return found

    def _render(self, messages: Sequence[Message], given: Mapping[str, Any], *, prompt: bool) -> str:
        from evalharness.chat.templates import render

        return render(self.source or "", messages, prompt, self._named_tokens, given=given)

    @cached_property
    def _named_tokens(self) -> tuple[str, str]:
        bos, eos = self.tokenizer.bos, self.tokenizer.eos
        return ("" if bos is None else self._texts.get(bos, "")), ("" if eos is None else self._texts.get(eos, ""))

    def _turn(self, messages: Sequence[Message], given: Mapping[str, Any]) -> Turn:
        """The last of `messages`, an assistant's; one of `stops` ends it."""
        before = self._render(messages[:-1], given, prompt=True)
        upto = self._render(messages, given, prompt=False)
        turn = find_turn(self.name, messages[-1], before, upto, self._next_end(self.stops))
        if "endgeneration" not in (self.source or "") or turn.text != upto:
            return turn
        from evalharness.chat.templates import marked_spans

        marks = marked_spans(self.source or "", messages, self._named_tokens, given)
        return replace(turn, learned=follow_marks(self.name, turn, marks))

    def _next_end(self, ends: Collection[int]) -> NextEnd:
        def found(text: str, at: int) -> End | None:
            for match in self._pattern.finditer(text, at):
                if self.tokenizer.specials[match[0]] in ends:
                    return End(match.start(), match.end(), self.tokenizer.specials[match[0]])
            return None

        return found


_MANY = 8  # learned turns, above which a conversation is first looked at by some of them
_PROBE = (Message("user", "Question"), Message("assistant", "Reply"))


def _without(mark: str, text: str) -> str:
    return text.replace(mark, "") if mark else text


def token_pieces(chat: Chat, ids: Sequence[int]) -> Iterator[str]:
    """Each token as text, for showing; bytes that are no text alone appear as replacement characters."""
    for number in ids:
        yield chat.tokenizer.decode_bytes([number]).decode("utf-8", "replace")
