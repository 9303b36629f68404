"""A/A runs: what flips by itself."""

import json

import pytest
from run_folders import letters, write_run

from evalharness.comparison.flaky import measure_flakiness, measure_flips
from evalharness.comparison.inputs import open_side
from evalharness.errors import Exit, UserError


def test_flip_rate_difference_and_ids(tmp_path):
    same = {"model": {"name": "m", "fingerprint": "f"}}
    a = write_run(tmp_path / "a", letters("quiz", "1" * 90 + "0" * 10), **same)
    b = write_run(tmp_path / "b", letters("quiz", "0" * 2 + "1" * 91 + "0" * 7), **same)
    noise = measure_flips(open_side(str(a)), open_side(str(b)))["quiz"]
    assert (noise.flips, noise.n, noise.rate) == (5, 100, 0.05)
    assert noise.difference == pytest.approx(0.01)
    assert noise.low < 0 < noise.high
    assert noise.ids == ("g0/0", "g0/1", "g0/90", "g0/91", "g0/92")


def test_two_models_are_no_aa_run(tmp_path):
    a, b = (write_run(tmp_path / name, letters("quiz", "1" * 10)) for name in "ab")
    with pytest.raises(UserError, match="not the same model") as refused:
        measure_flips(open_side(str(a)), open_side(str(b)))
    assert refused.value.exit_code == Exit.NOT_COMPARABLE


def test_evalh_flaky_asks_again_and_marks_what_flipped(evalh, tmp_path, monkeypatch):
    monkeypatch.setattr("sys.argv", ["evalh", "run", "mmlu", "--name", "base"])  # what the manifest records
    assert evalh("run", "mmlu", "--name", "base").code == 0
    said = evalh("flaky", "base", "--json")
    assert said.code == 0, said.err
    noise = said.json["benchmarks"]["mmlu@sample"]
    assert noise["flips"] == 0
    assert (tmp_path / "runs" / "base-again" / "results.jsonl").is_file()
    assert json.loads((tmp_path / "runs" / "base" / "flaky.json").read_text())["benchmarks"]["mmlu@sample"]["rate"] == 0
    assert "expected from noise" in evalh("compare", "base", "base-again").out
    assert "flipped by themselves" in evalh("flaky", "base", "base-again").out


def test_a_run_that_does_not_say_how_it_was_made_wants_both(evalh, tmp_path):
    write_run(tmp_path / "runs" / "a", letters("quiz", "1" * 10))
    said = evalh("flaky", "a")
    assert (said.code, said.err.count("\n")) == (2, 1)
    assert "give both runs" in said.err


def test_one_item_that_both_have_is_enough_and_a_benchmark_without_any_is_left_out(tmp_path):
    same = {"model": {"name": "m", "fingerprint": "f"}}
    a = write_run(tmp_path / "a", [*letters("quiz", "11"), *letters("gone", "1"), *letters("none", "e")], **same)
    b = write_run(tmp_path / "b", [*letters("quiz", "1"), *letters("none", "1")], **same)
    with pytest.raises(UserError, match="none: no item has a value in both runs"):
        measure_flips(open_side(str(a)), open_side(str(b)))
    b = write_run(tmp_path / "c", letters("quiz", "1"), **same)
    assert {name: noise.n for name, noise in measure_flips(open_side(str(a)), open_side(str(b))).items()} == {"quiz": 1}


def test_where_it_is_kept_is_said(tmp_path):
    run = write_run(tmp_path / "a", letters("quiz", "1" * 10), model={"name": "m", "fingerprint": "f"})
    found = measure_flakiness(str(run), str(run), limit=None, runs=tmp_path)
    assert found.path == run / "flaky.json" and found.path.is_file()
