"""`formats:`, `scorer:` and TASK@FORMAT of lm-evaluation-harness 0.5. The expected prompts were made with its
pre-release 0.5.0.dev1 on the rows below (perf/lm_eval_formats.py compares more)."""

import json

import pytest
import yaml

from evalharness.errors import DataError
from evalharness.file_benchmarks.lm_eval import catalog
from evalharness.file_benchmarks.lm_eval.settings import include_folders
from evalharness.models.echo import Echo
from evalharness.records import Response
from evalharness.runs import plan as planning
from evalharness.runs.plan import Plan
from evalharness.scoring.answers import score_response

CHOICES = [[f"it is {2 * i}", f"it is {2 * i + 1}", "none"] for i in range(6)]
ROWS = [
    {"question": f"What is {i} + {i}?", "choices": choices, "answer": i % 3, "right": choices[i % 3]}
    for i, choices in enumerate(CHOICES)
]
FILE = {
    "task": "sums", "dataset_path": "json", "test_split": "test", "doc_to_text": "question", "doc_to_choice": "choices",
    "doc_to_target": "answer",
}  # fmt: skip
ASKED = "Question: What is 1 + 1?\nA. it is 2\nB. it is 3\nC. none\nAnswer:"
GENERATED = (
    "Given the following question and 3 candidate answers (A, B and C), choose the best answer.\n"
    "Question: What is 1 + 1?\nA. it is 2\nB. it is 3\nC. none\n"
    'Your response should end with "The best answer is [answer_letter]" where the [answer_letter] is one of A, B or C.'
    "\nThe best answer is"
)
REASONED = (
    "Given the following problem, reason step by step to find the final answer.\nProblem: What is 1 + 1?\n"
    'Your response should end with "The final answer is [answer]" where [answer] is the response to the problem.'
)


@pytest.fixture
def task(tmp_path):
    """The prepared task of FILE with other keys, asked by its name, with a format behind it or not."""
    include_folders([tmp_path])
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS), encoding="utf-8")

    def prepare(name="sums", shots=None, **keys):
        said = {**FILE, "dataset_kwargs": {"data_files": {"test": "rows.jsonl"}}, **keys}
        said = {key: value for key, value in said.items() if value is not None}
        (tmp_path / "sums.yaml").write_text(yaml.safe_dump(said, sort_keys=False), encoding="utf-8")
        catalog._catalog.cache_clear()
        catalog._own_names.cache_clear()
        return planning.prepare_task(f"lm_eval/{name}", Plan(benchmarks=(f"lm_eval/{name}",), shots=shots), Echo())

    yield prepare
    include_folders([])


def worth(prepared, text):
    question = prepared.questions[1]
    response = Response(text=text, finish="stop")
    return score_response(prepared.benchmark.score, question.sample, question.request, response).scores["accuracy"]


@pytest.mark.parametrize(
    ("form", "text", "choices"),
    [
        ("mcqa", ASKED, (" A", " B", " C")),
        ("cloze", "Question: What is 1 + 1?\nAnswer:", (" it is 2", " it is 3", " none")),
        ("generate", GENERATED, ()),
        ("cot", REASONED, ()),
    ],
)
@pytest.mark.parametrize("said", [{}, {"doc_to_text": "{{ question }}", "doc_to_target": "right"}])
def test_a_format_behind_a_tasks_name_lays_out_its_prompt(task, form, text, choices, said):
    prepared = task(f"sums@{form}", **said)
    request = prepared.questions[1].request
    assert (request.text, request.choices) == (text, choices)
    assert prepared.questions[1].sample.gold_indices == ((1,) if choices else ())
    assert task(formats=form, **said).questions[1].request.text == text
    if not choices:
        wanted = "it is 3" if form == "cot" or said else "B"
        assert (worth(prepared, f" {wanted.lower()}. "), worth(prepared, "A")) == (1.0, 0.0)


