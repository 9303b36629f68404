"""What the makers of other trainers write about learning: each mark is read as they mean it, or refused by its name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from evalharness.errors import DataError
from evalharness.training import datasets
from evalharness.training.datasets import Data

U, A, B = {"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}, {"role": "assistant", "content": "b"}
TURNS: dict[str, Any] = {"messages": [U, A, U, B]}
ALPACA: dict[str, Any] = {"instruction": "q", "output": "a"}
PAIR: dict[str, Any] = {"prompt": "q", "chosen": "a", "rejected": "b"}


def read(folder: Path, *entries: Any, **options: bool) -> Data:
    file = folder / "x.jsonl"
    file.write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    return datasets.read_training_data(str(file), **options)


def taught(data: Data) -> list[list[str]]:
    """The answers that are learned of each row."""
    return [[m.content for m in row.messages if m.role == "assistant" and m.learned] for row in data.rows]


OFF = (
    *(("weight", 0), ("train", False), ("training", "no"), ("trainable", 0.0), ("loss", False), ("loss_mask", 0)),
    *(("loss_weight", 0), ("loss_scale", 0.0), ("sample_weight", "0"), ("train_on_turn", False), ("learn", False)),
    ("masked", True),
)
ON = tuple((name, name != "masked") for name, _ in OFF)


@pytest.mark.parametrize(("name", "value"), OFF)
def test_a_mark_of_a_turn_leaves_that_answer_out(name: str, value: Any, tmp_path: Path) -> None:
    of_first, of_last = [U, {**A, name: value}, U, B], [U, A, U, {**B, name: value}]
    data = read(tmp_path, {"messages": of_first}, {"messages": of_last}, TURNS)
    assert taught(data) == [["b"], ["a"], ["a", "b"]]
    said = [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a", name: value}]
    rows = read(tmp_path, {"conversations": [*said, said[0], {"from": "gpt", "value": "b"}]}, TURNS).rows
    assert [m.learned for m in rows[0].messages if m.role == "assistant"] == [False, True]
    assert data.notes == ()


@pytest.mark.parametrize(("name", "value"), ON)
def test_a_mark_that_says_learned_changes_nothing(name: str, value: Any, tmp_path: Path) -> None:
    marked = {"messages": [U, {**A, name: value}, U, {**B, name: None}]}
    data = read(tmp_path, marked, {**TURNS, name: value}, {**ALPACA, name: value}, {**PAIR, name: value})
    assert taught(data) == [["a", "b"], ["a", "b"], ["a"], ["a"]]
    assert data.notes == ()


@pytest.mark.parametrize(("name", "value"), OFF)
@pytest.mark.parametrize("entry", [TURNS, ALPACA, PAIR], ids=["turns", "alpaca", "pair"])
def test_a_mark_of_a_row_leaves_it_out(entry: dict[str, Any], name: str, value: Any, tmp_path: Path) -> None:
    data = read(tmp_path, {**entry, name: value}, TURNS, {**entry, name: value})
    assert [row.number for row in data.rows] == [2]
    assert data.notes == ("2 rows left out: labelled as bad answers (false), or of weight 0",)


@pytest.mark.parametrize(("name", "value"), ON)
@pytest.mark.parametrize("role", ["user", "system", "tool"])
def test_a_question_that_is_marked_to_be_learned_is_refused(role: str, name: str, value: Any, tmp_path: Path) -> None:
    turns = [U, {"role": role, "content": "x", name: value}, A]
    with pytest.raises(DataError, match=rf"row 1 \(a turn of '{role}' is marked to be learned; the answers alone are"):
        read(tmp_path, {"messages": turns}, TURNS)
    off = dict(OFF)[name]
    assert taught(read(tmp_path, {"messages": [{**U, name: off}, A]}, TURNS)) == [["a"], ["a", "b"]]


DETAIL = [{"begin_offset": 0, "end_offset": 3, "train": False}]
UNKNOWN = (
    *(("reward", 0.7), ("reward", 1), ("rewards", [0.1, 0.9]), ("advantage", -1.5), ("mask", [0, 1]), ("mask", True)),
    *(("lossMask", 0), ("token_weights", {"a": 1}), ("ignore", True), ("skip", True), ("isTrained", False)),
    *(("excluded", "yes"), ("completion_mask", [0, 1]), ("correct", False), ("train_this", "true")),
    *(("is_bad", True), ("verified", "no"), ("wasAccepted", False), ("is_valid", False), ("is_chosen", False)),
    *(("toxic", True), ("deleted", True), ("thumbs_up", False), ("is_harmful", "yes"), ("keep", False)),
    *(("reward", "0.7"), ("token_mask", "[0, 1]"), ("answer_weight", "1.5")),  # as tables hold them
)


@pytest.mark.parametrize(("name", "value"), UNKNOWN)
def test_what_may_say_what_is_learned_is_refused_by_name(name: str, value: Any, tmp_path: Path) -> None:
    for entry in ({**ALPACA, name: value}, {**TURNS, name: value}, {**PAIR, name: value}):
        with pytest.raises(DataError, match=rf"1 of 2 rows .*row 1 \('{name}' is .*say it as 'weight' 0 or 1, or del"):
            read(tmp_path, entry, TURNS)
    with pytest.raises(DataError, match=rf"row 1 \('{name}' of a turn is .*say it as 'weight' 0 or 1, or delete it"):
        read(tmp_path, {"messages": [U, {**A, name: value}]}, TURNS)


@pytest.mark.parametrize("name", ["train_detail", "training_detail"])
def test_parts_of_an_answer_are_refused_by_name(name: str, tmp_path: Path) -> None:
    for entry in ({"messages": [U, {**A, name: DETAIL}]}, {**ALPACA, name: DETAIL}):
        with pytest.raises(DataError, match=rf"row 1 \('{name}' (in a turn )?cannot be learned from here"):
            read(tmp_path, entry, TURNS)
    assert taught(read(tmp_path, {"messages": [U, {**A, name: []}]}, TURNS))[0] == ["a"]


@pytest.mark.parametrize("value", [0.5, 2, -1, "half", [0, 1], "x" * 500])
@pytest.mark.parametrize("name", ["weight", "sample_weight", "loss_mask", "masked"])
def test_a_mark_between_is_refused_and_shown_in_short(name: str, value: Any, tmp_path: Path) -> None:
    for entry in ({**ALPACA, name: value}, {"messages": [U, {**A, name: value}]}):
        with pytest.raises(DataError, match=rf"'{name}'( of a turn)? is .*, wanted 0 or 1") as raised:
            read(tmp_path, entry, TURNS)
        assert len(str(raised.value)) < 300


def test_marks_of_all_turns_in_one_list_are_refused_with_what_to_do(tmp_path: Path) -> None:
    """As https://github.com/hiyouga/LlamaFactory/pull/9630 proposes: a list beside the turns."""
    with pytest.raises(
        DataError, match=r"'loss_mask' is \[0, 1\], wanted 0 or 1; write what it says of each turn into"
    ):
        read(tmp_path, {**TURNS, "loss_mask": [0, 1]}, TURNS)


