"""Logs of lighteval, OpenAI Evals, HELM, EvalPlus, promptfoo, Every Eval Ever, NeMo Evaluator; a real one of Inspect.

The files in `files/` were written by lighteval 0.13, Inspect 0.3.285 and promptfoo 0.121 themselves.
"""

import pytest
from foreign_files import FILES, asked, evals_log, imported, value_of, write_json, write_lines

from evalharness.runs.store import Run

PRICES = {"q": "What is 1+1?", "a": "2"}


def test_a_real_output_of_lighteval(evalh, tmp_path):
    results, said = imported(evalh, tmp_path, "lighteval", FILES / "lighteval")
    assert said["benchmarks"].keys() == {"caps:0", "sums:5"}
    ranked, written = results["caps:0", "0", 0], results["sums:5", "1", 0]
    assert ranked.response.logprobs == (-3.0, -1.0, -2.0) and ranked.answer == "Paris"
    assert (ranked.sample.question, ranked.sample.choices) == ("Capital of France?", ("Lima", "Paris", "Rome"))
    assert ranked.sample.gold_indices == (1,) and ranked.status == "correct"
    assert (written.response.text, written.status, written.sample.answers) == ("five", "wrong", ("4",))
    assert [turn.role for turn in written.request.messages] == ["system", "user"]
    manifest = Run(tmp_path / "runs/theirs").manifest
    assert manifest.model.name == "org/tiny" and manifest.benchmarks["sums:5"].shots == 5
    assert manifest.sampling.temperature == 0.0
    assert value_of(said, "sums:5") == value_of(said, "sums:5", "extractive_match") == 0.5


def test_one_file_of_lighteval_finds_its_results(evalh, tmp_path):
    (file,) = FILES.glob("lighteval/details/**/details_caps*.parquet")
    _, said = imported(evalh, tmp_path, "lighteval", file)
    assert said["benchmarks"].keys() == {"caps:0"}
    assert evalh("import", "lighteval", tmp_path).code == 2
    (tmp_path / "details_x_2026-11-29T00-00-00.parquet").write_text("torn")
    refused = evalh("import", "lighteval", tmp_path)
    assert refused.code == 2 and "details_x" in refused.err


def test_a_real_log_of_inspect(evalh, tmp_path):
    pytest.importorskip("zstandard", reason="Inspect packs with zstd, which the package zstandard unpacks")
    (file,) = FILES.glob("*.eval")
    results, said = imported(evalh, tmp_path, "inspect", file)
    assert {key[1]: r.status for key, r in results.items()} == {"c0": "correct", "c1": "wrong", "c2": "wrong"}
    first = results["capitals", "c0", 0]
    assert first.sample.choices == ("Lima", "Paris", "Rome") and first.sample.gold_indices == (1,)
    assert first.response.text == "ANSWER: B" and first.sample.group == "geography"
    assert value_of(said, "capitals") == pytest.approx(1 / 3)


def test_a_log_of_openai_evals(evalh, tmp_path):
    chat = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Capital of Peru?"}]
    events = [
        *asked("caps.dev.0", chat, "Lima", True, "Lima", "Lima"),
        *asked("caps.dev.1", "Of Fiji?", "Rome", False, "Suva"),
        {"type": "error", "sample_id": "caps.dev.2", "data": {"type": "Timeout", "message": "took too long"}},
        {"type": "sampling", "sample_id": "caps.dev.3", "data": {"prompt": "Write.", "sampled": "A text."}},
        {"type": "metrics", "sample_id": "caps.dev.3", "data": {"choice": "C", "score": 0.7}},
    ]  # fmt: skip
    log = evals_log(tmp_path / "log.jsonl", events, {"accuracy": 0.5, "boostrap_std": 0.2, "counts/C": 1})
    results, said = imported(evalh, tmp_path, "openai_evals", log)
    name = "caps.dev.v0"
    right, wrong, failed, scored = (results[name, f"caps.dev.{i}", 0] for i in range(4))
    assert (right.sample.question, right.sample.answers, right.answer) == ("Capital of Peru?", ("Lima",), "Lima")
    assert [turn.role for turn in right.request.messages] == ["system", "user"]
    assert (right.status, wrong.response.text, failed.status) == ("correct", "Rome", "error")
    assert scored.scores == {"accuracy": 0.7, "score": 0.7} and scored.status == "scored"
    assert [one["id"] for one in said["unanswered"]] == ["caps.dev.2"]
    assert value_of(said, name, "accuracy (theirs)") == 0.5, "their own figure counts a sample that we do not"


@pytest.mark.parametrize(
    ("lines", "named"),
    [
        ([{"spec": {"eval_name": "x"}}, {"type": 3}], ":2"),
        ([{"type": "match", "sample_id": "a", "data": {"correct": True}}], "spec"),
        ([{"spec": {"eval_name": "x"}}], "no answers"),
    ],
)
def test_a_bad_log_of_openai_evals_is_one_line(evalh, tmp_path, lines, named):
    said = evalh("import", "openai_evals", write_lines(tmp_path / "log.jsonl", lines))
    assert said.code == 2 and "log.jsonl" in said.err and named in said.err


