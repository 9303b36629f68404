"""Logs as earlier versions of other programs wrote them, and shapes that their public logs have."""

import json

import pytest

from evalharness.runs.store import Run


def write_json(path, value, **more):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, **more))
    return path


def results_of(evalh, tmp_path, kind, path):
    said = evalh("import", kind, path, "--name", "theirs", "--json")
    assert said.code in (0, 3), said.err
    assert evalh("verify", "theirs").code == 0
    return list(Run(tmp_path / "runs/theirs").results()), said.json


# lm-evaluation-harness 0.4.0 to 0.4.4


def sums_line(number, read, right):
    """A line without `filter`: requests and answers are lists."""
    return {
        "doc_id": number, "doc": {"question": f"{number}+1?"}, "target": str(number + 1),
        "arguments": [[f"{number}+1?", {"until": ["\n"]}]], "resps": [[f"so {number + 1}"]], "filtered_resps": [read],
        "exact_match": right,
    }  # fmt: skip


SUMS = {"sums": {"exact_match,strict-match": 0.25, "exact_match,flexible-extract": 1.0, "alias": "sums"}}
SUMS_LINES = [sums_line(i, "[invalid]" if i else "1", float(not i)) for i in range(4)] + [
    sums_line(i, str(i + 1), 1.0) for i in range(4)
]


def check_sums(results, said):
    metrics = said["benchmarks"]["sums"]["metrics"]
    assert (metrics["accuracy"]["value"], metrics["accuracy,flexible-extract"]["value"]) == (0.25, 1.0)
    assert [one.status for one in results] == ["correct", "unparsed", "unparsed", "unparsed"]


def test_lines_that_do_not_name_their_filter(evalh, tmp_path):
    stamp = "2024-09-01T10-00-00.000000"
    write_json(tmp_path / f"lm/m/results_{stamp}.json", {"results": SUMS, "model_name": "m"})
    lines = "".join(json.dumps(line) + "\n" for line in SUMS_LINES)
    (tmp_path / f"lm/m/samples_sums_{stamp}.jsonl").write_text(lines)
    check_sums(*results_of(evalh, tmp_path, "lm_eval", "lm"))


def test_files_without_a_date_that_hold_a_list(evalh, tmp_path):
    more_sums = {"more_sums": {"exact_match,none": 1.0}}
    said = {"results": SUMS | more_sums, "configs": {"sums": {}, "more_sums": {}},
            "config": {"model": "hf", "model_args": "pretrained=a/b"}}  # fmt: skip
    write_json(tmp_path / "lm/results.json", said)
    write_json(tmp_path / "lm/pretrained__a__b_sums.jsonl", SUMS_LINES, indent=2)
    write_json(tmp_path / "lm/pretrained__a__b_more_sums.jsonl", [sums_line(0, "1", 1.0)], indent=2)
    results, shown = results_of(evalh, tmp_path, "lm_eval", "lm")
    check_sums([one for one in results if one.benchmark == "sums"], shown)
    assert shown["benchmarks"]["more_sums"]["n"] == 1


def test_figures_alone_are_refused_by_name(evalh, tmp_path):
    write_json(tmp_path / "lm/results.json", {"results": {"arc_easy": {"acc": 0.5}}, "versions": {}})
    assert "--log_samples" in evalh("import", "lm_eval", "lm").err
    (tmp_path / "nemo/caps/results").mkdir(parents=True)
    (tmp_path / "nemo/caps/results/results.yml").write_text("results: {tasks: {}}\n")
    said = evalh("import", "nemo_evaluator", "nemo")
    assert said.code == 2 and "results.yml: holds figures alone" in said.err


# Inspect


def inspect_log(samples, task="inspect_evals/caps"):
    return {"version": 2, "status": "success", "eval": {"task": task, "model": "openai/m"}, "samples": samples}


def sample(identity, **said):
    turn = {"role": "assistant", "content": "ANSWER: A"}
    return {"id": identity, "epoch": 1, "input": f"Q{identity}?", "choices": ["x", "y"], "target": "A",
            "messages": [{"role": "user", "content": f"Q{identity}?"}, turn],
            "output": {"choices": [{"message": turn, "stop_reason": "stop"}]}, **said}  # fmt: skip


def test_a_log_of_inspect_in_one_json_file_whose_task_has_a_package(evalh, tmp_path):
    worths = ["C", "I", "yes", "False", "0.25", 1, "P"]
    log = inspect_log([sample(i, scores={"choice": {"value": one}}) for i, one in enumerate(worths)])
    results, said = results_of(evalh, tmp_path, "inspect", write_json(tmp_path / "a.json", log))
    assert [one.scores["accuracy"] for one in results] == [1.0, 0.0, 1.0, 0.0, 0.25, 1.0, 0.5]
    assert list(said["benchmarks"]) == ["inspect_evals:caps"]
    assert evalh("show", "theirs").code == 0
    assert evalh("export", "theirs", "lm_eval", "--to", "out").code == 0


def test_a_log_of_inspects_first_version_and_one_without_scores(evalh, tmp_path):
    log = inspect_log([sample(1, score={"value": "C"}), sample(2, scores=None)], "caps")
    results, said = results_of(evalh, tmp_path, "inspect", write_json(tmp_path / "a.json", log))
    assert [one.status for one in results] == ["correct", "error"]
    assert "inspect score" in said["unanswered"][0]["error"]


@pytest.mark.parametrize("log", [{}, {"eval": {}}, {"eval": 1, "samples": []}, {"eval": {}, "samples": [1]}])
def test_a_json_file_that_is_no_log_of_inspect_is_one_line(evalh, tmp_path, log):
    said = evalh("import", "inspect", write_json(tmp_path / "a.json", log))
    assert said.code == 2 and "Traceback" not in said.err and "a.json" in said.err


# HELM


def test_an_open_ended_scenario_of_helm_is_headed_by_its_overlap(evalh, tmp_path):
    instance = {
        "input": {"text": "Who?"},
        "references": [{"output": {"text": "Ann"}, "tags": ["correct"]}],
        "id": "id1",
    }
    request = {"instance": instance, "train_trial_index": 0, "request": {"prompt": "Who?"},
               "result": {"success": True, "completions": [{"text": "Ann B"}]}}  # fmt: skip
    means = {"exact_match": 0.0, "f1_score": 0.75, "rouge_l": 0.7}
    stats = [{"name": {"name": name}, "mean": mean} for name, mean in means.items()]
    write_json(tmp_path / "h/scenario_state.json", {"adapter_spec": {"model": "m"}, "request_states": [request]})
    write_json(tmp_path / "h/per_instance_stats.json", [{"instance_id": "id1", "train_trial_index": 0, "stats": stats}])
    (one,), _ = results_of(evalh, tmp_path, "helm", "h")
    assert one.scores["accuracy"] == 0.75