def test_a_call_that_is_marked_is_not_learned(tmp_path: Path) -> None:
    """As https://github.com/modelscope/ms-swift/issues/9029 wants it."""
    call = {"role": "tool_call", "content": '{"name": "w", "arguments": {}}', "loss": False}
    turns = [U, call, {"role": "tool_response", "content": "rain"}, A]
    data = read(tmp_path, {"messages": turns}, TURNS)
    assert taught(data)[0] == ["a"] and [m.learned for m in data.rows[0].messages][1] is False


@pytest.mark.parametrize(
    ("name", "bad", "good"),
    [("label", "bad", "good"), ("label", "undesirable", "desirable"), ("label", "Rejected", "chosen"),
     ("label", "incorrect", "correct"), ("kto_tag", "wrong", "right"), ("is_correct", False, True),
     ("is_correct", "0", "1"), ("is_desirable", 0, 1), ("desirable", False, True)],
)  # fmt: skip
def test_labels_in_words_and_by_other_names(name: str, bad: Any, good: Any, tmp_path: Path) -> None:
    entries = ({**ALPACA, "output": "x", name: bad}, {**ALPACA, name: good}, {**TURNS, name: bad}, {**ALPACA})
    data = read(tmp_path, *entries)
    assert (taught(data), data.bad) == ([["a"], ["a"]], 2)
    assert data.notes == ("2 rows left out: labelled as bad answers (false), or of weight 0",)
    both = read(tmp_path, *entries[:3], labelled=True)
    assert [row.good for row in both.rows] == [False, True, False]
    alone = read(tmp_path, *[{**ALPACA, "output": str(i)} for i in range(3)], entries[0])  # one lone bad row
    assert [row.number for row in alone.rows] == [1, 2, 3]