def helm_request(identity, text, right=True, **changes):
    references = [
        {"output": {"text": city}, "tags": ["correct"] if city == "Lima" else []} for city in ("Rome", "Lima")
    ]
    return {
        "instance": {"input": {"text": "Capital of Peru?"}, "references": references, "split": "test", "id": identity},
        "train_trial_index": 0, "output_mapping": {"A": "Rome", "B": "Lima"},
        "request": {"model": "org/m", "prompt": "Q: Capital of Peru?\nA:", "max_tokens": 5, "temperature": 0.0,
                    "stop_sequences": ["\n"]},
        "result": {"success": True, "completions": [{"text": text, "logprob": -0.5, "tokens": [],
                                                     "finish_reason": {"reason": "stop"}}], "request_time": 0.25},
        **changes,
    }  # fmt: skip


def helm_stats(identity, right, **more):
    named = {"num_prompt_tokens": 12.0, "exact_match": float(right), "inference_runtime": 0.2, **more}
    stats = [{"name": {"name": name, "split": "test"}, "count": 1, "mean": value} for name, value in named.items()]
    return {"instance_id": identity, "train_trial_index": 0, "stats": stats}


def helm_folder(folder, requests, stats):
    adapter = {"method": "multiple_choice_joint", "model": "org/m", "max_train_instances": 5, "temperature": 0.0}
    write_json(folder / "run_spec.json", {"name": "mmlu:subject=geography,model=org_m", "adapter_spec": adapter})
    write_json(folder / "scenario_state.json", {"adapter_spec": adapter, "request_states": requests})
    write_json(folder / "per_instance_stats.json", stats)
    return folder


def test_a_run_of_helm(evalh, tmp_path):
    changed = {"name": "typos"}
    perturbed = helm_request("id0", " A")
    perturbed["instance"]["perturbation"] = changed
    failed = helm_request("id2", "", result={"success": False, "error": "429", "completions": []})
    requests = [helm_request("id0", " B"), helm_request("id1", " A"), perturbed, failed]
    stats = [helm_stats("id0", 1), helm_stats("id1", 0), {**helm_stats("id0", 0), "perturbation": changed}]
    results, said = imported(evalh, tmp_path, "helm", helm_folder(tmp_path / "helm", requests, stats))
    first = results["mmlu", "id0", 0]
    assert (first.answer, first.sample.choices, first.sample.gold_indices) == ("Lima", ("Rome", "Lima"), (1,))
    assert first.scores == {"accuracy": 1.0, "exact_match": 1.0} and first.response.tokens_in == 12
    assert (first.response.seconds, first.request.stop) == (0.25, ("\n",))
    assert value_of(said, "mmlu") == 0.5 and [one["id"] for one in said["unanswered"]] == ["id2"]
    assert Run(tmp_path / "runs/theirs").manifest.benchmarks["mmlu"].shots == 5


def test_a_folder_that_is_no_run_of_helm(evalh, tmp_path):
    (tmp_path / "empty").mkdir()
    assert "scenario_state.json" in evalh("import", "helm", tmp_path / "empty").err
    folder = helm_folder(tmp_path / "helm", [{"instance": {}}], [helm_stats("id0", 1)])
    assert "no instance with an id" in evalh("import", "helm", folder).err


def test_results_of_evalplus(evalh, tmp_path):
    def one(base, plus):
        return {"task_id": "HumanEval/0", "solution": "def f(): ...", "base_status": base, "plus_status": plus}

    each = {"HumanEval/0": [one("pass", "pass"), one("pass", "fail")], "HumanEval/1": [one("fail", "pass")] * 2}
    file = write_json(tmp_path / "org--m_temp_0.2_eval_results.json", {"date": "2026-11-29 12:00", "eval": each})
    results, said = imported(evalh, tmp_path, "evalplus", file)
    assert {key: r.status for key, r in results.items()} == {
        ("humaneval_plus", "HumanEval/0", 0): "correct", ("humaneval_plus", "HumanEval/0", 1): "wrong",
        ("humaneval_plus", "HumanEval/1", 0): "wrong", ("humaneval_plus", "HumanEval/1", 1): "wrong",
    }  # fmt: skip
    assert value_of(said, "humaneval_plus") == 0.25 and value_of(said, "humaneval_plus", "base") == 0.5
    assert Run(tmp_path / "runs/theirs").manifest.model.name == "org--m_temp_0.2"
    assert evalh("import", "evalplus", write_json(tmp_path / "x.json", {"eval": {"HumanEval/0": [{}]}})).code == 2
    assert "`eval`" in evalh("import", "evalplus", write_json(tmp_path / "y.json", {})).err


def test_evalplus_compares_with_our_humaneval_by_its_questions(evalh, shared, tmp_path):
    data = shared / "humaneval"
    each = {f"HumanEval/{i}": [{"solution": "", "base_status": "fail", "plus_status": "fail"}] for i in range(164)}
    file = write_json(tmp_path / "m_eval_results.json", {"eval": each})
    assert evalh("import", "evalplus", file, "--data", data, "--name", "theirs").code == 0
    results = Run(tmp_path / "runs/theirs").results()
    assert results[0].sample.question.startswith("from typing import List")
