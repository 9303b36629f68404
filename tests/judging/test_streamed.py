"""A judging holds neither answers nor calls: what it leaves is the same however little of it is in memory at a time."""

import json
import shutil
from pathlib import Path

import pytest

from evalharness.errors import UserError
from evalharness.judging import asking, finished
from evalharness.judging.verdicts import KeptVerdicts, verdict_at
from evalharness.runs import prepared

LABELS = ("A", "B", "C", "D", "E", "nothing")
FILES = ("verdicts.jsonl", "results.jsonl", "summary.json")
SPECS = {
    "one": ("reference=replay:x.jsonl",),
    "panel": ("panel=reference=replay:x.jsonl,reference=replay:y.jsonl,reference=replay:x.jsonl", "--retest", "4"),
    "pairs": ("panel=pairwise/five=replay:x.jsonl,pairwise/five=echo", "--retries", "1"),
    "orders": ("pairwise=replay:y.jsonl", "--order", "both", "--retest", "2"),
}


@pytest.fixture
def judged(evalh, tmp_path, monkeypatch):
    """Judge the same answers; gives the bytes that are left and what was printed."""
    monkeypatch.chdir(tmp_path)
    assert evalh("run", "gsm8k", "mmlu", "--data", "sample", "--model", "echo", "--mode", "write", "--name", "r",
                 "--samples", "2", "--temperature", "1", "--limit", "6").code == 0  # fmt: skip
    lines = [json.loads(line) for line in Path("runs/r/results.jsonl").read_text().splitlines()]
    for shift, name in enumerate("xy"):
        said = ((line["id"], LABELS[(i + shift * i) % len(LABELS)]) for i, line in enumerate(lines))
        Path(f"{name}.jsonl").write_text(
            "".join(json.dumps({"id": i, "text": f"So: [[{label}]]"}) + "\n" for i, label in dict(said).items())
        )
    shutil.copytree("runs", "before")

    def judge(*words, anew=True):
        if anew:
            shutil.rmtree("runs")
            shutil.copytree("before", "runs")
        said = evalh("judge", "r", "--judge", *words, "--json")
        assert said.code in (0, 3), said.err
        return [Path("runs/r", name).read_bytes() for name in FILES], said

    return judge


@pytest.mark.parametrize("words", SPECS.values(), ids=SPECS)
def test_however_few_calls_are_known_at_a_time_the_same_is_left(judged, monkeypatch, words):
    whole, said = judged(*words)
    assert said.json["asked"] > 15
    monkeypatch.setattr(asking, "CALLS_AHEAD", 3)
    files, few = judged(*words)
    assert (sorted(files[0].splitlines()), files[1:]) == (sorted(whole[0].splitlines()), whole[1:])
    assert few.json == said.json


def test_a_judging_that_was_stopped_asks_what_is_left_and_leaves_the_same(judged):
    words = (*SPECS["panel"], "--no-cache")  # of two equal requests the cache answers the second
    whole, said = judged(*words)
    shutil.rmtree("runs")
    shutil.copytree("before", "runs")
    lines = whole[0].splitlines(keepends=True)
    Path("runs/r/verdicts.jsonl").write_bytes(b"".join(lines[::2]) + b'{"torn')
    files, rest = judged(*words, anew=False)
    assert sorted(files[0].splitlines()) == sorted(whole[0].splitlines())
    assert files[1:] == whole[1:] and rest.json["benchmarks"] == said.json["benchmarks"]
    assert (rest.json["nulls"], rest.json["asked"], rest.json["failed"]) == tuple(
        said.json[name] for name in ("nulls", "asked", "failed")
    )


def test_a_large_judging_that_is_finished_is_known_again_by_its_files(judged, monkeypatch):
    monkeypatch.setattr(finished, "LARGE", 0)
    first = judged(*SPECS["one"])
    monkeypatch.setattr("evalharness.judging.run._prepare", None)
    again = judged(*SPECS["one"], anew=False)
    assert again[0] == first[0] and again[1].code == first[1].code
    assert {**again[1].json, "usage": 0} == {**first[1].json, "usage": 0} and again[1].json["usage"]["calls"] == 0
    (kept,) = prepared.PREPARED.parent.parent.joinpath("runs", prepared.PREPARED).glob("*.json")
    assert json.loads(kept.read_bytes())["asked"] == first[1].json["asked"]


def again(name):
    """The last line of a journal once more."""
    path = Path("runs/r", name)
    path.write_bytes(path.read_bytes() + path.read_bytes().splitlines(keepends=True)[-1])


@pytest.mark.parametrize(
    "change",
    [
        lambda: again("verdicts.jsonl"),
        lambda: again("results.jsonl"),
        lambda: next(Path("runs/.cache/prepared").glob("*.json")).write_text("{}"),
    ],
    ids=["verdicts", "results", "what is kept"],
)
def test_what_was_written_since_is_looked_at_again(judged, monkeypatch, change):
    class LookedAt(Exception):
        pass

    def look(*_):
        raise LookedAt

    monkeypatch.setattr(finished, "LARGE", 0)
    judged(*SPECS["one"])
    monkeypatch.setattr("evalharness.judging.run._prepare", look)
    judged(*SPECS["one"], anew=False)
    change()
    with pytest.raises(LookedAt):
        judged(*SPECS["one"], anew=False)


def test_where_verdicts_stand(judged, tmp_path):
    (verdicts, *_), _ = judged(*SPECS["one"])
    path = Path("runs/r/verdicts.jsonl")
    assert len(KeptVerdicts(path, again=False)) == len(verdicts.splitlines())
    assert len(KeptVerdicts(tmp_path / "none", again=False)) == 0
    key = json.loads(verdicts.splitlines()[1])["key"]
    second = len(verdicts.splitlines(keepends=True)[0])
    with path.open("rb") as file:
        assert verdict_at(file, second, tuple(key[:3])).judge == "reference"
        for place, of in ((second, ("b", "other", 0)), (second + 1, tuple(key[:3]))):
            with pytest.raises(UserError, match="changed while it was read"):
                verdict_at(file, place, of)
