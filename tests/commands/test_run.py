"""`evalh run` and the commands that read its runs, as a user types them."""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from evalharness.cli import COMMANDS
from evalharness.options import is_distribution
from evalharness.runs import session
from evalharness.runs.journal import Journal
from evalharness.runs.store import Run

RUN = ("run", "mmlu", "--data", "sample", "--model", "echo")


def write(path: Path, rows) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def sample_rows():
    from evalharness import plugins

    path = plugins.load_benchmark("mmlu").source.sample
    return [json.loads(line) for line in path.read_text().splitlines()]


def answers(letter=None):
    """A replay of the bundled sample by id: the right letter, or always the same one."""
    seen = Counter()
    for row in sample_rows():
        if row["split"] == "test":
            number = seen[row["subject"]]
            seen[row["subject"]] += 1
            yield {"id": f"{row['subject']}/{number}", "text": letter or "ABCD"[row["answer"]]}


def test_without_arguments_the_first_line_says_that_this_is_the_bundled_sample(evalh):
    said = evalh("run", "mmlu")
    assert said.code == 0
    assert said.out.splitlines()[0].startswith("This is the bundled sample of mmlu")
    (folder,) = Path("runs").iterdir()
    assert folder.name.startswith("mmlu@sample-")


def test_json_prints_one_object_and_nothing_else(evalh):
    said = evalh(*RUN, "--json")
    entry = said.json["benchmarks"]["mmlu@sample"]
    assert entry["mode"] == "rank" and entry["n"] == 65
    assert set(entry["metrics"]["accuracy"]) == {"value", "stderr", "low", "high", "n"}
    assert entry["counts"]["correct"] + entry["counts"]["wrong"] == 65
    assert said.err == ""


def test_a_second_time_nothing_is_asked_and_the_answer_is_the_same(evalh):
    first, again = evalh(*RUN, "--json"), evalh(*RUN, "--json")
    assert first.json["benchmarks"] == again.json["benchmarks"]
    assert len(list(Path("runs").iterdir())) == 1


def test_recorded_answers_are_scored_and_what_cannot_be_read_is_counted_apart(evalh, tmp_path):
    rows = list(answers())
    rows[0]["text"], rows[1]["text"], rows[2]["text"] = (
        "no idea",
        "I'm sorry, but I can't help with that.",
        f"The answer is ({rows[2]['text']}).",
    )
    entry = evalh(
        "run", "mmlu", "--data", "sample", "--model", f"replay:{write(tmp_path / 'a.jsonl', rows)}", "--json"
    ).json
    entry = entry["benchmarks"]["mmlu@sample"]
    assert entry["mode"] == "write"
    assert entry["counts"] == {"correct": 63, "wrong": 0, "unparsed": 1, "truncated": 0, "refused": 1, "error": 0}
    assert entry["bounds"] == {"low": 63 / 65, "high": 1.0}
    assert entry["metrics"]["accuracy"]["value"] == 63 / 65


def test_a_missing_answer_is_an_error_and_exit_3_or_left_out_when_told(evalh, tmp_path):
    file = write(tmp_path / "a.jsonl", list(answers())[3:])
    said = evalh("run", "mmlu", "--data", "sample", "--model", f"replay:{file}")
    assert said.code == 3
    assert "abstract_algebra/0" not in said.out or "holds no answer" in said.out
    assert said.out.count("holds no answer") == 3
    said = evalh("run", "mmlu", "--data", "sample", "--model", f"replay:{file}", "--skip-unanswered")
    assert said.code == 0 and "3 questions have no answer, left out" in said.out
    entry = evalh("run", "mmlu", "--data", "sample", "--model", f"replay:{file}", "--skip-unanswered", "--json").json
    assert entry["benchmarks"]["mmlu@sample"]["n"] == 62


def test_two_different_answers_to_one_question_are_reported_not_chosen_from(evalh, tmp_path):
    rows = list(answers())
    file = write(tmp_path / "a.jsonl", [*rows, {**rows[5], "text": "E"}, rows[6]])
    said = evalh("run", "mmlu", "--data", "sample", "--model", f"replay:{file}")
    assert said.code == 3
    assert said.out.count("holds 2 different answers") == 1


def test_answers_are_matched_by_question_choices_and_subject(evalh, tmp_path):
    rows = [
        {"question": r["question"] + " ", "choices": r["choices"], "subject": r["subject"], "text": "ABCD"[r["answer"]]}
        for r in sample_rows()
        if r["split"] == "test"
    ]
    entry = evalh(
        "run", "mmlu", "--data", "sample", "--model", f"replay:{write(tmp_path / 'a.jsonl', rows)}", "--json"
    ).json
    assert entry["benchmarks"]["mmlu@sample"]["counts"]["correct"] == 65


