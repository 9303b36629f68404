"""From a file to labels: what is learned of rows of all layouts is, byte for byte, what transformers' assistant mask
marks of the conversation that they mean."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
from exports.small import SIZE, byte_level
from hypothesis import example, given, settings
from hypothesis import strategies as st

from evalharness.chat import render
from evalharness.engine.tokenizer import open_tokenizer
from evalharness.training import datasets, encoding
from evalharness.training.encoding import Rules

transformers = pytest.importorskip("transformers")

TEMPLATE = (
    "{%- if tools -%}{{ '<|im_start|>system\n' }}{%- for tool in tools -%}{{ tool | tojson }}{%- endfor -%}"
    "{{ '<|im_end|>\n' }}{%- endif -%}"
    "{%- for m in messages -%}{%- if m.role == 'assistant' -%}{{ '<|im_start|>assistant\n' }}{%- generation -%}"
    "{{ m.content or '' }}{%- for call in m.tool_calls or [] -%}"
    "{{ '<tool_call>' + call.function.name + ' ' + (call.function.arguments | tojson) + '</tool_call>' }}"
    "{%- endfor -%}{{ '<|im_end|>' }}{%- endgeneration -%}{{ '\n' }}"
    "{%- else -%}{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}{%- endif -%}{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{ '<|im_start|>assistant\n' }}{%- endif -%}"
)


@dataclass(frozen=True)
class Talk:
    """What a row means: questions with their answers, and whether each answer is to be learned."""

    turns: tuple[tuple[str, str, bool], ...]
    system: str = ""
    more: str = ""  # what the last question is about
    city: str = ""  # of a call of a tool, before the last answer


@dataclass(frozen=True)
class Meant:
    """The conversation as `apply_chat_template` takes it, and which of its answers are learned."""

    messages: list[dict[str, Any]]
    learned: list[bool]
    tools: list[dict[str, Any]] | None = None


def said(role: str, content: str, **more: Any) -> dict[str, Any]:
    return {"role": role, "content": content, **more}


def plain(talk: Talk, learned: Callable[[int, bool], bool], beside: bool = False) -> Meant:
    """`learned`: of an answer's place from the end and its own mark; `beside`: with what the last question is about."""
    messages = [said("system", talk.system)] if talk.system else []
    for question, answer, _ in talk.turns:
        messages += [said("user", question), said("assistant", answer)]
    if beside and talk.more:
        messages.insert(-1, said("user", talk.more))
    last = len(talk.turns) - 1
    return Meant(messages, [learned(last - i, mark) for i, (_, _, mark) in enumerate(talk.turns)])


def all_of(_: int, __: bool) -> bool:
    return True


def last_of(place: int, _: bool) -> bool:
    return not place


def marked_of(_: int, mark: bool) -> bool:
    return mark


def system_of(talk: Talk, name: str = "system") -> dict[str, Any]:
    return {name: talk.system} if talk.system else {}


def alpaca(talk: Talk) -> tuple[dict[str, Any], Meant]:
    *earlier, (question, answer, _) = talk.turns
    row = {"instruction": question, "input": talk.more, "output": answer, **system_of(talk)}
    return {**row, "history": [[q, a] for q, a, _ in earlier]}, plain(talk, all_of, beside=True)


def dolly(talk: Talk) -> tuple[dict[str, Any], Meant]:
    ((question, answer, _),) = talk.turns[-1:]
    row = {"instruction": question, "context": talk.more, "response": answer, "category": "qa", **system_of(talk)}
    return row, plain(Talk(talk.turns[-1:], talk.system, talk.more), all_of, beside=True)


def prompt(talk: Talk) -> tuple[dict[str, Any], Meant]:
    ((question, answer, _),) = talk.turns[-1:]
    row = {"prompt": question, "completion": answer, "label": True, **system_of(talk, "system_prompt")}
    return row, plain(Talk(talk.turns[-1:], talk.system), all_of)


def chat_prompt(talk: Talk) -> tuple[dict[str, Any], Meant]:
    meant = plain(talk, last_of)
    return {"prompt": meant.messages[:-1], "completion": meant.messages[-1:]}, meant


def chat(talk: Talk) -> tuple[dict[str, Any], Meant]:
    meant = plain(talk, marked_of)
    marks = iter(talk.turns)
    turns = [{**m, "weight": int(next(marks)[2])} if m["role"] == "assistant" else m for m in meant.messages]
    return {"messages": turns}, meant


def parts(talk: Talk) -> tuple[dict[str, Any], Meant]:
    meant = plain(talk, marked_of)
    marks = iter(talk.turns)
    turns = [
        {"role": m["role"], "content": [{"type": "text", "text": m["content"]}]}
        | ({"masked": not next(marks)[2]} if m["role"] == "assistant" else {})
        for m in meant.messages
    ]
    return {"messages": turns}, meant


def sharegpt(talk: Talk) -> tuple[dict[str, Any], Meant]:
    turns: list[dict[str, Any]] = []
    for question, answer, mark in talk.turns:
        turns += [{"from": "human", "value": question}, {"from": "gpt", "value": answer, "train": mark}]
    return {"conversations": turns, **system_of(talk)}, plain(talk, marked_of)


