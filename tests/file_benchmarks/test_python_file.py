"""A benchmark in one Python file: run where a command names it, and nowhere else."""

import json

from evalharness import plugins

BENCH = """from evalharness.benchmark import Benchmark
from evalharness.records import Sample


def sample(row):
    return Sample(id=row["id"], question=row["q"], choices=("yes", "no"), gold_indices=(row["right"],))


from pathlib import Path
Path("ran").touch()
benchmark = Benchmark(title="Mine", paper="", licence="", items=2, sample=sample)
"""


def write(tmp_path, text=BENCH):
    (tmp_path / "my_bench.py").write_text(text)
    rows = [{"id": str(i), "q": f"Is {i} even?", "right": i % 2} for i in range(2)]
    (tmp_path / "my_bench.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "a.jsonl").write_text('{"id": "0", "text": "A"}\n{"id": "1", "text": "B"}\n')


def test_a_python_file_runs_as_a_benchmark(evalh, tmp_path):
    write(tmp_path)
    said = evalh("run", "./my_bench.py", "--data", "sample", "--model", "replay:a.jsonl", "--json", "--name", "one")
    assert said.code == 0, said.err
    (entry,) = said.json["benchmarks"].values()
    assert (entry["n"], entry["metrics"]["accuracy"]["value"]) == (2, 1.0)
    assert evalh("preview", "./my_bench.py", "--data", "sample").code == 0


def test_files_that_define_none_are_one_line(evalh, tmp_path):
    assert "absent.py: cannot be read (No such file" in evalh("run", "./absent.py").err
    write(tmp_path, "1 / 0\n")
    assert "ZeroDivisionError" in evalh("run", "./my_bench.py").err
    write(tmp_path, "x = 1\n")
    assert "defines no benchmark" in evalh("run", "./my_bench.py").err


def test_what_a_runs_folder_names_is_never_run(evalh, tmp_path, monkeypatch):
    """Whoever wrote the folder would else choose what is executed."""
    write(tmp_path)
    assert evalh("run", "./my_bench.py", "--data", "sample", "--model", "replay:a.jsonl", "--name", "one").code == 0
    for file in ("run.json", "results.jsonl", "summary.json"):
        path = tmp_path / "runs/one" / file
        path.write_text(path.read_text().replace("my_bench.py", "evil.py"))
    (tmp_path / "evil.py").write_text(BENCH)
    (tmp_path / "ran").unlink()
    monkeypatch.setattr(plugins, "_named_files", {})  # as in a process of its own
    for words in (("rescore", "one"), ("verify", "one"), ("compare", "one", "one"), ("show", "one")):
        evalh(*words)
        assert not (tmp_path / "ran").exists(), words
    said = evalh("rescore", "one")
    assert said.code == 2 and "nowhere else" in said.err
