"""One place writes messages: what is asked begins what is trained, and every answer is learned whole, with its end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalharness.chat import render
from evalharness.chat.prompt_styles import ENDS, FORMATS, earlier_hash
from evalharness.chat.render import Chat, chat_of_style
from evalharness.errors import UserError
from evalharness.records import Message


@dataclass(frozen=True)
class Bytes:
    """A tokenizer of bytes with a few control tokens."""

    names: tuple[str, ...] = ("<s>", "</s>", "<|im_start|>", "<|im_end|>", "<|end|>", "<|user|>", "<|assistant|>")
    adds_bos: bool = False
    specials: Mapping[str, int] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "specials", {name: 256 + i for i, name in enumerate(self.names)})

    @property
    def size(self) -> int:
        return 256 + len(self.names)

    @property
    def bos(self) -> int | None:
        return self.specials.get("<s>")

    @property
    def eos(self) -> int | None:
        return self.specials.get("</s>")

    def encode(self, text: str) -> list[int]:
        return list(text.encode())

    def decode_bytes(self, ids: Sequence[int]) -> bytes:
        return b"".join(bytes([i]) if i < 256 else self.names[i - 256].encode() for i in ids)


U, A, S = (lambda t: Message("user", t)), (lambda t: Message("assistant", t)), (lambda t: Message("system", t))
QWEN = (
    "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' }}{% if m.role == 'assistant' %}{% generation %}"
    "{{ m.content | trim }}<|im_end|>{% endgeneration %}\n{% else %}{{ m.content }}<|im_end|>\n{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


def test_alpaca_has_two_preambles_and_the_book_has_one() -> None:
    t = Bytes()
    plain = chat_of_style("alpaca", t).ask([U("Add.")]).text
    assert plain == (
        "Below is an instruction that describes a task. Write a response that appropriately completes the request."
        "\n\n### Instruction:\nAdd.\n\n### Response:\n"
    )
    paired = chat_of_style("alpaca", t).ask([U("Add."), U("1 2")]).text
    assert paired.startswith("Below is an instruction that describes a task, paired with an input that provides furth")
    assert paired.endswith("\n\n### Instruction:\nAdd.\n\n### Input:\n1 2\n\n### Response:\n")
    book = chat_of_style("alpaca-book", t)
    asked = book.ask([U("Add."), U("1 2")]).text
    assert asked.startswith("Below is an instruction that describes a task. Write")
    assert asked.endswith("\n\n### Input:\n1 2")
    example = book.example([U("Add."), U("1 2"), A("3")])
    assert example.text == asked + "\n\n### Response:\n3</s>"
    assert book.answer("\n\n### Response:\n3 ### Response: x") == "3 ### Response: x"
    assert book.answer("3") == "3"


def test_phi3_in_its_real_form_and_in_the_book_s() -> None:
    t = Bytes()
    real = chat_of_style("phi3", t)
    assert (
        real.ask([S("Be brief."), U("Hi")]).text == "<|system|>\nBe brief.<|end|>\n<|user|>\nHi<|end|>\n<|assistant|>\n"
    )
    assert real.example([U("Hi"), A("Ho")]).text == "<|user|>\nHi<|end|>\n<|assistant|>\nHo<|end|>\n"
    assert t.specials["<|end|>"] in real.stops
    book = chat_of_style("phi3-book", t)
    assert book.ask([U("Add."), U("1 2")]).text == "<|user|>\nAdd.\n1 2"
    assert book.example([U("Add."), A("3")]).text == "<|user|>\nAdd.\n<|assistant|>:\n3</s>"


def test_chatml_and_llama3() -> None:
    t = Bytes()
    assert chat_of_style("chatml", t).example([U("a"), U("b"), A("c")]).text == (
        "<|im_start|>user\na\nb<|im_end|>\n<|im_start|>assistant\nc<|im_end|>\n"
    )
    llama = Bytes(names=("<s>", "</s>", "<|eot_id|>", "<|start_header_id|>", "<|end_header_id|>"), adds_bos=True)
    text = chat_of_style("llama3", llama).example([U("a"), A("c")]).text
    assert text == (
        "<s><|start_header_id|>user<|end_header_id|>\n\na<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\nc<|eot_id|>"
    )


def test_a_format_without_its_own_end_token_ends_with_the_end_of_text() -> None:
    t = Bytes(names=("<s>", "</s>"))
    example = chat_of_style("chatml", t).example([U("a"), A("c")])
    assert t.decode_bytes([i for i, on in zip(example.ids, example.trained, strict=True) if on]) == b"c</s>"
    assert chat_of_style("chatml", t).stops == {t.eos}


TURN = st.text(st.characters(codec="utf-8"), min_size=1, max_size=30).filter(lambda s: s == s.strip())
HOSTILE = st.sampled_from(["</s>", "<|im_end|>", "### Response:\n", "R", "e", "\n", "a </s> b", " x ", "user\n", "<s>"])


@settings(max_examples=60, deadline=None)
@given(
    name=st.sampled_from([*FORMATS, "none"]),
    questions=st.lists(TURN | HOSTILE, min_size=1, max_size=3),
    answers=st.lists(TURN | HOSTILE, min_size=3, max_size=3),
    adds_bos=st.booleans(),
)
def test_trained_tokens_are_the_answers_byte_for_byte(
    name: str, questions: list[str], answers: list[str], adds_bos: bool
) -> None:
    t = Bytes(adds_bos=adds_bos)
    c = chat_of_style(name, t)
    messages = [m for q, a in zip(questions, answers, strict=False) for m in (U(q), A(a))]
    example = c.example(messages)
    learned = [i for i, on in zip(example.ids, example.trained, strict=True) if on]
    header = {"alpaca-book": "\n\n### Response:\n", "phi3-book": "\n<|assistant|>:\n"}.get(name, "")
    end = {"phi3": "<|end|>", "chatml": "<|im_end|>"}.get(name, "</s>")
    assert t.decode_bytes(learned) == "".join(header + m.content + end for m in messages[1::2]).encode()
    assert sum(i in c.stops for i in learned) == len(questions)  # user text never becomes a control token
    assert example.ids.count(256) == (1 if adds_bos else 0)
    asked = c.ask(messages[:1]).ids
    assert example.ids[: len(asked)] == asked
    assert not any(example.trained[: len(asked)])
    assert example.trained[len(asked)]


def test_the_checkpoint_s_own_template() -> None:
    t = Bytes()
    own = render.choose_chat(None, QWEN, t)
    example = own.example([U("a"), A("  bc  "), U("d"), A("e")])
    assert (
        t.decode_bytes([i for i, on in zip(example.ids, example.trained, strict=True) if on])
        == b"bc<|im_end|>e<|im_end|>"
    )
    assert own.stops == {t.specials["<|im_end|>"], t.eos}
    assert own.ask([U("a"), A("be")]).text.endswith("<|im_start|>assistant\nbe")


def test_an_end_tag_that_opens_the_next_turn_is_no_end() -> None:
    source = (
        "{% for m in messages %}{{ '<|user|>' if m.role == 'user' else '<|assistant|>' }}{{ m.content }}{% endfor %}"
    )
    source += "{% if add_generation_prompt %}<|assistant|>{% endif %}"
    t = Bytes()
    example = Chat(tokenizer=t, name="x", source=source).example([U("a"), A("b"), U("c"), A("d")])
    assert t.decode_bytes([i for i, on in zip(example.ids, example.trained, strict=True) if on]) == b"bd"


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("{{ raise_exception('no systems') }}", "no systems"),
        ("{% for m in messages %}{{ m.nothing.more }}{% endfor %}", "cannot write"),
        ("{{ ''.__class__.__mro__ }}", "cannot write"),
        ("{% if", "cannot be read"),
        ("{% for m in messages %}{{ m.content }}{% endfor %}{{ '>' if add_generation_prompt }}", "asks otherwise"),
        ("{% for m in messages if m.role == 'user' %}{{ m.content }}{% endfor %}", "does not write the assistant"),
        (
            QWEN.replace("{{ m.content | trim }}<|im_end|>{% endgeneration %}", "{% endgeneration %}{{ m.content }}"),
            "tags",
        ),
    ],
)
def test_templates_that_cannot_teach_say_so(source: str, says: str) -> None:
    with pytest.raises(UserError, match=says):
        Chat(tokenizer=Bytes(), name="x", source=source).example([U("ab"), A("cd")])


def test_choosing_a_template(tmp_path: Path) -> None:
    t = Bytes()
    assert render.choose_chat(None, None, t).name == "none"
    assert render.choose_chat("none", QWEN, t).ask([U("a"), U("b")]).text == "ab"
    (tmp_path / "x.jinja").write_text(QWEN)
    assert render.choose_chat(str(tmp_path / "x.jinja"), None, t).hash == render.choose_chat("own", QWEN, t).hash
    for wanted in ("own", "alpacca", "missing.jinja"):
        with pytest.raises(UserError):
            render.choose_chat(wanted, None, t)
    assert render.own_template(tmp_path) is None
    (tmp_path / "tokenizer_config.json").write_text('{"chat_template": [{"name": "default", "template": "T"}]}')
    assert render.own_template(tmp_path) == "T"


def test_transformers_renders_the_same() -> None:
    compiled = pytest.importorskip("transformers.utils.chat_template_utils")
    t = Bytes()
    messages = [U("a  "), U("b\n"), A(" c"), U("d"), A("e")]
    for name in FORMATS:
        c = chat_of_style(name, t)
        as_dicts = [{"role": m.role, "content": m.content} for m in messages]
        for given_prompt, upto in ((False, 5), (True, 4)):
            theirs, _ = compiled.render_jinja_template(
                [as_dicts[:upto]],
                chat_template=c.source,
                add_generation_prompt=given_prompt,
                eos_token="</s>",
                bos_token="<s>",
            )
            ours = c.ask(messages[:upto]).text if given_prompt else c.example(messages).text
            assert theirs[0] == ours, name


_TURN_OF_0_1_0 = r"""{%- if loop.previtem is not defined or loop.previtem.role != message.role -%}
{{ OPENING }}
{%- else -%}
{{ '\n' }}
{%- endif -%}
{{ message.content }}
{%- if loop.nextitem is not defined or loop.nextitem.role != message.role -%}
{{ CLOSING }}
{%- endif -%}"""
OF_0_1_0 = {
    "phi3": (r"'<|' + message.role + '|>\n'", r"(END if message.role == 'assistant' else '<|end|>') + '\n'",
             r"'<|assistant|>\n'"),
    "chatml": (r"'<|im_start|>' + message.role + '\n'",
               r"(END if message.role == 'assistant' else '<|im_end|>') + '\n'", r"'<|im_start|>assistant\n'"),
    "llama3": (r"'<|start_header_id|>' + message.role + '<|end_header_id|>\n\n'",
               "(END if message.role == 'assistant' else '<|eot_id|>')",
               r"'<|start_header_id|>assistant<|end_header_id|>\n\n'"),
}  # fmt: skip


@pytest.mark.parametrize("bos", [False, True])
@pytest.mark.parametrize("end", [True, False])
@pytest.mark.parametrize("name", OF_0_1_0)
def test_the_formats_of_0_1_0_are_known_and_wrote_the_same(name: str, end: bool, bos: bool) -> None:
    opening, closing, prompt = OF_0_1_0[name]
    turn = _TURN_OF_0_1_0.replace("OPENING", opening).replace("CLOSING", closing)
    source = "{%- for message in messages -%}" + turn + "{%- endfor -%}"
    source += "{%- if add_generation_prompt -%}{{ " + prompt + " }}{%- endif -%}"
    source = source.replace("END", f"'{ENDS[name]}'" if end else "eos_token")
    t = Bytes(("<s>", "</s>", *([ENDS[name]] if end else [])), adds_bos=bos)
    source = f"{'{{- bos_token -}}' if bos else ''}{source}"
    now, before = chat_of_style(name, t), Chat(tokenizer=t, name=name, source=source)
    assert earlier_hash(name, now.source or "") == before.hash != now.hash
    for talk in ([U("a")], [S("s"), U("a"), U("b"), A("c"), U(" e\n")], [U(""), A(""), U("f")]):
        assert now.ask(talk).ids == before.ask(talk).ids
        assert now.examples([*talk, A("g")]) == before.examples([*talk, A("g")])


ALTERNATING = (
    "{% for m in messages %}{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Conversation roles must alternate') }}{% endif %}"
    "{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


def test_neighbours_of_a_user_are_joined_where_the_template_wants_an_answer_between() -> None:
    """An instruction with its input, on Gemma or Mistral."""
    strict, free = (Chat(tokenizer=Bytes(), name="x", source=source) for source in (ALTERNATING, QWEN))
    talk = [U("Sum up."), U("A text."), A("Done."), U("And"), U("now?"), A("Yes.")]
    text = "<|im_start|>user\nSum up.\n\nA text.<|im_end|>\n<|im_start|>assistant\n"
    assert strict.ask(talk[:2]).text == text
    found = strict.example(talk)
    assert found.text.startswith(text) and "user\nAnd\n\nnow?<|im_end|>" in found.text
    first = found.trained.index(True)
    assert found.ids[:first] == strict.ask(talk[:2]).ids
    assert "Sum up.<|im_end|>" in free.ask(talk[:2]).text
    with pytest.raises(UserError, match="must alternate"):
        strict.example([U("a"), A("b"), A("c")])
