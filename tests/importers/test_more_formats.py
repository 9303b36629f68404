"""Logs of lighteval, OpenAI Evals, HELM, EvalPlus, promptfoo, Every Eval Ever, NeMo Evaluator; a real one of Inspect.

The files in `files/` were written by lighteval 0.13, Inspect 0.3.285 and promptfoo 0.121 themselves.
"""

import json
from pathlib import Path

import pytest

from evalharness.runs.store import Run

FILES = Path(__file__).with_name("files")
PRICES = {"q": "What is 1+1?", "a": "2"}


def write_lines(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def write_json(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))
    return path


def imported(evalh, tmp_path, kind, path, *more):
    """The run as made, by (benchmark, id, repeat), and what --json says of it; what was made verifies and exports."""
    said = evalh("import", kind, path, "--name", "theirs", "--json", *more)
    assert said.code in (0, 3), said.err
    run = Run(tmp_path / "runs/theirs")
    assert evalh("verify", "theirs").code == 0
    assert evalh("export", "theirs", "inspect", "--to", "out").code == 0
    return {(r.benchmark, r.sample.id, r.repeat): r for r in run.results()}, said.json


def value_of(said, benchmark, metric="accuracy"):
    return said["benchmarks"][benchmark]["metrics"][metric]["value"]


# lighteval


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


# Inspect


def test_a_real_log_of_inspect(evalh, tmp_path):
    pytest.importorskip("zstandard", reason="Inspect packs with zstd, which the package zstandard unpacks")
    (file,) = FILES.glob("*.eval")
    results, said = imported(evalh, tmp_path, "inspect", file)
    assert {key[1]: r.status for key, r in results.items()} == {"c0": "correct", "c1": "wrong", "c2": "wrong"}
    first = results["capitals", "c0", 0]
    assert first.sample.choices == ("Lima", "Paris", "Rome") and first.sample.gold_indices == (1,)
    assert first.response.text == "ANSWER: B" and first.sample.group == "geography"
    assert value_of(said, "capitals") == pytest.approx(1 / 3)


# OpenAI Evals


def evals_log(path, events, report=None, **spec):
    about = {"completion_fns": ["gpt-3.5-turbo"], "eval_name": "caps.dev.v0", "base_eval": "caps", "split": "dev",
             "run_config": {"seed": 20220722}, "run_id": "r", "created_at": "2026-11-29 12:00:00", **spec}  # fmt: skip
    lines = [{"run_id": "r", "event_id": i, **event} for i, event in enumerate(events)]
    tail = [{"final_report": report, "run_id": "r"}] if report is not None else []
    return write_lines(path, [{"spec": about}, *lines, *tail])


def asked(identity, prompt, said, correct, expected, picked=None):
    return [
        {"type": "sampling", "sample_id": identity, "data": {"prompt": prompt, "sampled": [said]}},
        {"type": "match", "sample_id": identity,
         "data": {"correct": correct, "expected": expected, "picked": picked, "sampled": said, "options": [expected]}},
    ]  # fmt: skip


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


# HELM


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


# EvalPlus


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


# promptfoo


def promptfoo_row(test, provider="openai:gpt-4o-mini", success=True, prompt=0, **changes):
    return {
        "promptIdx": prompt, "testIdx": test, "provider": {"id": provider, "label": ""}, "success": success,
        "prompt": {"raw": f"Capital of {test}?", "label": f"p{prompt}"}, "vars": {"country": str(test)},
        "response": {"output": "Lima", "tokenUsage": {"prompt": 9, "completion": 2}, "finishReason": "stop"},
        "score": 1 if success else 0.25, "latencyMs": 120, "cost": 0.0001, "namedScores": {"tone": 0.5},
        "failureReason": 0 if success else 1, "gradingResult": {"pass": success, "score": 1, "reason": "fine"},
        "testCase": {"assert": [{"type": "equals", "value": "Lima"}], "vars": {}}, **changes,
    }  # fmt: skip


