"""What a recorded answer may be: log-probabilities, logs and tables of many tools, conversations."""

import gzip
import hashlib
import json
from pathlib import Path

import pytest
from replay_files import CHAT, SUMS, WORDS, inspect_log, journal, lines, quiz, replayed

from evalharness.models._recorded import recorded_answers
from evalharness.models._recorded_answers import AnswerKeys


def test_log_probabilities_rank_the_choices_and_are_put_into_the_order_of_the_benchmark(evalh, tmp_path):
    rows = [
        {"id": "high_school_geography/0", "logprobs": [-9, -8, -1, -7]},
        {"question": "What is the capital of Egypt?", "choices": ["Cairo", "Rabat", "Tunis", "Nairobi"],
         "logprobs": [-1.0, -2.0, -3.0, -4.0]},
        {"id": "high_school_geography/2", "logprobs": [-1.0, -2.0]},
    ]  # fmt: skip
    lines(tmp_path / "a.jsonl", rows)
    said = evalh("run", "mmlu", "--data", "sample", "--model", "replay:a.jsonl", "--skip-unanswered", "--name", "x")
    assert "mmlu@sample: 2 correct, 63 error" in said.out
    assert "holds 2 log-probabilities, the question has 4 choices" in said.out
    assert journal("runs/x")[1]["response"]["logprobs"] == [-2.0, -1.0, -4.0, -3.0]


def test_letters_for_choices_in_another_order_are_no_answer(evalh, tmp_path):
    row = {"question": "What is the capital of Egypt?", "choices": ["Cairo", "Rabat", "Tunis", "Nairobi"], "text": "A"}
    lines(tmp_path / "a.jsonl", [row])
    said = evalh("run", "mmlu", "--data", "sample", "--model", "replay:a.jsonl")
    assert said.code == 3 and "holds an answer to it with its choices in another order" in said.out


def test_log_probabilities_of_the_tokens_of_a_text_do_not_rank(evalh, tmp_path):
    lines(tmp_path / "a.jsonl", [{"id": "high_school_geography/0", "text": "C", "logprobs": [-0.1]}])
    entry = replayed(evalh, "mmlu", "a.jsonl", "--data", "sample", "--skip-unanswered")[1]
    assert entry["mode"] == "write" and entry["counts"]["correct"] == 1


@pytest.mark.parametrize(
    "row",
    [
        {"logprobs": {"B": -8, "A": -9, "D": -7, "C": -1}},
        {"logprobs": {"Madrid": -9, "Paris": -1, "Rome": -8, "Berlin": -7}},
        {"logprobs": {"B": -1, "A": -9, "D": -7, "C": -8}, "choices": ["Berlin", "Paris", "Rome", "Madrid"]},
        {"resps": [[[-1.0, False]], [[-8, False]], [[-9, False]], [[-7, True]]],
         "arguments": [["What is the capital of France?", f" {c}"] for c in ("Paris", "Rome", "Berlin", "Madrid")]},
    ],
    ids=["by letter", "by text", "by letter of other order", "by continuation"],
)  # fmt: skip
def test_log_probabilities_are_put_to_their_choices(evalh, tmp_path, row):
    lines(tmp_path / "a.jsonl", [{"id": "high_school_geography/0", **row}])
    code, entry = replayed(evalh, "mmlu", "a.jsonl", "--data", "sample", "--skip-unanswered")
    assert (code, entry["mode"], entry["counts"]["correct"]) == (0, "rank", 1)


def sample_log(shared, name):
    (file,) = (shared / "foreign" / "lm_eval").glob(f"samples_{name}_*.jsonl")
    return file