def test_limit_is_seeded_stratified_and_the_same_for_every_model(evalh, tmp_path):
    def asked(*words):
        folder = evalh("run", "mmlu", "--data", "sample", "--json", *words).json["run"]
        return {json.loads(line)["id"] for line in (Path(folder) / "results.jsonl").read_text().splitlines()}

    some = asked("--limit", 20, "--model", "echo")
    assert len(some) == 20 and set(Counter(i.split("/")[0] for i in some).values()) == {4}
    file = write(tmp_path / "a.jsonl", answers("A"))
    assert asked("--limit", 20, "--model", f"replay:{file}") == some
    assert asked("--limit", 20, "--model", "echo", "--seed", 1) != some
    assert asked("--limit", 10, "--model", "echo") < some


def test_subjects_and_shots(evalh):
    subject = sample_rows()[0]["subject"]
    said = evalh(*RUN, "--subjects", subject, "--shots", 0, "--json").json
    assert said["benchmarks"]["mmlu@sample"]["n"] == 13
    line = json.loads((Path(said["run"]) / "results.jsonl").read_text().splitlines()[0])
    assert line["request"]["messages"][0]["content"].count("Answer:") == 1


def test_show_rescore_and_list_read_what_run_wrote(evalh, tmp_path):
    rows = list(answers())
    rows[0]["text"] = "I say \x1b[2J nothing"
    folder = evalh(
        "run", "mmlu", "--data", "sample", "--model", f"replay:{write(tmp_path / 'a.jsonl', rows)}", "--json"
    ).json["run"]
    assert "accuracy_macro" in evalh("show", folder).out
    whole = evalh("show", folder, "--item", rows[0]["id"]).out
    assert "unparsed" in whole and "\x1b" not in whole and "\\x1b[2J nothing" in whole
    assert evalh("show", folder, "--status", "unparsed").out.count("\n") == 1
    assert evalh("show", folder, "--wrong").out == ""
    before = (Path(folder) / "summary.json").read_bytes()
    assert evalh("rescore", folder).out.startswith("0 of 65 results changed")
    assert (Path(folder) / "summary.json").read_bytes() == before
    assert Path(folder).name[:12] in evalh("list", "runs").out
    for what in ("benchmarks", "models", "judges"):
        assert evalh("list", what).code == 0


def test_rescoring_uses_the_scorers_as_they_are_now(evalh, tmp_path):
    folder = evalh(*RUN, "--json").json["run"]
    journal = Path(folder) / "results.jsonl"
    journal.write_text(journal.read_text().replace('"status":"wrong"', '"status":"correct"'))
    assert evalh("rescore", folder, "--json").json["benchmarks"]["mmlu@sample"]["counts"]["correct"] == 20


def test_rescoring_waits_for_the_journals_lock_and_loses_no_line(evalh, tmp_path):
    folder = Path(evalh(*RUN, "--json").json["run"])
    journal, summary = folder / "results.jsonl", folder / "summary.json"
    journal.write_text(journal.read_text().replace('"status":"wrong"', '"status":"correct"'))
    before = journal.read_bytes(), summary.read_bytes()
    with Journal(journal) as running:
        said = evalh("rescore", folder)
        assert (said.code, said.err.count("\n")) == (2, 1) and "another evalh is writing this run" in said.err
        assert (journal.read_bytes(), summary.read_bytes()) == before
        line = json.loads(before[0].splitlines()[0])
        running.append({**line, "id": "appended meanwhile"})
    changed = int(evalh("rescore", folder).out.split()[0])
    lines = journal.read_bytes().splitlines(keepends=True)
    assert changed > 0 and b"".join(lines[: -changed - 1]) == before[0]
    assert b"appended meanwhile" in lines[-changed - 1]
    assert evalh("rescore", folder).out.startswith("0 of 66 results changed")


def test_rescoring_an_unfinished_run_leaves_it_unfinished(evalh):
    folder = Path(evalh(*RUN, "--json").json["run"])
    (folder / "summary.json").unlink()
    said = evalh("rescore", folder)
    assert said.code == 3 and "is not finished" in said.err
    assert not (folder / "summary.json").exists()


def edited(folder, edit):
    """The run's manifest, changed in place."""
    file = Path(folder) / "run.json"
    manifest = json.loads(file.read_text())
    edit(manifest)
    file.write_text(json.dumps(manifest))


