"""Files that were read wrongly once, and kinds of mistakes that users of other trainers reported, tried here."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from marked_rows import CALL, QWQ, THINKING, Bytes, learned, marked

from evalharness.chat import render
from evalharness.errors import DataError, UserError
from evalharness.records import Message
from evalharness.training import datasets, encoding, preflight
from evalharness.training.encoding import Batching, Rules
from evalharness.training.shapes import TrainingRow

_spec = importlib.util.spec_from_file_location("training_support", Path(__file__).parent / "support.py")
assert _spec is not None and _spec.loader is not None
support = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(support)

CASES = Path(__file__).resolve().parents[3] / "shared" / "cases"

CATS = "<user\nquestion number 0 about cats><assistant\n"
TERSE = f"<system\nYou are terse.>{CATS}«an answer>»"
GOOD = f"{CATS}BAD ANSWER><user\nagain><assistant\n«good answer>»"
CALLED = '«<tool_call>\n{"name": "a", "arguments": {}}\n</tool_call>>»'
WRITTEN = ["<user\nWrite word 0 in a sentence><assistant\n«word 0>»"]
EMPTY = "<think>\n\n</think>\n\n"
THOUGHT = "<think>\nhmm\n</think>\n\n"
# File -> its first row as it is written and learned (between « and »), and the template, where it is not ChatML.
WANTED = {
    "alpaca_history": [
        "<system\nbe brief><user\nfirst question><assistant\n«first answer>»"
        "<user\nand the 0 th thing><assistant\n«word 0>»"
    ],
    "alpaca_num": ["<user\nAdd 0 and 0 together now\n0><assistant\n«0>»"],
    "instr_input_resp_ctx": ["<user\nWhich is a kind of fish number 0\nFish A and B.><assistant\n«A>»"],
    "kto": ["<user\nquestion number 0 about cats><assistant\n«good>»"],
    "messages_systemfield": [TERSE],
    "multi_nothink": [f"{CATS}«{EMPTY}first>»", f"{CATS}first><user\nagain><assistant\n«{EMPTY}second>»"],
    "parts": ["<user\nSay the number 0 aloud please><assistant\n«number 0>»"],
    "prompt_completion_chat": [f"{CATS}«an answer>»"],
    "qwen_think": [
        f"{CATS}«{THOUGHT}first>»",
        f"{CATS}first><user\nagain><assistant\n«{THOUGHT.replace('hmm', 'ok')}second>»",
    ],
    "reasoning_content": [f"{CATS}«{THOUGHT}first>»"],
    "semi": WRITTEN,
    "sharegpt_fn": [f'<user\narea of a 0 square><assistant\n{CALLED}<tool\n{{"area":9}}><assistant\n«nine>»'],
    "sharegpt_sysfield": [TERSE],
    "sharegpt_train_false": [GOOD],
    "single_think": [f"{CATS}«{THOUGHT}first>»"],
    "tool_calls": ["<user\nSay the number 0 aloud please><assistant\n«number 0>»"],
    "two_lists": ["<user\nWrite the word 0 in a sentence><assistant\n«word 0>»"],
    "weight0": [GOOD],
}


@pytest.mark.parametrize("name", WANTED)
def test_files_that_were_read_wrongly(name: str) -> None:
    found = next(CASES.glob(f"ft_{name}.*"), None)
    if found is None:
        pytest.skip(f"the files are not at {CASES}")
    data = datasets.read_training_data(str(found))
    thinking = "think" in name or name == "reasoning_content"
    chat = (
        render.Chat(tokenizer=Bytes(), name="own", source=THINKING)
        if thinking
        else render.chat_of_style("chatml", Bytes())
    )
    row = data.rows[0]
    assert marked(chat.examples(row.messages, row.template_kwargs or {}), chat.tokenizer) == WANTED[name]
    encoding.encode(data.rows, chat, Rules(limit=400))  # and the other rows too: calls, parts


def test_every_file_that_was_read_wrongly_has_its_line() -> None:
    assert not CASES.is_dir() or {file.stem.removeprefix("ft_") for file in CASES.glob("ft_*")} == set(WANTED)


class Brackets(Bytes):
    """Bytes with Mistral's tags, which are control tokens."""

    specials = {"<s>": 256, "</s>": 257, "[INST]": 258, "[/INST]": 259}  # noqa: RUF012

    def decode_bytes(self, ids: Sequence[int]) -> bytes:
        names = {number: text.encode() for text, number in self.specials.items()}
        return b"".join(names.get(i) or bytes([i]) for i in ids)


MISTRAL = (
    "{{ bos_token }}{% for m in messages %}{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('roles must alternate') }}{% endif %}"
    "{% if m.role == 'user' %}{{ '[INST] ' + m.content + '[/INST]' }}"
    "{% else %}{{ ' ' + m.content + eos_token }}{% endif %}{% endfor %}"
)