def test_a_label_that_may_be_a_class_is_refused_where_it_is_the_answer(tmp_path: Path) -> None:
    entry = {"prompt": "Is this review good or bad? Awful.", "completion": "Bad", "label": "bad"}
    with pytest.raises(DataError, match=r"'label' is 'bad', and so is the answer: rename it where it is a class"):
        read(tmp_path, entry, TURNS)
    numbers = [{"prompt": "2 - 1?", "completion": "1", "label": 1}, {"prompt": "1 - 1?", "completion": "0", "label": 1}]
    assert len(read(tmp_path, *numbers).rows) == 2
    with pytest.raises(DataError, match=r"'is_correct' is 0\.7, wanted true or false"):
        read(tmp_path, {**ALPACA, "is_correct": 0.7}, TURNS)


@pytest.mark.parametrize("name", ["label", "kto_tag", "is_correct", "desirable"])
@pytest.mark.parametrize("value", [0, "bad", True])
def test_a_label_of_a_turn_is_refused(name: str, value: Any, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=rf"'{name}' of a turn: a label speaks of a whole row; say 'weight' 0 or 1"):
        read(tmp_path, {"messages": [U, {**A, name: value}]}, TURNS)


@pytest.mark.parametrize("name", ["context", "passage", "paragraph", "input"])
def test_what_a_question_is_about_is_asked_with_it(name: str, tmp_path: Path) -> None:
    entries = ({**ALPACA, name: "c"}, {"question": "q", "answer": "a", name: "c"}, {**PAIR, name: "c"})
    for row in read(tmp_path, *entries).rows:
        assert [m.content for m in row.messages] == ["q", "c", "a"]
    with pytest.raises(DataError, match=r"both .* and .* hold something"):
        read(tmp_path, {**ALPACA, name: "c", "context" if name != "context" else "passage": "d"}, TURNS)


@pytest.mark.parametrize("name", ["document", "article", "story", "contexts", "passages", "docs"])
def test_what_a_question_may_be_about_is_refused(name: str, tmp_path: Path) -> None:
    for entry in ({**ALPACA, name: "c"}, {"question": "q", "answer": "a", name: "c"}, {**PAIR, name: "c"}):
        with pytest.raises(DataError, match=rf"row 1 \('{name}' beside a question: call it 'context' where"):
            read(tmp_path, entry, TURNS)


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning", "thinking", "thought", "thoughts"])
def test_thoughts_go_to_the_template(name: str, tmp_path: Path) -> None:
    entries = ({**ALPACA, name: "hmm"}, {"question": "q", "answer": "a", name: "hmm"})
    entries = (*entries, {"messages": [U, {**A, name: "hmm"}]})
    for row in read(tmp_path, *entries).rows:
        assert row.messages[-1].extra["reasoning_content"] == "hmm"
    for entry in ({**TURNS, name: "hmm"}, {**PAIR, name: "hmm"}, {"prompt": "q", "completion": [A], name: "hmm"}):
        with pytest.raises(DataError, match=rf"row 1 \('{name}' stands beside turns or two answers: put it into"):
            read(tmp_path, entry, TURNS)


