"""Parts of a run that are asked apart, and put together."""

import json
import shutil
from pathlib import Path

import pytest

ROWS = 97
BENCH = """name: sums
source: rows.jsonl
template: "Question: {{question}}\\nAnswer:"
answers: answer
id: id
group: subject
scorer: contains
"""
RUN = ("run", "./bench.yaml", "--model", "replay:answers.jsonl")


@pytest.fixture
def sums(tmp_path, monkeypatch):
    """A benchmark of its own with recorded answers, some of them wrong and one missing."""
    monkeypatch.chdir(tmp_path)
    Path("bench.yaml").write_text(BENCH)
    rows = [{"id": f"q{i}", "question": f"{i} + 1?", "answer": str(i + 1), "subject": f"s{i % 3}"} for i in range(ROWS)]
    Path("rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    said = [{"id": f"q{i}", "text": f"It is {i + 1 + (i % 4 == 0)}."} for i in range(ROWS - 1)]
    Path("answers.jsonl").write_text("".join(json.dumps(row) + "\n" for row in said))


def parts(evalh, of: int, name: str = "p", run=RUN) -> list[str]:
    for part in range(1, of + 1):
        assert evalh(*run, "--name", name, "--shard", f"{part}/{of}").code in (0, 3)
    return [f"{name}.{part}of{of}" for part in range(1, of + 1)]


def journal(name: str) -> set[bytes]:
    return set(Path("runs", name, "results.jsonl").read_bytes().splitlines())


def told(found) -> str:
    assert found.err.count("\n") == 1 and "Traceback" not in found.err
    return found.err


@pytest.mark.parametrize("of", [1, 2, 5, 8])
def test_parts_put_together_are_the_run_asked_whole(evalh, sums, of):
    assert evalh(*RUN, "--name", "whole").code == 3  # one answer is missing
    merged = evalh("merge", *parts(evalh, of), "--json")
    assert merged.code == 3 and merged.json["run"] == "runs/p" and len(merged.json["unanswered"]) == 1
    assert Path("runs/p/summary.json").read_bytes() == Path("runs/whole/summary.json").read_bytes()
    assert journal("p") == journal("whole") and len(journal("p")) == ROWS
    assert evalh("verify", "p").code == 0 and evalh("compare", "p", "whole").code == 0
    whole, made = (json.loads(Path("runs", name, "run.json").read_text()) for name in ("whole", "p"))
    differ = {"name", "created", "command", "usage", "sha256"}
    assert {k: v for k, v in made.items() if k not in differ} == {k: v for k, v in whole.items() if k not in differ}


def test_a_part_goes_on_and_shows_no_figures(evalh, sums):
    first, second = parts(evalh, 2)
    lines = Path("runs", second, "results.jsonl").read_bytes().splitlines(True)
    Path("runs", second, "results.jsonl").write_bytes(b"".join(lines[:10]))
    short = evalh("merge", first, second)
    assert short.code == 3 and "part 2/2 has 10 of 49 answers" in told(short)
    assert not Path("runs/p").exists()
    again = evalh(*RUN, "--name", "p", "--shard", "2/2", "--json")
    assert again.code == 3 and again.json["shard"] == "2/2" and again.json["answers"] == 49
    assert again.json["benchmarks"] == {}
    assert sorted(Path("runs", second, "results.jsonl").read_bytes().splitlines(True)) == sorted(lines)
    for words in (["show", second], ["compare", first, second]):
        assert evalh(*words).code in (2, 3)
    assert "evalh merge" in evalh("show", second).err
    assert evalh("merge", first, second).code == 3 and evalh("verify", "p").code == 0


def test_more_parts_than_questions_and_several_benchmarks(evalh, sums):
    run = ("run", "tiny_exam", "./bench.yaml", "--model", "echo", "--mode", "write", "--limit", "3")
    assert evalh(*run, "--name", "whole").code == 0
    assert evalh("merge", *parts(evalh, 7, run=run)).code == 0
    assert Path("runs/p/summary.json").read_bytes() == Path("runs/whole/summary.json").read_bytes()


def test_several_answers_and_changed_questions(evalh, sums):
    for name, more in (("s", ["gsm8k", "--data", "sample", "--samples", "3", "--temperature", "1"]),
                       ("h", ["tiny_exam", "--holistic", "--limit", "9"])):  # fmt: skip
        run = ("run", *more, "--model", "echo", "--mode", "write")
        assert evalh(*run, "--name", "whole" + name).code == 0
        assert evalh("merge", *parts(evalh, 4, name, run)).code == 0
        assert Path("runs", name, "summary.json").read_bytes() == Path(f"runs/whole{name}/summary.json").read_bytes()


@pytest.mark.parametrize("words", ["0/2", "3/2", "2", "x", "1/0", "-1/2", "1/2/3", "١/٢", "1/999999", "", "/8"])
def test_a_part_that_is_none(evalh, sums, words):
    """`/8` is what `$SLURM_ARRAY_TASK_ID/8` is outside of an array (https://github.com/NVIDIA/Model-Optimizer/pull/1696),
    0 the first of an array that counts from 0."""
    found = evalh(*RUN, "--shard", words)
    assert found.code == 2 and "--shard wants a part" in told(found) and not Path("runs").exists()


def test_what_does_not_belong_together_is_refused(evalh, sums):
    first, second = parts(evalh, 2)
    third = parts(evalh, 3, "t")
    assert evalh(*RUN, "--name", "whole").code == 3
    other = parts(evalh, 2, "o", (*RUN, "--limit", "50"))
    shutil.copytree(Path("runs", first), "runs/twice")
    for names, code, said in (
        ([first], 3, "wanted all 2 parts; missing: 2/2"),
        ([first, "whole"], 2, "is a whole run and no part of one"),
        ([first, second, "twice"], 2, "are both part 1/2"),
        ([first, third[1]], 2, "parts of different runs (other number of parts)"),
        ([first, other[1]], 2, "parts of different runs (other identity"),
        ([first, "nowhere"], 2, "there is no run 'nowhere'"),
    ):
        found = evalh("merge", *names)
        assert found.code == code and said in told(found), names
    assert evalh("merge", first, second).code == 3
    assert "holds a run already" in told(evalh("merge", first, second))
    assert evalh("merge", second, first, "--name", "again").code == 3
    for more in (["--judge", "echo"], ["--against", "whole"]):
        assert "does not go with --shard" in told(evalh(*RUN, "--shard", "1/2", *more))


def test_damage_in_a_part_is_named(evalh, sums):
    first, second = parts(evalh, 2)
    path = Path("runs", second, "results.jsonl")
    path.write_bytes(path.read_bytes().replace(b'"status":', b'"statuz":', 1))
    assert "results.jsonl:1: this line" in told(evalh("merge", first, second))
