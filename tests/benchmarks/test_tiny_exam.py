"""The embedded model's exam and instruction test: what is asked is what fine-tuning teaches, and both are whole."""

import json

from evalharness import plugins, tiny
from evalharness.benchmark import training_messages
from evalharness.models.echo import Echo
from evalharness.records import Response
from evalharness.runs import plan
from evalharness.runs.plan import Plan
from evalharness.scoring.answers import score_response


class Chatty(Echo):
    chat = True


def questions(name, model):
    return plan.prepare_task(name, Plan(benchmarks=(name,)), model)


def test_bundled_rows_are_the_whole_benchmark_under_its_plain_name():
    for data in (None, "sample"):
        for name in ("tiny_exam", "tiny_instructions"):
            task = plan.prepare_task(name, Plan(benchmarks=(name,), data=data), Echo())
            assert task.name == name and len(task.questions) == plugins.load_benchmark(name).items


def test_the_exam_asks_in_the_wording_of_the_choice_rows():
    asked = plan.prepare_task("tiny_exam", Plan(benchmarks=("tiny_exam",), mode="rank"), Chatty()).questions[0]
    rows = [json.loads(line) for line in tiny.INSTRUCTIONS.read_text(encoding="utf-8").splitlines()]
    taught = next(row for row in rows if row["kind"] == "choice")
    lines = asked.request.text.split("\n")
    model_lines = taught["instruction"].split("\n")
    assert lines[:2] == model_lines[:2] and len(lines) == len(model_lines) == 7
    assert [line[:3] for line in lines[3:]] == ["A. ", "B. ", "C. ", "D. "] == [line[:3] for line in model_lines[3:]]
    assert asked.request.choices == asked.sample.choices == tuple(line[3:] for line in lines[3:])
    solved = training_messages(plugins.load_benchmark("tiny_exam"), asked.sample, chat=True)
    assert solved[-1].content == asked.sample.choices[asked.sample.gold_indices[0]]
    assert taught["output"] in [line[3:] for line in model_lines[3:]]


def test_a_written_answer_is_the_option_that_it_is():
    benchmark = plugins.load_benchmark("tiny_exam")
    asked = plan.prepare_task("tiny_exam", Plan(benchmarks=("tiny_exam",)), Chatty()).questions[0]
    gold = asked.sample.gold_indices[0]
    for text, status in (
        (asked.sample.choices[gold], "correct"), (asked.sample.choices[(gold + 1) % 4], "wrong"),
        ("ABCD"[gold], "correct"), ("something else", "unparsed"),
    ):  # fmt: skip
        assert benchmark.score(asked.sample, asked.request, Response(text=text, finish="stop")).status == status


def test_five_shots_are_of_the_question_s_own_subject():
    task = plan.prepare_task("tiny_exam", Plan(benchmarks=("tiny_exam",), shots=5), Echo())
    assert all(q.request.text.count("\nA. ") == 6 for q in task.questions)


def test_instruction_and_input_are_two_messages_for_a_chat_model():
    task = questions("tiny_instructions", Chatty())
    with_input = next(q for q in task.questions if q.sample.extra["input"])
    assert [m.content for m in with_input.request.messages] == list(with_input.sample.extra.values())
    assert len(questions("tiny_instructions", Echo()).questions[0].request.messages) == 1


def test_exact_match_is_exact():
    benchmark = plugins.load_benchmark("tiny_instructions")
    asked = questions("tiny_instructions", Chatty()).questions[0]
    right = asked.sample.answers[0]
    for text, finish, status in (
        (right, "stop", "correct"), (f" {right}\n", "stop", "correct"), (right.upper() + "!", "stop", "wrong"),
        ("", "stop", "wrong"), (right, "length", "wrong"),
    ):  # fmt: skip
        score = score_response(benchmark.score, asked.sample, asked.request, Response(text=text, finish=finish))
        assert score.status == status and score.scores["exact_match"] == (status == "correct"), (text, finish, score)
