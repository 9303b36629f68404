"""Ladders: whether a benchmark ranks models, what its items tell, and mislabelled items that were put in."""

import numpy as np
import pytest
from run_folders import line, write_run
from scipy.special import expit

from evalharness.errors import UserError
from evalharness.evidence.scaling import build_ladders
from evalharness.stats.ladders import item_rest_correlations, ranking_power

N = 300


def ladder(tmp_path, abilities, seed=0, mislabelled=(), spread=2.0):
    """Runs of models on items with four options; of a mislabelled item the gold answer is another option."""
    random = np.random.default_rng(seed)
    ease, distractor = random.normal(0.5, spread, N), random.integers(1, 4, N)
    names = []
    for place, ability in enumerate(abilities):
        knows = random.random(N) < expit(ability + ease)
        rows = []
        for item in range(N):
            option = (
                0 if knows[item] else int(distractor[item]) if random.random() < 0.5 else int(random.integers(1, 4))
            )
            gold = 1 if item in mislabelled else 0
            right = option == gold
            made = line("quiz", f"q{item}", "correct" if right else "wrong", float(right))
            made["sample"] = {**made["sample"], "choices": list("wxyz"), "gold": [gold]}
            rows.append({**made, "answer": "ABCD"[option]})
        write_run(tmp_path / "runs" / f"m{place}", rows)
        names.append(str(tmp_path / "runs" / f"m{place}"))
    return names


def test_a_benchmark_that_ranks_models(tmp_path):
    found = build_ladders(ladder(tmp_path, [-2, -1, 0, 1, 2, 3]))[0]
    assert found.tau == pytest.approx(1)
    assert found.tau_p < 0.01
    assert found.power.reliability > 0.95
    assert found.power.p < 1e-6
    assert [step.run for step in found.steps] == [f"m{i}" for i in range(6)]
    assert found.steps[0].difference is None
    assert found.steps[1].difference > 0
    assert found.steps[1].p < 0.05
    assert found.with_ladder > 5 * found.against_ladder
    assert found.all_right + found.all_wrong < found.n
    assert sum(found.by_right) == found.n
    assert (found.by_right[0], found.by_right[-1]) == (found.all_wrong, found.all_right)


def test_a_benchmark_that_does_not(tmp_path):
    found = build_ladders(ladder(tmp_path, [0.5] * 6, seed=3))[0]
    assert found.power.reliability < 0.6
    assert found.power.p > 0.01
    assert all(step.p > 0.01 for step in found.steps[1:])


def test_mislabelled_items_come_first_in_the_list(tmp_path):
    wrong = set(range(0, 300, 30))
    found = build_ladders(ladder(tmp_path, [0, 1, 2, 3, 4, 5], mislabelled=wrong))[0]
    first = [item.id for item in found.suspects[:10]]
    assert sum(int(identity[1:]) in wrong for identity in first) >= 7
    named = {int(item.id[1:]) for item in found.suspects}
    assert len(named & wrong) >= 8
    assert found.suspects[0].answer == "A"
    assert found.suspects[0].right == "x"
    assert found.suspects[0].question.startswith("What is q")


def test_sizes_put_the_runs_in_order(tmp_path):
    names = ladder(tmp_path, [2, 0, 1])
    found = build_ladders(names, sizes=(7, 0.5, 1.5))[0]
    assert [step.size for step in found.steps] == [0.5, 1.5, 7]
    assert [step.run for step in found.steps] == ["m1", "m2", "m0"]
    with pytest.raises(UserError, match="a number for each of the 3 runs"):
        build_ladders(names, sizes=(1, 2))


def test_a_run_of_other_questions_is_left_out(tmp_path):
    names = ladder(tmp_path, [0, 1, 2])
    write_run(tmp_path / "runs/other", [line("quiz", f"q{i}", "correct", 1.0, question="Else?") for i in range(9)])
    found = build_ladders([*names, str(tmp_path / "runs/other")])[0]
    assert found.left_out == ("other",)
    assert found.n == N
    with pytest.raises(UserError, match="no two of these runs were asked the same"):
        build_ladders([names[0], str(tmp_path / "runs/other")])


def test_the_analysis_of_variance_is_that_of_statsmodels():
    import pandas
    from statsmodels.formula.api import ols
    from statsmodels.stats.anova import anova_lm

    worth = np.random.default_rng(1).random((30, 4)) + np.arange(4) / 10
    frame = pandas.DataFrame(
        [(i, f"m{j}", worth[i, j]) for i in range(30) for j in range(4)], columns=["item", "model", "worth"]
    )
    table = anova_lm(ols("worth ~ C(item) + C(model)", frame).fit())
    found = ranking_power(worth)
    assert np.isclose(found.p, table.loc["C(model)", "PR(>F)"])
    assert np.isclose(found.reliability, 1 - 1 / table.loc["C(model)", "F"])


def test_an_items_correlation_leaves_the_item_out():
    worth = np.random.default_rng(2).integers(0, 2, (20, 6)).astype(float)
    worth[3] = 1
    found = item_rest_correlations(worth)
    assert np.isnan(found[3])
    expected = np.corrcoef(worth[0], np.delete(worth, 0, 0).mean(0))[0, 1]
    assert np.isclose(found[0], expected)
    assert np.isnan(item_rest_correlations(worth[:, :3])).all()


def test_nothing_to_tell_is_none():
    assert ranking_power(np.ones((5, 3))) is None
    assert ranking_power(np.ones((1, 3))) is None


@pytest.mark.slow
def test_the_command(evalh, tmp_path):
    names = ladder(tmp_path, [-1, 1, 3, 4], mislabelled={0, 50})
    said = evalh("scaling", *names)
    assert said.code == 0, said.err
    flat = " ".join(said.out.split())
    assert "Kendall's tau of order and score: 1.00" in flat
    assert "steps below" in flat
    assert "●" in said.out
    assert "from none to all: " in flat
    assert "items to look at: the 3 strongest models give the same wrong answer" in flat
    assert evalh("scaling", *names, "--sizes", "1,2,3,4", "--json").json["ladders"][0]["n"] == N
    for words in ((names[0],), (names[0], names[0]), (*names, "--sizes", "a,b"), (*names, "--sizes", "1,2,3,nan"),
                  (*names, "--sizes", "1,1,2,3"), ("nowhere", names[0])):  # fmt: skip
        bad = evalh("scaling", *words)
        assert bad.code == 2, words
        assert bad.err.count("\n") == 1
