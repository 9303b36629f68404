"""How many items decide a comparison: from flips that are assumed, or seen in earlier runs."""

import numpy as np
import pytest
from run_folders import line, make_run, write_run

from evalharness.comparison.sizing import SizingRequest, size_comparison
from evalharness.errors import UserError
from evalharness.stats.paired import paired_binary
from evalharness.stats.power import detectable


def sized(benchmark="quiz", **more):
    return size_comparison(SizingRequest(benchmark=benchmark, **more))


@pytest.mark.slow
def test_the_items_that_are_named_decide_four_times_in_five():
    row = sized("mmlu", flips=0.08, margin=0.03).rows[0]
    draw = np.random.default_rng(0)
    broke, fixed, _ = draw.multinomial(row.items, (0.04, 0.04, 0.92), size=400).T
    passes = [paired_binary(int(f), int(b), row.items, 0.9).low > -0.03 for f, b in zip(fixed, broke, strict=True)]
    assert np.mean(passes) == pytest.approx(0.8, abs=0.08), "four standard errors of a share of .8 over 400 draws"
    lost, won, _ = draw.multinomial(row.items, (0.07, 0.01, 0.92), size=400).T
    fails = [paired_binary(int(f), int(b), row.items, 0.9).high < -0.03 for f, b in zip(won, lost, strict=True)]
    assert np.mean(fails) == pytest.approx(0.8, abs=0.08)


def test_without_a_run_each_share_of_flips_has_its_row(evalh):
    found = sized("mmlu")
    assert (found.available, [row.flips for row in found.rows]) == (14042, [0.02, 0.05, 0.1, 0.2])
    assert [row.items for row in found.rows] == sorted(row.items for row in found.rows)
    assert all(row.enough and row.cost is None for row in found.rows)
    said = evalh("plan", "mmlu", "--margin", "0.005")
    assert (said.code, "more than there are" in said.out) == (0, True)
    assert evalh("plan", "mmlu", "--json").json["rows"][0]["items"] == found.rows[0].items


def test_two_runs_say_how_many_items_flip(tmp_path):
    usage = {"quiz": {"seconds": 1, "tokens_in": 4e4, "tokens_out": 1e4, "cost": 0.5}}
    base = make_run(tmp_path / "a", "1" * 300 + "0" * 100)
    new = make_run(tmp_path / "b", "1" * 280 + "0" * 110 + "1" * 10, usage=usage)
    found = sized(earlier=(str(base), str(new)))
    (row,) = found.rows
    assert row.flips == 30 / 400
    d = np.array([-1.0] * 20 + [1.0] * 10 + [0.0] * 370)
    assert row.sd == pytest.approx(np.std(d, ddof=1), rel=1e-12)
    assert row.cost == pytest.approx(0.5 / 400 * row.items, rel=1e-12)
    priced = sized(earlier=(str(base), str(new)), price_in=1.0, price_out=4.0).rows[0]
    assert priced.cost == pytest.approx((4e4 + 4e4) / 1e6 / 400 * row.items, rel=1e-12)


def test_several_answers_an_item_save_items_and_cost_answers(tmp_path):
    draw = np.random.default_rng(0)

    def run(name, p):
        right = draw.random((200, 4)) < p
        return str(write_run(tmp_path / name, [
            line("code", f"p/{i}", "correct" if r else "wrong", float(r), repeat=k)
            for i in range(200) for k, r in enumerate(right[i])
        ], facts={"repeats": 4}))  # fmt: skip

    rows = sized("code", earlier=(run("a", 0.6), run("b", 0.6))).rows
    assert [row.samples for row in rows] == [1, 2, 4, 8]
    assert [row.items for row in rows] == sorted((row.items for row in rows), reverse=True)
    # Two models that answer by chance alone: single answers differ with variance 2 p (1 - p).
    assert rows[0].sd == pytest.approx(np.sqrt(2 * 0.6 * 0.4), rel=0.1)


