"""MMLU on the authors' files, and the published answers of two models scored as published."""

import ast
import csv
import io
import json
import shutil
from collections import Counter
from pathlib import Path

import pytest

from evalharness import plugins
from evalharness.data import pull, sources
from evalharness.data.rows import SplitRows, Want
from evalharness.errors import DataError
from evalharness.models.echo import Echo
from evalharness.runs import plan
from evalharness.runs.plan import Plan

MMLU = plugins.load_benchmark("mmlu")
PROMPT = """The following are multiple choice questions (with answers) about abstract algebra.

Find all c in Z_3 such that Z_3[x]/(x^2 + c) is a field.
A. 0
B. 1
C. 2
D. 3
Answer: B

"""


def load(folder, split="test", groups=()):
    return MMLU.source.files.read(folder, Want(split=split, groups=groups))


def test_the_prompt_is_the_authors_layout_byte_for_byte(shared):
    task = plan.prepare_task("mmlu", Plan(benchmarks=("mmlu",), data=str(shared / "mmlu")), Echo())
    first = task.questions[0].request
    assert len(task.questions) == 14042
    assert first.text.startswith(PROMPT)
    assert first.text.endswith(
        "\n\nFind the degree for the given field extension Q(sqrt(2), sqrt(3), sqrt(18)) over Q."
        "\nA. 0\nB. 4\nC. 2\nD. 6\nAnswer:"
    )
    assert first.text.count("Answer:") == 6
    assert first.choices == (" A", " B", " C", " D")
    ids = [q.sample.id for q in task.questions]
    assert len(set(ids)) == 14042 and ids[0] == "abstract_algebra/0" and ids[-1] == "world_religions/170"


@pytest.mark.parametrize(
    ("model", "macro", "micro"),
    [
        pytest.param("openai_gpt-4o-2024-05-13", 0.8417, 0.8482, marks=pytest.mark.slow),
        ("meta_llama-3-70b", 0.7932, 0.7866),
    ],
)
def test_published_answers_give_the_published_scores(evalh, shared, tmp_path, model, macro, micro):
    replay = tmp_path / "answers.jsonl"
    with replay.open("w") as out:
        for file in sorted((shared / "mmlu_preds").glob("*.csv")):
            for row in csv.DictReader(io.StringIO(file.read_text(encoding="utf-8"), newline="")):
                choices = ast.literal_eval(row["choices"])
                line = {"subject": file.stem, "question": row["question"], "choices": choices, "text": row[model]}
                out.write(json.dumps(line) + "\n")
    words = ("run", "mmlu", "--data", shared / "mmlu", "--json")
    entry = evalh(*words, "--model", f"replay:{replay}").json["benchmarks"]["mmlu"]
    assert round(entry["metrics"]["accuracy_macro"]["value"], 4) == macro
    assert round(entry["metrics"]["accuracy"]["value"], 4) == micro
    assert entry["n"] == 14042 and len(entry["groups"]) == 57
    if model.startswith("meta"):
        return
    asked = Counter(" ".join(row["question"].split()) for row in load(shared / "mmlu"))
    lines = replay.read_text().splitlines()
    once = [line for line in lines if asked[" ".join(json.loads(line)["question"].split())] == 1]
    taken = set(once[::130][:100])
    replay.write_text("\n".join(line for line in lines if line not in taken) + "\n")
    said = evalh(*words, "--model", f"replay:{replay}")
    assert said.code == 3 and len(said.json["unanswered"]) == 100
    said = evalh(*words, "--model", f"replay:{replay}", "--skip-unanswered")
    assert said.code == 0 and said.json["benchmarks"]["mmlu"]["n"] == 13942


@pytest.fixture
def folder(tmp_path) -> Path:
    """Two subjects in the layout of the original release, one with CRLF."""
    for split in ("dev", "test"):
        (tmp_path / split).mkdir()
        for subject, end in (("anatomy", "\n"), ("virology", "\r\n")):
            text = "".join(f'"Question, {i}?",a,b,c,d,{"ABCD"[i % 4]}{end}' for i in range(6))
            (tmp_path / split / f"{subject}_{split}.csv").write_bytes(text.encode())
    return tmp_path


def test_csv_with_and_without_crlf_is_read_alike(folder):
    rows = list(load(folder, groups=("anatomy", "virology")))
    assert [r["question"] for r in rows[:6]] == [r["question"] for r in rows[6:]]
    assert [r["answer"] for r in rows[:6]] == [r["answer"] for r in rows[6:]] == [0, 1, 2, 3, 0, 1]


