"""Runs of many kinds are made again from their manifest: the same bytes, the same within noise, or the reason."""

import json

import pytest
from run_folders import letters, write_run
from stub_server import serve

from evalharness.errors import UserError
from evalharness.evidence.reproduce import held_together, reproduce_run
from evalharness.runs.store import Run

YAML = "source: rows.jsonl\ntemplate: '{{q}}'\nanswers: a\nscorer: exact\nid: key\n"
KINDS = {
    "written": ("tiny_exam", "--data", "sample", "--limit", 6),
    "ranked": ("tiny_exam", "--data", "sample", "--limit", 6, "--mode", "rank"),
    "sampled": ("tiny_exam", "--data", "sample", "--limit", 4, "--samples", 2, "--temperature", 0.8, "--seed", 3),
    "shots": ("gsm8k", "--data", "sample", "--limit", 2, "--shots", 2, "--max-tokens", 8),
    "two benchmarks": ("tiny_exam", "gsm8k", "--data", "sample", "--limit", 3, "--max-tokens", 8),
    "echo": ("gsm8k", "--data", "sample", "--model", "echo"),
    "subjects": ("mmlu", "--data", "sample", "--subjects", "high_school_biology"),
    "holistic": ("tiny_exam", "--data", "sample", "--limit", 4, "--holistic"),
    "own file": ("./bench.yaml", "--model", "replay:answers.jsonl"),
    "judged": ("alpaca_eval", "--data", "sample", "--limit", 2, "--model", "echo", "--judge", "echo"),
    "wordings": (
        "tiny_exam",
        "--data",
        "sample",
        "--limit",
        3,
        "--model",
        "echo",
        "--wording",
        "own",
        "--wording",
        "w.txt",
    ),
    "several turns": ("mt_bench", "--data", "sample", "--limit", 2, "--model", "echo", "--judge", "echo"),
    "programs": ("humaneval", "--data", "sample", "--limit", 1, "--model", "echo"),
}