def test_a_real_output_of_promptfoo(evalh, tmp_path):
    results, said = imported(evalh, tmp_path, "promptfoo", FILES / "promptfoo.json")
    assert value_of(said, "capitals (prompt 1)") == 0.5
    failed = results["capitals (prompt 2)", "1", 0]
    assert (failed.status, failed.sample.answers) == ("wrong", ("Rome",)), "a failed assertion is no error"
    assert failed.sample.question == "Name the capital of Italy."


def promptfoo_file(path, rows, **config):
    about = {"version": 3, "timestamp": "2026-11-29T12:00:00.000Z", "results": rows, "stats": {}}
    return write_json(path, {"evalId": "eval-x", "results": about, "config": {"description": "caps", **config}})


def test_results_of_promptfoo(evalh, tmp_path):
    chat = json.dumps([{"role": "system", "content": "Brief."}, {"role": "user", "content": "Capital of 1?"}])
    failed = {"error": "API error: 500", "failureReason": 2, "response": None}
    rows = [
        promptfoo_row(0), promptfoo_row(1, success=False) | {"prompt": {"raw": chat, "label": "p0"}},
        promptfoo_row(2, success=False, **failed), promptfoo_row(0), promptfoo_row(0, provider="anthropic:claude"),
    ]  # fmt: skip
    file = promptfoo_file(tmp_path / "out.json", rows)
    several = evalh("import", "promptfoo", file)
    assert several.code == 2 and "--model" in several.err and "anthropic:claude" in several.err
    results, said = imported(evalh, tmp_path, "promptfoo", file, "--model", "openai:gpt-4o-mini")
    right, wrong, again = results["caps", "0", 0], results["caps", "1", 0], results["caps", "0", 1]
    assert right.scores == {"accuracy": 1.0, "score": 1.0, "tone": 0.5} and again.status == "correct"
    assert (wrong.status, wrong.scores["score"], wrong.sample.question) == ("wrong", 0.25, "Capital of 1?")
    assert (right.response.tokens_in, right.response.seconds, right.response.cost) == (9, 0.12, 0.0001)
    assert right.sample.answers == ("Lima",) and results["caps", "2", 0].status == "error"
    assert [one["id"] for one in said["unanswered"]] == ["2"]


def test_prompts_of_promptfoo_are_benchmarks_and_its_json_lines_are_read(evalh, tmp_path):
    rows = [promptfoo_row(test, prompt=prompt) for prompt in (0, 1) for test in (0, 1)]
    _, said = imported(evalh, tmp_path, "promptfoo", write_lines(tmp_path / "out.jsonl", rows))
    assert said["benchmarks"].keys() == {"out (prompt 1)", "out (prompt 2)"}
    assert "results.results" in evalh("import", "promptfoo", write_json(tmp_path / "x.json", {"results": {}})).err
    assert "result 0" in evalh("import", "promptfoo", promptfoo_file(tmp_path / "y.json", [{"score": 1}])).err


# Every Eval Ever


def eee_row(sample, score, **changes):
    return {
        "schema_version": "0.3.0", "evaluation_id": "e", "model_id": "org/m", "evaluation_name": "caps",
        "evaluation_result_id": "caps#accuracy", "sample_id": sample, "interaction_type": "single_turn",
        "input": {"raw": f"Capital {sample}?", "formatted": f"Q: Capital {sample}?", "reference": ["Lima"],
                  "choices": ["Rome", "Lima"]},
        "output": {"raw": ["B"]}, "messages": None,
        "answer_attribution": [{"turn_idx": 0, "source": "output.raw", "extracted_value": "Lima",
                                "extraction_method": "regex", "is_terminal": True}],
        "evaluation": {"score": score, "is_correct": score == 1.0},
        "token_usage": {"input_tokens": 7, "output_tokens": 1, "total_tokens": 8},
        "performance": {"latency_ms": 40.0}, "error": None, **changes,
    }  # fmt: skip


def eee_files(folder, rows, score=0.5):
    result = {
        "evaluation_result_id": "caps#accuracy", "evaluation_name": "caps", "score_details": {"score": score},
        "metric_config": {"metric_name": "accuracy", "lower_is_better": False},
        "generation_config": {"generation_args": {"temperature": 0.5}},
    }  # fmt: skip
    write_lines(folder / "x_samples.jsonl", rows)
    named = {"format": "jsonl", "file_path": "data/caps/org/m/x_samples.jsonl"}
    about = {"schema_version": "0.3.0", "evaluation_results": [result], "detailed_evaluation_results": named}
    return write_json(folder / "x.json", about)


