"""The wider field of benchmarks: files as their authors published them, and what an answer is worth."""

import csv
import json
import math

import pytest

from evalharness import plugins
from evalharness.benchmark import request
from evalharness.data import sources
from evalharness.data.rows import Want
from evalharness.errors import DataError, UserError
from evalharness.records import Response, Result
from evalharness.scoring.answers import score_response


def opened(name, data=None, split=None):
    benchmark = plugins.load_benchmark(name, data)
    want = Want(split=split or benchmark.source.split)
    rows = sources.load_rows(benchmark.source, want, str(data) if data else "sample").rows
    return benchmark, sources.build_samples(rows, benchmark.sample)


def scored(benchmark, sample, mode="rank", **said):
    asked = request(benchmark, sample, (), mode=mode, chat=False)
    return score_response(benchmark.score, sample, asked, Response(**said))


@pytest.mark.parametrize(("task", "asked", "left_out"), [("challenge", 294, 5), ("easy", 549, 21)])
def test_arc_csv_leaves_out_what_lost_its_answer_and_says_so(shared, caplog, task, asked, left_out):
    _, samples = opened(f"arc/{task}", shared / "arc")
    assert len(samples) == asked
    assert f"{left_out} questions are left out" in caplog.text
    assert all(len(s.choices) in (3, 4) and "" not in s.choices for s in samples)


def test_arc_as_ai2_published_it(tmp_path):
    choices = [{"text": "a rock", "label": "1"}, {"text": "a fish", "label": "2"}]
    row = {"id": "X_1", "question": {"stem": "Which swims?", "choices": choices}, "answerKey": "2"}
    (tmp_path / "ARC-Easy-Test.jsonl").write_text(json.dumps(row) + "\n", encoding="utf-8")
    benchmark, (sample,) = opened("arc/easy", tmp_path)
    assert (sample.id, sample.gold_indices, sample.choices) == ("X_1", (1,), ("a rock", "a fish"))
    with pytest.raises(DataError, match=r"ARC-Easy-Test.jsonl.*shots=0"):
        sources.load_rows(benchmark.source, Want(split="train"), str(tmp_path))
    with pytest.raises(UserError, match=r"did you mean easy\?"):
        plugins.load_benchmark("arc/eesy")


def test_accuracy_by_length_is_per_character_of_the_choice():
    benchmark, samples = opened("hellaswag")
    sample = samples[0]
    lengths = [len(choice) for choice in sample.choices]
    shortest = lengths.index(min(lengths))
    equal_per_token = tuple(-float(n) for n in lengths)  # raw: the shortest wins; per character: a tie, the first wins
    found = scored(benchmark, sample, logprobs=equal_per_token)
    assert found.scores == {
        "accuracy": float(shortest in sample.gold_indices),
        "accuracy_norm": float(0 in sample.gold_indices),
    }
    assert "accuracy_norm" not in scored(benchmark, sample, "write", text="A", finish="stop").scores


def test_hellaswag_reads_the_authors_file_and_cleans_the_marks(tmp_path):
    row = {
        "ind": 1,
        "activity_label": "Cooking",
        "ctx_a": "[header] How to stir [title] Take a spoon.",
        "ctx_b": "THEN you",
        "endings": ["stir [substep] it.", "a", "b", "c"],
        "label": 0,
    }
    (tmp_path / "hellaswag_val.jsonl").write_text(json.dumps(row), encoding="utf-8")
    _, (sample,) = opened("hellaswag", tmp_path)
    assert sample.question == "Cooking:  How to stir. Take a spoon. Then you".replace("  ", " ")
    assert sample.choices[0] == "stir it."


def test_a_withheld_label_is_said(tmp_path):
    row = {"ind": 1, "activity_label": "x", "ctx_a": "y", "ctx_b": "", "endings": ["a", "b"], "label": ""}
    (tmp_path / "hellaswag_val.jsonl").write_text(json.dumps(row), encoding="utf-8")
    with pytest.raises(DataError, match="row 1 is not a question"):
        opened("hellaswag", tmp_path)


