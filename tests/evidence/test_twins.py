"""Twins are named, siblings and equals are not."""

import csv

import numpy as np
import pytest
from run_folders import letters, write_run
from scipy.special import expit

from evalharness.errors import UserError
from evalharness.evidence.twins import find_twins
from evalharness.stats.disagreement import LIMIT_KNOWN, LIMIT_UNKNOWN, disagreement


def published(shared):
    """Item results of eight published models, names, group codes."""
    with (shared / "mmlu_items/item_results.csv").open(encoding="utf-8", newline="") as file:
        head, *rows = csv.reader(file)
    groups = np.unique([row[0].rpartition("/")[0] for row in rows], return_inverse=True)[1]
    return head[1:], np.array([[float(cell) for cell in row[1:]] for row in rows]), groups


def folders(tmp_path, columns, **more):
    for name, column in columns.items():
        text = "".join(str(int(value)) for value in column)
        write_run(tmp_path / "runs" / name, letters("quiz", text, 4, **more))
    return [str(tmp_path / "runs" / name) for name in columns]


def results(seed, models, n=400):
    random = np.random.default_rng(seed)
    return (random.random((n, models)) < expit(random.normal(1, 2.5, n)[:, None])).astype(float)


def test_of_eight_published_models_the_two_that_answer_alike_are_named(shared, tmp_path):
    names, worth, _ = published(shared)
    chosen = np.random.default_rng(0).choice(len(worth), 1500, replace=False)
    found = find_twins(folders(tmp_path, dict(zip(names, worth[chosen].T, strict=True))))
    assert [(pair.first, pair.second) for pair in found.pairs if pair.twins] == [
        ("google_text-unicorn@001", "writer_palmyra-x-v3")
    ]
    assert found.pairs[0].p < 1e-12


def test_pairs_of_published_models_lie_above_the_limits(shared):
    """What the limits were chosen by: no two models but the twins come near them, whatever is known of the items."""
    _, worth, groups = published(shared)
    for first in range(8):
        for second in range(first):
            others = [place for place in range(8) if place not in (first, second)]
            made = disagreement(worth[:, [first, second]], worth[:, others], groups)
            alone = disagreement(worth[:, [first, second]], worth[:, :0], groups)
            if {first, second} == {2, 7}:
                assert made.differ < 0.01 * made.expected
                assert alone.p < 1e-12
            else:
                assert made.differ > 1.5 * LIMIT_KNOWN * made.expected
                assert alone.differ > 3 * LIMIT_UNKNOWN * alone.expected
                assert min(made.p, alone.p) > 0.9999


def test_three_copies_do_not_excuse_each_other(tmp_path):
    worth = results(1, 5)
    columns = {"a": worth[:, 0], "b": worth[:, 0], "c": worth[:, 0], "d": worth[:, 1], "e": worth[:, 2]}
    found = find_twins(folders(tmp_path, columns))
    assert {(pair.first, pair.second) for pair in found.pairs if pair.twins} == {("a", "b"), ("a", "c"), ("b", "c")}


@pytest.mark.parametrize("seed", range(5))
def test_models_that_are_right_on_the_same_easy_items_are_no_twins(tmp_path, seed):
    random = np.random.default_rng(seed)
    ease = np.where(random.random(400) < 0.9, 6.0, 0.0)  # nine in ten items are easy for everybody
    worth = (random.random((400, 5)) < expit(ease[:, None])).astype(float)
    found = find_twins(folders(tmp_path, {f"m{i}": column for i, column in enumerate(worth.T)}))
    assert not any(pair.twins for pair in found.pairs)
    assert all(pair.difficulty_known for pair in found.pairs)


def test_siblings_raise_false_alarms_rarely():
    """Two models, one of which repeats the other's answer to half of the items, closer than any two published ones: at
    an error rate of 1 in 100 no more than that (3 of 300 expected, 9 are a rare chance)."""
    alarms = 0
    for seed in range(300):
        random = np.random.default_rng(seed)
        ease = random.normal(1, 2.5, 500)
        worth = (random.random((500, 6)) < expit(ease[:, None])).astype(float)
        second = np.where(random.random(500) < 0.5, worth[:, 1], worth[:, 0])
        made = disagreement(np.column_stack([worth[:, 0], second]), worth[:, 2:], np.zeros(500, int))
        alarms += made.p <= 0.01
    assert alarms <= 9


def test_two_runs_alone(tmp_path):
    worth = results(2, 2)
    alike, same = find_twins(folders(tmp_path, {"a": worth[:, 0], "b": worth[:, 1]})), {"c": worth[:, 0]}
    assert not alike.pairs[0].twins
    assert "fewer than two further runs" in alike.notes[0]
    found = find_twins([*folders(tmp_path, same), str(tmp_path / "runs/a")])
    assert found.pairs[0].twins
    assert found.pairs[0].differ == 0


def test_few_items_prove_nothing(tmp_path):
    found = find_twins(folders(tmp_path, {"a": [1, 1, 0, 1] * 3, "b": [1, 1, 0, 1] * 3}))
    assert found.pairs[0].differ == 0
    assert not found.pairs[0].twins


def test_other_questions_are_not_compared(tmp_path):
    one = folders(tmp_path, {"a": [1, 0] * 50})
    two = folders(tmp_path, {"b": [1, 0] * 50}, question="Something else?")
    with pytest.raises(UserError, match="no two of these runs were asked the same questions"):
        find_twins(one + two)


@pytest.mark.slow
def test_the_command_names_them(evalh, tmp_path):
    worth = results(3, 4)
    names = folders(tmp_path, {"a": worth[:, 0], "b": worth[:, 0], "c": worth[:, 1], "d": worth[:, 2]})
    said = evalh("twins", *names)
    assert said.code == 0
    assert "hardly two models: a and b (quiz)" in said.out
    found = evalh("twins", *names, "--json").json
    assert [pair["twins"] for pair in found["pairs"]] == [True, False, False, False, False, False]
    for words in (["a"], ["a", "a"], ["a", "nowhere"], ["a", "b", "--alpha", "2"], ["a", "b", "--alpha", "0"]):
        bad = evalh("twins", *words)
        assert bad.code == 2
        assert bad.err.count("\n") == 1
