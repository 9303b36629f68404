"""Which item of another program's run is which of ours: by texts, choices and right ones, in any order."""

import json
from types import SimpleNamespace

import pytest

from evalharness.comparison.by_content import asked_item, matched_items, pair_items


def line(question="What is it?", said=("Hello\n\nWhat is it?",), choices=(), gold=(), **request):
    sample = {"question": question, "choices": list(choices), "gold": list(gold)}
    messages = [{"role": "user", "content": text} for text in said]
    return {"sample": sample, "request": {"messages": messages, **request}}


def test_texts_of_an_item_are_the_question_the_whole_prompt_its_last_part_and_the_last_turn():
    item = asked_item(line("Q?", ("A  shot\n\n", "then ", "before\n\nQ?\tA:")))
    assert item.texts == ("Q?", "A shot then before Q? A:", "Q? A:", "before Q? A:")


def test_one_turn_of_one_part_is_one_text():
    assert asked_item(line("Q?", ("Q?",))).texts == ("Q?",)


def test_right_choices_are_those_that_gold_numbers():
    item = asked_item(line(choices=("a", "b", "c"), gold=(0, 2, 3, -1, "1")))
    assert item.choices == {"a", "b", "c"} and item.right == {"a", "c"}


def test_a_line_without_sample_or_request_asks_nothing():
    assert asked_item({}).texts == ()
    assert asked_item({"sample": None, "request": None}) == asked_item({})
    empty = {"sample": {"question": "Q?", "choices": None, "gold": None}, "request": {"messages": None}}
    assert asked_item(empty).texts == ("Q?",)


@pytest.mark.parametrize("name", ["choices", "given"])
def test_what_is_sent_besides_the_messages_tells_prompts_apart(name):
    def sent(value):
        said = line()
        said["request"][name] = value
        return asked_item(said)

    assert sent(["a", "b"]).texts == sent(None).texts and sent(["a", "b"]).prompt != sent(None).prompt
    assert sent(["a"]).prompt != sent(["b"]).prompt
    assert sent(None).prompt == asked_item(line()).prompt != asked_item(line(said=("other",))).prompt


def items(**lines):
    return {name: asked_item(said) for name, said in lines.items()}


def test_items_agree_where_nothing_differs_that_both_know():
    ours = items(a=line(choices=("x", "y"), gold=(0,)))
    same_otherwise_put = line(choices=("y", "x"), gold=(1,))
    for theirs in (same_otherwise_put, line(), line(choices=("x", "y"))):
        assert matched_items(ours, items(b=theirs)) == {"b": "a"}
    for theirs in (line(choices=("x", "z"), gold=(0,)), line(choices=("x", "y"), gold=(1,))):
        assert matched_items(ours, items(b=theirs)) == {}


def test_items_that_ask_the_same_thing_are_paired_in_their_order():
    assert matched_items(items(a=line(), b=line()), items(x=line(), y=line(), z=line())) == {"x": "a", "y": "b"}


def side(tmp_path, name, modes, **benchmarks):
    """A side whose benchmarks ask the questions that are given, each with its own text as prompt."""
    path = tmp_path / f"{name}.jsonl"
    with path.open("w") as file:
        for benchmark, questions in benchmarks.items():
            for number, question in enumerate(questions):
                said = line(question, (f"{name if question == 'own' else ''}{question}",))
                file.write(
                    json.dumps({"benchmark": benchmark, "id": f"{name}{number}", "status": "correct", **said}) + "\n"
                )
    facts = {benchmark: SimpleNamespace(mode=modes.get(benchmark, "write")) for benchmark in benchmarks}
    return SimpleNamespace(facts=facts, journal=path)


def paired(tmp_path, ours, theirs, modes=None):
    return pair_items(side(tmp_path, "b", {}, **ours), side(tmp_path, "n", modes or {}, **theirs))


def test_a_benchmark_belongs_to_the_one_that_has_half_of_its_items(tmp_path):
    assert paired(tmp_path, {"a": ["1", "2"]}, {"z": ["1", "2", "3", "4"]}).names == {"z": "a"}
    assert paired(tmp_path, {"a": ["1"]}, {"z": ["1", "3", "4"]}).names == {}
    assert paired(tmp_path, {"a": ["1", "2"]}, {"z": []}).names == {}, "nothing is half of nothing"
    assert paired(tmp_path, {"a": ["1"]}, {"z": ["1"]}).names == {"z": "a"}
    assert paired(tmp_path, {"a": ["1"]}, {"z": ["1"]}, {"z": "rank"}).names == {}


def test_its_own_name_comes_first_then_the_one_with_most_of_its_items(tmp_path):
    ours = {"a": ["1", "2"], "b": ["1", "2", "3"]}
    assert paired(tmp_path, ours, {"a": ["1", "2", "3"]}).names == {"a": "a"}
    assert paired(tmp_path, ours, {"z": ["1", "2", "3"]}).names == {"z": "b"}
    assert paired(tmp_path, ours, {"y": ["1", "2"], "z": ["1", "2", "3"]}).names == {"z": "b", "y": "a"}
    assert paired(tmp_path, {"a": ["1"]}, {"y": ["1"], "z": ["1"]}).names == {"y": "a"}


def test_whole_are_those_with_every_item_on_both_sides(tmp_path):
    assert paired(tmp_path, {"a": ["1", "2"]}, {"a": ["1", "2"]}).whole == {"a"}
    assert paired(tmp_path, {"a": ["1", "2"]}, {"a": ["1"]}).whole == frozenset()
    assert paired(tmp_path, {"a": ["1"]}, {"a": ["1", "2"]}).whole == frozenset()


def test_same_prompts_are_said_where_each_is_the_very_same(tmp_path):
    assert paired(tmp_path, {"a": ["1", "2"]}, {"a": ["1", "2"]}).same_prompts == {"a"}
    found = paired(tmp_path, {"a": ["1", "own"]}, {"a": ["1", "own"]})
    assert found.ids == {("a", "n0"): "b0", ("a", "n1"): "b1"} and found.same_prompts == frozenset()