def test_winogrande_scores_what_follows_the_gap():
    benchmark, samples = opened("winogrande")
    asked = request(benchmark, samples[0], (), mode="rank", chat=False)
    assert asked.context_per_choice == (
        "The vase did not fit into the box because the vase",
        "The vase did not fit into the box because the box",
    )
    assert asked.choices == (" was too large.", " was too large.")
    shot = request(benchmark, samples[0], samples[1:2], mode="rank", chat=False)
    assert shot.text == "Nora lent Ivy her umbrella because Ivy had forgotten hers.\n\n"


def test_truthfulqa_from_the_authors_table(shared):
    for task, right in (("mc1", 1), ("mc2", 2)):
        benchmark, samples = opened(f"truthfulqa/{task}", shared / "truthfulqa")
        assert len(samples) == benchmark.items == 817
        assert all(choice.endswith((".", "?", "!", '"')) for s in samples for choice in s.choices)
        assert max(len(s.gold_indices) for s in samples) >= right
    _, samples = opened("truthfulqa/mc1", shared / "truthfulqa")
    first = [sum(s.gold_indices[0] == place for s in samples) for place in range(3)]
    assert max(first) < 0.4 * len(samples), "the right answer stands in no place more often than by chance"
    assert plugins.load_benchmark("truthfulqa/mc1").chance == pytest.approx(
        sum(1 / len(s.choices) for s in samples) / len(samples), abs=0.005
    )


def test_truthfulqa_mc2_is_the_share_of_the_true_answers():
    benchmark, samples = opened("truthfulqa/mc2")
    sample = samples[0]
    logprobs = tuple(math.log(3) if i in sample.gold_indices else 0.0 for i in range(len(sample.choices)))
    true, false = len(sample.gold_indices), len(sample.choices) - len(sample.gold_indices)
    assert scored(benchmark, sample, logprobs=logprobs).scores["accuracy"] == pytest.approx(
        3 * true / (3 * true + false)
    )
    far = tuple(p - 5000 for p in logprobs)
    assert scored(benchmark, sample, logprobs=far).scores["accuracy"] == pytest.approx(3 * true / (3 * true + false))


def test_gpqa_by_folder_in_an_order_that_gives_nothing_away(tmp_path):
    fields = [
        "Question",
        "Correct Answer",
        "Incorrect Answer 1",
        "Incorrect Answer 2",
        "Incorrect Answer 3",
        "High-level domain",
    ]
    with (tmp_path / "gpqa_diamond.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(fields)
        table.writerows([[f"Q{i}?", " right ", "w1", "w2", "w3", "Physics"] for i in range(60)])
    _, samples = opened("gpqa/diamond", tmp_path)
    assert {s.choices[s.gold_indices[0]] for s in samples} == {"right"}
    assert len({s.gold_indices for s in samples}) == 4
    assert samples == opened("gpqa/diamond", tmp_path)[1]


def test_lambada_is_right_where_greedy_decoding_would_be():
    benchmark, samples = opened("lambada")
    results = []
    for sample, greedy, p in zip(
        samples, (True, False, True, True, False), (-1.0, -2.0, -1.0, -1.0, -5.0), strict=True
    ):
        found = scored(benchmark, sample, logprobs=(p,), greedy=(greedy,))
        asked = request(benchmark, sample, (), mode="rank", chat=False)
        results.append(
            Result(
                benchmark="lambada",
                sample=sample,
                request=asked,
                response=Response(),
                status=found.status,
                scores=found.scores,
            )
        )
    figures = {m.name: m.of(results) for m in benchmark.metrics}
    assert figures["accuracy"].value == pytest.approx(0.6)
    assert figures["perplexity"].value == pytest.approx(math.exp(2))
    assert figures["perplexity"].low < math.exp(2) < figures["perplexity"].high
    assert scored(benchmark, samples[0], logprobs=(-1.0,)).status == "error"


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("so the answer is (D).", "correct"),
        ("the answer is A. No, the answer is (D)", "wrong"),
        ("Answer: D", "correct"),
        ("the answer is (J)", "wrong"),
        ("the answer is (K)", "wrong"),
        ("hard to say", "unparsed"),
    ],
)
def test_mmlu_pro_reads_the_first_match_as_its_authors_do(text, status):
    benchmark, samples = opened("mmlu_pro")
    assert scored(benchmark, samples[0], "write", text=text, finish="stop").status == status


