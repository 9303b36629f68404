"""What a chat model reads of lm-evaluation-harness's tasks. The expected turns were made with that program (0.4.13)."""

import json

import pytest
import yaml

from evalharness.file_benchmarks.lm_eval.settings import show_examples
from evalharness.models.echo import Echo
from evalharness.runs import plan as planning
from evalharness.runs.plan import Plan

TASK = {
    "task": "t", "dataset_path": "json", "dataset_kwargs": {"data_files": {"test": "t.jsonl", "train": "s.jsonl"}},
    "test_split": "test", "training_split": "train", "output_type": "generate_until", "doc_to_text": "Q: {{q}}\nA:",
    "doc_to_target": "ans", "num_fewshot": 2,
}  # fmt: skip
CHOICES = {"output_type": "multiple_choice", "doc_to_choice": "opts", "doc_to_target": "lab"}
SYSTEM, USER, ASSISTANT = "system", "user", "assistant"


class ChatEcho(Echo):
    chat = True


@pytest.fixture
def first_request(tmp_path):
    """What a chat model is asked first by a task with these keys over TASK's."""

    def ask(as_turns, **keys):
        for name, word in (("t", "What is"), ("s", "How about")):
            opts = ["yes", "no", "1"]
            rows = [{"q": f"{word} {i}?", "opts": opts, "lab": i % 3, "ans": opts[i % 3]} for i in range(6)]
            (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        (tmp_path / "t.yaml").write_text(yaml.safe_dump({**TASK, **keys}, sort_keys=False), encoding="utf-8")
        show_examples(as_turns=as_turns)
        name = str(tmp_path / "t.yaml")
        mode = "write" if keys.get("output_type", "generate_until") == "generate_until" else "rank"
        return planning.prepare_task(name, Plan(benchmarks=(name,), mode=mode), ChatEcho()).questions[0].request

    yield ask
    show_examples(as_turns=True)


def turns(request):
    return [(message.role, message.content) for message in request.messages]


@pytest.mark.parametrize(
    ("keys", "wanted"),
    [
        ({}, [(USER, "Q: How about 3?\nA:"), (ASSISTANT, "yes"), (USER, "Q: How about 0?\nA:"), (ASSISTANT, "yes"),
              (USER, "Q: What is 0?\nA:")]),
        ({"num_fewshot": 0, "description": "Do.\n\n"}, [(SYSTEM, "Do.\n\n"), (USER, "Q: What is 0?\nA:")]),
        ({"num_fewshot": 1, "gen_prefix": "It is"},
         [(USER, "Q: How about 3?\nA:"), (ASSISTANT, "It is yes"), (USER, "Q: What is 0?\nA:"), (ASSISTANT, "It is")]),
        ({"num_fewshot": 1, "gen_prefix": "It's ", "target_delimiter": "\n"},
         [(USER, "Q: How about 3?\nA:"), (ASSISTANT, "It's yes"), (USER, "Q: What is 0?\nA:"), (ASSISTANT, "It's ")]),
        ({"num_fewshot": 1, "target_delimiter": "", "doc_to_text": "Q: {{q}}\nA: "},
         [(USER, "Q: How about 3?\nA: "), (ASSISTANT, "yes"), (USER, "Q: What is 0?\nA: ")]),
        ({"doc_to_target": "{{''}}"}, [(USER, "Q: How about 3?\nA:"), (USER, "Q: How about 0?\nA:"),
                                       (USER, "Q: What is 0?\nA:")]),
        ({"num_fewshot": 1, **CHOICES, "description": "D"},
         [(SYSTEM, "D"), (USER, "Q: How about 3?\nA:"), (ASSISTANT, "yes"), (USER, "Q: What is 0?\nA:")]),
        ({"num_fewshot": 1, **CHOICES, "fewshot_config": {"doc_to_text": "E: {{q}} ", "target_delimiter": "~"}},
         [(USER, "E: How about 3? "), (ASSISTANT, "yes"), (USER, "Q: What is 0?\nA:")]),
        ({"num_fewshot": 1, "fewshot_split": "test", "fewshot_config": {"doc_to_text": "Q: {{q}}\nA: in short"}},
         [(USER, "Q: What is 3?\nA: in short"), (ASSISTANT, "yes"), (USER, "Q: What is 0?\nA:")]),
        ({"num_fewshot": 1, "output_type": "loglikelihood"},
         [(USER, "Q: How about 3?\nA:"), (ASSISTANT, "yes"), (USER, "Q: What is 0?\nA:")]),
    ],
)  # fmt: skip
def test_examples_are_turns_and_the_description_is_the_systems(first_request, keys, wanted):
    assert turns(first_request(True, **keys)) == wanted


@pytest.mark.parametrize(
    ("keys", "wanted"),
    [
        ({"description": "D"},
         [(SYSTEM, "D"), (USER, "Q: How about 3?\nA: yes\n\nQ: How about 0?\nA: yes\n\nQ: What is 0?\nA:")]),
        ({"num_fewshot": 1, "gen_prefix": "It's ", "target_delimiter": "\n"},
         [(USER, "Q: How about 3?\nA:\nIt's yes\n\nQ: What is 0?\nA:"), (ASSISTANT, "It's ")]),
    ],
)  # fmt: skip
def test_without_multiturn_examples_and_question_are_one_turn(first_request, keys, wanted):
    assert turns(first_request(False, **keys)) == wanted


@pytest.mark.parametrize(
    ("keys", "wanted"),
    [
        ({}, ("yes", "no", "1")),
        ({"gen_prefix": "So"}, (" yes", " no", " 1")),
        ({"gen_prefix": "So "}, ("yes", "no", "1")),
    ],
)
def test_choices_follow_a_chat_template_without_a_delimiter(first_request, keys, wanted):
    assert first_request(True, **CHOICES, **keys).choices == wanted


def test_the_command_line_says_whether_examples_are_turns(first_request, tmp_path, evalh):
    first_request(True)
    name = str(tmp_path / "t.yaml")
    asked = []
    for flag in ((), ("--no-fewshot-as-multiturn",)):
        said = evalh("preview", name, "--model", "openai:m", "--base-url", "http://127.0.0.1:9/v1", *flag)
        assert said.code == 0, said.err
        asked.append(said.out.count("[user]"))
    assert asked == [3, 1]
