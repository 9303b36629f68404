"""What version 0.1.0 left on disk is read as it was meant: runs, judgings, baselines, the cache, suites, trainings.

`old_versions/v0_1_0` was written by that version; nothing in it is ever made anew.
"""

import json
import shutil
from pathlib import Path

import pytest

from evalharness.data.kept import to_json
from evalharness.runs.cache import CachedModel
from evalharness.runs.store import Run
from evalharness.suites.schema import load_suite

OLD = Path(__file__).parent / "old_versions" / "v0_1_0"


@pytest.fixture
def old(tmp_path, monkeypatch):
    """A copy that may be written to, as the current folder."""
    shutil.copytree(OLD, tmp_path / "old")
    monkeypatch.chdir(tmp_path / "old")
    return tmp_path / "old"


def values(summary):
    return {
        (name, metric): (figure["value"], figure["n"])
        for name, entry in summary["benchmarks"].items()
        for metric, figure in entry["metrics"].items()
    }


@pytest.mark.parametrize("name", ["asked", "ranked", "judged"])
def test_a_run_is_read_and_scored_again_to_the_same_figures(old, evalh, monkeypatch, name):
    monkeypatch.chdir(old)
    before = Run(old / "runs" / name)
    results = before.results()
    assert len(results) == {"asked": 11, "ranked": 11, "judged": 3}[name]
    assert evalh("show", old / "runs" / name).code == 0
    said = evalh("rescore", old / "runs" / name, "--json")
    assert said.code == 0, said.err
    now, then = values(said.json), values(to_json(before.summary))  # a benchmark may have figures that it had not
    assert {key: now[key] for key in then} == then
    after = Run(old / "runs" / name).results()
    assert [(r.sample, r.request, r.response, r.status) for r in after] == [
        (r.sample, r.request, r.response, r.status) for r in results
    ]
    assert all(dict(a.scores) == {**a.scores, **b.scores} for a, b in zip(after, results, strict=True))


def test_the_same_command_finds_its_run_again(old, evalh, monkeypatch):
    monkeypatch.chdir(old)
    files = [old / "runs" / "ranked" / name for name in ("results.jsonl", "summary.json", "run.json")]
    before = [file.read_bytes() for file in files]
    words = ["winogrande", "tiny_exam", "--data", "sample", "--limit", 6, "--model", "tiny", "--name", "ranked"]
    said = evalh("run", *words, "--json")
    assert said.code == 0, said.err
    assert [file.read_bytes() for file in files] == before
    assert "damaged" not in said.err


def test_fields_keep_their_names_on_disk(old):
    line = json.loads((old / "runs" / "ranked" / "results.jsonl").read_text().splitlines()[0])
    result = next(r for r in Run(old / "runs" / "ranked").results() if r.sample.id == line["id"])
    assert list(result.sample.gold_indices) == line["sample"]["gold"]
    assert list(result.request.context_per_choice) == line["request"]["given"]


def test_a_judging_keeps_its_verdicts(old, evalh):
    found = Run(old / "runs" / "judged").results()
    assert [v.value for r in found for v in r.verdicts] == pytest.approx([0.07] * 3)
    assert evalh("judge", "audit", old / "runs" / "judged").code == 0


def test_a_run_is_compared_with_a_baseline(old, evalh):
    said = evalh("compare", old / "baselines" / "main.jsonl", old / "runs" / "ranked", "--json")
    assert said.code == 0, said.err
    assert {task["benchmark"]: task["difference"] for task in said.json["tasks"]} == {
        "tiny_exam": 0.0,
        "winogrande@sample": 0.0,
    }


class Unasked:
    """A model that must not be asked: the cache knows every answer."""

    name, chat, ranks, prices = "openai:m", True, False, (1.0, 2.0)

    def __init__(self, fingerprint):
        self.fingerprint = fingerprint

    def answer(self, requests):
        assert list(requests) == []
        return iter(())


def test_the_cache_knows_its_answers(old):
    run = Run(old / "runs" / "asked")
    results = run.results()
    model = CachedModel(model=Unasked(run.manifest.model.fingerprint), path=old / "replies.sqlite")
    from dataclasses import replace

    from evalharness.records import Origin

    asked = [replace(r.request, origin=Origin(id=r.sample.id, question="", repeat=r.repeat)) for r in results]
    found = dict(model.answer(asked))
    assert [found[i].text for i in range(len(asked))] == [r.response.text for r in results]


def test_a_suite_says_the_same(old):
    suite = load_suite(old / "suite.yaml")
    assert [model.name for model in suite.models] == ["tiny", "echo"]
    assert (suite.benchmarks, suite.own) == (("winogrande", "tiny_exam"), {"tiny_exam": {"limit": 6}})
    assert (suite.budget.cost, suite.budget.tokens, suite.baseline) == (2.5, 100000, "main")
    assert (suite.margins, suite.alpha, suite.policy) == (("0.03", "tiny_exam=0.05"), 0.1, "require-pass")


@pytest.fixture
def finetune(old, capsys, monkeypatch):
    """Go on with the stopped training: its code, and what it said."""
    from evalharness.cli import guarded

    monkeypatch.chdir(old / "training")
    words = ["--max-length", "128", "--batch", "8", "--answer-tokens", "4", "--threads", "1", "--epochs", "2"]

    def called(*more, style="chatml"):
        line = ["finetune", "data.json", "--model", "base", "--out", "tuned", "--style", style, "--json", *words, *more]
        return guarded(line), capsys.readouterr()

    return called


def test_a_stopped_training_goes_on_to_the_same_weights(old, finetune):
    from safetensors.numpy import load_file

    code, said = finetune()
    assert code == 0, said.err
    assert json.loads(said.out)["steps"] == 8
    made, wanted = load_file(old / "training" / "tuned" / "model.safetensors"), load_file("finished.safetensors")
    assert made.keys() == wanted.keys()
    # Rounding differs between processors (by 1e-7 of the largest weight); a lost step moves them by 7e-4, the rate.
    for name, weight in wanted.items():
        assert abs(made[name] - weight).max() <= 1e-4 * abs(weight).max(), name
    # From here on it knows its base weights too.
    kept = json.loads((old / "training" / "tuned" / "training" / "training.json").read_text())
    assert len(kept["identity"]["weights"]) == 64


@pytest.mark.parametrize(
    ("more", "style", "others"),
    [
        (["--lr-floor", "0.1"], "chatml", "settings"),
        (["--lr", "1e-3"], "chatml", "settings"),
        ([], "phi3", "template"),
        (["--no-mask-prompt"], "chatml", "rules"),
    ],
)
def test_another_training_than_the_stopped_one_is_refused(finetune, more, style, others):
    code, said = finetune(*more, style=style)
    assert code == 2
    assert f"holds another training (other {others});" in said.err


@pytest.mark.slow
def test_what_a_stopped_training_must_say_of_itself(old, finetune):
    about = old / "training" / "tuned" / "training" / "training.json"
    wrote = json.loads(about.read_text())
    for key, value in {"weights": "0" * 64, "template": "0" * 64, "rules": None, "settings": None}.items():
        about.write_text(json.dumps({**wrote, "identity": {**wrote["identity"], key: value}}))
        code, said = finetune()
        assert (code, f"(other {key});" in said.err) == (2, True)