@pytest.mark.parametrize(
    ("name", "right"),
    [("numpy", True), ("scikit-learn", True), ("ruamel.yaml", True), ("a_b", True), ("7z", True), ("/opt/env", False),
     ("../env", False), ("env/", False), ("env:numpy", False), ("~/env", False), ("~", False), (".", False),
     ("", False), ("numpy\n", False), ("-r", False), (None, False), (7, False), (["numpy"], False)],
)  # fmt: skip
def test_a_distribution_is_named_without_a_path(name, right):
    assert is_distribution(name) is right


@pytest.mark.parametrize(("name", "right"), [("scikit-learn", True), ("/opt/env", False), ("env:numpy", False)])
def test_the_packages_of_a_runs_programs_come_from_its_file_by_name_alone(evalh, name, right):
    folder = evalh(*RUN, "--json").json["run"]
    edited(folder, lambda m: m["options"].update(sandbox_packages=["numpy", name]))
    said = evalh("rescore", folder)
    if right:
        assert said.code == 0 and session._rescoring(Run(Path(folder)), named=False).sandbox_packages == ("numpy", name)
        return
    assert said.code == 2 and said.err.count("\n") == 1
    assert f"with {name!r}" in said.err and "a path is not taken from a run's own file" in said.err
    assert f"evalh rescore {folder} --sandbox-packages" in said.err
    assert evalh("rescore", folder, "--sandbox-packages", "scikit-learn").code == 0
    assert evalh("rescore", folder).code == 0
    assert session._rescoring(Run(Path(folder)), named=False).sandbox_packages == ("scikit-learn",)


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (lambda m: m["benchmarks"].update(other=m["benchmarks"].pop("mmlu@sample")),
         "results.jsonl: has answers to mmlu@sample, which run.json does not name; restore it"),
        (lambda m: m["benchmarks"].clear(), "names no benchmark"),
        (lambda m: m["benchmarks"]["mmlu@sample"].pop("items"), "benchmarks.mmlu@sample: 'items' is a required"),
        (lambda m: m["benchmarks"]["mmlu@sample"]["data"].update(origin=["here"]), "data.origin: ['here'] is not of"),
        (lambda m: m.update(options=["check"]), "options: ['check'] is not of type"),
        (lambda m: m.update(identity="x"), "identity: 'x' is not of type"),
        (lambda m: m["identity"].update(benchmarks=[1]), "identity.benchmarks: [1] is not of type"),
    ],
)  # fmt: skip
def test_rescoring_a_run_whose_manifest_was_changed_is_one_line_and_changes_nothing(evalh, edit, said):
    folder = Path(evalh(*RUN, "--json").json["run"])
    edited(folder, edit)
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    found = evalh("rescore", folder)
    assert found.code == 2 and said in found.err and found.err.count("\n") == 1
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before


def test_preview_shows_the_prompt_as_sent(evalh):
    said = evalh("preview", "mmlu", "--data", "sample", "--model", "echo", "-n", 2)
    assert said.code == 0 and said.out.count("The following are multiple choice questions (with answers) about") == 2
    assert "' A', ' B', ' C', ' D'" in said.out and "cost: no price known" in said.out


def test_a_key_in_the_command_or_address_is_not_recorded():
    from evalharness.runs.surroundings import command

    argv = [
        "evalh",
        "run",
        "--api-key",
        "sk-1",
        "--header-token=sk-2",
        "--base-url",
        "http://me:sk-3@host/v1",
        "--max-tokens",
        "5",
    ]
    assert "sk-" not in " ".join(command(argv)) and command(argv)[-1] == "5"


BAD = [
    (("run", "mlmu"), "there is no benchmark called 'mlmu' (did you mean mmlu?)"),
    (("run", "mmlu", "--model", "ecco"), "there is no model called 'ecco' (did you mean echo?)"),
    (("run", "mmlu", "--model", "echo", "--data", "nowhere"), "there is no such file or folder"),
    (("run", "mmlu/astronomy", "--model", "echo"), "mmlu has no tasks"),
    ((*RUN, "--limit", 0), "--limit wants a number of questions, 1 or more; there is 0"),
    ((*RUN, "--shots", -1), "--shots wants 0 or more examples; there is -1"),
    ((*RUN, "--shots", 9), "wanted 9 examples"),
    ((*RUN, "--mode", "guess"), "--mode wants rank, write or letters"),
    ((*RUN, "--subjects", "anatomi"), "there is no subject 'anatomi'"),
    ((*RUN, "--samples", 2), "at temperature 0"),
    ((*RUN, "--limt", 3), "No such option"),
    (("run", "mmlu", "--data", "sample", "--model", "replay:nowhere.jsonl"), "there is no such file"),
    (("run", "mmlu", "--data", "sample", "--model", "echo:x"), "echo takes no argument"),
    (("show", "nothing"), "there is no run 'nothing'"),
    (("list", "benchmark"), "wants benchmarks, judges, models or runs"),
]