def test_an_answer_that_says_what_the_question_says_is_found_behind_it() -> None:
    """https://github.com/axolotl-ai-cloud/axolotl/issues/2089: turns found by their text were those of the user."""
    chat = render.Chat(tokenizer=Brackets(), name="own", source=MISTRAL)
    talk = [Message(role, "same") for _ in range(3) for role in ("user", "assistant")]
    assert marked(chat.examples(talk), chat.tokenizer) == ["<s>" + "[INST] same[/INST]« same</s>»" * 3]
    longer = [Message("user", "say NOT"), Message("assistant", "NOT")] * 2
    assert marked(chat.examples(longer), chat.tokenizer) == ["<s>" + "[INST] say NOT[/INST]« NOT</s>»" * 2]


def test_all_turns_are_learned_where_a_template_writes_an_empty_thought_into_the_last_alone() -> None:
    """https://github.com/axolotl-ai-cloud/axolotl/issues/3088: the mask slipped by the thought's length, into tags."""
    chat = render.Chat(tokenizer=Bytes(), name="own", source=THINKING)
    talk = [Message("user", "q"), Message("assistant", "a"), Message("user", "q"), Message("assistant", "b")]
    found = chat.examples(talk)
    assert marked(found, chat.tokenizer) == [
        f"<user\nq><assistant\n«{EMPTY}a>»",
        f"<user\nq><assistant\na><user\nq><assistant\n«{EMPTY}b>»",
    ]
    for example, upto in zip(found, (1, 3), strict=True):  # each behind the prompt that will ask for it
        asked = chat.ask(talk[:upto]).ids
        assert example.ids[: len(asked)] == asked and not any(example.trained[: len(asked)])
        assert all(example.trained[len(asked) :])
    opened = render.Chat(tokenizer=Bytes(), name="own", source=QWQ)
    assert all("«\n</think>\n\n" in text for text in marked(opened.examples(talk), opened.tokenizer))


def test_the_tag_that_opens_the_next_turn_is_no_end_and_is_refused() -> None:
    """https://github.com/PrimeIntellect-ai/renderers/pull/66: GLM's turns end where the next one's tag begins. A model
    that was taught so never stopped calling tools."""
    glm = (
        "{% for m in messages %}{{ ('[INST]' if m.role == 'user' else '[/INST]') + '\n' + m.content }}{% endfor %}"
        "{% if add_generation_prompt %}{{ '[/INST]' + '\n' }}{% endif %}"
    )
    chat = render.Chat(tokenizer=Brackets(), name="own", source=glm)
    talk = (Message("user", "q"), Message("assistant", "a"))
    encoded = encoding.encode([TrainingRow(number=1, messages=talk * 2)], chat, Rules(limit=200))
    with pytest.raises(DataError, match="no end token is learned"):
        preflight.check_ends(encoded.examples, chat)


def test_rows_of_one_length_are_all_packed() -> None:
    """https://github.com/hiyouga/LlamaFactory/pull/6103: packing was said to lose rows of one length."""
    rows = support.examples(40, longest=5)
    loader = encoding.Loader(examples=rows, order=Batching(seed=1, tokens=32, buckets=True))
    packed = [encoding.pack_examples(batch, apart=True) for batch in loader]
    assert sum(len(batch.lengths) for batch in packed) == len(rows)
    assert sum(len(batch.same) for batch in packed) == sum(row.targets for row in rows)


def test_calls_are_learned_and_what_they_bring_back_is_not(tmp_path: Path) -> None:
    """https://github.com/THUDM/slime/pull/1159: without the tools the prompt is another than the one that will ask."""
    tools = [{"type": "function", "function": {"name": "w", "parameters": {"type": "object", "properties": {}}}}]
    call = {"id": "c1", "type": "function", "function": {"name": "w", "arguments": '{"c": "Oslo"}'}}
    entry = {
        "messages": [
            {"role": "user", "content": "q"},
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "c1", "content": "rain"},
            {"role": "assistant", "content": "a"},
        ],
        "tools": json.dumps(tools),
    }
    (text,) = learned(entry, tmp_path)
    assert text.endswith(CALL) and '"name": "w"' in text[: -len(CALL)]


def test_a_conversation_without_thoughts_is_one_example(tmp_path: Path) -> None:
    turns = [{"role": role, "content": text} for role, text in (("user", "q"), ("assistant", "a"))]
    turns += [{"role": "user", "content": "q"}, {"role": "assistant", "content": "b"}]
    assert learned({"messages": turns}, tmp_path) == ["<user\nq><assistant\n«a>»<user\nq><assistant\n«b>»"]
    with pytest.raises(UserError, match=r"leaves out the reasoning.*FILE\.jinja.*<think>"):
        learned({"messages": [*turns, turns[0], {**turns[1], "reasoning_content": "hm"}]}, tmp_path)