def pair(talk: Talk) -> tuple[dict[str, Any], Meant]:
    meant = plain(talk, last_of)
    return {"prompt": meant.messages[:-1], "chosen": meant.messages[-1:], "rejected": [said("assistant", "no")]}, meant


def whole_pair(talk: Talk) -> tuple[dict[str, Any], Meant]:
    meant = plain(talk, last_of)
    return {"chosen": meant.messages, "rejected": [*meant.messages[:-1], said("assistant", "no")]}, meant


def worse_beside(talk: Talk) -> tuple[dict[str, Any], Meant]:
    meant = plain(talk, last_of)
    return {"messages": meant.messages, "rejected_response": "no"}, meant


TOOL = {"name": "weather", "description": 'It\'s "now".', "parameters": {"type": "object", "properties": {}}}


def tools(talk: Talk) -> tuple[dict[str, Any], Meant]:
    meant = plain(talk, marked_of)
    *before, last = meant.messages
    function = {"name": "weather", "arguments": {"city": talk.city, "days": [1, 2]}}
    written = {**function, "arguments": json.dumps(function["arguments"])}
    marks = iter(talk.turns)
    asked = [{**m, "loss": next(marks)[2]} if m["role"] == "assistant" else m for m in before]
    called = [said("assistant", "", tool_calls=[{"type": "function", "function": function}]), said("tool", talk.city)]
    row = [*asked, said("assistant", "", tool_calls=[{"id": "c1", "type": "function", "function": written}])]
    row += [said("tool", talk.city, tool_call_id="c1"), {**last, "loss": next(marks)[2]}]
    listed = [{"type": "function", "function": TOOL}]
    learned = [*meant.learned[:-1], True, meant.learned[-1]]
    return {"messages": row, "tools": json.dumps([TOOL])}, Meant([*before, *called, last], learned, listed)


LAYOUTS = (
    alpaca, dolly, prompt, chat_prompt, chat, parts, sharegpt, pair, whole_pair, worse_beside, tools,
)  # fmt: skip
TEXT = st.text("ab hello\né日:'\"{", min_size=1, max_size=12).map(str.strip).filter(bool)
TALK = st.builds(
    lambda turns, last, system, more, city: Talk((*turns, (*last, True)), system, more, city),
    st.lists(st.tuples(TEXT, TEXT, st.booleans()), max_size=2), st.tuples(TEXT, TEXT),
    *(st.one_of(st.just(""), TEXT) for _ in range(2)), TEXT,
)  # fmt: skip
SPOKEN = Talk((("q", "a", False), ("r", "b", True)), "S", "c", "Oslo")


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any, Any]:
    """A folder, our tokenizer that stands there, and transformers'."""
    folder: Path = tmp_path_factory.mktemp("tokenizer")
    byte_level().save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text('{"bos_token": "<s>", "eos_token": "</s>"}')
    theirs = transformers.PreTrainedTokenizerFast(
        tokenizer_file=str(folder / "tokenizer.json"), bos_token="<s>", eos_token="</s>"
    )
    return folder, open_tokenizer(folder, SIZE), theirs


def runs(tokenizer: Any, ids: Iterable[int], on: Iterable[int]) -> list[bytes]:
    """The stretches of `ids` where `on` is true, as bytes."""
    groups = groupby(zip(ids, on, strict=True), key=lambda each: bool(each[1]))
    return [tokenizer.decode_bytes([number for number, _ in group]) for yes, group in groups if yes]


@settings(max_examples=80, deadline=None, derandomize=True)
@given(rows=st.lists(st.tuples(st.sampled_from(LAYOUTS), TALK), min_size=2, max_size=6), lines=st.booleans())
@example(
    rows=[(layout, Talk((("q", "a", False), ("r", "b", True)), "S", "c", "Oslo")) for layout in LAYOUTS], lines=True
)
def test_what_is_learned_is_what_the_assistant_mask_marks(
    both: tuple[Path, Any, Any], rows: list[tuple[Callable[[Talk], tuple[dict[str, Any], Meant]], Talk]], lines: bool
) -> None:
    folder, ours, theirs = both
    made = [layout(talk) for layout, talk in rows]
    file = folder / ("rows.jsonl" if lines else "rows.json")
    entries = [row for row, _ in made]
    file.write_text("\n".join(map(json.dumps, entries)) if lines else json.dumps(entries))
    data = datasets.read_training_data(str(file))
    assert [row.number for row in data.rows] == list(range(1, len(rows) + 1))
    own = render.Chat(tokenizer=ours, name="own", source=TEMPLATE)
    found = encoding.encode(data.rows, own, Rules(limit=4096)).examples
    for learned, (_, meant) in zip(found, made, strict=True):
        marked = theirs.apply_chat_template(
            meant.messages, tools=meant.tools, chat_template=TEMPLATE, tokenize=True, return_dict=True,
            return_assistant_tokens_mask=True,
        )  # fmt: skip
        answers = runs(ours, marked["input_ids"], marked["assistant_masks"])
        assert len(answers) == len(meant.learned)
        wanted = [answer for answer, yes in zip(answers, meant.learned, strict=True) if yes]
        assert runs(ours, learned.ids, learned.trained) == wanted
        assert list(learned.ids) == marked["input_ids"][: len(learned.ids)]
        assert not any(marked["assistant_masks"][len(learned.ids) :])
