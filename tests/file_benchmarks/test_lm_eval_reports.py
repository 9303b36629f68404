"""Public reports of bugs in lm-evaluation-harness (https://github.com/EleutherAI/lm-evaluation-harness), tried here."""

import json
import re

import pytest

from evalharness import plugins
from evalharness.errors import DataError
from evalharness.file_benchmarks.lm_eval import config
from evalharness.models.echo import Echo
from evalharness.runs import plan as planning
from evalharness.runs.plan import Plan

FILE = """
task: reported
dataset_path: json
dataset_kwargs: {data_files: {test: rows.jsonl}}
test_split: test
output_type: generate_until
doc_to_text: "Q{{n}}"
doc_to_target: a
"""


@pytest.fixture
def task(tmp_path):
    rows = [{"n": str(i), "a": f"A{i}"} for i in range(3)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")

    def prepare(more="", file=FILE):
        path = tmp_path / "t.yaml"
        path.write_text(file.lstrip() + more, encoding="utf-8")
        return planning.prepare_task(str(path), Plan(benchmarks=(str(path),)), Echo())

    return prepare


def test_the_asked_question_is_no_example_where_the_examples_come_from_the_test_split_unsaid(task):
    """Issue 4145: there two of three prompts hold their own question and answer."""
    for question in task("num_fewshot: 2\n").questions:
        *examples, asked = question.request.text.split("\n\n")
        assert len(examples) == 2 and not any(example.startswith(asked) for example in examples)


def test_a_missing_function_under_a_key_that_is_there_twice_breaks_nothing(task, monkeypatch):
    """Pull request 4077: there the value that is passed over is looked up all the same, and the task does not load."""
    said = []
    monkeypatch.setattr(config, "warn", said.append)
    twice = FILE.replace("doc_to_target: a\n", "doc_to_target: !function utils.absent\ndoc_to_target: a\n")
    assert task(file=twice).questions[0].sample.answers == ("A0",)
    assert said and "t.yaml:8: this key is there twice; the last one counts" in said[0]


def test_examples_may_be_worded_otherwise_than_the_question(task):
    """Issue 3457: a version of it passed over what fewshot_config says of the examples."""
    more = 'num_fewshot: 1\nfewshot_config: {sampler: first_n, doc_to_text: "Example {{n}}:"}\n'
    assert task(more).questions[2].request.text == "Example 0: A0\n\nQ2"


def test_a_prompt_that_is_a_list_by_mistake_is_said(task, tmp_path):
    """`("text",)` for `("text")` in the code of 63 tasks of afrobench: there an assertion fails."""
    (tmp_path / "rows.jsonl").write_text('{"n": ["0"], "a": "b"}\n', encoding="utf-8")
    with pytest.raises(DataError, match=r"t\.yaml:6: doc_to_text gives no text for a row, but a list"):
        task(file=FILE.replace('"Q{{n}}"', "n"))


def test_an_answer_that_the_tasks_own_code_does_not_bear_ends_no_run(evalh, tmp_path):
    """Issue 3477: one model wrote `\\boxed ` without braces, and there the run of all questions ends in a traceback."""
    rows = [{"n": str(i), "a": str(i)} for i in range(3)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    (tmp_path / "utils.py").write_text(
        "def process_results(doc, results):\n"
        "    _, _, after = results[0].partition('boxed')\n"
        "    assert after[0] == '{'\n"
        "    return {'exact_match': int(after[1:-1] == doc['a'])}\n",
        encoding="utf-8",
    )
    file = tmp_path / "t.yaml"
    file.write_text(FILE.lstrip() + "process_results: !function utils.process_results\n", encoding="utf-8")
    texts = ("\\boxed{0}", "Mark your solution with \\boxed ", "\\boxed{3}")
    answers = tmp_path / "answers.jsonl"
    answers.write_text("".join(json.dumps({"id": str(i), "text": t}) + "\n" for i, t in enumerate(texts)))
    said = evalh("run", str(file), "--model", f"replay:{answers}", "--name", "r")
    assert said.code == 3
    assert "t.yaml:8: utils.process_results fails: AssertionError (utils.py:3)" in said.out + said.err
    lines = (tmp_path / "runs" / "r" / "results.jsonl").read_text(encoding="utf-8").splitlines()
    found = {row["sample"]["id"]: row["status"] for row in map(json.loads, lines)}
    assert found == {"0": "correct", "1": "error", "2": "wrong"}


def test_the_types_of_a_data_sets_columns_may_be_said(tmp_path):
    """Twelve files of InfiniteBench have `features` among the options of their data set."""
    file = tmp_path / "t.yaml"
    said = FILE.replace("{data_files: {test: rows.jsonl}}", "{features: {n: {dtype: string}}}")
    file.write_text(said.replace("dataset_path: json", "dataset_path: some/rows").lstrip(), encoding="utf-8")
    source = plugins.load_benchmark(str(file)).source
    assert (source.hub, source.hub_options) == ("some/rows@main", {})


FAILING = "process_results: !function utils.marks\nmetric_list: [{metric: right}]\n"


@pytest.mark.parametrize(("bears", "code", "kept"), [("99", 2, 10), ("3", 3, 20)])
def test_code_that_fails_on_every_answer_ends_the_run_early_and_what_came_is_kept(evalh, tmp_path, bears, code, kept):
    """A key that rows lack: without this it is seen after the last question alone."""
    rows = [{"n": str(i), "a": "A"} for i in range(20)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    utils = "def marks(doc, results):\n    return {'right': {BEARS: 1.0}[doc['n']]}\n"
    (tmp_path / "utils.py").write_text(utils.replace("BEARS", repr(bears)), encoding="utf-8")
    (tmp_path / "t.yaml").write_text(FILE.lstrip() + FAILING, encoding="utf-8")
    command = ("run", str(tmp_path / "t.yaml"), "--model", "echo", "--runs", str(tmp_path), "--name", "r")
    said = evalh(*command)
    assert said.code == code
    assert len((tmp_path / "r" / "results.jsonl").read_text().splitlines()) == kept
    if code == 2:
        line = r"t\.yaml:8: utils\.marks fails: KeyError: '\d+' .*so it was with each of the first 11 answers"
        assert re.search(line, said.err)
        (tmp_path / "utils.py").write_text("def marks(doc, results):\n    return {'right': 1.0}\n", encoding="utf-8")
        assert evalh(*command).code == 0  # the same run goes on


def test_types_of_columns_are_passed_over_with_a_word(task, caplog):
    file = FILE.replace("rows.jsonl}}", "rows.jsonl}, features: {a: string}}")
    assert [q.request.text for q in task(file=file).questions] == ["Q0", "Q1", "Q2"]
    assert caplog.text.count("t.yaml:3: dataset_kwargs.features is passed over") == 1