@pytest.mark.parametrize("name", ["cot", "chain_of_thought", "rationale", "explanation", "scratchpad", "think"])
def test_a_reasoning_that_may_belong_to_the_answer_is_refused(name: str, tmp_path: Path) -> None:
    for entry in ({**ALPACA, name: "so"}, {**TURNS, name: "so"}, {"messages": [U, {**A, name: "so"}]}):
        with pytest.raises(DataError, match=rf"'{name}'( of a turn)? may be a part of the answer: call it 'reason"):
            read(tmp_path, entry, TURNS)


def test_a_worse_answer_beside_any_shape_makes_a_pair(tmp_path: Path) -> None:
    entries = ({**TURNS, "rejected_response": "c"}, {"query": "q", "response": "b", "rejected_response": "c"})
    data = read(tmp_path, *entries)
    assert [row.rejected for row in data.rows] == ["c", "c"]
    assert taught(data) == [["b"], ["b"]]
    assert data.notes == ()
    with pytest.raises(DataError, match=r"row 1 \(both 'rejected' and 'rejected_response' hold something"):
        read(tmp_path, {**PAIR, "rejected_response": "c"}, TURNS)
    with pytest.raises(DataError, match=r"row 1 \('rejected_messages' cannot be learned from"):
        read(tmp_path, {**TURNS, "rejected_messages": [U, A]}, TURNS)


def test_other_columns_are_named_in_one_line(tmp_path: Path) -> None:
    about = {"topic": "x", "score": 4.5, "weighting": 3, "token_count": 7, "training_source": "web", "trainer": 1}
    about |= {"verified": True, "skip": False, "score_chosen": 1.0, "is_bad": "no", "mask": "User"}
    data = read(tmp_path, {**ALPACA, **about}, {**TURNS, "reward": None, "mask": [], "loss": ""})
    assert taught(data) == [["a"], ["a", "b"]]
    names = "is_bad, mask, score, score_chosen, skip, token_count, topic, trainer, training_source, verified, weighting"
    alike = "every answer is learned alike, whatever score, score_chosen may say of it"
    assert data.notes == (f"fields that are not learned from: {names}; {alike}",)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("use", False), ("used", "no"), ("include", 0), ("enabled", False), ("selected", "0"), ("accept", 0.0),
        ("preference", 0), ("preference", -1), ("feedback", "negative"), ("feedback", "thumbs_down"),
        ("thumbs", "down"),
        ("vote", -1), ("status", "rejected"), ("verdict", "incorrect"), ("quality", "low"), ("reaction", "👎"),
        ("grade", "F"), ("human_feedback", "Bad"), ("isUsed", False), ("skip", 1),
    ],
)  # fmt: skip
def test_an_opinion_against_the_answer_is_refused_by_name(name: str, value: Any, tmp_path: Path) -> None:
    for entry in ({**ALPACA, name: value}, {**TURNS, name: value}, {"messages": [U, {**A, name: value}]}):
        with pytest.raises(DataError, match=f"'{name}'.*which may say what is to be learned"):
            read(tmp_path, ALPACA, entry)


def test_opinions_that_do_not_count_are_named(tmp_path: Path) -> None:
    rated = {"rating": 1, "stars": 2, "feedback": "The answer is short.", "quality_score": 0.1, "sentiment": "negative"}
    data = read(tmp_path, {**ALPACA, **rated}, ALPACA)
    (note,) = data.notes
    assert taught(data) == [["a"], ["a"]] and all(name in note.partition(";")[0] for name in rated)
    assert "whatever feedback, quality_score, rating, stars may say" in note


