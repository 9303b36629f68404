"""Runs whose rows, questions, answers and results are never held at once: the same bytes as of those that are."""

import json
import random
import re
from dataclasses import replace
from pathlib import Path

import pytest

from evalharness import plugins
from evalharness.data import files, large_files, sources
from evalharness.errors import DataError
from evalharness.models import _recorded_lines
from evalharness.options import ReplayOptions
from evalharness.records import Request, Response, Result, Sample
from evalharness.runs import index, plan, prepared, runner
from evalharness.runs.plan import Plan
from evalharness.runs.store import Run
from evalharness.scoring.columns import ColumnWriter, columns_of

ROWS = 60
BENCH = """name: sums
source: {file: rows.jsonl, examples: shots.jsonl}
template: "Question: {{question}}\\nAnswer:"
answers: answer
group: subject
shots: 1
scorer: contains
"""
RUN = ("run", "./bench.yaml", "--model", "replay:answers.jsonl")


@pytest.fixture
def sums(tmp_path, monkeypatch):
    """A benchmark without ids, of which two rows repeat earlier ones, and answers found by the question's text."""
    monkeypatch.chdir(tmp_path)
    Path("bench.yaml").write_text(BENCH)
    rows = [{"question": f"{i} and  1 é?", "answer": str(i + 1), "subject": f"s{i % 3}"} for i in range(ROWS)]
    rows += rows[:2]
    lines = [json.dumps(row, ensure_ascii=False) for row in rows]
    Path("rows.jsonl").write_text("\ufeff\n" + "\n\n".join(lines) + "\n")
    Path("shots.jsonl").write_text(json.dumps(rows[5]) + "\n" + json.dumps({**rows[5], "question": "9?"}))
    said = [{"question": row["question"], "text": f"It is {i + 1 + (i % 4 == 0)}."} for i, row in enumerate(rows)]
    random.Random(0).shuffle(said)
    Path("answers.jsonl").write_text("".join(json.dumps(row) + "\n" for row in said[:-1]))


def large(monkeypatch, size: int = 1) -> None:
    """Files of this size are not held from now on."""
    for module in (files, large_files, _recorded_lines, prepared):
        monkeypatch.setattr(module, "LARGE", size)


def written(name: str) -> dict[str, object]:
    folder = Path("runs", name)
    manifest = json.loads((folder / "run.json").read_text())
    kept = {k: v for k, v in manifest.items() if k not in ("name", "created", "command", "usage", "sha256")}
    return {"run.json": kept, **{n: (folder / n).read_bytes() for n in ("summary.json", "results.jsonl")}}


@pytest.mark.parametrize("more", [[], ["--limit", "20"], ["--subjects", "s1"], ["--samples", "2"], ["--shots", "0"]])
def test_what_is_not_held_gives_the_same_bytes(evalh, sums, monkeypatch, more):
    held = evalh(*RUN, "--name", "held", *more)
    large(monkeypatch)
    made = evalh(*RUN, "--name", "made", *more)
    assert ((made.code, made.err) == (held.code, held.err) and "repeat an earlier one" in made.err) or more
    assert written("made") == written("held")
    assert evalh("verify", "made").code == 0


def test_a_finished_run_is_known_from_hashes_alone(evalh, sums, monkeypatch):
    large(monkeypatch)
    first = evalh(*RUN, "--skip-unanswered", "--name", "r")
    before = written("r")
    Path("answers.jsonl").write_text(Path("answers.jsonl").read_text() + json.dumps({"question": "x", "text": "y"}))
    said = [json.loads(line) for line in Path("answers.jsonl").read_text().splitlines()]
    rows = [json.loads(line) for line in Path("rows.jsonl").read_text("utf-8-sig").split("\n") if line.strip()]
    there = {row["question"] for row in said}
    said += [{"question": row["question"], "text": "1"} for row in rows if row["question"] not in there]
    Path("whole.jsonl").write_text("".join(json.dumps(row) + "\n" for row in said))
    run = ("run", "./bench.yaml", "--model", "replay:whole.jsonl", "--name", "w")
    assert evalh(*run).code == 0
    whole = written("w")

    def never(*_):
        raise AssertionError("nothing is read")

    with monkeypatch.context() as patched:
        patched.setattr(sources, "build_samples", never)
        patched.setattr(_recorded_lines.StoredAnswers, "placed", never)
        patched.setattr(runner, "placed_results", never)
        again = evalh(*run, "--json")
    assert again.code == 0 and written("w") == whole and again.json["unanswered"] == []
    assert first.code == 0 and written("r") == before