@pytest.mark.parametrize(("words", "wanted"), BAD, ids=lambda v: " ".join(map(str, v)) if isinstance(v, tuple) else "")
def test_a_mistake_is_one_line_with_exit_2(evalh, words, wanted):
    said = evalh(*words)
    assert said.code == 2
    assert said.err.count("\n") == 1 and wanted in said.err
    assert "Traceback" not in said.err + said.out


def test_the_help_names_every_command_in_one_line(evalh):
    whole = evalh("--help")
    assert whole.code == 0 and whole.out == evalh("-h").out
    assert "Show this message" in evalh("run", "-h").out
    for name, command in COMMANDS.items():
        assert any(line.split() == [name, *command.line.split()] for line in whole.out.splitlines()), name


def test_evalh_alone_prints_its_help():
    said = subprocess.run([sys.executable, "-m", "evalharness"], capture_output=True, text=True)
    assert said.returncode == 0 and "Commands:" in said.stdout and not said.stderr


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        ('{"id": "a", "text": "A"}\n{"id": \n', "a.jsonl:2: not valid JSON"),
        ("", "the file is empty"),
        ('{"id": "a"}\n', "a.jsonl:1: wanted the answer under one of text"),
        ('{"text": "A"}\n', "a.jsonl:1: wanted `id` or the question's text"),
        ("[1]\n", "entry 1: wanted an object"),
        ('"x"\n', "a.jsonl:1: wanted a JSON object"),
        ('{"id": "a", "text": 5}\n', "wanted the answer as text, there is int"),
    ],
)
def test_a_replay_file_with_a_mistake_is_refused_with_its_line(evalh, tmp_path, content, wanted):
    (tmp_path / "a.jsonl").write_text(content)
    said = evalh("run", "mmlu", "--data", "sample", "--model", "replay:a.jsonl")
    assert said.code == 2 and wanted in said.err and said.err.count("\n") == 1


def test_an_unwritable_run_folder_is_one_line(evalh, tmp_path):
    (tmp_path / "file").write_text("")
    said = evalh(*RUN, "--runs", "file")
    assert said.code == 2 and "cannot be written" in said.err


def test_a_folder_that_holds_another_run_is_refused(evalh):
    assert evalh(*RUN, "--name", "mine").code == 0
    said = evalh(*RUN, "--name", "mine", "--shots", 0)
    assert said.code == 2 and "holds another run" in said.err and "benchmarks" in said.err


def test_ctrl_c_says_that_the_same_command_goes_on(evalh, monkeypatch):
    from evalharness.scoring import answers as scoring

    calls = []

    def interrupted(*arguments):
        calls.append(1)
        if len(calls) == 30:
            raise KeyboardInterrupt
        return scoring.Score(status="correct", scores={"accuracy": 1.0})

    with monkeypatch.context() as patch:
        patch.setattr("evalharness.runs.asking.score_response", interrupted)
        said = evalh(*RUN)
    assert said.code == 130 and "the same command goes on" in said.err
    said = evalh(*RUN)
    assert said.code == 0 and "29 answered before" in said.err


def test_a_broken_third_party_plugin_is_named_and_hides_nothing(tmp_path):
    site = tmp_path / "site"
    (site / "acme_evals").mkdir(parents=True)
    (site / "acme_evals" / "__init__.py").write_text("import nothing_of_that_name\n")
    (site / "acme-1.0.dist-info").mkdir()
    (site / "acme-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1.0\n")
    (site / "acme-1.0.dist-info" / "entry_points.txt").write_text("[evalharness.benchmarks]\nacme = acme_evals\n")
    said = subprocess.run(
        [sys.executable, "-m", "evalharness", "run", "mmlu"],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(site)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert said.returncode == 0, said.stderr
    assert "the plug-in package acme_evals cannot be imported" in said.stderr


def test_a_start_that_is_refused_leaves_no_run(evalh, tmp_path):
    said = evalh("run", "gsm8k", "--data", "sample", "--model", "openai:x", "--base-url", "http://127.0.0.1:9/v1")
    assert said.code == 2 and "cannot be reached" in said.err, said.err
    assert list((tmp_path / "runs").glob("*/run.json")) == []
