"""Answers recorded elsewhere: published layouts go in as they are, what would give a wrong figure is refused."""

import gzip
import hashlib
import json
import os
import re
import subprocess
import sys
import time
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from evalharness.errors import DataError
from evalharness.models._recorded import recorded_answers
from evalharness.models._recorded_answers import AnswerKeys
from evalharness.models.replay import Replay

DOCS = Path(__file__).resolve().parents[2] / "docs" / "replay.md"
BLOCKS = re.findall(r"```console\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)


def lines(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def quiz(folder, questions):
    """A benchmark of questions whose answer is their number: ids 0, 1, ..."""
    lines(folder / "quiz.jsonl", [{"q": text, "a": str(n)} for n, text in enumerate(questions)])
    (folder / "quiz.yaml").write_text("source: quiz.jsonl\ntemplate: '{{q}}'\nanswers: a\nscorer: exact\n")
    return "./quiz.yaml"


def replayed(evalh, benchmark, file, *options):
    """The benchmark's entry of a replay, and the exit code."""
    said = evalh("run", benchmark, "--model", f"replay:{file}", *options, "--json")
    assert said.code in (0, 3), said.err
    return said.code, next(iter(said.json["benchmarks"].values()))


def journal(run):
    return [json.loads(line) for line in (Path(run) / "results.jsonl").read_text(encoding="utf-8").splitlines()]


WORDS = ["How high is the old tower?", "Who built the bridge?", "When was the canal dug?", "Name the longest river."]
SUMS = [f"What is {n} + 1?" for n in range(8)]


# The page


@pytest.mark.parametrize("block", BLOCKS, ids=[re.search(r"evalh run (\S+)", block)[1] for block in BLOCKS])
def test_every_example_of_the_page_runs_and_prints_what_it_says(evalh, tmp_path, block):
    said = None
    for step in block.removeprefix("$ ").split("\n$ "):
        command, _, shown = step.partition("\n")
        if command.startswith("cat "):
            (tmp_path / command.removeprefix("cat ")).write_text(shown + "\n", encoding="utf-8")
        elif command.startswith("python "):
            subprocess.run(command.replace("python", sys.executable, 1), shell=True, check=True, cwd=tmp_path)
        else:
            said = evalh(*command.split()[1:])
            assert said.code == 0, said.err
            for line in shown.splitlines():
                assert line in said.out
    assert said is not None


def test_the_page_names_every_key_that_is_known():
    from evalharness.models import _recorded as known
    from evalharness.models._recorded_answers import ANSWERS

    text = DOCS.read_text(encoding="utf-8")
    for name in {*known.IDS, *ANSWERS, *known.QUESTIONS, *known.GROUPS, *known.CHOICES}:
        assert f"`{name}`" in text, name


def test_the_page_has_the_ids_of_every_benchmark():
    from evalharness import plugins
    from evalharness.data.rows import Want
    from evalharness.data.sources import build_samples, load_rows

    rows = re.findall(r"^\| (`.*?) \| (.*?) \| (.*?) \|$", DOCS.read_text(encoding="utf-8"), re.MULTILINE)
    table = {name: (example, what) for names, example, what in rows for name in re.findall(r"`([^`]+)`", names)}
    assert set(plugins.modules("benchmarks")) <= table.keys()
    for name, (example, what) in table.items():
        if "those of the benchmarks" in what:
            continue
        if name.startswith(".") or name in ("bigbench", "openai_evals", "instructions", "lm_eval") or "/" in name:
            continue
        for task in plugins.task_names(name) if name not in ("bbh", "bbh_cot") else (f"{name}/boolean_expressions",):
            bench = plugins.load_benchmark(task)
            known = bench.source.hub or bench.source.address
            held = load_rows(bench.source, Want(split=bench.source.split), "sample" if known else None).rows
            ids = [sample.id for sample in build_samples(held, bench.sample)]
            if not ids:  # the bundled sample is of other tasks
                continue
            (field,) = re.findall(r"^`(\w+)`", what) or [""]
            if field:
                assert ids[0] == str(held[0][field]), name
            elif "in it from 0" in what:
                assert re.fullmatch(r"[\w ]+/0", ids[0]), name
            elif "`0`" in example:
                assert ids == [str(n) for n in range(len(ids))], name
            else:
                assert name == "alpaca_eval" and f"`{ids[0]}`" == example
            break


# Ids and texts


@pytest.mark.parametrize("questions", [WORDS, SUMS], ids=["words", "sums"])
def test_running_ids_of_the_files_own_are_refused_where_the_text_says_another_question(evalh, tmp_path, questions):
    file, turned = quiz(tmp_path, questions), list(enumerate(questions))[::-1]
    rows = [{"id": i, "question": text, "response": str(n)} for i, (n, text) in enumerate(turned)]
    lines(tmp_path / "a.jsonl", rows)
    said = evalh("run", file, "--model", "replay:a.jsonl")
    assert said.code == 2 and said.err.count("\n") == 1 and not Path("runs").exists()
    assert "a.jsonl:1: its id '0' is that of the question " in said.err
    assert repr(questions[0]) in said.err and repr(questions[-1]) in said.err
    code, entry = replayed(evalh, file, "a.jsonl", "--id-key", "none")
    assert (code, entry["metrics"]["accuracy"]["value"]) == (0, 1.0)


def test_one_answer_at_the_wrong_id_is_enough(evalh, tmp_path):
    file = quiz(tmp_path, WORDS)
    rows = [{"id": i, "question": text, "response": str(i)} for i, text in enumerate(WORDS)]
    rows[2]["question"] = "Something else entirely, of another data set"
    lines(tmp_path / "a.jsonl", rows)
    said = evalh("run", file, "--model", "replay:a.jsonl")
    assert said.code == 2 and "a.jsonl:3: its id '2'" in said.err


@pytest.mark.parametrize(
    "text",
    [
        "  How high\nis the OLD tower? ",
        "Question: How high is the old tower?\nAnswer:",
        "How high is the old tower (in metres)?",
        [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "How high is the old tower?"}],
    ],
)
def test_a_text_that_only_looks_different_does_not_make_an_id_wrong(evalh, tmp_path, text):
    file = quiz(tmp_path, WORDS[:1])
    lines(tmp_path / "a.jsonl", [{"id": 0, "prompt": text, "response": "0"}])
    assert replayed(evalh, file, "a.jsonl")[1]["counts"]["correct"] == 1


def test_an_instruction_that_stands_in_every_row_says_nothing_of_the_ids(evalh, tmp_path):
    file = quiz(tmp_path, WORDS)
    lines(tmp_path / "a.jsonl", [{"id": n, "prompt": "Answer in one word.", "response": str(n)} for n in range(4)])
    assert replayed(evalh, file, "a.jsonl")[1]["counts"]["correct"] == 4


def test_unknown_ids_fall_back_to_the_text_and_another_key_names_the_id(evalh, tmp_path):
    file = quiz(tmp_path, WORDS)
    rows = [{"id": f"u{n}", "meta": {"row": [n]}, "query": text, "response": str(n)} for n, text in enumerate(WORDS)]
    lines(tmp_path / "a.jsonl", rows)
    assert replayed(evalh, file, "a.jsonl")[1]["counts"]["correct"] == 4
    lines(tmp_path / "b.jsonl", [{k: v for k, v in row.items() if k != "query"} for row in rows])
    code, entry = replayed(evalh, file, "b.jsonl")
    assert (code, entry["counts"]["error"]) == (3, 4)
    assert "an id in it is 'u0'" in evalh("run", file, "--model", "replay:b.jsonl").out
    assert replayed(evalh, file, "b.jsonl", "--id-key", "meta.row.0")[1]["counts"]["correct"] == 4


def test_a_prompt_with_other_examples_is_known_by_how_it_ends(evalh, tmp_path):
    quiz(tmp_path, SUMS)
    yaml = tmp_path / "quiz.yaml"
    yaml.write_text(yaml.read_text().replace("'{{q}}'", '"Q: {{q}}\\nA:"'))
    shots = "Add.\n\nQ: What is 2 + 1?\nA: 3\n\n"
    lines(tmp_path / "a.jsonl", [{"input": f"{shots}Q: {q}\nA:", "prediction": str(n)} for n, q in enumerate(SUMS)])
    assert replayed(evalh, "./quiz.yaml", "a.jsonl")[1]["counts"]["correct"] == 8


CHAT = "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n"


@pytest.mark.parametrize("questions", [WORDS, SUMS, ["is it", "is it so", "it is"]], ids=["words", "sums", "short"])
@pytest.mark.parametrize("frame", [CHAT, "[INST]{}[/INST]", "Add.\n\nQ: 1 + 1?\nA: 2\n\nQ: {}\nA:"])
def test_the_frame_that_all_prompts_share_is_no_part_of_the_question(evalh, tmp_path, questions, frame):
    file = quiz(tmp_path, questions)
    rows = [{"prompt": frame.format(text), "generated_text": str(n)} for n, text in enumerate(questions)]
    lines(tmp_path / "a.jsonl", rows[::-1])
    assert replayed(evalh, file, "a.jsonl")[1]["counts"]["correct"] == len(questions)


def test_a_question_that_stands_twice_in_its_group_is_told_by_its_position(evalh, tmp_path):
    file = quiz(tmp_path, [*WORDS, WORDS[0]])
    rows = [{"doc_id": n, "doc": {"question": text}, "resps": [[str(n)]]} for n, text in enumerate([*WORDS, WORDS[0]])]
    lines(tmp_path / "a.jsonl", rows)
    assert replayed(evalh, file, "a.jsonl")[1]["counts"]["correct"] == 5
    rows = [{"question": "Is it?", "choices": ["a b", "c d"], "doc_id": n, "logprobs": [-n, -1]} for n in (0, 2)]
    lines(tmp_path / "b.jsonl", rows)
    lines(tmp_path / "mc.jsonl", [{"q": "Is it?", "c": ["a b", "c d"], "g": int(n == 2), "s": "x"} for n in range(3)])
    (tmp_path / "mc.yaml").write_text("source: mc.jsonl\ntemplate: '{{q}}'\nchoices: c\ngold: g\ngroup: s\n")
    _, entry = replayed(evalh, "./mc.yaml", "b.jsonl", "--skip-unanswered")
    assert (entry["counts"]["wrong"], entry["counts"]["correct"]) == (0, 2)


def test_a_question_that_is_asked_twice_takes_its_answers_in_order(evalh, tmp_path):
    questions = [*WORDS, WORDS[0]]
    file = quiz(tmp_path, questions)
    lines(tmp_path / "a.jsonl", [{"question": text, "response": str(n)} for n, text in enumerate(questions)])
    code, entry = replayed(evalh, file, "a.jsonl")
    assert (code, entry["counts"]["correct"], entry["counts"]["wrong"]) == (0, 5, 0)
    rows = [{"question": text, "responses": [str(n), "no"]} for n, text in enumerate(questions)]
    lines(tmp_path / "b.jsonl", rows)
    code, entry = replayed(evalh, file, "b.jsonl")
    assert (code, entry["counts"]["correct"], entry["counts"]["wrong"]) == (0, 5, 5)


# No answer, several answers


@pytest.mark.parametrize("null", [None, [], {"text": None}, [None], float("nan")], ids=repr)
def test_a_null_is_a_question_without_answer(evalh, tmp_path, null):
    file = quiz(tmp_path, WORDS)
    rows = [{"id": n, "response": str(n)} for n in range(4)]
    rows[1]["response"] = null
    lines(tmp_path / "a.jsonl", rows)
    said = evalh("run", file, "--model", "replay:a.jsonl")
    assert said.code == 3 and said.out.count("holds null for it") == 1
    code, entry = replayed(evalh, file, "a.jsonl", "--skip-unanswered")
    assert (code, entry["n"], entry["counts"]["correct"]) == (0, 3, 3)


def test_an_empty_text_is_an_answer(evalh, tmp_path):
    file = quiz(tmp_path, WORDS[:1])
    lines(tmp_path / "a.jsonl", [{"id": 0, "response": ""}])
    code, entry = replayed(evalh, file, "a.jsonl")
    assert code == 0 and entry["counts"]["error"] == 0 and entry["n"] == 1


SEVERAL = {
    "rows": [{"id": n, "response": text} for n in range(4) for text in (str(n), "no", "no")],
    "list": [{"id": n, "samples": [str(n), "no", "no"]} for n in range(4)],
    "repeat": [{"id": n, "repeat": r, "text": str(n) if r == 1 else "no"} for r in range(3) for n in range(4)],
    "epoch": [{"id": n, "epoch": r, "output": {"completion": str(n) if r == 3 else "no"}}
              for n in range(4) for r in (1, 2, 3)],
    "objects": [{"id": n, "outputs": [{"text": str(n)}, {"text": "no"}, {"text": "no"}]} for n in range(4)],
    "resps": [{"doc_id": n, "resps": [[str(n), "no", "no"]], "filtered_resps": [str(n)], "filter": f}
              for n in range(4) for f in ("strict", "flexible")],
    "filters without a name": [{"doc_id": n, "resps": [[str(n), "no", "no"]], "filtered_resps": [f]}
                               for f in ("18", "[invalid]") for n in range(4)],
}  # fmt: skip


@pytest.mark.parametrize("rows", SEVERAL.values(), ids=list(SEVERAL))
def test_several_answers_to_each_question_are_all_scored(evalh, tmp_path, rows):
    file = quiz(tmp_path, WORDS)
    lines(tmp_path / "a.jsonl", rows)
    code, entry = replayed(evalh, file, "a.jsonl")
    assert code == 0 and entry["metrics"]["accuracy"]["value"] == pytest.approx(1 / 3)
    assert entry["counts"]["correct"] == 4 and entry["counts"]["wrong"] == 8


BESIDE = {
    "doc_hash": lambda text: {"doc_hash": hashlib.sha256(f"doc {text}".encode()).hexdigest(), "prompt": text},
    "prompt_hash": lambda text: {"prompt_hash": hashlib.sha256(text.encode()).hexdigest(), "prompt": text},
    "doc": lambda text: {"doc": {"question": text}},
}


@pytest.mark.parametrize("beside", BESIDE.values(), ids=list(BESIDE))
def test_a_log_of_several_tasks_keeps_their_equal_answers_and_drops_those_of_other_filters(evalh, tmp_path, beside):
    file = quiz(tmp_path, WORDS)
    rows = [{"doc_id": n % 2, "resps": [["3"]], "filtered_resps": ["3"], "filter": f, **beside(text)}
            for f in ("strict", "flexible") for n, text in enumerate(WORDS)]  # fmt: skip
    lines(tmp_path / "a.jsonl", rows)
    code, entry = replayed(evalh, file, "a.jsonl", "--id-key", "none")
    assert (code, entry["counts"]["correct"], entry["counts"]["wrong"], entry["counts"]["error"]) == (0, 1, 3, 0)


def test_a_missing_one_of_several_answers_is_an_error_and_more_are_not_made_up(evalh, tmp_path):
    file = quiz(tmp_path, WORDS)
    lines(tmp_path / "a.jsonl", SEVERAL["rows"][:-1])
    code, entry = replayed(evalh, file, "a.jsonl")
    assert (code, entry["counts"]["error"]) == (3, 1)
    code, entry = replayed(evalh, file, "a.jsonl", "--samples", 2)
    assert (code, entry["counts"]["correct"], entry["counts"]["wrong"]) == (0, 4, 4)
    code, entry = replayed(evalh, file, "a.jsonl", "--samples", 1)
    assert (code, entry["counts"]["correct"], entry["counts"]["error"]) == (0, 4, 0)
    code, entry = replayed(evalh, file, "a.jsonl", "--samples", 4)
    assert (code, entry["counts"]["error"]) == (3, 5)


def test_equal_answers_of_some_questions_count_as_often_as_they_stand(evalh, tmp_path):
    file = quiz(tmp_path, WORDS)
    rows = [{"id": n, "response": "no" if n == 3 and k else str(n)} for n in range(4) for k in range(2)]
    lines(tmp_path / "a.jsonl", rows)
    code, entry = replayed(evalh, file, "a.jsonl")
    assert (code, entry["counts"]["correct"], entry["counts"]["wrong"]) == (0, 7, 1)


def test_human_evals_own_example_has_pass_at_1_of_a_half(evalh, tmp_path):
    """The layout of the example in openai/human-eval, whose README gives its result: six completions, 0.5."""
    lines(tmp_path / "problem.jsonl", [{
        "task_id": "test/0", "prompt": "def one():\n", "canonical_solution": "    return 1",
        "test": "def check(candidate):\n    assert candidate() == 1", "entry_point": "one"}])  # fmt: skip
    bodies = ["    import subprocess\n    subprocess.check_output('rm -rf tmp')", "    return input('a number')",
              "    return 2", "    return 1", "  return 1", "\treturn 1"]  # fmt: skip
    lines(tmp_path / "samples.jsonl", [{"task_id": "test/0", "completion": body} for body in bodies])
    code, entry = replayed(evalh, "humaneval", "samples.jsonl", "--data", "problem.jsonl")
    assert code == 0 and entry["counts"]["error"] == 0
    assert entry["metrics"]["pass@1"]["value"] == entry["metrics"]["pass@1_confirmed"]["value"] == 0.5


@pytest.mark.parametrize(
    ("prompt", "whole"),
    [
        ("def f():\n", "def f():\n    pass\n"),
        ("import re\n\n\ndef f(x: int) -> int:  # doubled\n    # twice x\n", None),
        ("class A:\n    def f(self):\n", None),
        ('def f():\n    """Twice x, as in:\n    # f(2)\n    4:\n    """\n', ""),
        ("def f():\n    x = 1\n", ""),
    ],
)
def test_a_prompt_without_docstring_is_a_program_of_its_own(prompt, whole):
    from evalharness import plugins
    from evalharness.records import Message, Request, Sample

    asked = Sample(question=prompt, extra={"entry": "f", "test": ""})
    request = Request(messages=(Message("user", prompt),))
    made = plugins.load_plugin("benchmarks", "humaneval").program(asked, request, "    return 1").context
    compile(made, "prompt", "exec")
    assert whole is None or made == (whole or prompt)


# Log-probabilities


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


# Formats


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


def inspect_log(path, samples, method=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("_journal/start.json", "{}")
        for sample in samples:
            archive.writestr(f"samples/{sample['id']}_epoch_{sample['epoch']}.json", json.dumps(sample))
    return path


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


def _journal_line(**response):
    return json.dumps({"benchmark": "b", "id": "0", "status": "correct", "response": response}) + "\n"


BAD = {
    "a.jsonl": [
        ('{"id": "0", "text": "x"}\n{"id": "1", "nothing": 1}\n', "a.jsonl:2: wanted the answer under one of text"),
        ('{"id": "0", "text": 5}\n', "a.jsonl:1: wanted the answer as text, there is int"),
        ('{"id": "0", "response": {"x": 1}}\n', "a.jsonl:1: wanted the answer's text in its object; there is x"),
        ('{"id": "0", "text": "x", "repeat": -1}\n', "a.jsonl:1: its repeat is -1, wanted a whole number from 0"),
        ('{"id": "0", "text": "x", "repeat": 1e300}\n', "a.jsonl:1: its repeat is 1e+300, wanted a whole number"),
        (
            '{"id": "0", "text": "x", "cost": "free"}\n',
            "a.jsonl:1: its cost is 'free', wanted a finite number, 0",
        ),
        ('{"id": "0", "logprobs": [-1.0, NaN]}\n', "a.jsonl:1: its logprobs is [-1.0, nan], wanted a list"),
        ('{"id": "0", "resps": [[["x", "False"]]]}\n', "a.jsonl:1: wanted log-probabilities, there is ['x']"),
        ('{"id": "0", "text": null}\n', "a.jsonl:1: wanted the answer as text, there is null, and so in every row"),
        ('{"id": "0", "text": "\xff"}\n'.encode("latin-1"), "a.jsonl:1: not UTF-8 text"),
        ('{"id": "0", "text": ' + "[" * 100_000 + "\n", "a.jsonl:1: not valid JSON (nested too deep)"),
        ('{"id": "0", "text": ' + "[" * 700 + "]" * 700 + "}\n", "a.jsonl:1: nested too deep"),
        (
            '{"id": "0", "output": [{"type": "text", "text": 7}]}\n',
            "a.jsonl:1: wanted the answer as text, there is int",
        ),
        ('{"id": "0", "text": "x", "tokens_in": "1e400"}\n', "a.jsonl:1: its tokens_in is '1e400', wanted a whole"),
        (
            '{"id": "0", "text": "x", "tokens_out": -1}\n',
            "a.jsonl:1: its tokens_out is -1, wanted a whole number, 0",
        ),
        ('{"id": "0", "text": "x", "repeat": "²"}\n', "a.jsonl:1: its repeat is '²', wanted a whole number"),
        ('{"id": "0", "logprobs": ["a"]}\n', "a.jsonl:1: its logprobs is ['a'], wanted a list of finite numbers"),
        (_journal_line(text=7), "a.jsonl:1: its text is 7, wanted a text"),
        (_journal_line(text="a", tokens_in="b"), "a.jsonl:1: its tokens_in is 'b', wanted a whole number"),
        (_journal_line(logprobs=["a"]), "a.jsonl:1: wanted log-probabilities, there is ['a']"),
        (
            _journal_line(logprobs=[-1, -2], greedy=["no", 1]),
            "a.jsonl:1: its greedy is ['no', 1], wanted true or",
        ),
        (_journal_line(logprobs=[-1, -2], greedy=[True]), "a.jsonl:1: its greedy has 1 entries, its logprobs 2"),
        ('{"problem": "2 + 2?", "solution": "4", "answer": "4"}\n', "a.jsonl:1: wanted the answer under one of text"),
    ],
    "a.csv": [
        ("\n", "a.csv: the file is empty"),
        ("\nid,text\n", "a.csv: wanted a CSV file with a header"),
        ("id,text\n0,x\n1,y,z\n", "a.csv:3: has more cells than the header has columns"),
        ('id,text\n0,x\n1,"y\n', "not a readable CSV row"),
        ("id,said\n0,x\n", "a.csv:2: wanted the answer under one of text"),
    ],
    "a.parquet": [("id,text\n", "a.parquet: not a readable parquet file")],
    "a.eval": [("PK", "a.eval: not a readable zip archive")],
    "a.json": [
        ('{"0": "x", "1": ', "a.json:1:17: not valid JSON"),
        ("[[1]]", "entry 1: wanted an object"),
        ('{"0": ' + "9" * 5000 + "}", "a.json: not valid JSON (a whole number has too many digits)"),
        ('[{"id": 0, "text": "a"}, {"id": 1, "text": "a", "cost": "b"}]', "a.json: entry 2: its cost is 'b', wanted"),
    ],
}


@pytest.mark.parametrize(
    ("name", "content", "wanted"), [(name, *case) for name, cases in BAD.items() for case in cases]
)
def test_a_mistake_in_a_file_is_one_line_that_names_the_place(evalh, tmp_path, name, content, wanted):
    file = quiz(tmp_path, WORDS)
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    said = evalh("run", file, "--model", f"replay:{name}")
    assert said.code == 2 and wanted in said.err and said.err.count("\n") == 1, said.err


def test_numbers_of_tables_are_texts_and_fractions(tmp_path):
    row = {"id": "0", "text": "x", "tokens_in": "12", "tokens_out": 3.0, "cost": "0.5", "repeat": "2"}
    read = recorded_answers(row, "here", AnswerKeys())
    ((said,),) = read.answers
    assert (said.tokens_in, said.tokens_out, said.cost, read.repeat) == (12, 3, 0.5, 2)
    assert type(said.tokens_in) is type(said.tokens_out) is int
    ranked = recorded_answers({"id": "0", "logprobs": ["-1.5", "-inf"]}, "here", AnswerKeys()).answers[0][0]
    assert ranked.logprobs == (-1.5, -sys.float_info.max)


@pytest.mark.parametrize(
    "logprobs",
    [None, 5, True, "", "[-0.1]", {"content": [{"token": "a", "logprob": -1.0}]}, {"tokens": ["a"]}, [None, -0.5],
     [{"7": {"logprob": -1.0}}], [["a", -1.0]]],
    ids=repr,
)  # fmt: skip
def test_what_others_say_of_the_tokens_of_a_text_is_left_alone(logprobs):
    read = recorded_answers({"id": "0", "text": "x", "logprobs": logprobs}, "here", AnswerKeys())
    assert [[r.text for r in turns] for turns in read.answers] == [["x"]]


@pytest.mark.parametrize("options", ["{[]: 1}", "[0x" + "f" * 9000 + "]", "[" * 5000, "1+" * 90_000 + "1"])
def test_choices_that_are_no_list_are_none(options):
    assert recorded_answers({"id": "0", "text": "x", "choices": options}, "here", AnswerKeys()).choices == ()


def test_a_file_that_unpacks_without_end_or_never_ends_is_one_line(tmp_path):
    with gzip.open(tmp_path / "a.jsonl.gz", "wb") as file:
        for _ in range(100):
            file.write(b" " * (1 << 20) + b"\n")
    os.mkfifo(tmp_path / "pipe.jsonl")
    for path, wanted in (
        (tmp_path / "a.jsonl.gz", r"a\.jsonl\.gz: unpacks to 64 MiB or more"),
        (tmp_path / "pipe.jsonl", r"pipe\.jsonl: not a file"),
        (Path("/dev/zero"), "/dev/zero: not a file"),
    ):
        with pytest.raises(DataError, match=wanted):
            Replay(path, AnswerKeys())


@pytest.mark.parametrize("free", [1 << 10, 1 << 20])
def test_a_log_of_inspect_that_unpacks_to_far_too_much_in_all_is_one_line(tmp_path, monkeypatch, free):
    from evalharness.data import files
    from evalharness.models._recorded_rows import placed_rows

    monkeypatch.setattr(files, "FREE", free)
    blank = {"input": " " * 200_000, "output": {"completion": "a"}, "epoch": 1}
    log = inspect_log(tmp_path / "x.eval", [{"id": n, **blank} for n in range(9)])
    with pytest.raises(DataError, match=r"x\.eval: unpacks to [0-9,]+ MiB or more from [0-9,]+ bytes"):
        list(placed_rows(log))
    log = inspect_log(tmp_path / "y.eval", [{"id": n, **blank} for n in range(9)], zipfile.ZIP_STORED)
    assert len(list(placed_rows(log))) == 9


def test_data_that_is_large_is_no_bomb():
    from evalharness.data.files import no_bomb

    no_bomb(Path("x"), 1 << 40, 1 << 41, most=float("inf"))
    no_bomb(Path("x"), 1, 1 << 20)
    for packed, unpacked in ((1 << 40, 1 << 41), (1, 1 << 30)):
        with pytest.raises(DataError, match="x: unpacks to"):
            no_bomb(Path("x"), packed, unpacked)


def test_a_key_that_is_not_there_is_said_with_its_line(evalh, tmp_path):
    file = quiz(tmp_path, WORDS)
    lines(tmp_path / "a.jsonl", [{"id": 0, "mine": {"said": "0"}}, {"id": 1, "mine": {}}])
    said = evalh("run", file, "--model", "replay:a.jsonl", "--answer-key", "mine.said")
    assert said.code == 2 and "a.jsonl:2: there is no 'mine.said', which --answer-key names" in said.err
    said = evalh("run", file, "--model", "replay:a.jsonl", "--answer-key", "mine", "--id-key", "key")
    assert said.code == 2 and "a.jsonl:1: there is no 'key', which --id-key names; there is id, mine" in said.err


# Published answers, as they are


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