def write(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


@pytest.fixture
def run(evalh, monkeypatch):
    """A command that the manifest keeps as it was typed."""

    def typed(*words):
        monkeypatch.setattr("sys.argv", ["evalh", *map(str, words)])
        return evalh(*words)

    return typed


@pytest.fixture
def own_file(tmp_path):
    write(tmp_path / "rows.jsonl", [{"key": f"k{i}", "q": f"What is {i}?", "a": f"yes {i}"} for i in range(40)])
    write(tmp_path / "answers.jsonl", [{"id": f"k{i}", "response": f"yes {i % 30}"} for i in range(40)])
    (tmp_path / "bench.yaml").write_text(YAML)
    (tmp_path / "w.txt").write_text("So: {{ prompt }}")


SLOW = (
    "shots",
    "two benchmarks",
    "holistic",
    "ranked",
    "several turns",
)  # the embedded model is started twice for each


@pytest.mark.parametrize("kind", [pytest.param(kind, marks=[pytest.mark.slow] * (kind in SLOW)) for kind in KINDS])
def test_a_run_made_again_has_the_same_bytes(run, own_file, tmp_path, kind):
    made = run("run", *KINDS[kind], "--name", "first")
    assert (tmp_path / "runs/first/summary.json").is_file(), made
    said = run("reproduce", "first", "--json")
    assert said.code == 0, said
    if any("products" in thing["what"] for thing in said.json["not_held"]):
        # The engine chose another way to multiply in its second process, which the verdict names.
        assert said.json["verdict"] in ("same bytes", "same within noise")
        return
    assert said.json["verdict"] == "same bytes", said.json
    first, again = (tmp_path / "runs" / name / "summary.json" for name in ("first", "first-again"))
    assert first.read_bytes() == again.read_bytes()
    assert all(task["same_answers"] == task["n"] > 0 for task in said.json["benchmarks"].values())


@pytest.mark.slow
def test_a_run_that_was_merged_and_one_from_another_folder(run, own_file, tmp_path, monkeypatch):
    words = ("run", "./bench.yaml", "--model", f"replay:{tmp_path}/answers.jsonl", "--name", "whole")
    assert [run(*words, "--shard", f"{part}/2").code for part in (1, 2)] == [0, 0]
    assert run("merge", "whole.1of2", "whole.2of2").code == 0
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    said = run("reproduce", "whole", "--runs", tmp_path / "runs", "--json")
    assert said.code == 0, said
    assert said.json["verdict"] == "same bytes"
    assert sum(task["n"] for task in said.json["benchmarks"].values()) == 40


def test_a_drawn_run_asks_the_same_questions_again(run, tmp_path):
    write(tmp_path / "rows.jsonl", [{"key": f"k{i}", "q": f"What is {i}?", "a": f"yes {i}"} for i in range(300)])
    (tmp_path / "bench.yaml").write_text(YAML)
    for name, wrong in (("one", 7), ("two", 5), ("new", 3)):
        answers = [{"id": f"k{i}", "response": "no" if i % wrong == 0 else f"yes {i}"} for i in range(300)]
        write(tmp_path / f"{name}.jsonl", answers)
    for name in ("one", "two"):
        assert run("run", "./bench.yaml", "--model", f"replay:{name}.jsonl", "--name", name).code == 0
    using = ("--budget-items", 120, "--using", "one", "--using", "two")
    assert run("run", "./bench.yaml", "--model", "replay:new.jsonl", *using, "--name", "first").code == 0
    said = run("reproduce", "first", "--json")
    assert said.json["verdict"] == "same bytes", said
    assert said.json["benchmarks"]["bench"]["n"] == 120
    first, again = (tmp_path / "runs" / name / "drawn.json" for name in ("first", "first-again"))
    assert first.read_bytes() == again.read_bytes()


@pytest.mark.slow
def test_an_endpoint_is_asked_again_by_consent_and_one_that_changed_is_named(run, tmp_path):
    word = ["[[A]]"]
    with serve(lambda body: word[0]) as stub:
        words = ("tiny_exam", "--data", "sample", "--limit", 12, "--model", "openai:m", "--base-url", stub.url)
        assert run("run", *words, "--name", "first").code == 0
        assert "to which a file cannot consent" in run("reproduce", "first").err
        said = run("reproduce", "first", "--yes-run-its-command", "--json")
        assert said.json["verdict"] == "same bytes", said
        assert len(stub.seen) == 24  # the cache had no part in it
        word[0] = "B"
        said = run("reproduce", "first", "--yes-run-its-command", "--json")
        assert all(task["same_answers"] == 0 for task in said.json["benchmarks"].values())
        assert said.json["verdict"] != "same bytes"


def test_a_judge_that_compares_is_asked_again(run, own_file, tmp_path):
    assert run("run", "alpaca_eval", "--data", "sample", "--limit", 4, "--model", "echo", "--name", "base").code == 0
    words = ("alpaca_eval", "--data", "sample", "--limit", 4, "--model", "echo")
    pairs = ("--judge", "echo", "--judge-against", "base", "--order", "both")
    made = run("run", *words, *pairs, "--name", "first")
    assert (tmp_path / "runs/first/summary.json").is_file(), made
    said = run("reproduce", "first", "--json")
    assert said.json["verdict"] == "same bytes", said
    first, again = (tmp_path / "runs" / name / "verdicts.jsonl" for name in ("first", "first-again"))
    assert len(first.read_bytes().splitlines()) == len(again.read_bytes().splitlines()) > 0


@pytest.mark.slow
def test_a_second_reproduction_is_a_run_of_its_own(run, own_file, tmp_path):
    assert run("run", *KINDS["own file"], "--name", "first").code == 0
    assert [run("reproduce", "first").code for _ in range(2)] == [0, 0]
    assert (tmp_path / "runs/first-again-2/summary.json").is_file()


@pytest.mark.slow
def test_changed_data_and_a_changed_model_are_named(run, own_file, tmp_path):
    assert run("run", *KINDS["own file"], "--name", "first").code == 0
    write(tmp_path / "answers.jsonl", [{"id": f"k{i}", "response": "no"} for i in range(40)])
    said = run("reproduce", "first")
    assert said.code == 4
    assert "different" in said.out
    assert "because of model (replay-" in said.out
    write(tmp_path / "rows.jsonl", [{"key": f"k{i}", "q": f"What was {i}?", "a": f"yes {i}"} for i in range(40)])
    said = run("reproduce", "first", "--json")
    assert said.code == 4
    assert any(reason.startswith("data of ") for reason in said.json["because"])


def pair(tmp_path, first, second, **more):
    same = {"model": {"name": "m", "fingerprint": "f"}}
    for name, text in (("a", first), ("b", second)):
        write_run(tmp_path / name, letters("quiz", text), **same, **(more if name == "b" else {}))
    return held_together(Run(tmp_path / "a"), Run(tmp_path / "b"))


def test_few_flips_both_ways_are_noise_and_many_one_way_are_not(tmp_path):
    found = pair(tmp_path, "1" * 150 + "0" * 50, "0" * 3 + "1" * 150 + "0" * 47)
    assert found.verdict == "same within noise"
    assert found.exit_code == 0
    assert found.benchmarks["quiz"].moved == 6
    found = pair(tmp_path, "1" * 200, "0" * 20 + "1" * 180, versions={"torch": "9"})
    assert found.verdict == "different"
    assert found.exit_code == 1
    assert found.because == ("version of torch (nothing then, 9 now)",)


def test_a_difference_without_a_reason_is_said_so(tmp_path):
    assert pair(tmp_path, "1" * 200, "0" * 20 + "1" * 180).because[0].startswith("nothing that the manifest holds")


def test_answers_that_failed_on_one_side_are_no_noise(tmp_path):
    found = pair(tmp_path, "1" * 50, "1" * 49 + "e")
    assert found.verdict == "different"
    assert found.benchmarks["quiz"].missing == 1


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (["evalh"], "no whole command of `evalh run`"),
        (["evalh", "import", "x"], "no whole command"),
        (["python", "script.py"], "no whole command"),
        (["evalh", "run", "quiz", "--header", "X=***"], "no whole command"),
        (["evalh", "run", "./bench.py"], "to which a file cannot consent"),
        (["evalh", "run", "quiz", "--model", "function:os:system"], "to which a file cannot consent"),
        (["evalh", "run", "quiz", "-mfunction:os:system"], "to which a file cannot consent"),
        (["evalh", "run", "quiz", "--model=function:os:system"], "to which a file cannot consent"),
        (["evalh", "run", "quiz", "--model-option", "engine_python=x"], "to which a file cannot consent"),
        (["evalh", "run", "quiz", "--base-url", "http://x"], "to which a file cannot consent"),
        (["evalh", "run", "quiz", "--base-url=http://x"], "to which a file cannot consent"),
        (["evalh", "run", "quiz", "--sandbox", "none"], "to which a file cannot consent"),
        (["evalh", "run", "quiz", "--sandbox=none"], "to which a file cannot consent"),
        (["evalh", "run", "quiz", "--trust-task-code"], "to which a file cannot consent"),
        (["evalh", "run", "suite.yaml"], "is of the suite suite.yaml"),
    ],
)
def test_a_command_that_does_not_make_the_run_or_needs_consent_is_refused(tmp_path, command, said):
    write_run(tmp_path / "runs/a", letters("quiz", "1010"))
    manifest = json.loads((tmp_path / "runs/a/run.json").read_text())
    (tmp_path / "runs/a/run.json").write_text(json.dumps({**manifest, "command": command}))
    with pytest.raises(UserError, match=said):
        reproduce_run(str(tmp_path / "runs/a"), None, runs=tmp_path / "runs")


def test_bad_input_is_one_line(evalh, tmp_path):
    write_run(tmp_path / "runs/part", letters("quiz", "1010"), summary=False)
    for words, code in ((("nowhere",), 2), (("part",), 3)):
        said = evalh("reproduce", *words)
        assert said.code == code
        assert said.err.count("\n") == 1