@pytest.mark.parametrize("named", ["x.json", "x_samples.jsonl"])
def test_records_of_every_eval_ever(evalh, tmp_path, named):
    chat = [
        {"turn_idx": 0, "role": "user", "content": "Of Peru?"},
        {"turn_idx": 1, "role": "assistant", "content": "Lima"},
    ]
    rows = [
        eee_row("1", 1.0), eee_row("2", 0.0),
        eee_row("2", 0.75, evaluation_result_id="caps#f1", evaluation={"score": 0.75, "is_correct": False}),
        eee_row("3", 0.0, error="timeout"), eee_row("4", 1.0, output=None, messages=chat),
    ]  # fmt: skip
    folder = tmp_path / "eee"
    eee_files(folder, rows)
    results, said = imported(evalh, tmp_path, "every_eval_ever", folder / named)
    first, second = results["caps", "1", 0], results["caps", "2", 0]
    assert (first.sample.gold_indices, first.answer, first.response.text) == ((1,), "Lima", "B")
    assert second.scores == {"accuracy": 0.0, "score": 0.75} and second.status == "wrong"
    assert (first.response.tokens_in, first.response.seconds) == (7, 0.04)
    assert first.request.messages[0].content == "Q: Capital 1?"
    assert results["caps", "3", 0].status == "error"
    assert results["caps", "4", 0].response.text == "Lima" and len(results["caps", "4", 0].request.messages) == 1
    assert value_of(said, "caps") == pytest.approx(2 / 3)


def test_bad_records_of_every_eval_ever(evalh, tmp_path):
    lines = [eee_row("1", 1.0), {"schema_version": "0.3.0"}]
    said = evalh("import", "every_eval_ever", write_lines(tmp_path / "a.jsonl", lines))
    assert said.code == 2 and "a.jsonl:2" in said.err and "model_id" in said.err
    twice = write_lines(tmp_path / "b.jsonl", [eee_row("1", 1.0)] * 2)
    assert evalh("import", "every_eval_ever", twice).code == 2
    two = write_lines(tmp_path / "c.jsonl", [eee_row("1", 1.0), eee_row("1", 1.0, model_id="org/n")])
    assert "--model" in evalh("import", "every_eval_ever", two).err
    assert "no answers" in evalh("import", "every_eval_ever", write_json(tmp_path / "d.json", {})).err
    outside = eee_files(tmp_path / "e", [eee_row("1", 1.0)])
    (tmp_path / "e/x_samples.jsonl").unlink()
    assert "not beside it" in evalh("import", "every_eval_ever", outside).err


# NeMo Evaluator


def nemo_bundle(folder, rows, name="caps", model="org/m", value=0.5):
    about = {
        "run_id": f"eval-20261129T120000Z-{name}", "sdk_version": "0.3.0", "timestamp": "2026-11-29T12:00:00+00:00",
        "config": {"model": model, "temperature": 0.0, "system_prompt": "Brief.", "repeats": 2},
        "benchmark": {"name": name, "samples": 2, "repeats": 2, "scores": {"mean_reward": {"value": value}}},
    }  # fmt: skip
    write_lines(folder / "results.jsonl", rows)
    return write_json(folder / f"{about['run_id']}.json", about)


def nemo_row(place, repeat, reward, **changes):
    return {
        "problem_idx": place, "repeat": repeat, "reward": reward, "prompt": f"Capital {place}?",
        "model_response": "Lima", "extracted_answer": "Lima", "expected_answer": "Lima", "scoring_details": {},
        "metadata": {"category": "g"},
        "tokens": 3, "latency_ms": 50, **changes,
    }  # fmt: skip


