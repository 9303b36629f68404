"""A chat template in Ollama's language, found by rendering and held to every byte of what it stands for.

https://github.com/ollama/ollama/blob/main/docs/modelfile.md and docs/template.md. A template that names `.Messages` is
given `.System` (all system texts, joined) and the messages with neighbours of one role joined (template/template.go);
`.Prompt` and `.Response` are for programs that know no messages. Ollama puts BOS in front itself.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from evalharness.chat.render import Chat
from evalharness.errors import UserError
from evalharness.records import Message

_S, _U, _A, _V = "S\u2042\u2043S", "U\u2042\u2043U", "A\u2042\u2043A", "V\u2042\u2043V"
_LAST = "eq (len (slice $.Messages $i)) 1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """What a template writes around the texts of a conversation, without BOS.

    `alone` stands before the first question where there is no system text; where there is one, `system` has what stands
    before and behind it (None: the template takes none). `answer` stands between a question and its answer, `asked`
    behind the last question of a prompt, `question` between an answer and the next question.
    """

    alone: str
    system: tuple[str, str] | None
    answer: str
    asked: str
    question: str

    def text(self, messages: Sequence[Message]) -> str:
        """The prompt of a conversation of questions and answers in turn, after one system text or none."""
        first = messages[0]
        if first.role == "system":
            before, behind = self.system or ("", "")
            parts, messages = [before, first.content, behind], messages[1:]
        else:
            parts = [self.alone]
        for message in messages[:-1]:
            parts += [message.content, self.answer if message.role == "user" else self.question]
        return "".join([*parts, messages[-1].content, self.asked if messages[-1].role == "user" else ""])


def modelfile(chat: Chat, weights: str = ".") -> str:
    """What `ollama create` reads: `weights` (a folder, a GGUF file), the template, the texts that end an answer.

    A template that cannot be written in Ollama's language to the byte is left out, and a comment says why: Ollama then
    takes the one that is in the weights' folder or file.
    """
    texts = {number: text for text, number in chat.tokenizer.specials.items()}
    stops = sorted(texts[number] for number in chat.stops if number in texts)
    try:
        template = [f'TEMPLATE """{go_template(frame_of(chat))}"""']
    except UserError as error:
        template = [f"# no TEMPLATE: {error}"]
    lines = [f"FROM {weights}", *template, *(f"PARAMETER stop {json.dumps(s, ensure_ascii=False)}" for s in stops)]
    return "\n".join(lines) + "\n"


def frame_of(chat: Chat) -> Frame:
    """What the chat's template writes around texts. UserError where texts in a fixed frame are not what it writes."""
    if "strftime_now" in (chat.source or ""):
        raise UserError("the chat template writes the date, which Ollama's does not know")
    user, reply, other = Message("user", _U), Message("assistant", _A), Message("user", _V)
    alone, between, question, asked = _parts(_prompt(chat, (user, reply, other)), (_U, _A, _V))
    if _prompt(chat, (user,)) != alone + _U + asked:
        raise UserError("the chat template writes a first question otherwise than the last")
    # A header that the model is left to write itself is asked with: Ollama does not take it out of the answer.
    header = between[len(asked) :] if between.startswith(asked) else ""
    asked += header
    try:
        before, behind, _ = _parts(_prompt(chat, (Message("system", _S), user)), (_S, _U))
        system = (before, behind)
    except UserError:  # many take none
        system = None
    frame = Frame(alone=alone, system=system, answer=between, asked=asked, question=question)
    for messages in _probes(frame):
        if frame.text(messages) != _prompt(chat, messages) + header:
            raise UserError("the chat template writes more than texts in a fixed frame")
    return frame


def _probes(frame: Frame) -> list[tuple[Message, ...]]:
    turns = (
        Message("user", "What is 2 + 2?"), Message("assistant", "It is\n\n4."), Message("user", 'And "3" + {4}?'),
        Message("assistant", "7"), Message("user", "# Thanks\n- a\n- b"),
    )  # fmt: skip
    plain: list[tuple[Message, ...]] = [turns[:1], turns[:3], turns]
    told = [(Message("system", "You are terse.\nVery."), *messages) for messages in plain]
    return plain + (told if frame.system is not None else [])


def loader_puts_bos(chat: Chat) -> bool:
    """Whether the program that loads the weights must put BOS before our prompts.

    Not where the template's first tag happens to be BOS (SmolLM2's `<|im_start|>`): that one is the template's own.
    """
    return chat.tokenizer.adds_bos and chat.ask((Message("user", "a"),)).bos


def _prompt(chat: Chat, messages: Sequence[Message]) -> str:
    """The rendered prompt without the BOS that is put in front of it."""
    asked = chat.ask(messages)
    if not (asked.bos and chat.tokenizer.adds_bos):
        return asked.text
    bos = next((text for text, number in chat.tokenizer.specials.items() if number == asked.ids[0]), "")
    return asked.text.removeprefix(bos)


def _parts(text: str, marks: Sequence[str]) -> list[str]:
    """What stands before, between and behind marks. UserError where one is missing, twice there, or out of order."""
    parts = []
    for mark in marks:
        part, found, text = text.partition(mark)
        if not found or mark in text:
            raise UserError("the chat template does not write every text once, in the order of the messages")
        parts.append(part)
    return [*parts, text]


def go_template(frame: Frame) -> str:
    """The frame as a Go template, by messages and, where there are none, by system text, prompt and response.

    UserError for a frame that a Modelfile cannot hold.
    """
    leads = [frame.alone, frame.question] + ([frame.system[1]] if frame.system is not None else [])
    opening = _common_end(leads)  # what every question begins with
    cut = len(opening)
    head, closing = _text(frame.alone[: len(frame.alone) - cut]), frame.question[: len(frame.question) - cut]
    if frame.system is not None:
        before, behind = frame.system
        told = _text(before) + "{{ .System }}" + _text(behind[: len(behind) - cut])
        head = "{{ if .System }}" + told + ("{{ else }}" + head if head else "") + "{{ end }}"
    answer, asked = _text(frame.answer), _text(frame.asked)
    behind_question = answer if answer == asked else f"{{{{ if {_LAST} }}}}{asked}{{{{ else }}}}{answer}{{{{ end }}}}"
    question, reply = _text(opening) + "{{ .Content }}" + behind_question, "{{ .Content }}"
    if closing:
        reply += f"{{{{ if not ({_LAST}) }}}}{_text(closing)}{{{{ end }}}}"
    turns = '{{ range $i, $_ := .Messages }}{{ if eq .Role "user" }}' + question
    turns += '{{ else if eq .Role "assistant" }}' + reply + "{{ end }}{{ end }}"
    without = _text(opening) + "{{ .Prompt }}" + asked + "{{ .Response }}" + _text(closing)
    made = head + "{{ if .Messages }}" + turns + "{{ else }}" + without + "{{ end }}"
    if '"""' in made or not made.replace("\n", "").replace("\t", "").isprintable():
        raise UserError("the chat template writes what a Modelfile cannot hold")
    return made


def _text(text: str) -> str:
    """Text as a Go template spells it."""
    return text.replace("{{", '{{ "{{" }}')


def _common_end(texts: Sequence[str]) -> str:
    shortest = min(texts, key=len)
    return next(shortest[at:] for at in range(len(shortest) + 1) if all(t.endswith(shortest[at:]) for t in texts))