def test_one_run_tells_its_noise(tmp_path):
    run = make_run(tmp_path / "a", "1" * 300 + "0" * 100)
    (run / "flaky.json").write_text('{"benchmarks": {"quiz": {"n": 400, "rate": 0.03, "ids": []}}}')
    rows = sized(earlier=(str(run),)).rows
    assert rows[0].flips == 0.03
    assert rows[-1].sd == pytest.approx(np.sqrt(2 * 0.75 * 0.25), rel=1e-12)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("plan", "mmluu"), "mmlu"),
        (("plan", "mmlu", "--margin", "2"), "--margin wants a share"),
        (("plan", "mmlu", "--margin", "nan"), "--margin wants a share"),
        (("plan", "mmlu", "--alpha", "0.6"), "--alpha wants"),
        (("plan", "mmlu", "--flips", "0"), "--flips wants"),
        (("plan", "mmlu", "--from", "nowhere"), "there is no run or baseline"),
        (("plan", "mmlu", "--from", "a"), "has no benchmark 'mmlu'"),
        (("plan", "quiz", "--from", "a", "--flips", "0.1"), "say the same thing"),
        (("plan", "quiz", "--from", "a", "--from", "a", "--from", "a"), "there are 3"),
        (("plan", "quiz", "--from", "a", "--price-in", "-1"), "--price-in wants"),
    ],
)
def test_what_makes_no_sense_is_one_line(tmp_path, evalh, words, said):
    make_run(tmp_path / "runs" / "a", "10" * 50)
    found = evalh(*words)
    assert (found.code, said in found.err, found.err.count("\n")) == (2, True, 1), found


def test_grades_without_a_range_have_no_share(tmp_path):
    runs = [str(make_run(tmp_path / name, lines=[line("lm", f"q/{i}", "scored", float(i), metric="grade")
                                                 for i in range(9)])) for name in ("a", "b")]  # fmt: skip
    with pytest.raises(UserError, match="not held to 0"):
        sized("lm", earlier=tuple(runs))


def answers(tmp_path, name, right, **more):
    """A run with as many answers to each item as a row of `right` has."""
    lines = [line("code", f"p/{i}", "correct" if one else "wrong", float(one), repeat=k)
             for i, row in enumerate(right) for k, one in enumerate(row)]  # fmt: skip
    return str(write_run(tmp_path / name, lines, facts={"repeats": len(right[0])}, **more))


def test_what_single_answers_vary_is_taken_from_what_items_differ(tmp_path):
    """A: two right of four, or four; B: none of four, or four. Only A's first items vary from answer to answer."""
    base = answers(tmp_path, "a", [[1, 1, 0, 0]] * 10 + [[1] * 4] * 10)
    new = answers(tmp_path, "b", [[0] * 4] * 10 + [[1] * 4] * 10)
    rows = sized("code", earlier=(base, new)).rows
    within = 0.5 * (0.25 * 4 / 3)  # of half of the items: the variance of one answer
    variance = np.var([-0.5] * 10 + [0.0] * 10, ddof=1)
    for row in rows:
        assert row.sd == pytest.approx(np.sqrt(variance - within / 4 + within / row.samples), rel=1e-9)
        assert row.answers == row.items * row.samples
    assert rows[0].flips == 0.0, "a half right is on neither side"


def test_one_run_with_several_answers_tells_what_a_second_try_would(tmp_path):
    rows = sized("code", earlier=(answers(tmp_path, "a", [[1, 0], [1, 1]] * 20),)).rows
    noise = [row for row in rows if row.source.startswith("noise")]
    assert [row.samples for row in noise] == [1, 2, 4, 8] and noise[0].flips is None
    assert noise[0].sd == pytest.approx(np.sqrt(2 * 0.5 * (0.25 * 2)), rel=1e-9)
    assert noise[2].sd == pytest.approx(noise[0].sd / 2, rel=1e-9)
    assert rows[-1].sd == pytest.approx(np.sqrt(2 * np.var([0.5, 1.0])), rel=1e-9) and rows[-1].flips is None