def test_bundles_of_nemo_evaluator(evalh, tmp_path):
    failed = {"scoring_details": {"error": "503", "error_category": "infra_error"}}
    rows = [
        nemo_row(0, 0, 1.0),
        nemo_row(0, 1, 0.0, extracted_answer=None),
        nemo_row(1, 0, 0.5),
        nemo_row(1, 1, 0.0, **failed),
    ]
    nemo_bundle(tmp_path / "nemo/caps", rows)
    nemo_bundle(tmp_path / "nemo/sums", [nemo_row(0, 0, 1.0)], name="sums")
    results, said = imported(evalh, tmp_path, "nemo_evaluator", tmp_path / "nemo")
    assert said["benchmarks"].keys() == {"caps", "sums"}
    assert {key[1:]: r.status for key, r in results.items() if key[0] == "caps"} == {
        ("0", 0): "correct", ("0", 1): "unparsed", ("1", 0): "scored", ("1", 1): "error",
    }  # fmt: skip
    first = results["caps", "0", 0]
    assert (first.sample.group, first.sample.answers, first.response.tokens_out) == ("g", ("Lima",), 3)
    assert first.request.messages[0].content == "Brief."


def test_bundles_that_are_none(evalh, tmp_path):
    (tmp_path / "empty").mkdir()
    assert "eval-*.json" in evalh("import", "nemo_evaluator", tmp_path / "empty").err
    file = nemo_bundle(tmp_path / "a", [{"reward": 1}])
    assert "results.jsonl:1" in evalh("import", "nemo_evaluator", file).err
    (tmp_path / "a/results.jsonl").unlink()
    assert "no results.jsonl" in evalh("import", "nemo_evaluator", file).err
    nemo_bundle(tmp_path / "b/x", [nemo_row(0, 0, 1.0)])
    nemo_bundle(tmp_path / "b/y", [nemo_row(0, 0, 1.0)], name="sums", model="org/n")
    assert "--model" in evalh("import", "nemo_evaluator", tmp_path / "b").err


# all of them


KINDS = ("lighteval", "openai_evals", "helm", "evalplus", "promptfoo", "every_eval_ever", "nemo_evaluator")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{}", b"null", b"\xff\xfe\x00", b'{"a":', b'{"results": {"results": [1]}}']
)
def test_what_is_no_log_at_all_is_one_line(evalh, tmp_path, kind, content):
    for name in ("a.json", "b.jsonl"):
        (tmp_path / name).write_bytes(content)
        said = evalh("import", kind, name)
        assert said.code == 2 and said.err.startswith("evalh: ") and len(said.err.splitlines()) == 1, said.err
    assert evalh("import", kind, "absent").code == 2
    assert not (tmp_path / "runs").exists(), "a refused import leaves nothing"


def test_two_programs_logs_are_compared_by_what_was_asked(evalh, tmp_path):
    questions = [f"Capital of country {i}?" for i in range(40)]
    events = [
        event for i, q in enumerate(questions) for event in asked(f"caps.{i}", q, "Lima", i % 2 == 0, "Lima", "Lima")
    ]  # fmt: skip
    assert evalh("import", "openai_evals", evals_log(tmp_path / "a.jsonl", events), "--name", "a").code == 0
    rows = [nemo_row(i, 0, float(i % 2 == 0), prompt=q) for i, q in reversed(list(enumerate(questions)))]
    assert evalh("import", "nemo_evaluator", nemo_bundle(tmp_path / "b", rows), "--name", "b").code == 0
    said = evalh("compare", "a", "b", "--json")
    (task,) = said.json["tasks"]
    assert (task["n"], task["broke"], task["fixed"]) == (40, 0, 0), said.err


def test_a_real_record_of_every_eval_ever_compares_with_the_run_that_it_was_made_of(evalh, shared, tmp_path):
    """Their own converter (0.3) made it of the run of lm-evaluation-harness in the shared data."""
    results, _ = imported(evalh, tmp_path, "every_eval_ever", FILES / "tinymc.json")
    assert results["tinymc", "0", 0].sample.gold_indices == (0,), "the reference is a position there"
    assert evalh("import", "lm_eval", shared / "foreign" / "lm_eval", "--name", "ours").code == 0
    said = evalh("compare", "ours", "theirs", "--benchmark", "tinymc", "--json")
    (task,) = said.json["tasks"]
    assert (task["n"], task["broke"], task["fixed"]) == (20, 0, 0), said.err
