"""Usual forms of rows are read as their makers mean them; a field that changes what is learned is never passed over."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from marked_rows import BOTH, CALL, QWQ, R1, THINKING, Bytes, learned, write

from evalharness.chat import render
from evalharness.errors import DataError, UserError
from evalharness.training import datasets, encoding
from evalharness.training.encoding import Rules

NAN = float("nan")


U, A, B = {"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}, {"role": "assistant", "content": "b"}
GPT = {"from": "gpt", "value": "a"}
HUMAN = {"from": "human", "value": "q"}
ONE = ["<user\nq><assistant\n«a>»"]
SYSTEM = ["<system\nS><user\nq><assistant\n«a>»"]
TWO = ["<user\nq><assistant\n«a>»<user\nq><assistant\n«b>»"]
LAST = ["<user\nq><assistant\na><user\nq><assistant\n«b>»"]
GIVEN = ["<user\nq\nc><assistant\n«a>»"]
CALLS = [{"id": "c1", "type": "function", "function": {"name": "w", "arguments": '{"c":"Oslo"}'}}]
RAIN = {"role": "tool", "tool_call_id": "c1", "content": "rain"}


@pytest.mark.parametrize(
    ("entry", "wanted"),
    [
        # Alpaca, Dolly and their like
        ({"instruction": "q", "input": "c", "output": "a"}, GIVEN),
        ({"instruction": "q", "context": "c", "response": "a", "category": "qa"}, GIVEN),
        ({"instruction": "q", "input": 0, "output": 7}, ["<user\nq\n0><assistant\n«7>»"]),
        ({"instruction": "q", "input": 1.5, "output": 0}, ["<user\nq\n1.5><assistant\n«0>»"]),
        ({"instruction": "q", "input": None, "output": "a", "system": "S"}, SYSTEM),
        ({"instruction": "", "input": "q", "output": "a"}, ONE),
        ({"instruction": "q", "output": "b", "history": [["q", "a"]]}, TWO),
        ({"instruction": "q", "output": "b", "history": [["q", "a"]], "system": "S"}, ["<system\nS>" + TWO[0]]),
        ({"instruction": "q", "output": "a", "history": []}, ONE),
        # prompt and completion
        *(({p: "q", c: "a"}, ONE) for p, c in (("prompt", "completion"), ("question", "answer"), ("query", "response"),
                                               ("problem", "solution"), ("prompt", "answer"), ("input", "output"))),
        ({"system_prompt": "S", "question": "q", "response": "a", "id": "x"}, SYSTEM),
        ({"question": "q", "context": "c", "answer": "a"}, GIVEN),
        ({"instruction": "q", "input": "c", "context": "c", "output": "a"}, GIVEN),
        ({"instruction": "q", "input": "c", "context": " ", "output": "a", "response": "a"}, GIVEN),
        ({"prompt": "q", "question": "q", "completion": "a", "response": None}, ONE),
        ({"prompt": [U], "completion": [A]}, ONE),
        ({"prompt": [U], "completion": "a"}, ONE),
        ({"prompt": "q", "completion": A}, ONE),
        ({"prompt": [U, A, U], "completion": [B]}, LAST),  # what is in the prompt is no completion
        # chats
        ({"messages": [U, A]}, ONE),
        ({"system": "S", "messages": [U, A]}, SYSTEM),
        ({"system": "S", "messages": [{"role": "system", "content": "S"}, U, A]}, SYSTEM),
        ({"system": "", "messages": [{"role": "system", "content": ""}, U, A]}, ONE),
        ({"system": "S", "conversations": [HUMAN, GPT]}, SYSTEM),
        ({"conversations": [HUMAN, GPT], "system": None}, ONE),
        ({"messages": [U, A, U, B]}, TWO),
        ({"messages": [U, A, U]}, ONE),
        ({"messages": json.dumps([U, A])}, ONE),  # as tables hold them
        *(({"messages": [U, {**A, name: value}, U, B]}, LAST)
          for name, value in (("weight", 0), ("weight", 0.0), ("train", False), ("training", False), ("loss", False))),
        ({"messages": [U, {**A, "weight": 1}, U, {**B, "weight": None}]}, TWO),
        ({"conversations": [HUMAN, {**GPT, "train": False}, HUMAN, {**GPT, "value": "b"}]}, LAST),
        # parts
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": "q"}]},
                       {"role": "assistant", "content": [{"type": "text", "text": "a"}]}]}, ONE),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": "q"}, {"type": "text", "text": "c"}]}, A]},
         ["<user\nqc><assistant\n«a>»"]),
        # tools, as OpenAI, ShareGPT and older files write them
        ({"messages": [U, {"role": "assistant", "content": None, "tool_calls": CALLS}, RAIN, A], "tools": []}, [CALL]),
        ({"messages": [U, {"role": "assistant", "content": "", "function_call": CALLS[0]["function"]},
                       {"role": "function", "name": "w", "content": "rain"}, A]}, [CALL]),
        ({"conversations": [HUMAN, {"from": "function_call", "value": '{"name": "w", "arguments": {"c": "Oslo"}}'},
                            {"from": "observation", "value": "rain"}, GPT]}, [CALL]),
        ({"messages": [U, {"role": "assistant", "content": NAN, "tool_calls": CALLS,
                           "function_call": CALLS[0]["function"]}, RAIN, A]}, [CALL]),
        ({"messages": [{**U, "from": "human"}, {**A, "from": "alice", "value": "a"}]}, ONE),
        # preference pairs: the chosen answer alone
        ({"prompt": "q", "chosen": "a", "rejected": "b"}, ONE),
        ({"prompt": [U], "chosen": [A], "rejected": [B]}, ONE),
        ({"chosen": [U, A], "rejected": [U, B]}, ONE),
        ({"chosen": [U, A, U, B], "rejected": [U, A, U, A]}, LAST),
        ({"conversations": [HUMAN], "chosen": GPT, "rejected": {"from": "gpt", "value": "b"}}, ONE),
        ({"instruction": "q", "input": "c", "chosen": "a", "rejected": "b"}, GIVEN),
        ({"input": "q", "system": "S", "chosen": "a", "rejected": "b"}, SYSTEM),
        ({"query": "q", "chosen": "a", "rejected": "b"}, ONE),
        # as OpenAI, LIMA, Capybara and Aya write them
        ({"input": {"messages": [U, A, U]}, "preferred_output": [B], "non_preferred_output": [A]}, LAST),
        ({"conversations": ["q", "a", "q", "b"]}, TWO),
        ({"conversation": [{"input": "q", "output": "a"}, {"input": "q", "output": "b"}]}, TWO),
        ({"inputs": "q", "targets": "a"}, ONE),
        # labels
        ({"prompt": "q", "completion": "a", "label": True}, ONE),
        ({"messages": [U, A], "kto_tag": True}, ONE),
    ],
)  # fmt: skip
def test_forms_of_rows(entry: Any, wanted: list[str], tmp_path: Path) -> None:
    assert learned(entry, tmp_path) == wanted


LEARN = ("weight", "train", "training", "trainable", "loss")
OFF = (False, 0, 0.0, "0", "0.0", "false", "False", " no ")
ON = (True, 1, 1.0, "1", "1.0", "True", "yes", None, "", NAN)


@pytest.mark.parametrize("name", [*LEARN, "label", "kto_tag"])
def test_a_mark_of_a_row_is_read_in_every_spelling(name: str, tmp_path: Path) -> None:
    entries = [{"prompt": "q", "completion": f"a{n}", name: mark} for n, mark in enumerate((*OFF, *ON))]
    for given in (entries, [{"messages": [U, {**A, "content": e["completion"]}], name: e[name]} for e in entries]):
        data = datasets.read_training_data(write(tmp_path / "x.jsonl", given))
        assert [row.messages[-1].content for row in data.rows] == [f"a{n}" for n in range(len(OFF), len(entries))]
        assert data.notes == (f"{len(OFF)} rows left out: labelled as bad answers (false), or of weight 0",)
    table = f"prompt,completion,{name}\n" + "".join(f"q,a,{'' if m in (None, NAN) else m}\n" for m in (*OFF, *ON))
    data = datasets.read_training_data(write(tmp_path / "x.csv", table))
    assert [row.number for row in data.rows] == list(range(len(OFF) + 1, len(entries) + 1))


@pytest.mark.parametrize("name", LEARN)
def test_a_mark_of_a_turn_is_read_in_every_spelling(name: str, tmp_path: Path) -> None:
    entries = [{"messages": [U, {**A, name: mark}, U, B]} for mark in (*OFF, *ON)]
    data = datasets.read_training_data(write(tmp_path / "x.jsonl", entries))
    assert [[row.messages[1].learned, row.messages[3].learned] for row in data.rows] == [
        *([False, True] for _ in OFF),
        *([True, True] for _ in ON),
    ]
    assert data.notes == ()


@pytest.mark.parametrize(
    "bad",
    [
        {"prompt": "q", "completion": "BAD", "label": False},
        {"prompt": "q", "completion": "BAD", "label": "false"},
        {"messages": [U, {**A, "content": "BAD"}], "kto_tag": False},
        {"messages": [U, {**A, "content": "BAD", "weight": 0}]},
        {"instruction": "q", "output": "BAD", "weight": 0},
    ],
)
def test_rows_that_are_not_to_be_learned_are_left_out_and_said(bad: dict[str, Any], tmp_path: Path) -> None:
    data = datasets.read_training_data(write(tmp_path / "x.jsonl", [bad, {"messages": [U, A]}, bad]))
    assert [row.number for row in data.rows] == [2]
    assert any("2 rows left out" in note for note in data.notes)
    with pytest.raises(DataError, match="no row is left to learn from"):
        datasets.read_training_data(write(tmp_path / "y.jsonl", [bad, bad]))


def test_a_class_label_is_no_verdict_and_unknown_fields_are_named(tmp_path: Path) -> None:
    entry = {"prompt": "q", "completion": "a", "label": "sports", "source": "x", "id": 3}
    data = datasets.read_training_data(write(tmp_path / "x.jsonl", [entry, {"messages": [U, {**A, "mood": "calm"}]}]))
    assert len(data.rows) == 2
    assert data.notes == ("fields that are not learned from: label, mood (of a turn), source",)


def test_a_label_that_cannot_be_read_among_labels_is_refused(tmp_path: Path) -> None:
    good = {"prompt": "q", "completion": "a", "label": 1}
    for said in ("positive", 2):
        with pytest.raises(DataError, match=rf"1 of 2 rows .* row 2 \('label' is {said!r}, wanted true or false"):
            datasets.read_training_data(write(tmp_path / "x.jsonl", [good, {**good, "label": said}]))
    classes = [{**good, "label": said} for said in ("positive", "negative", None)]
    data = datasets.read_training_data(write(tmp_path / "x.jsonl", classes))
    assert (len(data.rows), data.notes) == (3, ("fields that are not learned from: label",))


@pytest.mark.parametrize(
    ("entry", "unused"),
    [
        ({"messages": [U, {**A, "from": "alice"}]}, "from (of a turn)"),
        ({"messages": [U, {**A, "label": "calm"}]}, "label (of a turn)"),
        ({"messages": [{**U, "mood": NAN}, {**A, "mood": "calm"}], "topic": ""}, "mood (of a turn)"),
        ({"problem": "q", "solution": "a", "answer": "7"}, "answer"),
        ({"messages": [U, A], "input": "c", "prompt": "q"}, "input, prompt"),
        ({"chosen": [U, A], "rejected": [U, B], "prompt": "q"}, "prompt"),
        ({"messages": [U, A], "history": [["q", "a"]], "id": 0, "split": "train"}, "history"),
    ],
)
def test_what_was_not_read_is_named(entry: Any, unused: str, tmp_path: Path) -> None:
    data = datasets.read_training_data(write(tmp_path / "x.jsonl", [entry, entry]))
    assert data.notes == (f"fields that are not learned from: {unused}",)


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ({"instruction": "q", "output": ""}, "'output' is empty"),
        ({"instruction": "q", "output": ["a"]}, "'output' is a list"),
        ({"instruction": "q", "output": None, "input": "c"}, "'output' is empty"),
        ({"prompt": "q", "completion": True}, "'completion' is a bool"),
        ({"instruction": "q", "output": "a", "input": "c", "context": "d"}, "both 'input' and 'context'"),
        ({"prompt": "q", "completion": "a", "input": "c", "context": "d"}, "both 'input' and 'context'"),
        ({"instruction": "q", "output": "a", "response": "b"}, "both 'output' and 'response'"),
        ({"prompt": "q", "completion": "a", "answer": "b"}, "both 'answer' and 'completion'"),
        ({"prompt": "q", "question": "r", "completion": "a"}, "both 'prompt' and 'question'"),
        ({"messages": [U, A], "conversations": [HUMAN, GPT]}, "both 'messages' and 'conversations'"),
        ({"messages": [U, A], "system": "S", "system_prompt": "T"}, "both 'system' and 'system_prompt'"),
        ({"messages": [U, {**A, "value": "b"}]}, "both 'content' and 'value'"),
        ({"messages": [U, {**A, "from": "human"}]}, "a turn of role 'assistant' and from 'human'"),
        ({"messages": [U, {**A, "content": NAN}]}, "an empty turn of 'assistant'"),
        ({"messages": [U, {**A, "content": True}]}, "the content of a turn is a bool, wanted a text"),
        ({"messages": [U, {**A, "content": {"a": 1}}]}, "the content of a turn is a dict, wanted a text"),
        ({"messages": [U, {**A, "reasoning_content": "hmm", "thinking": "oh"}]},
         "both 'reasoning_content' and 'thinking'"),
        ({"messages": [U, {**A, "thinking": True}]}, "'thinking' is a bool, wanted a text"),
        ({"messages": [U, {**A, "thinking": "oh", "content": [{"type": "thinking", "thinking": "hmm"}, "a"]}]},
         "'thinking' and the content of a turn hold different thoughts"),
        ({"messages": [U, {**A, "tool_calls": CALLS, "function_call": {"name": "v"}}]},
         "both 'tool_calls' and 'function_call'"),
        ({"conversations": [HUMAN, {"from": "function_call", "value": '{"name": "w"}', "tool_calls": CALLS}, GPT]},
         "a function_call turn with other calls beside its text"),
        ({"instruction": "q", "output": "a", "history": ["q", "a"]}, "'history' is no list of pairs"),
        ({"instruction": "q", "output": "a", "images": ["x.png"]}, "'images' cannot be learned from"),
        ({"instruction": "q", "output": "a", "weight": 0.5}, "'weight' is 0.5, wanted 0 or 1"),
        ({"messages": [U, {**A, "weight": 0.5}]}, "'weight' of a turn is 0.5"),
        *(({"messages": [U, A], name: value}, f"{name!r} is {value!r}, wanted")
          for name in (*LEARN, "kto_tag") for value in ("maybe", 2, [0])),
        *(({"messages": [U, {**A, name: "maybe"}]}, f"{name!r} of a turn is 'maybe', wanted 0 or 1") for name in LEARN),
        ({"messages": [U, {"role": "assistant", "content": [{"type": "image_url"}]}]}, "a part of type image_url"),
        ({"messages": [U, {"role": "assistant", "content": None}]}, "an empty turn of 'assistant'"),
        ({"messages": [U, {"role": "thinker", "content": "a"}]}, "a turn of role 'thinker'"),
        ({"messages": [U, {**A, "tool_calls": [{"id": 1}]}]}, "a tool call without the name"),
        ({"messages": [U, A], "tools": "no json"}, "'tools' is not valid JSON"),
        ({"conversations": [HUMAN, {"from": "function_call", "value": "w(1)"}, GPT]}, "function_call turn is not"),
        ({"system": "S", "messages": [{"role": "system", "content": "T"}, U, A]}, "two system messages"),
        ({"system": {"a": 1}, "messages": [U, A]}, "the system message is a dict"),
        ({"messages": [U, A], "chat_template_kwargs": "x"}, "'chat_template_kwargs' is not valid JSON"),
        ({"messages": [U, A], "chat_template_kwargs": [1]}, "'chat_template_kwargs' is no object"),
        ({"messages": "[no json"}, "the list of turns is not valid JSON"),
        ({"messages": {"role": "user"}}, "no list of turns"),
        ({"prompt": "q", "completion": []}, "'completion' is empty"),
        ([1, 2], "it is list, not fields"),
        ({"chosen": [U, A, U, B], "rejected": [U, B, U, A]}, "differ before the last turn"),
        ({"prompt": "q", "chosen": "a", "rejected": {**B, "tool_calls": CALLS}}, "tool_calls in 'rejected'"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_refused_by_name(entry: Any, says: str, tmp_path: Path) -> None:
    file = write(tmp_path / "x.jsonl", [{"messages": [U, A]}, entry, {"messages": [U, B]}])
    with pytest.raises(DataError, match=r"1 of 3 rows .* row 2 ") as raised:
        datasets.read_training_data(file)
    assert says in str(raised.value)
    data = datasets.read_training_data(file, skip_bad=True)
    assert [row.number for row in data.rows] == [1, 3]
    assert [(b.number, b.place) for b in data.broken] == [(2, "x.jsonl:2")]


@pytest.mark.parametrize("style", ["alpaca", "phi3-book", "none"])
def test_a_format_that_cannot_write_a_turn_says_so(style: str, tmp_path: Path) -> None:
    t = Bytes()
    called = {"messages": [U, {"role": "assistant", "content": "", "tool_calls": CALLS}, RAIN, A]}
    data = datasets.read_training_data(write(tmp_path / "x.jsonl", [called, {"messages": [U, A]}]))
    with pytest.raises(DataError, match=r"1 of 2 rows cannot be written by the template .*row 1 .*(tool|leaves out)"):
        encoding.encode(data.rows, render.chat_of_style(style, t), Rules(limit=400))
    kept = encoding.encode(data.rows, render.chat_of_style(style, t), Rules(limit=400, skip_bad=True))
    assert ([example.row for example in kept.examples], [b.number for b in kept.broken]) == ([2], [1])


def test_tools_and_template_variables_reach_the_template(tmp_path: Path) -> None:
    tool = {"name": "w", "description": "weather", "parameters": {}}
    source = "{% for t in tools or [] %}{{ t.function.name }};{% endfor %}{{ tone }}" + THINKING
    for given in ([tool], json.dumps([{"type": "function", "function": tool}])):
        entry = {"messages": [U, A], "tools": given, "chat_template_kwargs": {"tone": "calm"}}
        (found,) = learned(entry, tmp_path, source)
        assert found.startswith("w;calm<user")
    assert (
        '{"type": "function", "function": {"name": "w"' in learned({"messages": [U, A], "tools": [tool]}, tmp_path)[0]
    )
    with pytest.raises(UserError, match="leaves out the tool w"):
        learned({"messages": [U, A], "tools": [tool]}, tmp_path, THINKING)


def said(content: str, **more: str) -> dict[str, str]:
    return {"role": "assistant", "content": content, **more}


EMPTY, HMM = "<think>\n\n</think>\n\n", "<think>\nhmm\n</think>\n\n"


@pytest.mark.parametrize(
    ("template", "turns", "wanted"),
    [
        (THINKING, [U, said(f"{HMM}a")], [f"<user\nq><assistant\n«{HMM}a>»"]),
        (THINKING, [U, said("a", reasoning_content="hmm")], [f"<user\nq><assistant\n«{HMM}a>»"]),
        (THINKING, [U, said("a", reasoning="hmm")], [f"<user\nq><assistant\n«{HMM}a>»"]),
        (THINKING, [U, said("a", reasoning_content="hmm", thinking="hmm")], [f"<user\nq><assistant\n«{HMM}a>»"]),
        (THINKING, [U, {**A, "thinking": "hmm", "content": [{"type": "thinking", "thinking": " hmm"}, "a"]}],
         [f"<user\nq><assistant\n«{HMM}a>»"]),
        (THINKING, [U, A, U, B],
         [f"<user\nq><assistant\n«{EMPTY}a>»", f"<user\nq><assistant\na><user\nq><assistant\n«{EMPTY}b>»"]),
        (THINKING, [U, said("<think>hmm</think>\n\na"), U, said("<think>hmm</think>\n\nb")],
         [f"<user\nq><assistant\n«{HMM}a>»", f"<user\nq><assistant\na><user\nq><assistant\n«{HMM}b>»"]),
        (THINKING, [U, {**A, "weight": 0}, U, B], [f"<user\nq><assistant\na><user\nq><assistant\n«{EMPTY}b>»"]),
        (QWQ, [U, A], ["<user\nq><assistant\n<think>\n«\n</think>\n\na>»"]),
        (QWQ, [U, said(f"{HMM}a"), U, B], ["<user\nq><assistant\n<think>\n«hmm\n</think>\n\na>»",
                                           "<user\nq><assistant\na><user\nq><assistant\n<think>\n«\n</think>\n\nb>»"]),
        # an answer as the model wrote it behind the opened thought, on a template that looks for both tags
        (BOTH, [U, said("hmm\n</think>\n\na")], ["<user\nq><assistant\n<think>\n«hmm\n</think>\n\na>»"]),
        (R1, [U, said(f"{HMM}a")], ["U:qA:<think>\n«hmm\n</think>\n\na</s>»"]),
        (R1, [U, said("a", reasoning_content="hmm")], ["U:qA:<think>\n«hmm\n</think>\n\na</s>»"]),
        (R1, [U, said("hmm\n</think>\n\na")], ["U:qA:<think>\n«hmm\n</think>\n\na</s>»"]),
        (R1, [U, A, U, B], ["U:qA:<think>\n«\n</think>\n\na</s>»", "U:qA:a</s>U:qA:<think>\n«\n</think>\n\nb</s>»"]),
    ],
)  # fmt: skip
def test_turns_are_learned_as_they_will_be_asked(
    template: str, turns: list[Any], wanted: list[str], tmp_path: Path
) -> None:
    assert learned({"messages": turns}, tmp_path, template) == wanted
    t = Bytes()
    own = render.Chat(tokenizer=t, name="own", source=template)
    data = datasets.read_training_data(write(tmp_path / "y.jsonl", [{"messages": turns}] * 2)).rows[0]
    taught = [i for i, m in enumerate(data.messages) if m.role == "assistant" and m.learned]
    for example, index in zip(own.examples(data.messages), taught, strict=True):
        asked = own.ask(data.messages[:index]).ids
        assert example.ids[: len(asked)] == asked and example.trained.index(True) == len(asked)


@pytest.mark.parametrize("template", [QWQ, BOTH, QWQ.replace("'<think>\n' }}{%- endif", "'<hm>\n' }}{%- endif"), R1])
def test_an_answer_behind_an_opened_thought_keeps_the_thought_s_end_and_stops(template: str) -> None:
    own = render.Chat(tokenizer=Bytes(), name="own", source=template)
    assert own.answer("\n</think>\n\na") == "\n</think>\n\na"
    assert own.stops == {Bytes.specials["</s>"]} | ({Bytes.specials["<|im_end|>"]} if template != R1 else set())


def test_a_template_that_drops_the_thoughts_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="leaves out the reasoning"):
        learned({"messages": [U, said("a", reasoning_content="hmm")]}, tmp_path)
    with pytest.raises(UserError, match="leaves out the reasoning"):  # though the same text stands in the answer
        learned({"messages": [U, said("It is 5 now.", reasoning_content="5")]}, tmp_path)
    plain = "{% for m in messages if m.role != 'system' %}{{ m.role + m.content + eos_token }}{% endfor %}"
    plain += "{% if add_generation_prompt %}assistant{% endif %}"
    call = {"id": "1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    for words in ("I look it up", "looking"):  # the answer says the name, which calls nothing
        with pytest.raises(UserError, match="leaves out the tool call look"):
            learned({"messages": [U, said(words, tool_calls=[call])]}, tmp_path, plain)
    with pytest.raises(UserError, match="leaves out the system message 'S'"):
        learned({"system": "S", "messages": [U, A]}, tmp_path, plain)


def test_a_thought_s_tags_that_are_control_tokens_stay_so_in_answers_only() -> None:
    class Thinking(Bytes):
        specials = {**Bytes.specials, "<think>": 260, "</think>": 261}  # noqa: RUF012

        def decode_bytes(self, ids: Sequence[int]) -> bytes:
            return b"".join({260: b"<think>", 261: b"</think>"}.get(i) or super().decode_bytes([i]) for i in ids)

    own = render.Chat(tokenizer=Thinking(), name="own", source=THINKING)
    (example,) = own.examples([rows_message("user", "is <think> a tag?"), rows_message("assistant", f"{HMM}a")])
    assert [example.ids.count(260), example.ids.count(261)] == [1, 1]


def rows_message(role: Any, content: str) -> Any:
    from evalharness.records import Message

    return Message(role, content)