def test_facts_are_kept_only_for_what_is_the_same(evalh, sums, monkeypatch):
    large(monkeypatch)
    run = (*RUN, "--skip-unanswered")
    kept = Path("runs/.cache/prepared")
    for number, change in enumerate([
        lambda: None,
        lambda: Path("bench.yaml").write_text(BENCH.replace("Answer:", "A:")),
        lambda: Path("rows.jsonl").write_text(Path("rows.jsonl").read_text().replace("7 and", "8 or")),
        lambda: Path("shots.jsonl").write_text(Path("shots.jsonl").read_text().replace("9?", "8?")),
        lambda: monkeypatch.setattr(prepared, "source_hash", lambda: "other"),
    ]):  # fmt: skip
        change()
        assert evalh(*run, "--name", str(number)).code in (0, 3)
        assert len(list(kept.iterdir())) == number + 1
    (path,) = [p for p in kept.iterdir() if p.stat().st_mtime_ns == max(q.stat().st_mtime_ns for q in kept.iterdir())]
    assert path.stat().st_mode & 0o777 == 0o600
    for damage in (b"", b"{", b"[]", b'{"items": "x"}'):
        path.write_bytes(damage)
        assert evalh(*run, "--name", "4").code in (0, 3) and json.loads(path.read_bytes())["items"] == ROWS + 2


def test_facts_that_turn_out_wrong_are_an_error(evalh, sums, monkeypatch):
    large(monkeypatch)
    assert evalh(*RUN, "--name", "r").code == 3
    (path,) = Path("runs/.cache/prepared").iterdir()
    path.write_text(path.read_text().replace('"prompt_sha256":"', '"prompt_sha256":"0'))
    found = evalh(*RUN, "--name", "x")
    assert found.code == 2 and "was changed while it was read" in found.err and "Traceback" not in found.err


def test_a_run_of_what_is_not_held_goes_on(evalh, sums, monkeypatch):
    large(monkeypatch)
    assert evalh(*RUN, "--name", "r").code == 3
    whole = written("r")
    lines = Path("runs/r/results.jsonl").read_bytes().splitlines(True)
    Path("runs/r/results.jsonl").write_bytes(b"".join(lines[::2]))
    assert evalh(*RUN, "--name", "r").code == 3
    assert written("r")["summary.json"] == whole["summary.json"]
    again = Path("runs/r/results.jsonl").read_bytes().splitlines(True)
    assert sorted(set(again)) == sorted(set(lines))


def test_rows_that_change_under_a_run_are_an_error(sums, monkeypatch):
    large(monkeypatch)
    monkeypatch.setattr(large_files, "PIECE", 1)
    planned = Plan(benchmarks=("./bench.yaml",), shots=0)
    made = plan.prepare_task("./bench.yaml", planned, plugins.load_model("replay:answers.jsonl", ReplayOptions()))
    assert made.questions[3].sample.question.startswith("Question: 3 and")
    with Path("rows.jsonl").open("a") as file:
        file.write("{}\n")
    with pytest.raises(DataError, match="was changed while it was read"):
        list(made.questions)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b'{"question": "a", "answer": "b", "subject": "c"}\n{"question"\n', r"rows\.jsonl:2: not valid JSON"),
        (b'{"question": "a", "answer": "b", "subject": "c"}\n[1]\n', r"rows\.jsonl:2: wanted a JSON object"),
        (b'{"question": "a", "answer": "b", "subject": "c"}\n\xff\n', "cannot be read as UTF-8 text"),
        (b"\n \n\n", "the file is empty"),
        (b'{"question": "a", "subject": "c"}\n', "there is no field 'answer'"),
    ],
)
def test_mistakes_in_rows_are_named_as_in_a_small_file(evalh, sums, monkeypatch, text, said):
    Path("rows.jsonl").write_bytes(text)
    small = evalh(*RUN)
    large(monkeypatch)
    found = evalh(*RUN)
    assert found == small and found.code == 2
    assert re.search(said, found.err)