@pytest.mark.parametrize(
    ("name", "figure", "metric"), [("tinymc", "acc", "accuracy"), ("tinygen", "exact_match", "accuracy")]
)
def test_a_sample_log_of_lm_eval_is_scored_as_it_was_there(evalh, shared, name, figure, metric):
    log = sample_log(shared, name)
    task = shared / "foreign" / "lm_eval" / "tasks" / f"{name}.yaml"
    for model in (log, log.parent):  # the file, and the folder with both logs
        said = evalh("run", task, "--model", f"replay:{model}", "--json")
        assert said.code == 0, said.err
        theirs = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
        ours = {line["id"]: line for line in journal(said.json["run"])}
        for row in theirs:
            line = ours[str(row["doc_id"])]
            assert line["scores"][metric] == row[figure]
            if name == "tinymc":
                assert line["scores"]["accuracy_norm"] == row["acc_norm"]
                assert line["response"]["logprobs"] == [float(p) for p, _ in row["filtered_resps"]]
            else:
                assert line["response"]["text"] == row["resps"][0][0]


def test_a_sample_log_without_its_documents_is_matched_by_the_hash_of_the_prompt(evalh, tmp_path):
    file = quiz(tmp_path, WORDS)
    rows = [{"doc_id": 9 - n, "resps": [[str(n)]], "filtered_resps": [str(n)], "filter": "none",
             "prompt_hash": hashlib.sha256(text.encode()).hexdigest()} for n, text in enumerate(WORDS)]  # fmt: skip
    lines(tmp_path / "a.jsonl", rows)
    assert replayed(evalh, file, "a.jsonl")[1]["counts"]["correct"] == 4
    lines(tmp_path / "b.jsonl", [{**row, "doc_id": row["doc_id"] - 6} for row in rows])
    said = evalh("run", file, "--model", "replay:b.jsonl")
    assert said.code == 2 and "its id '0' is that of the question 'How high" in said.err


def test_a_choice_without_probability_is_the_least_likely_and_rescoring_reads_it(evalh, tmp_path):
    pairs = [[["-inf", "False"]], [["-3.5", "False"]], [[-1.25, True]], [["-2", "False"]]]
    lines(tmp_path / "a.jsonl", [{"id": "high_school_geography/0", "resps": pairs}])
    said = evalh("run", "mmlu", "--data", "sample", "--model", "replay:a.jsonl", "--skip-unanswered", "--name", "x")
    assert "1 correct" in said.out and evalh("rescore", "x").code == 0


def tables(folder):
    """The four answers to WORDS as every kind of file."""
    rows = [{"question": text, "gpt": str(n), "llama": None if n == 2 else "no"} for n, text in enumerate(WORDS)]
    for name, mark in (("comma.csv", ","), ("semicolon.csv", ";"), ("tab.tsv", "\t")):
        cells = [["question", "gpt", "llama"], *([r["question"], r["gpt"], r["llama"] or ""] for r in rows)]
        text = "".join(mark.join(f'"{cell}"' for cell in line) + "\r\n" for line in cells)
        (folder / name).write_bytes(b"\xef\xbb\xbf" + text.encode())
    import pyarrow
    import pyarrow.parquet

    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), folder / "table.parquet")
    lines(folder / "lines.jsonl", rows)
    lines(folder / "lines.json", rows)  # JSON lines under the name of JSON
    (folder / "list.json").write_text(json.dumps(rows))
    (folder / "held.json").write_text(json.dumps({"canary": "x", "n": 4, "rows": rows}, indent=1))
    (folder / "packed.jsonl.gz").write_bytes(gzip.compress((folder / "lines.jsonl").read_bytes()))
    (folder / "many").mkdir()
    for n, row in enumerate(rows):
        lines(folder / "many" / f"{n}.jsonl", [row])
    return ["comma.csv", "semicolon.csv", "tab.tsv", "table.parquet", "lines.jsonl", "lines.json", "list.json",
            "held.json", "packed.jsonl.gz", "many"]  # fmt: skip


