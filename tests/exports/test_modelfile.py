"""Ollama's template writes what the trained one writes, to the byte."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from exports.go_templates import commands, ollama, without_messages

from evalharness.chat.prompt_styles import ENDS
from evalharness.chat.render import Chat, chat_of_style
from evalharness.errors import UserError
from evalharness.exports.modelfile import frame_of, modelfile
from evalharness.records import Message

# https://huggingface.co/google/gemma-2-2b-it, and Gemma 3's, which puts a system text before the first question.
GEMMA2 = (
    "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}"
    "{% endif %}{% for message in messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}"
    "{% if (message['role'] == 'assistant') %}{% set role = 'model' %}{% else %}{% set role = message['role'] %}"
    "{% endif %}{{ '<start_of_turn>' + role + '\n' + message['content'] | trim + '<end_of_turn>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{'<start_of_turn>model\n'}}{% endif %}"
)
GEMMA3 = (
    "{{ bos_token }}{%- if messages[0].role == 'system' -%}{%- set first = messages[0].content + '\n\n' -%}"
    "{%- set rest = messages[1:] -%}{%- else -%}{%- set first = '' -%}{%- set rest = messages -%}{%- endif -%}"
    "{%- for message in rest -%}{%- set role = 'model' if message.role == 'assistant' else message.role -%}"
    "{{ '<start_of_turn>' + role + '\n' + (first if loop.first else '') + message.content | trim }}"
    "{{ '<end_of_turn>\n' }}{%- endfor -%}{%- if add_generation_prompt -%}{{ '<start_of_turn>model\n' }}{%- endif -%}"
)
LLAMA2 = (
    "{% if messages[0].role == 'system' %}{% set told = '<<SYS>>\n' + messages[0].content + '\n<</SYS>>\n\n' %}"
    "{% set rest = messages[1:] %}{% else %}{% set told = '' %}{% set rest = messages %}{% endif %}"
    "{% for message in rest %}{% if message.role == 'user' %}"
    "{{ bos_token + '[INST] ' + (told if loop.first else '') + message.content + ' [/INST]' }}"
    "{% else %}{{ ' ' + message.content + ' ' + eos_token }}{% endif %}{% endfor %}"
)
R1 = (
    "{{ bos_token }}{%- for m in messages -%}{%- if m.role == 'user' -%}{{ '<|User|>' + m.content }}"
    "{%- elif m.role == 'assistant' -%}{{ '<|Assistant|>' + m.content + eos_token }}"
    "{%- else -%}{{ m.content }}{%- endif -%}{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{ '<|Assistant|><think>\n' }}{%- endif -%}"
)


@dataclass(frozen=True)
class Letters:
    """A tokenizer of single bytes with control tokens."""

    names: tuple[str, ...]
    adds_bos: bool = False
    bos: int | None = 256
    eos: int | None = 257
    specials: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.specials.update({name: 256 + i for i, name in enumerate(("<s>", "</s>", *self.names))})

    @property
    def size(self) -> int:
        return 256 + len(self.specials)

    def encode(self, text: str) -> list[int]:
        return list(text.encode())

    def decode_bytes(self, ids: Sequence[int]) -> bytes:
        names = {number: name for name, number in self.specials.items()}
        return b"".join(names[i].encode() if i in names else bytes([i]) for i in ids)


def chats() -> dict[str, Chat]:
    gemma = Letters(("<start_of_turn>", "<end_of_turn>"), adds_bos=True)
    found = {}
    for name in ("chatml", "llama3", "phi3", "alpaca"):
        for adds_bos in (False, True):
            tags = tuple(tag for tag in [ENDS.get(name)] if tag)
            found[name + ", BOS" * adds_bos] = chat_of_style(name, Letters(tags, adds_bos=adds_bos))
    found["chatml, no tag of its own"] = chat_of_style("chatml", Letters(()))
    for name, source in (("gemma 2", GEMMA2), ("gemma 3", GEMMA3)):
        found[name] = Chat(tokenizer=gemma, name="own", source=source)
    found["r1"] = Chat(tokenizer=Letters((), adds_bos=True), name="own", source=R1)
    braces = "{% for m in messages %}{{ '{{' + m.role + '}} ' + m.content + eos_token }}{% endfor %}{{ '{{a}} ' }}"
    found["braces"] = Chat(tokenizer=Letters(()), name="own", source=braces)
    smollm = Letters(("<|im_start|>", "<|im_end|>"), bos=258)  # SmolLM2's first tag is its BOS, which nobody puts
    found["chatml, tag for BOS"] = chat_of_style("chatml", smollm)
    found["none"] = chat_of_style("none", Letters((), adds_bos=True))
    return found


CHATS = chats()
PIECES = [
    "Hello.",
    "What is 2 + 2?",
    "It's {{ .System }} or \\n?",
    "Two\n\nlines",
    "日本語",
    "# Title\n- a",
    '"""quoted"""',
]


def conversations(count: int, system: bool) -> list[list[Message]]:
    chance = random.Random(7)
    made = []
    for number in range(count):
        told = [Message("system", chance.choice(PIECES))] if system and number % 2 else []
        turns = [
            Message("assistant" if at % 2 else "user", " ".join(chance.choices(PIECES, k=chance.randint(1, 3))))
            for at in range(2 * (number % 5) + 1)
        ]
        made.append([*told, *turns])
    return made


@pytest.mark.parametrize("name", CHATS)
def test_the_template_renders_to_the_same_bytes(name: str) -> None:
    chat = CHATS[name]
    (template,) = commands(modelfile(chat))["TEMPLATE"]
    takes_system = name != "gemma 2"
    asked = conversations(20, takes_system)
    assert sum(len(messages) > 3 for messages in asked) >= 10
    for messages in asked:
        prompt = chat.ask(messages)
        ours = prompt.text.removeprefix("<s>")  # Ollama puts BOS in front itself
        assert ollama(template, [(m.role, m.content) for m in messages]) == ours
        if messages[-1].role == "user" and len(messages) <= 2:
            system = messages[0].content if messages[0].role == "system" else ""
            assert without_messages(template, system, messages[-1].content) == ours
    assert not ollama(template, [("user", "a")]).startswith("<s>")


@pytest.mark.parametrize("name", [name for name in CHATS if name not in ("gemma 2", "r1", "braces", "none")])
def test_an_answer_that_is_begun_is_gone_on_with(name: str) -> None:
    chat = CHATS[name]
    (template,) = commands(modelfile(chat))["TEMPLATE"]
    begun = [Message("user", "Count."), Message("assistant", "One, two")]
    text = chat.ask(begun).text
    assert ollama(template, [("user", "Count."), ("assistant", "One, two")]) == text.removeprefix("<s>")


def test_the_first_tag_and_the_system_text_are_there() -> None:
    found = commands(modelfile(CHATS["chatml"]))
    (template,) = found["TEMPLATE"]
    assert template.startswith("{{ if .System }}<|im_start|>system\n{{ .System }}<|im_end|>\n{{ end }}")
    assert ollama(template, [("user", "a")]).startswith("<|im_start|>user\na<|im_end|>")
    assert found["PARAMETER stop"] == ["</s>", "<|im_end|>"]
    assert found["FROM"] == ["."]
    assert commands(modelfile(CHATS["chatml"], "./model.gguf"))["FROM"] == ["./model.gguf"]


def test_a_header_that_the_model_writes_itself_is_asked_with() -> None:
    """The book's format lets the model write "### Response:"; Ollama would leave it in the answer."""
    chat = chat_of_style("alpaca-book", Letters(()))
    (template,) = commands(modelfile(chat))["TEMPLATE"]
    assert ollama(template, [("user", "a")]) == chat.ask([Message("user", "a")]).text + "\n\n### Response:\n"


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("{{ strftime_now('%Y') }}{% for m in messages %}{{ m.content }}{% endfor %}", "writes the date"),
        (
            "{% for m in messages %}{{ m.content | upper }}|{% endfor %}",
            "does not write every text once|more than texts",
        ),
        ("{% for m in messages %}{{ loop.index }}{{ m.content }}|{% endfor %}", "otherwise|more than texts"),
        ("{% for m in messages %}{{ m.content + m.content|length|string }}|{% endfor %}", "otherwise|more than texts"),
        ('{% for m in messages %}{{ m.content + \'"""\' }}{% endfor %}', "cannot hold"),
    ],
)
def test_what_ollama_cannot_write_is_left_out_and_said(source: str, why: str) -> None:
    chat = Chat(tokenizer=Letters(()), name="own", source=source)
    text = modelfile(chat)
    assert "TEMPLATE" not in commands(text)
    assert "# no TEMPLATE: " in text
    with pytest.raises(UserError, match=why):
        from evalharness.exports.modelfile import go_template

        go_template(frame_of(chat))
