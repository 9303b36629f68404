"""A benchmark of ours and a task file in lm-evaluation-harness's format that says the same protocol: the same prompts,
and the same figures of the same answers. What differs on purpose is said here."""

import ast
import csv
import json

import pytest
import yaml

from evalharness.models.echo import Echo
from evalharness.records import Response, Result
from evalharness.runs import plan as planning
from evalharness.runs.plan import Plan
from evalharness.scoring.answers import score_response

GSM8K = {
    "output_type": "generate_until", "doc_to_text": "Question: {{question}}\nAnswer:", "doc_to_target": "{{answer}}",
    "num_fewshot": 5, "fewshot_config": {"sampler": "first_n"},
    "generation_kwargs": {"until": ["Question:", "</s>", "<|im_end|>"], "do_sample": False},
    "metric_list": [{"metric": "exact_match", "ignore_case": True,
                     "regexes_to_ignore": [",", "\\$", "(?s).*#### ", "\\.$"]}],
    "filter_list": [
        {"name": "strict-match", "filter": [
            {"function": "regex", "regex_pattern": "#### (\\-?[0-9\\.\\,]+)"}, {"function": "take_first"}]},
        {"name": "flexible-extract", "filter": [
            {"function": "regex", "group_select": -1, "regex_pattern": "(-?[$0-9.,]{2,})|(-?[0-9]+)"},
            {"function": "take_first"}]},
    ],
}  # fmt: skip
MMLU = {
    "output_type": "multiple_choice", "doc_to_choice": ["A", "B", "C", "D"], "doc_to_target": "answer",
    "num_fewshot": 5, "fewshot_config": {"sampler": "first_n"}, "metric_list": [{"metric": "acc"}],
    "doc_to_text": "{{question.strip()}}\nA. {{choices[0]}}\nB. {{choices[1]}}\nC. {{choices[2]}}\n"
                   "D. {{choices[3]}}\nAnswer:",
}  # fmt: skip
BBH = {
    "output_type": "generate_until", "doc_to_target": "{{target}}", "target_delimiter": "", "num_fewshot": 0,
    "doc_to_text": "Q: {{input}}\nA: Let's think step by step.", "metric_list": [{"metric": "exact_match"}],
    "filter_list": [{"name": "get-answer", "filter": [
        {"function": "regex", "regex_pattern": "(?<=the answer is )(.*)(?=.)"}, {"function": "take_first"}]}],
}  # fmt: skip


@pytest.fixture
def task(tmp_path):
    """The prepared task of a file with these keys over rows by split."""

    def prepare(said, **splits):
        for split, rows in splits.items():
            lines = "".join(json.dumps(row) + "\n" for row in rows)
            (tmp_path / f"{split}.jsonl").write_text(lines, encoding="utf-8")
        files = {split: f"{split}.jsonl" for split in splits}
        about = {"task": "t", "dataset_path": "json", "dataset_kwargs": {"data_files": files}, "test_split": "test"}
        if len(splits) > 1:
            about["fewshot_split"] = next(split for split in splits if split != "test")
        file = tmp_path / "t.yaml"
        file.write_text(yaml.safe_dump({**about, **said}, sort_keys=False), encoding="utf-8")
        return planning.prepare_task(str(file), Plan(benchmarks=(str(file),)), Echo())

    return prepare


def ours(name, data, **plan):
    return planning.prepare_task(name, Plan(benchmarks=(name,), data=str(data), **plan), Echo())


def scores(prepared, responses):
    """What each answer is worth, and the figures of all."""
    found = []
    for question, response in zip(prepared.questions, responses, strict=True):
        score = score_response(prepared.benchmark.score, question.sample, question.request, response)
        found.append(
            Result(
                benchmark="b", sample=question.sample, request=question.request, response=response,
                status=score.status, scores=score.scores, answer=score.answer, detail=score.detail,
            )
        )  # fmt: skip
    metrics = {m.name: made.value for m in prepared.benchmark.metrics if (made := m.of(found)) is not None}
    return [result.scores for result in found], metrics


def written(texts):
    return [Response(text=text, finish="stop") for text in texts]


def jsonl(file):
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def test_gsm8k_asks_the_same_and_both_its_figures_are_theirs(task, shared, tmp_path):
    rows = jsonl(shared / "gsm8k/test.jsonl")
    (tmp_path / "own").mkdir()
    asked, shown = rows[5:205], rows[:5]
    for split, part in (("test", asked), ("train", shown)):
        (tmp_path / f"own/{split}.jsonl").write_text("".join(json.dumps(r) + "\n" for r in part), encoding="utf-8")
    theirs, mine = task(GSM8K, test=asked, train=shown), ours("gsm8k", tmp_path / "own")
    assert [q.request.text for q in mine.questions] == [q.request.text for q in theirs.questions]
    assert mine.questions[0].request.stop == theirs.questions[0].request.stop
    numbers = [row["answer"].rpartition("#### ")[2] for row in asked]
    forms = [
        "steps.\n#### {}",
        "It is {}",
        "It costs ${}.",
        "#### {}\nanother line",
        "#### {} apples",
        "none",
        "9#### {}",
    ]
    texts = [forms[i % 7].format(n if i % 3 else f"1{n}") for i, n in enumerate(numbers)]
    each, figures = scores(mine, written(texts))
    there, there_figures = scores(theirs, written(texts))
    assert [one["accuracy_strict"] for one in each] == [one["accuracy"] for one in there]
    assert [one["accuracy"] for one in each] == [one["accuracy,flexible-extract"] for one in there]
    assert 0.2 < figures["accuracy_strict"] == there_figures["accuracy"] < figures["accuracy"] < 0.8