def test_every_kind_of_file_gives_the_same_answers(evalh, tmp_path):
    file = quiz(tmp_path, WORDS)
    for name in tables(tmp_path):
        code, entry = replayed(evalh, file, name, "--answer-key", "gpt")
        assert (name, code, entry["counts"]["correct"]) == (name, 0, 4)
        code, entry = replayed(evalh, file, name, "--answer-key", "llama")
        assert (name, code, entry["counts"]["error"], entry["counts"]["wrong"]) == (name, 3, 1, 3)


def test_a_json_object_of_columns(evalh, tmp_path):
    file = quiz(tmp_path, WORDS)
    (tmp_path / "a.json").write_text(json.dumps({"question": WORDS, "response": [str(n) for n in range(4)]}))
    by_number = {"question": dict(enumerate(WORDS)), "response": {n: str(n) for n in range(4)}}  # as pandas writes it
    (tmp_path / "b.json").write_text(json.dumps(by_number))
    for name in ("a.json", "b.json"):
        assert replayed(evalh, file, name)[1]["counts"]["correct"] == 4


def test_a_json_object_that_is_one_answer(evalh, tmp_path):
    file = quiz(tmp_path, WORDS[:1])
    (tmp_path / "a.json").write_text(json.dumps({"id": 0, "question": WORDS[0], "response": "0"}, indent=1))
    assert replayed(evalh, file, "a.json")[1]["counts"]["correct"] == 1


def test_logs_of_two_runs_in_one_folder_are_not_mixed(evalh, tmp_path):
    file = quiz(tmp_path, WORDS)
    (tmp_path / "logs").mkdir()
    for day in ("01", "02"):
        lines(tmp_path / "logs" / f"samples_quiz_2026-11-{day}T10-00-00.5.jsonl", [{"doc_id": 0, "resps": [[day]]}])
    said = evalh("run", file, "--model", "replay:logs")
    assert said.code == 2 and "of two runs; name one file of them" in said.err


def test_a_request_that_failed_is_a_question_without_answer(evalh, tmp_path):
    file = quiz(tmp_path, WORDS)
    body = {"choices": [{"message": {"role": "assistant", "content": "0"}, "finish_reason": "stop"}]}
    lines(tmp_path / "a.jsonl", [
        {"custom_id": "0", "response": {"status_code": 200, "body": body}, "error": None},
        {"custom_id": "1", "response": {"status_code": 400, "body": {"error": {"message": "too long"}}}, "error": None},
        {"custom_id": "2", "response": None, "error": {"code": "batch_expired"}},
        {"custom_id": "3", "response": "", "error": "timeout"},
    ])  # fmt: skip
    code, entry = replayed(evalh, file, "a.jsonl")
    assert (code, entry["counts"]["correct"], entry["counts"]["error"]) == (3, 1, 3)


def test_predictions_of_llama_factory_and_open_compass(evalh, tmp_path):
    file = quiz(tmp_path, SUMS)
    rows = [{"prompt": CHAT.format(text), "predict": str(n), "label": "x"} for n, text in enumerate(SUMS)]
    lines(tmp_path / "generated_predictions.jsonl", rows[::-1])
    asked = [[{"role": "HUMAN", "prompt": text}] for text in SUMS]
    held = {str(n): {"origin_prompt": p, "prediction": str(n), "gold": "x"} for n, p in enumerate(asked)}
    (tmp_path / "compass.json").write_text(json.dumps(held))
    for name in ("generated_predictions.jsonl", "compass.json"):
        assert replayed(evalh, file, name)[1]["counts"]["correct"] == 8
    held["0"], held["1"] = held["1"], held["0"]
    (tmp_path / "compass.json").write_text(json.dumps(held))
    assert evalh("run", file, "--model", "replay:compass.json").code == 2