def test_examples_are_laid_out_alike(task):
    text = task("sums@mcqa", shots=1).questions[1].request.text
    first, _, asked = text.partition("\n\n")
    assert asked == ASKED and first.startswith("Question: What is ") and first[-9:-1] == "Answer: "
    assert " is C\n\nGiven" in task("sums@generate", shots=5).questions[1].request.text


@pytest.mark.parametrize(
    ("formats", "text", "choices"),
    [
        ({"type": "mcqa", "choice_labels": "numbers", "answer_prompt": "Option:"},
         "Question: What is 1 + 1?\n1. it is 2\n2. it is 3\n3. none\nOption:", (" 1", " 2", " 3")),
        ({"type": "mcqa", "choice_labels": ["I", "II", "III"], "choice_delimiter": "; "},
         "Question: What is 1 + 1?\nI. it is 2; II. it is 3; III. none\nAnswer:", (" I", " II", " III")),
        ({"type": "mcqa", "instruction": "One of {{ _choice_list_or }}.\n", "question_prefix": None,
          "answer_instruction": "Think.\n", "target_delimiter": ""},
         "One of A, B or C.\nWhat is 1 + 1?\nA. it is 2\nB. it is 3\nC. none\nThink.\nAnswer:", ("A", "B", "C")),
        ({"mcqa": None, "cot": {"instruction": "Go.\n"}}, ASKED, (" A", " B", " C")),
        ({"mcqa": "cloze"}, "Question: What is 1 + 1?\nAnswer:", (" it is 2", " it is 3", " none")),
    ],
)  # fmt: skip
def test_fields_of_a_format_may_be_changed(task, formats, text, choices):
    request = task(formats=formats).questions[1].request
    assert (request.text, request.choices) == (text, choices)


def test_the_name_chooses_among_several_formats(task):
    formats = {"mcqa": None, "cot": {"instruction": "Go.\n"}}
    assert task("sums@cot", formats=formats).questions[1].request.text.startswith("Go.\nProblem: ")
    with pytest.raises(DataError, match=r"sums\.yaml:\d+: there is no format 'cloze'.*mcqa, cot"):
        task("sums@cloze", formats=formats)
    assert catalog.open_catalog().find("su*@mcqa") == ("sums@mcqa",)


@pytest.mark.parametrize(
    ("scorer", "text", "right"),
    [
        ("first_token", "\n it is 3 ", 1.0), ("choice_match", "IT IS 3!", 1.0), ("choice_match", " it is 3", 0.0),
        ({"type": "first_token"}, "none", 0.0), ("regex", "#### 3", 0.0),
    ],
)  # fmt: skip
def test_scorers(task, scorer, text, right):
    assert (
        worth(task(scorer=scorer, output_type="generate_until", doc_to_choice=None, doc_to_target="right"), text)
        == right
    )


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"formats": "mcqb"}, r"there is no format 'mcqb' \(did you mean mcqa\?\)"),
        ({"formats": {"type": "mcqa", "instructions": "x"}}, "a format has no field 'instructions'"),
        ({"formats": {"type": "mcqa", "choice_labels": "roman"}}, "choice_labels: 'roman' is not read here"),
        ({"formats": {"type": "mcqa", "answer_prompt": None}}, "answer_prompt: None is not read here"),
        ({"formats": {"mcqa": 3}}, "wanted what is changed of a format"),
        ({"formats": "mcqa", "doc_to_choice": None}, "this format wants doc_to_choice"),
        ({"scorer": "ai_judge"}, "the scorer 'ai_judge' is not read; there is first_token"),
        ({"scorer": {"type": "regex", "kwargs": {"a": 1}}}, "takes no kwargs"),
    ],
)
def test_what_is_no_format_or_scorer_gets_one_line(task, keys, said):
    with pytest.raises(DataError, match=rf"sums\.yaml:\d+: .*{said}") as error:
        task(**keys)
    assert "\n" not in str(error.value)