def test_two_rows_with_one_id(evalh, sums, monkeypatch):
    Path("bench.yaml").write_text(BENCH + "id: subject\n")
    small, without = evalh(*RUN), evalh(*RUN, "--shots", "0")
    large(monkeypatch)
    assert evalh(*RUN) == small and re.search(r"shots\.jsonl .*: rows 1 and 2 have the same id 's2'", small.err)
    assert evalh(*RUN, "--shots", "0") == without and "rows.jsonl (sums): rows 1 and 4 have the same id" in without.err


TEXTS = (
    ["a", "b", "ab", "é", "\ud800", "\U0001f600", "\uffff", "a\0", "10", "9"],
    [str(i) for i in range(20)],
    ["x" * 100, "x" * 101, "y"],
)


@pytest.mark.parametrize("seed", range(30))
def test_columns_have_the_order_and_the_last_lines_of_results(seed):
    draw = random.Random(seed)
    ids = draw.choice(TEXTS)
    results = [
        Result(
            benchmark="b", sample=Sample(id=draw.choice(ids), question="q", group=draw.choice("gh")),
            request=Request(messages=()), response=Response(text="x"), status="correct",
            scores={"accuracy": draw.random()} if draw.random() < 0.8 else {}, repeat=draw.randrange(2),
        )
        for _ in range(draw.randrange(1, 40))
    ]  # fmt: skip
    last = {result.key: result for result in results}
    writer = ColumnWriter()
    for result in results:
        writer.add(result)
    for found, wanted in (
        (writer.columns(last=True), [last[key] for key in sorted(last)]),
        (columns_of(results), sorted(results, key=lambda r: r.sample.id)),
    ):
        assert found.samples == len({r.sample.id for r in wanted}) and len(found) == len(wanted)
        assert [found.group_names[code] for code in found.groups] == [r.sample.group for r in wanted]
        values = [value for each in found.answers("accuracy") for value in each]
        assert values == [r.scores.get("accuracy", 0.0) for r in wanted]
        assert len(found.having("accuracy")) == sum("accuracy" in r.scores for r in wanted)


def test_the_index_of_a_journal_has_what_its_results_are(evalh):
    assert evalh("run", "gsm8k", "mmlu", "--data", "sample", "--model", "echo", "--mode", "write", "--name", "r",
                 "--samples", "2", "--temperature", "1").code == 0  # fmt: skip
    run = Run(Path("runs/r"))
    results = run.results()
    for _ in range(2):  # by the beginnings of lines, and line by line
        found = index.index_of(run)
        assert list(found.values()) == results and list(found) == [r.key for r in results]
        placed = found.in_order()
        assert list(placed) == results and len(placed) == len(results)
        assert list(placed.chosen([3, 1])) == [results[3], results[1]]
        assert list(found.in_order({"mmlu@sample", "other"})) == [r for r in results if r.benchmark == "mmlu@sample"]
        assert {s: len(found.having(s)) for s in ("correct", "wrong")} == {
            s: sum(r.status == s for r in results) for s in ("correct", "wrong")
        }  # fmt: skip
        assert found[results[3].key] == results[3] and ("gsm8k@sample", "no", 0) not in found
        assert list(found.having("wrong")[:2]) == [r for r in results if r.status == "wrong"][:2]
        run.write("run.json", replace(run.manifest, sha256=None))
        assert not run.intact