@pytest.mark.parametrize(
    "row", [{"solution": "gold", "answer": "gold"}, {"solution": "gold", "gt": "4", "code": ["x"]}]
)
def test_a_data_sets_own_solution_is_not_the_models(evalh, tmp_path, row):
    file = quiz(tmp_path, WORDS)
    lines(tmp_path / "a.jsonl", [{"question": WORDS[0], **row}])
    said = evalh("run", file, "--model", "replay:a.jsonl")
    assert said.code == 2 and "a.jsonl:1: wanted the answer under one of" in said.err
    lines(tmp_path / "b.jsonl", [{"question": WORDS[0], **row, "pred": ["0"]}])
    assert replayed(evalh, file, "b.jsonl")[1]["counts"]["correct"] == 1


def test_conversations_are_read_to_their_end(evalh, tmp_path):
    talk = [{"role": "user", "content": "A?"}, {"role": "assistant", "content": "a"}, {"role": "user", "content": "B?"},
            {"role": "assistant", "content": {"answer": "b"}}]  # fmt: skip
    row = recorded_answers({"uid": "x", "messages": talk}, "here", AnswerKeys())
    assert row.questions == ("A?",) and [r.text for r in row.answers[0]] == ["a", "b"]


def test_the_keys_that_were_said_are_part_of_what_a_run_is(evalh, tmp_path):
    file = quiz(tmp_path, WORDS)
    tables(tmp_path)
    assert evalh("run", file, "--model", "replay:list.json", "--answer-key", "gpt", "--name", "x").code == 0
    said = evalh("run", file, "--model", "replay:list.json", "--answer-key", "llama", "--name", "x")
    assert said.code == 2 and "holds another run (other model)" in said.err
    model = json.loads((Path("runs") / "x" / "run.json").read_text())["model"]
    assert model["answer_key"] == "gpt" and model["answers"] == 4


def test_a_suite_names_the_keys_of_each_model(evalh, tmp_path):
    quiz(tmp_path, WORDS)
    tables(tmp_path)
    (tmp_path / "suite.yaml").write_text(
        "models:\n- {model: 'replay:comma.csv', name: g, answer_key: gpt}\n"
        "- {model: 'replay:comma.csv', name: l, answer_key: llama}\nbenchmarks: [./quiz.yaml]\n"
    )
    evalh("run", "suite.yaml")
    found = [json.loads((run / "summary.json").read_text()) for run in sorted(Path("runs").glob("suite-*"))]
    values = [next(iter(s["benchmarks"].values()))["metrics"]["accuracy"]["value"] for s in found]
    assert values == [1.0, 0.0]


def test_a_run_of_ours_replays_to_the_same_figures(evalh):
    names = ("gsm8k", "nq_open", "mmlu")
    first = evalh("run", *names, "--data", "sample", "--model", "echo", "--name", "first", "--json").json
    for model in ("runs/first", "runs/first/results.jsonl"):
        again = evalh("run", *names, "--data", "sample", "--model", f"replay:{model}", "--json").json
        assert again["benchmarks"] == first["benchmarks"]


def test_a_log_of_inspect_is_read(evalh, tmp_path, shared):
    from evalharness.models._recorded_rows import placed_rows

    (log,) = (shared / "foreign" / "inspect").glob("*.eval")
    assert [row["output"]["completion"] for _, row in placed_rows(log)] == ["A", "A"]
    file = quiz(tmp_path, WORDS)
    parts = [{"type": "reasoning", "reasoning": "?"}, {"type": "text", "text": "0"}]
    said = [{"message": {"role": "assistant", "content": parts}, "stop_reason": "stop"}]
    inspect_log(tmp_path / "x.eval", [
        {"id": n, "epoch": e, "input": [{"role": "user", "content": text}], "target": "x", "scores": {},
         "output": {"choices": said}, **({"error": {"message": "down"}} if (n, e) == (3, 2) else {})}
        for n, text in enumerate(WORDS) for e in (1, 2)])  # fmt: skip
    code, entry = replayed(evalh, file, "x.eval")
    assert (code, entry["counts"]["correct"], entry["counts"]["wrong"], entry["counts"]["error"]) == (3, 2, 5, 1)