@pytest.mark.parametrize(
    ("text", "mine", "theirs"),
    [
        ("There are 12 eggs. #### 18\nSo 7 are left", 1.0, 0.0),  # theirs takes the last number of all
        ("#### 18.00", 1.0, 0.0),  # theirs compares texts
        ("The answer is 18 of 20", 1.0, 0.0),
    ],
)
def test_where_gsm8ks_accuracy_reads_more_than_the_flexible_filter(task, tmp_path, text, mine, theirs):
    row = {"question": "q", "answer": "#### 18"}
    (tmp_path / "own").mkdir()
    (tmp_path / "own/test.jsonl").write_text(json.dumps(row) + "\n", encoding="utf-8")
    each, _ = scores(ours("gsm8k", tmp_path / "own", shots=0), written([text]))
    there, _ = scores(task({**GSM8K, "num_fewshot": 0}, test=[row]), written([text]))
    assert (each[0]["accuracy"], there[0]["accuracy,flexible-extract"]) == (mine, theirs)


@pytest.mark.parametrize("subject", ["anatomy", "high_school_us_history"])
def test_mmlu_asks_the_same_and_has_the_same_figure_of_published_answers(task, shared, subject):
    def rows(split):
        with (shared / f"mmlu/{split}/{subject}_{split}.csv").open(encoding="utf-8", newline="") as lines:
            cells = list(csv.reader(lines))
        return [{"question": c[0], "choices": c[1:5], "answer": "ABCD".index(c[5])} for c in cells]

    header = f"The following are multiple choice questions (with answers) about {subject.replace('_', ' ')}.\n\n"
    theirs = task({**MMLU, "description": header}, test=rows("test"), dev=rows("dev"))
    mine = ours("mmlu", shared / "mmlu", groups=(subject,))
    assert [q.request.text for q in mine.questions] == [q.request.text for q in theirs.questions]
    assert [q.request.choices for q in mine.questions] == [q.request.choices for q in theirs.questions]
    with (shared / f"mmlu_preds/{subject}.csv").open(encoding="utf-8", newline="") as lines:
        said = {row["question"] + str(ast.literal_eval(row["choices"])): row for row in csv.DictReader(lines)}
    letters = []
    for question in mine.questions:
        row = said.get(question.sample.question + str(list(question.sample.choices)), {})
        letters.append(row.get("meta_llama-3-70b", "A").strip()[:1])
    logprobs = [tuple(-0.5 if letter == at else -3.0 - i for i, at in enumerate("ABCD")) for letter in letters]
    responses = [Response(logprobs=values, greedy=(False,) * 4, lengths=(1,) * 4) for values in logprobs]
    each, figures = scores(mine, responses)
    there, there_figures = scores(theirs, responses)
    assert [one["accuracy"] for one in each] == [one["accuracy"] for one in there]
    assert 0.5 < figures["accuracy"] == there_figures["accuracy"] < 1


@pytest.mark.parametrize("name", ["boolean_expressions", "date_understanding"])
def test_bbh_step_by_step_has_the_same_figure_of_the_recorded_outputs(task, shared, name):
    stem = shared / f"bbh/outputs/cot/{name}_few_shot_template_0-255000.json"
    texts = [output["prediction"] for output in json.loads(stem.read_text(encoding="utf-8"))["outputs"]]
    rows = json.loads((shared / f"bbh/bbh/{name}.json").read_text(encoding="utf-8"))["examples"]
    mine, theirs = ours(f"bbh_cot/{name}", shared / "bbh"), task(BBH, test=rows)
    assert mine.questions[0].request.text.endswith(theirs.questions[0].request.text)
    each, figures = scores(mine, written(texts))
    there, there_figures = scores(theirs, written(texts))
    assert [one["accuracy"] for one in each] == [one["accuracy"] for one in there]
    assert 0.8 < figures["accuracy"] == there_figures["accuracy"] < 1


def test_ifeval_asks_the_same_for_as_long(task, shared):
    """The checkers of its file are code of lm_eval's, compared by perf/lm_eval_ifeval.py."""
    said = {
        "output_type": "generate_until", "doc_to_text": "prompt", "doc_to_target": 0, "num_fewshot": 0,
        "metric_list": [{"metric": "bypass"}],
        "generation_kwargs": {"until": [], "do_sample": False, "temperature": 0.0, "max_gen_toks": 1280},
    }  # fmt: skip
    theirs = task(said, test=jsonl(shared / "ifeval/input_data.jsonl"))
    mine = ours("ifeval", shared / "ifeval")
    asked = [
        [(q.request.text, q.request.stop, q.request.max_tokens) for q in of.questions if not q.request.choices]
        for of in (mine, theirs)
    ]
    assert len(asked[0]) == 541 and asked[0] == asked[1]
