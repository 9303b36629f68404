"""A run as tables and as a log of Inspect."""

import csv
import json
import zipfile

import pytest

from evalharness import plugins
from evalharness.exporters.latex import escaped_latex
from evalharness.runs.store import Run

FORMATS = {
    "arrow", "csv", "every_eval_ever", "hf_eval_results", "hf_model_index", "inspect", "latex", "lm_eval", "markdown",
    "parquet",
}  # fmt: skip


@pytest.fixture
def ours(evalh, tmp_path):
    assert evalh("run", "tiny_exam", "--limit", "8", "--name", "ours").code == 0
    return Run(tmp_path / "runs/ours")


def test_formats_are_found_by_file_name(evalh):
    assert set(plugins.modules("exporters")) >= FORMATS
    said = evalh("export", "ours", "latx")
    assert said.code == 2 and "latex" in said.err


def test_tables_of_answers_have_every_answer(evalh, ours, tmp_path):
    import pyarrow.ipc
    import pyarrow.parquet

    for kind in ("csv", "parquet", "arrow"):
        assert evalh("export", "ours", kind).code == 0
    with (tmp_path / "ours.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    parquet = pyarrow.parquet.read_table(tmp_path / "ours.parquet").to_pylist()
    assert parquet == pyarrow.ipc.open_file(str(tmp_path / "ours.arrow")).read_all().to_pylist()
    results = ours.results()
    assert [row["id"] for row in rows] == [row["id"] for row in parquet] == [r.sample.id for r in results]
    assert [float(row["score.accuracy"]) for row in rows] == [r.scores["accuracy"] for r in results]


def test_figures_stand_in_markdown_and_latex(evalh, ours, tmp_path):
    for kind, name in (("markdown", "ours.md"), ("latex", "ours.tex")):
        said = evalh("export", "ours", kind)
        assert said.code == 0 and said.out.strip() == name
        text = (tmp_path / name).read_text(encoding="utf-8")
        value = ours.summary.benchmarks["tiny_exam"].metrics["accuracy"].value
        assert f"{value:.4f}" in text and text.count("accuracy") >= 1
    assert escaped_latex(r"a_b\input{x}%") == r"a\_b\textbackslash{}input\{x\}\%"


def test_an_inspect_log_has_every_sample_and_comes_back(evalh, ours, tmp_path):
    assert evalh("export", "ours", "inspect", "--to", "logs/ours.eval").code == 0
    with zipfile.ZipFile(tmp_path / "logs/ours.eval") as archive:
        header = json.loads(archive.read("header.json"))
        samples = [json.loads(archive.read(n)) for n in archive.namelist() if n.startswith("samples/")]
        summaries = json.loads(archive.read("summaries.json"))
    assert (header["version"], header["status"], header["eval"]["task"]) == (2, "success", "tiny_exam")
    assert len(samples) == len(summaries) == len(ours.results())
    first = (tmp_path / "logs/ours.eval").read_bytes()
    assert evalh("export", "ours", "inspect", "--to", "again.eval").code == 0
    assert (tmp_path / "again.eval").read_bytes() == first, "the same run gives the same bytes"
    assert evalh("import", "inspect", "logs/ours.eval", "--name", "back").code == 0
    worth = {(r.sample.id, r.repeat): r.scores["accuracy"] for r in ours.results()}
    back = {(r.sample.id, r.repeat): r.scores["accuracy"] for r in Run(tmp_path / "runs/back").results()}
    assert back == worth


def test_an_answer_is_no_formula(evalh, tmp_path):
    (tmp_path / "a.jsonl").write_text('{"id": "0", "text": "=HYPERLINK(1)"}\n')
    said = evalh("run", "gsm8k", "--data", "sample", "--model", "replay:a.jsonl", "--skip-unanswered", "--name", "odd")
    assert said.code == 0, said.err
    assert evalh("export", "odd", "csv").code == 0
    assert "'=HYPERLINK(1)" in (tmp_path / "odd.csv").read_text()


def test_an_unfinished_run_is_refused(evalh, ours, tmp_path):
    (ours.path / "summary.json").unlink()
    assert evalh("export", "ours", "csv").code == 2
    assert not (tmp_path / "ours.csv").exists()


def test_lm_evals_own_table_code_reads_an_exported_run(evalh, ours, tmp_path):
    utils = pytest.importorskip("lm_eval.utils", reason="lm-evaluation-harness is not installed")
    assert evalh("export", "ours", "lm_eval", "--to", "theirs").code == 0
    (file,) = (tmp_path / "theirs").glob("results_*.json")
    said = utils.make_table(json.loads(file.read_text()))
    assert "tiny_exam" in said and "exact_match" in said


def test_inspect_itself_reads_an_exported_run(evalh, ours, tmp_path):
    log = pytest.importorskip("inspect_ai.log", reason="Inspect is not installed")
    assert evalh("export", "ours", "inspect").code == 0
    read = log.read_eval_log(str(tmp_path / "ours.eval"))
    assert (read.status, read.eval.task, len(read.samples)) == ("success", "tiny_exam", 8)
