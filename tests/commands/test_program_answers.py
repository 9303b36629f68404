"""Chat answers and completions that hold a program, replayed from a file: read, run in the sandbox and right."""

import json

import pytest
from code_texts import CHAT_ANSWERS, COMPLETIONS, TASK


@pytest.mark.parametrize("answers", [CHAT_ANSWERS, COMPLETIONS], ids=["chat", "completions"])
def test_programs_are_read_out_of_answers(evalh, tmp_path, answers):
    tasks = [{**TASK, "task_id": f"T/{name}"} for name in answers]
    (tmp_path / "HumanEval.jsonl").write_text("".join(json.dumps(task) + "\n" for task in tasks), encoding="utf-8")
    lines = [{"id": f"T/{name}", "text": text, "finish": "stop"} for name, text in answers.items()]
    replayed = tmp_path / "answers.jsonl"
    replayed.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    said = evalh(
        "run", "humaneval", "--data", tmp_path, "--model", f"replay:{replayed}", "--runs", tmp_path, "--name", "r"
    )
    assert said.code == 0, said.err
    results = (tmp_path / "r" / "results.jsonl").read_text(encoding="utf-8").splitlines()
    found = {result["id"]: result["status"] for result in map(json.loads, results)}
    assert found == {f"T/{name}": "correct" for name in answers}