@pytest.mark.parametrize("name", ["reasoning_trace", "thinking_trace", "deepseek_reasoning", "trace", "reasoningChain"])
def test_thoughts_of_other_names_are_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=f"'{name}' may be a part of the answer"):
        read(tmp_path, ALPACA, {**ALPACA, name: "I add."})
    assert read(tmp_path, ALPACA, {**ALPACA, "reasoning_effort": "high"}).notes != ()


def test_whether_there_was_reasoning_is_no_thought(tmp_path: Path) -> None:
    """Nemotron's rows have `reasoning` on or off, OpenR1's lists of marks beside their turns."""
    for about in ({"reasoning": "on"}, {"thinking": "off"}, {"is_reasoning_complete": [True, False]}):
        for shape in (ALPACA, TURNS):
            data = read(tmp_path, ALPACA, {**shape, **about})
            assert [dict(m.extra) for row in data.rows for m in row.messages if m.extra] == []
            assert data.notes == (f"fields that are not learned from: {next(iter(about))}",)


@pytest.mark.parametrize("name", ["background", "knowledge", "evidence", "facts", "premise", "table", "schema"])
def test_what_may_belong_to_a_question_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=f"'{name}' beside a question: call it 'context'"):
        read(tmp_path, ALPACA, {**ALPACA, name: "France is big."})


@pytest.mark.parametrize(
    "options",
    [{"options": ["x", "y"]}, {"choices": {"A": "x"}}, {"A": "x", "B": "y"}, {"option_a": "x"}, {"choice1": "x"}],
)
def test_an_answer_by_letter_wants_its_options_in_the_question(options: dict[str, Any], tmp_path: Path) -> None:
    for answer in ("B", "(b)", "1"):
        with pytest.raises(DataError, match=r"its options stand in .*write them into the question"):
            read(tmp_path, ALPACA, {"question": "q", "answer": answer, **options})
    data = read(tmp_path, ALPACA, {"question": "q", "answer": "y is it", **options})
    assert all(name in data.notes[0] for name in options)
    assert read(tmp_path, ALPACA, {"question": "q", "answer": "B"}).notes == ()


@pytest.mark.parametrize("name", ["prompt", "question", "query"])
def test_two_questions_are_refused_unless_one_holds_the_other(name: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=f"both 'instruction' and '{name}' hold something"):
        read(tmp_path, ALPACA, {**ALPACA, name: "another"})
    assert name in read(tmp_path, ALPACA, {**ALPACA, name: "### Instruction:\nq\n### Response:"}).notes[0]


def test_turns_behind_the_last_answer_and_names_of_speakers_are_told(tmp_path: Path) -> None:
    data = read(tmp_path, {"messages": [U, A, U]}, {"messages": [{**U, "name": "Bob"}, A]}, TURNS)
    assert taught(data) == [["a"], ["a"], ["a", "b"]]
    assert data.notes == (
        "turns behind the last answer are left out: 1 row",
        "the 'name' of a turn, in 1 row, is told only where the chat template does",
    )


def test_a_solution_is_learned_and_the_result_beside_it_is_named(tmp_path: Path) -> None:
    for question in ("problem", "question"):
        data = read(tmp_path, ALPACA, {question: "q", "solution": "2 + 2 = 4", "answer": "4"})
        assert taught(data)[1] == ["2 + 2 = 4"] and data.notes == ("fields that are not learned from: answer",)


@pytest.mark.parametrize("value", [1, 0, 1.0, -1.5, "4.5", 0.37])
@pytest.mark.parametrize("name", ["rejected-rating", "chosen_score", "score_rejected", "chosen_reward"])
def test_what_one_answer_of_a_pair_scored_is_no_mark(name: str, value: Any, tmp_path: Path) -> None:
    """A rating of 1 among ratings is not the mark 1."""
    (note,) = read(tmp_path, {**PAIR, name: value}, PAIR).notes
    assert note.startswith(f"fields that are not learned from: {name}")
    with pytest.raises(DataError, match="'rejected_mask'"):
        read(tmp_path, {**PAIR, "rejected_mask": value}, PAIR)
