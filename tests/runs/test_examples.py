"""The examples before a question: as many as are wanted, and never the question itself with its answer."""

import json

import pytest

from evalharness import plugins
from evalharness.benchmark import PLAIN, same_question
from evalharness.errors import DataError
from evalharness.models.echo import Echo
from evalharness.records import Sample
from evalharness.runs import plan as planning
from evalharness.runs.plan import Plan

OWN = """source: {{file: rows.jsonl, {examples}}}
template: "Q: {{{{q}}}}\\nA:"
answers: a
scorer: exact
shots: {shots}
"""
LM = """task: quiz
dataset_path: json
dataset_kwargs: {{data_files: {{test: rows.jsonl, train: other.jsonl}}}}
test_split: test
{splits}
output_type: generate_until
doc_to_text: "Q: {{{{q}}}}\\nA:"
doc_to_target: a
num_fewshot: {shots}
metric_list: [{{metric: exact_match}}]
"""
ROWS = [{"q": f"question {i}", "a": f"answer {i}"} for i in range(8)]


def asked(name, data=None, **said):
    """(asked question, its examples) of every prompt, as `question N`."""
    task = planning.prepare_task(str(name), Plan(benchmarks=(str(name),), data=data and str(data), **said), Echo())
    found = []
    for question in task.questions:
        *shown, own = [part.split("\nA:")[0].strip() for part in question.request.text.split("Q: ")[1:]]
        found.append((own, shown))
    return found


def file(folder, text, rows=ROWS, other=ROWS):
    for name, lines in (("rows", rows), ("other", other)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(r) + "\n" for r in lines), encoding="utf-8")
    (folder / "bench.yaml").write_text(text, encoding="utf-8")
    return folder / "bench.yaml"


EVERYWHERE = [
    OWN.format(examples="examples: rows.jsonl", shots=3),
    OWN.format(examples="examples: other.jsonl", shots=3),  # the same rows in another file
    OWN.format(examples="shot_split: test", shots=3),
    LM.format(splits="fewshot_split: test\nfewshot_config: {sampler: first_n}", shots=3),
    LM.format(splits="fewshot_split: test", shots=3),
    LM.format(splits="training_split: train\nfewshot_config: {sampler: first_n}", shots=3),
    LM.format(splits="training_split: train", shots=3),
    LM.format(splits="fewshot_split: train", shots=3),
    LM.format(splits="", shots=3),  # without another split the test split has the examples
    LM.replace("test_split: test", "validation_split: test").format(splits="fewshot_split: test", shots=3),
    LM.replace("test_split: test", "validation_split: test").format(splits="", shots=3),
]


@pytest.mark.parametrize("text", EVERYWHERE)
def test_the_asked_question_is_none_of_its_examples(tmp_path, text):
    name = file(tmp_path, text)
    for shots in (1, 3, 7):
        found = asked(name, shots=shots)
        assert [own for own, _ in found] == [row["q"] for row in ROWS]
        for own, shown in found:
            assert len(set(shown)) == shots and own not in shown
    with pytest.raises(DataError, match="wanted 8 examples, there are 7 beside the question itself; say shots=7"):
        asked(name, shots=8)


@pytest.mark.parametrize("text", EVERYWHERE)
def test_a_row_that_repeats_the_question_is_none_of_its_examples(tmp_path, text):
    rows = [*ROWS, *ROWS[:3]]
    found = asked(file(tmp_path, text, rows, rows), shots=3)
    assert len(found) == len(rows)
    for own, shown in found:
        assert len(shown) == 3 and own not in shown


@pytest.mark.parametrize("text", EVERYWHERE)
def test_a_limit_and_a_choice_of_items_change_no_prompt(tmp_path, text):
    name = file(tmp_path, text)
    whole = dict(asked(name))
    for part in (asked(name, limit=3), asked(name, items=frozenset({"5", "2"}))):
        assert part and all(whole[own] == shown for own, shown in part)


def test_the_first_examples_are_shown_where_the_question_is_none_of_them(tmp_path):
    found = asked(file(tmp_path, EVERYWHERE[0]), shots=3)
    assert found[7] == ("question 7", ["question 0", "question 1", "question 2"])
    assert found[1] == ("question 1", ["question 0", "question 2", "question 3"])


def test_a_variant_of_a_question_is_not_shown_the_question(tmp_path):
    rows = [{"q": f"what is the capital of the {w} country", "a": w} for w in ("first", "second", "third", "fourth")]
    name = file(tmp_path, EVERYWHERE[0], rows, rows)
    task = planning.prepare_task(str(name), Plan(benchmarks=(str(name),), shots=3, holistic=True), Echo())
    assert any("original" in q.sample.extra for q in task.questions)
    for q in task.questions:
        assert f"A: {q.sample.answers[0]}\n" not in q.request.text


def test_questions_with_other_choices_or_another_passage_are_other_questions():
    one = Sample(question="Who?", choices=("a", "b"))
    assert same_question(PLAIN, one, Sample(id="9", question="Who?", choices=("a", "b"), gold_indices=(1,)))
    assert not same_question(PLAIN, one, Sample(question="Who?", choices=("b", "a")))
    squad = plugins.load_benchmark("squad")
    row = {"id": "1", "title": "t", "context": "Ann came.", "question": "Who?"}
    row["answers"] = {"text": ["Ann"], "answer_start": [0]}
    assert not same_question(squad.prompt, squad.sample(row), squad.sample({**row, "context": "Bob came."}))


def test_the_examples_of_a_split_may_not_take_the_place_of_its_questions(tmp_path):
    text = OWN.format(examples="shot_split: test, examples: other.jsonl", shots=1)
    with pytest.raises(DataError, match="want a name other than the split 'test'"):
        plugins.load_benchmark(str(file(tmp_path, text)))