def test_an_asked_subject_alone_is_enough(evalh, folder):
    said = evalh("run", "mmlu", "--model", "echo", "--data", folder, "--subjects", "anatomy,virology", "--json")
    assert said.code == 0 and said.json["benchmarks"]["mmlu"]["n"] == 12


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        ("Q,a,b,A\n", "anatomy_test.csv:1: wanted 6 fields (question, A, B, C, D, letter), there are 4"),
        ("Q,a,b,c,d,A\nQ,a,b,c,d,E\n", "anatomy_test.csv:2: wanted a letter A-D in the last field, there is 'E'"),
        ("Q,a,b,c,d,\n", "wanted a letter A-D"),
        ("Q,a,b,c,d,AB\n", "wanted a letter A-D"),
        ("", "anatomy_test.csv: the file is empty"),
        (None, "wanted anatomy_test.csv, it is missing"),
    ],
)
def test_a_mistake_in_the_files_is_one_line(evalh, folder, content, wanted):
    file = folder / "test" / "anatomy_test.csv"
    file.unlink() if content is None else file.write_text(content)
    said = evalh("run", "mmlu", "--model", "echo", "--data", folder, "--subjects", "anatomy,virology")
    assert said.code == 2 and wanted in said.err and said.err.count("\n") == 1
    assert not Path("runs").exists()


def test_a_missing_subject_is_named_when_all_are_wanted(evalh, folder):
    said = evalh("run", "mmlu", "--model", "echo", "--data", folder)
    assert said.code == 2 and "abstract_algebra_test.csv, it is missing" in said.err


def test_bytes_that_are_no_text_are_one_line(evalh, folder):
    (folder / "test" / "anatomy_test.csv").write_bytes(b"\xff\xfe,a,b,c,d,A\n")
    said = evalh("run", "mmlu", "--model", "echo", "--data", folder, "--subjects", "anatomy")
    assert said.code == 2 and "anatomy_test.csv" in said.err and said.err.count("\n") == 1


def test_a_hub_snapshot_is_the_same_questions_as_the_authors_files(evalh, shared, tmp_path):
    import pyarrow
    import pyarrow.parquet

    commit = "c30699e8356da336a370243923dbaf21066bb9fe"
    snapshot = tmp_path / "snapshots" / commit
    (snapshot / "all").mkdir(parents=True)
    for split in ("dev", "test"):
        rows = [dict(r) for r in load(shared / "mmlu", split)]
        pyarrow.parquet.write_table(
            pyarrow.Table.from_pylist(rows), snapshot / "all" / f"{split}-00000-of-00001.parquet"
        )
    words = ("run", "mmlu", "--model", "echo", "--limit", 100, "--json")
    runs = [evalh(*words, "--data", data).json["run"] for data in (snapshot, shared / "mmlu")]
    assert runs[0] == runs[1]  # same content hash, same prompts, same answers: one run
    data = json.loads((Path(runs[0]) / "run.json").read_text())["benchmarks"]["mmlu"]["data"]
    assert data["revision"] == commit


def test_duplicate_ids_are_refused():
    rows = [{"question": "Q", "choices": ["a", "b"], "answer": 0, "subject": "s"}] * 2
    from dataclasses import replace

    with pytest.raises(DataError, match=r"rows 1 and 2 have the same id 'same'"):
        sources.build_samples(rows, lambda row: replace(MMLU.sample(row), id="same"))


def test_the_hub_out_of_reach_says_which_data_to_give(evalh):
    said = evalh("run", "mmlu", "--model", "echo")
    assert said.code == 2 and said.err.count("\n") == 1
    assert "cais/mmlu cannot be read" in said.err and "--data FOLDER" in said.err and "evalh data pull" in said.err
    assert evalh("data", "pull", "mmlu", "--to", "there").code == 2
    assert not Path("there").exists()


def test_pulled_data_is_read_back_and_a_changed_file_is_noticed(evalh, folder, monkeypatch):
    rows = {"test": list(load(folder, "test", ("anatomy",))), "dev": list(load(folder, "dev", ("anatomy",)))}

    def hub(source, split):
        return SplitRows(rows=tuple(rows[split]), origin="hub", revision=source.revision)

    with monkeypatch.context() as patch:
        patch.setattr(pull, "from_hub", hub)
        said = evalh("data", "pull", "mmlu", "--to", "pulled")
    assert said.code == 0 and "6 rows of test, 6 rows of dev" in said.out
    said = evalh("run", "mmlu", "--model", "echo", "--data", "pulled", "--json")
    assert said.json["benchmarks"]["mmlu"]["n"] == 6
    manifest = json.loads((Path(said.json["run"]) / "run.json").read_text())
    assert manifest["benchmarks"]["mmlu"]["data"]["revision"] == MMLU.source.revision
    Path("pulled/test.jsonl").write_text(Path("pulled/test.jsonl").read_text().replace("Question", "Kwestion"))
    said = evalh("run", "mmlu", "--model", "echo", "--data", "pulled")
    assert said.code == 2 and "its content is not what was pulled" in said.err
    shutil.rmtree("pulled")
