"""Logs of promptfoo, Every Eval Ever and NeMo Evaluator."""

import json

import pytest
from foreign_files import FILES, asked, evals_log, imported, value_of, write_json, write_lines


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
