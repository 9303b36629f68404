"""Answers recorded elsewhere: published layouts go in as they are, what would give a wrong figure is refused."""

import hashlib
import re
import subprocess
import sys
from pathlib import Path

import pytest
from replay_files import CHAT, SUMS, WORDS, lines, quiz, replayed

DOCS = Path(__file__).resolve().parents[2] / "docs" / "replay.md"
BLOCKS = re.findall(r"```console\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)


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