def test_mmlu_pro_shows_the_examples_of_the_subject():
    benchmark, samples = opened("mmlu_pro")
    _, shots = opened("mmlu_pro", split="validation")
    own = [s for s in shots if s.group == samples[0].group]
    text = request(benchmark, samples[0], own, mode="write", chat=False).text
    assert text.count("Answer: Let's think step by step.") == 6
    assert "step by step. 7 times 8 is 56. The answer is (B).\n\nQuestion:\n" in text
    assert text.endswith("Answer: Let's think step by step.")


def test_gsm8k_gold_is_worth_everything_and_its_file_is_no_source_of_examples(shared):
    file = shared / "gsm8k" / "test.jsonl"
    benchmark, samples = opened("gsm8k", file)
    assert len(samples) == benchmark.items == 1319
    found = [scored(benchmark, s, "write", text=s.answers[0], finish="stop") for s in samples]
    assert {f.status for f in found} == {"correct"}
    assert all(f.scores == {"accuracy": 1, "accuracy_strict": 1} for f in found)
    with pytest.raises(DataError, match="shots=0"):
        sources.load_rows(benchmark.source, Want(split="train"), str(file))


def test_ifeval_loads_all_541_prompts_and_refuses_an_unknown_instruction(shared, tmp_path):
    benchmark, samples = opened("ifeval", shared / "ifeval")
    assert len(samples) == benchmark.items == 541
    assert sum(len(s.extra["instructions"]) for s in samples) == 834
    row = {"key": 1, "prompt": "x", "instruction_id_list": ["keywords:rhyme"], "kwargs": [{}]}
    (tmp_path / "input_data.jsonl").write_text(json.dumps(row), encoding="utf-8")
    with pytest.raises(DataError, match="unknown instruction keywords:rhyme"):
        opened("ifeval", tmp_path)


@pytest.mark.parametrize(
    ("name", "file", "content"),
    [
        ("bbh/navigate", "navigate.json", '{"questions": []}'),
        ("bbh/navigate", "navigate.json", "[1]"),
        ("drop", "drop_dataset_dev.json", '{"s": {"passage": "x"}}'),
        ("truthfulqa/mc1", "TruthfulQA.csv", "Question,Answer\nx,y\n"),
        ("truthfulqa/mc1", "mc_task.json", '[{"question": "x"}]'),
        ("arc/easy", "arc_easy_test.csv", "a,b\n"),
        ("gpqa/main", "gpqa_main.csv", "a,b\n1,2\n"),
        ("hellaswag", "hellaswag_val.jsonl", "[]\n"),
        ("mmlu_pro", "test.jsonl", '{"question": "x"}\n'),
        ("ifeval", "input_data.jsonl", '{"key": 1, "prompt": "x", "instruction_id_list": 5, "kwargs": []}\n'),
    ],
)
def test_a_file_that_is_laid_out_otherwise_is_one_line(tmp_path, evalh, name, file, content):
    (tmp_path / file).write_text(content, encoding="utf-8")
    said = evalh("run", name, "--data", tmp_path, "--shots", "0", "--model", "echo")
    assert (said.code, said.err.count("\n")) == (2, 1), said.err
    assert "Traceback" not in said.err


@pytest.mark.parametrize("name", ["bigbench/snarks", "bbh/navigate", "openai_evals/x", "arc/easy", "drop"])
def test_data_that_is_not_there_is_said(evalh, name):
    said = evalh("run", name, "--data", "nowhere", "--model", "echo")
    assert (said.code, said.err) == (2, "evalh: --data nowhere: there is no such file or folder\n")
