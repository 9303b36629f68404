"""Published outputs are found by their questions and give the published figures."""

import json
import time
from dataclasses import replace

import pytest
from replay_files import SUMS, WORDS, journal, lines, quiz, replayed

from evalharness.models._recorded_answers import AnswerKeys
from evalharness.models.replay import Replay


@pytest.mark.slow
@pytest.mark.parametrize("family", ["bbh", "bbh_cot"])
def test_outputs_of_every_bbh_task_are_found_with_other_examples_and_without(shared, tmp_path, family):
    from evalharness import plugins
    from evalharness.runs import plan

    for task in sorted(path.stem for path in (shared / "bbh" / "bbh").glob("*.json")):
        name = f"{family}/{task}"
        wanted = plan.Plan(benchmarks=(name,), data=str(shared / "bbh"))
        asked = plan.prepare_task(name, wanted, plugins.load_model("echo")).questions
        rows = [{"input": q.request.text, "prediction": str(n)} for n, q in enumerate(asked)]
        (tmp_path / "o.json").write_text(json.dumps({"canary": "x", "outputs": rows}))
        model = plugins.load_model(f"replay:{tmp_path / 'o.json'}")
        for shots in (0, 1, 3):
            questions = plan.prepare_task(name, replace(wanted, shots=shots), model).questions
            said = dict(model.answer([q.request for q in questions]))
            assert [said[n].text for n in range(len(rows))] == [str(n) for n in range(len(rows))], (name, shots)


def test_bbh_outputs_give_their_recorded_accuracies(evalh, shared):
    outputs = shared / "bbh" / "outputs"
    for metrics in sorted(outputs.glob("*/*_eval_metrics.jsonl")):
        task, kind = metrics.name.partition("_few_shot")[0], {"cot": "bbh_cot", "direct": "bbh"}[metrics.parent.name]
        file = metrics.with_name(metrics.name.replace("_eval_metrics.jsonl", ".json"))
        code, entry = replayed(evalh, f"{kind}/{task}", file, "--data", shared / "bbh")
        recorded = json.loads(metrics.read_text())["accuracy"]
        assert code == 0 and 100 * entry["metrics"]["accuracy"]["value"] == pytest.approx(recorded)
        code, bare = replayed(evalh, f"{kind}/{task}", file, "--data", shared / "bbh", "--shots", 0)
        assert bare["metrics"] == entry["metrics"]


@pytest.mark.slow
def test_sample_logs_of_every_mmlu_subject(evalh, tmp_path, shared):
    """The logs of lm-evaluation-harness count in each subject from 0, and 27 questions stand twice in theirs."""
    import csv
    import random

    draw, right = random.Random(0), 0
    (tmp_path / "logs").mkdir()
    for file in sorted((shared / "mmlu" / "test").glob("*_test.csv")):
        subject, log = file.stem.removesuffix("_test"), []
        with file.open(encoding="utf-8", newline="") as held:
            for number, (question, *options, letter) in enumerate(csv.reader(held)):
                logprobs = [draw.uniform(-5, 0) for _ in options]
                right += "ABCD"[logprobs.index(max(logprobs))] == letter
                pairs = [[str(p), "False"] for p in logprobs]
                doc = {"question": question, "subject": subject, "choices": options}
                log.append({"doc_id": number, "doc": doc, "resps": [[pair] for pair in pairs], "filtered_resps": pairs})
        lines(tmp_path / "logs" / f"samples_mmlu_{subject}_2026-11-01T00-00-00.0.jsonl", log)
    code, entry = replayed(evalh, "mmlu", "logs", "--data", shared / "mmlu", "--shots", 0)
    assert (code, entry["mode"], entry["n"], entry["counts"]["correct"]) == (0, "rank", 14_042, right)


@pytest.mark.slow
def test_mmlu_answers_in_a_folder_of_tables(evalh, shared):
    """HELM's average over subjects, as published; 27 questions repeat another."""
    words = ("--data", shared / "mmlu", "--shots", 0, "--answer-key", "meta_llama-3-70b")
    code, entry = replayed(evalh, "mmlu", shared / "mmlu_preds", *words)
    assert (code, entry["n"]) == (0, 14_042)
    assert entry["metrics"]["accuracy_macro"]["value"] == pytest.approx(0.7932, abs=5e-5)


@pytest.mark.slow
def test_code_llamas_solutions_give_their_recorded_verdicts(evalh, shared):
    """Its prompts were cleaned up in 143 of 164 tasks: the ids are right all the same."""
    folder = shared / "humaneval"
    said = evalh("run", "humaneval", "--data", folder / "HumanEval.jsonl.gz", "--check", "inproc", "--model",
                 f"replay:{folder / 'outputs' / 'humaneval_seed_codellama.jsonl'}", "--json")  # fmt: skip
    assert said.json["benchmarks"]["humaneval"]["counts"]["correct"] == 81


