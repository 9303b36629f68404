"""`evalh show` prints what was read beside what was written, and why; the manifest says by which rules."""

import json

import pytest

from evalharness.scoring.answers import READING_RULES

TEXTS = {
    "gsm8k": ("The answer is 9 * 2 = $18", 'answer: 18  (rule: answer is NUMBER)'),
    "math500": ("Hence \\(42\\).", "answer: 42  (rule: last formula)"),
    "mmlu": ("<think>A?</think>\nSo (B).", "answer: B  (rule: therefore LETTER; set apart: <think> </think>)"),
    "squad": ("Paris", "answer: Paris  (rule: the whole text)"),
    "bbh/navigate": ("hm, so the answer is Yes.", "answer: Yes  (rule: text after `answer is `)"),
    "truthfulqa/mc1": ("no idea", "answer: none  (rule: none applies)"),
}  # fmt: skip


@pytest.mark.parametrize("name", TEXTS)
def test_what_was_read_stands_beside_what_was_written(evalh, tmp_path, name):
    written, line = TEXTS[name]
    first = evalh(
        "run",
        name,
        "--model",
        "echo",
        "--data",
        "sample",
        "--mode",
        "write",
        "--limit",
        "1",
        "--runs",
        tmp_path,
        "--name",
        "first",
    )
    assert first.code == 0, first.err
    (result,) = map(json.loads, (tmp_path / "first" / "results.jsonl").read_text(encoding="utf-8").splitlines())
    answers = tmp_path / "answers.jsonl"
    answers.write_text(json.dumps({"id": result["id"], "text": written, "finish": "stop"}) + "\n", encoding="utf-8")
    run = evalh(
        "run", name, "--model", f"replay:{answers}", "--data", "sample", "--mode", "write", "--limit", "1",
        "--runs", tmp_path, "--name", "second",
    )  # fmt: skip
    assert run.code == 0, run.err
    whole = evalh("show", tmp_path / "second", "--item", result["id"])
    assert line in whole.out.splitlines() and written.splitlines()[-1] in whole.out
    status = json.loads((tmp_path / "second" / "results.jsonl").read_text(encoding="utf-8"))["status"]
    assert line in evalh("show", tmp_path / "second", "--status", status).out


def test_the_manifest_has_the_version_of_the_reading_rules_and_rescoring_renews_it(evalh, tmp_path):
    assert (
        evalh(
            "run", "mmlu", "--model", "echo", "--data", "sample", "--limit", "2", "--runs", tmp_path, "--name", "r"
        ).code
        == 0
    )
    file = tmp_path / "r" / "run.json"
    manifest = json.loads(file.read_text(encoding="utf-8"))
    assert manifest["reading_rules"] == READING_RULES
    file.write_text(json.dumps({**manifest, "reading_rules": 1}), encoding="utf-8")
    (tmp_path / "r" / "summary.json").unlink()
    again = evalh(
        "run", "mmlu", "--model", "echo", "--data", "sample", "--limit", "2", "--runs", tmp_path, "--name", "r"
    )
    assert again.code == 2 and "read by rules of version 1" in again.err and "evalh rescore" in again.err
    assert evalh("rescore", tmp_path / "r").code == 3  # scored again, and still not finished
    assert json.loads(file.read_text(encoding="utf-8"))["reading_rules"] == READING_RULES
