"""GLUE's and SuperGLUE's published files are read whole; labels, pairs and sets are theirs; mistakes are named."""

import json

import pytest

from evalharness import plugins
from evalharness.data import files, sources
from evalharness.data.rows import Want
from evalharness.records import Request, Response
from evalharness.scoring.answers import score_response

GLUE = {"cola": 1043, "sst2": 872, "stsb": 1500, "qnli": 5463, "rte": 277, "wnli": 71}
SUPERGLUE = {
    "boolq": 3270, "cb": 56, "copa": 100, "multirc": 4848, "rte": 277, "wic": 638, "wsc": 104, "axb": 1104, "axg": 356,
}  # fmt: skip


def load(name, data):
    benchmark = plugins.load_benchmark(name)
    return sources.build_samples(
        sources.load_rows(benchmark.source, Want(split=benchmark.source.split), str(data)).rows, benchmark.sample
    )


@pytest.mark.parametrize(
    ("name", "n"),
    [*((f"glue/{t}", n) for t, n in GLUE.items()), *((f"superglue/{t}", n) for t, n in SUPERGLUE.items())],
)
def test_the_published_files_load_whole(shared, name, n):
    samples = load(name, shared / name.partition("/")[0])
    assert len(samples) == n == plugins.load_benchmark(name).items
    assert all(sample.gold_indices for sample in samples)


def test_labels_are_the_published_ones(shared):
    rte = load("superglue/rte", shared / "superglue")
    assert sum(s.gold_indices == (0,) for s in rte) == 146
    assert [s.gold_indices for s in load("glue/rte", shared / "glue")] == [s.gold_indices for s in rte]
    boolq = load("superglue/boolq", shared / "superglue")
    assert sum(s.gold_indices == (1,) for s in boolq) == 2033
    cola = load("glue/cola", shared / "glue")
    assert sum(s.gold_indices == (1,) for s in cola) == 721


def test_record_queries_have_entities_and_answers(shared):
    (first, *_) = samples = load("superglue/record", shared / "superglue" / "ReCoRD" / "dev32.jsonl")
    assert len(samples) == 32 and first.choices[first.gold_indices[0]] in first.answers
    assert all("@placeholder" in s.extra["query"] for s in samples)


def test_gender_pairs_are_neighbours(shared):
    samples = load("superglue/axg", shared / "superglue")
    pairs = [(a.question, b.question) for a, b in zip(samples[::2], samples[1::2], strict=True)]
    assert all(
        sum(x != y for x, y in zip(a.split(), b.split(), strict=True)) == 1
        for a, b in pairs
        if len(a.split()) == len(b.split())
    )
    assert [s.extra["pair"] for s in samples[:4]] == ["0", "0", "1", "1"]


def test_echo_runs_both_families_and_their_averages(evalh):
    said = evalh("run", "glue", "superglue", "--data", "sample", "--model", "echo", "--json").json
    assert len(said["benchmarks"]) == 20
    assert set(said["averages"]) == {"glue@sample", "superglue@sample"}
    assert 0 <= said["averages"]["glue@sample"]["glue_score"]["value"] <= 1


def test_a_folder_without_some_tasks_runs_the_others_and_says_so(shared, evalh):
    said = evalh("run", "glue", "--data", str(shared / "glue"), "--limit", "5", "--model", "echo", "--json")
    assert said.code == 0 and set(said.json["benchmarks"]) == {f"glue/{t}" for t in (*GLUE, "mrpc")}
    assert "mnli" in said.err and "averages" not in said.json


def test_a_pulled_family_is_read_task_by_task(evalh, tmp_path):
    for task in ("cola", "rte"):
        folder = tmp_path / "pulled" / task
        folder.mkdir(parents=True)
        benchmark = plugins.load_benchmark(f"glue/{task}")
        rows = sources.load_rows(benchmark.source, Want(split="validation"), "sample").rows
        (folder / "validation.jsonl").write_text("".join(json.dumps(dict(r)) + "\n" for r in rows))
        sha = {"validation.jsonl": files.digest(folder / "validation.jsonl")}
        about = {"hub": "nyu-mll/glue", "config": task, "revision": "r", "sha256": sha}
        (folder / "source.json").write_text(json.dumps(about))
    said = evalh("run", "glue", "--data", str(tmp_path / "pulled"), "--model", "echo", "--json")
    assert set(said.json["benchmarks"]) == {"glue/cola", "glue/rte"}


@pytest.mark.parametrize(
    ("task", "file", "text", "said"),
    [
        ("rte", "dev.tsv", "index\tsentence1\tsentence2\tlabel\n0\ta\tb\n", "dev.tsv:2: wanted 4 fields"),
        ("rte", "dev.tsv", "index\tsentence1\tsentence2\tlabel\n0\ta\tb\tmaybe\n", "dev.tsv:2: wanted a label"),
        ("rte", "dev.tsv", "index\tsentence1\tsentence2\n0\ta\tb\n", "withheld"),
        ("cola", "dev.tsv", "gj04\t1\n", "dev.tsv:1: wanted 4 fields"),
        ("cola", "dev.tsv", "", "the file is empty"),
        ("rte", "dev.tsv", "index\tsentence1\tsentence2\tlabel\n0\ta\tb\t-1\n", "withholds"),
        ("rte", "other.tsv", "x", "wanted GLUE's file of rte"),
    ],
)
def test_mistakes_in_the_files_are_one_line(evalh, tmp_path, task, file, text, said):
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / file).write_text(text)
    ran = evalh("run", f"glue/{task}", "--data", str(folder), "--model", "echo")
    assert ran.code == 2 and said in ran.err and ran.err.count("\n") == 1


def test_an_unknown_task_names_the_nearest(evalh):
    ran = evalh("run", "glue/colla", "--data", "sample", "--model", "echo")
    assert ran.code == 2 and "did you mean cola?" in ran.err


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("4.2", "4.2"),
        ("I would say 3", "3"),
        ("4/5", "4"),
        ("4/10", None),
        ("17", None),
        ("", None),
        ("Similarity: 2.50.", "2.5"),
        ("9", None),
    ],
)
def test_similarity_is_read_from_a_text(text, value):
    stsb = plugins.load_benchmark("glue/stsb")
    sample = sources.build_samples(
        sources.load_rows(stsb.source, Want(split="validation"), "sample").rows, stsb.sample
    )[0]
    score = score_response(stsb.score, sample, Request(messages=()), Response(text=text, finish="stop"))
    assert score.answer == value and score.status == ("scored" if value else "unparsed")


def test_ranked_similarity_is_the_mean_over_the_numbers():
    stsb = plugins.load_benchmark("glue/stsb")
    sample = sources.build_samples(
        sources.load_rows(stsb.source, Want(split="validation"), "sample").rows, stsb.sample
    )[0]
    ranked = Response(logprobs=(-9e9, -9e9, 0.0, 0.0, -9e9, -9e9))
    asked = Request(messages=(), choices=tuple("012345"))
    assert score_response(stsb.score, sample, asked, ranked).answer == "2.5"