@pytest.mark.parametrize(("model", "length"), [("claude-2", 1069), ("FuseChat-Llama-3.1-8B-Instruct", 2033)])
def test_alpaca_eval_outputs(evalh, shared, model, length):
    """The mean length that the leaderboard gives."""
    results = shared / "alpaca_eval" / "results"
    words = ("--data", results / "gpt4_1106_preview" / "model_outputs.json")
    code, entry = replayed(evalh, "alpaca_eval", results / model / "model_outputs.json", *words)
    assert (code, entry["counts"]["scored"], entry["metrics"]["avg_length"]["value"]) == (0, 805, length)


def test_instruction_data_with_the_models_answers_beside_the_references(evalh, shared):
    folder = shared / "rasbt" / "ch07"
    for file, key in (
        (folder / "01_main-chapter-code" / "instruction-data-with-response.json", None),
        (folder / "03_model-evaluation" / "eval-example-data.json", "model 2 response"),
        (folder / "04_preference-tuning-with-dpo" / "instruction-data-with-preference.json", "rejected"),
    ):
        words = ("--answer-key", key) if key else ()
        said = evalh("run", "instructions", "--data", file, "--model", f"replay:{file}", *words, "--json")
        rows = json.loads(file.read_text(encoding="utf-8"))
        texts = {line["id"]: line["response"]["text"] for line in journal(said.json["run"])}
        assert said.code == 0
        assert [texts[str(n)] for n in range(len(rows))] == [row[key or "model_response"] for row in rows]


def test_ifeval_responses_are_found_by_their_prompts(evalh, tmp_path, shared):
    data = shared / "ifeval" / "input_data.jsonl"
    prompts = [json.loads(line)["prompt"] for line in data.read_text(encoding="utf-8").splitlines()]
    lines(tmp_path / "a.jsonl", [{"prompt": p, "response": f"{n} of many"} for n, p in enumerate(prompts)])
    from evalharness import plugins
    from evalharness.options import ReplayOptions
    from evalharness.runs import plan

    model = plugins.load_model(f"replay:{tmp_path / 'a.jsonl'}", ReplayOptions())
    task = plan.prepare_task("ifeval", plan.Plan(benchmarks=("ifeval",), data=str(data)), model)
    said = dict(model.answer([q.request for q in task.questions]))
    assert [said[n].text for n in range(541)] == [f"{n} of many" for n in range(541)]


@pytest.mark.slow
def test_rows_are_read_and_found_in_linear_time(tmp_path):
    from evalharness.records import Message, Origin, Request

    def seconds(count):
        prompts = [f"Add.\n\nQ: What is {n} and {n * n}?\nA:" for n in range(count)]
        file = lines(tmp_path / f"{count}.jsonl", ({"prompt": p, "response": "x"} for p in prompts))
        asked = [Request(messages=(Message("user", p.removeprefix("Add.\n\n")),),
                         origin=Origin(id=f"x{n}", question=p[9:-3])) for n, p in enumerate(prompts)]  # fmt: skip
        began = time.process_time()
        model = Replay(file, AnswerKeys())
        assert model.repeats(asked) == 1 and all(not r.error for _, r in model.answer(asked))
        return time.process_time() - began

    seconds(100)
    assert seconds(16_000) < 40 * seconds(1_000)  # linear is 16, quadratic 256


def test_rows_that_answer_nothing_asked_are_told_in_one_line(evalh, tmp_path):
    both = quiz(tmp_path, WORDS)
    told = [{"question": text, "response": str(n)} for n, text in enumerate(WORDS)]
    lines(tmp_path / "whole.jsonl", told)
    lines(tmp_path / "more.jsonl", [*told, {"question": "Why?", "response": "x"}, {"id": "99", "response": "y"}])
    assert "no question that was asked" not in evalh("run", both, "--model", "replay:whole.jsonl").err
    said = evalh("run", both, "--model", "replay:more.jsonl").err.splitlines()
    assert [line for line in said if "more.jsonl" in line and "asked" in line] == [
        "evalh: warning: more.jsonl: 2 of 6 rows answer no question that was asked"
    ]
    (tmp_path / "sums.yaml").write_text((tmp_path / "quiz.yaml").read_text().replace("quiz", "sums"))
    lines(tmp_path / "sums.jsonl", [{"q": text, "a": str(n)} for n, text in enumerate(SUMS)])
    sums = [{"question": text, "response": str(n)} for n, text in enumerate(SUMS)]
    lines(tmp_path / "two.jsonl", [*told, *sums, {"question": "Why?", "response": "x"}])
    said = evalh("run", both, "./sums.yaml", "--model", "replay:two.jsonl").err
    assert "two.jsonl: 1 of 13 rows answers no question that was asked" in said