def test_all_items_show_a_loss_that_is_named_once_the_flips_are_known(tmp_path):
    assert sized("mmlu").detectable is None, "flips that are assumed show nothing"
    known = sized("mmlu", flips=0.08, alpha=0.1)
    assert known.detectable == pytest.approx(detectable(np.sqrt(0.08), 14042, 0.1), rel=1e-12)
    run = make_run(tmp_path / "a", "10" * 50, facts={"items_published": 120})
    found = sized(earlier=(str(run), str(make_run(tmp_path / "b", "1" * 60 + "0" * 40))))
    assert found.available == 120 and found.detectable is not None
    nowhere = sized(earlier=(str(make_run(tmp_path / "c", "10" * 50)),))
    assert (nowhere.available, nowhere.detectable, nowhere.rows[0].enough) == (None, None, None)


def test_as_many_items_as_there_are_are_enough(tmp_path):
    runs = lambda name, published: str(make_run(tmp_path / name, "10" * 50, facts={"items_published": published}))
    other = str(make_run(tmp_path / "new", "1" * 60 + "0" * 40))
    needed = sized(earlier=(runs("a", 1), other)).rows[0].items
    assert sized(earlier=(runs("b", needed), other)).rows[0].enough
    assert not sized(earlier=(runs("c", needed - 1), other)).rows[0].enough


def test_an_answers_cost_is_of_the_newest_run_that_tells_it(tmp_path):
    def run(name, **usage):
        return str(make_run(tmp_path / name, "10" * 50, facts={"repeats": 1}, usage={"quiz": {"seconds": 1, **usage}}))

    free, paid, dear = run("a"), run("b", cost=0.5, tokens_in=1e4), run("c", cost=2.0, tokens_in=1e6, tokens_out=1e6)
    cost = lambda *earlier, **prices: (row := sized(earlier=earlier, **prices).rows[0]).cost and row.cost / row.answers
    assert cost(dear, paid) == pytest.approx(0.5 / 100, rel=1e-12)
    assert cost(paid, dear) == pytest.approx(2.0 / 100, rel=1e-12)
    assert cost(paid, free) == pytest.approx(0.5 / 100, rel=1e-12), "the last run was free of charge"
    assert cost(paid, price_in=3.0) == pytest.approx(0.5 / 100, rel=1e-12), "one price alone says nothing"
    assert cost(dear, price_in=3.0, price_out=5.0) == pytest.approx(8 / 100, rel=1e-12)
    assert cost(free) is None
    assert "no cost" in " ".join(sized(earlier=(free,)).notes) and "no cost" not in " ".join(
        sized(earlier=(paid,)).notes
    )


def test_the_notes_say_what_would_tell_more(tmp_path):
    run = str(make_run(tmp_path / "a", "10" * 50))
    none, one, two = (" ".join(sized("quiz" if n else "mmlu", earlier=(run, run)[:n]).notes) for n in range(3))
    assert "is assumed" in none and "one run tells the noise alone" in one
    assert "assumed" not in two and "one run" not in two
    with pytest.raises(UserError, match="fewer than two items in common"):
        sized(earlier=(str(make_run(tmp_path / "b", "1")), str(make_run(tmp_path / "c", "1"))))
    with pytest.raises(UserError, match="no item of quiz has a value"):
        sized(earlier=(str(make_run(tmp_path / "d", "eee")),))


def test_bounds_of_what_makes_sense():
    for more in ({"margin": 0.0}, {"margin": 1.0}, {"alpha": 0.0}, {"alpha": 0.5}, {"flips": 1.0},
                 {"price_out": float("inf")}, {"price_in": float("nan")}):  # fmt: skip
        with pytest.raises(UserError, match="wants"):
            sized("mmlu", **more)
    assert sized("mmlu", flips=0.5, price_in=0.0, price_out=0.0, alpha=0.499, margin=0.999).rows[0].items >= 1
