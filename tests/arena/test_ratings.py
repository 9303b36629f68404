"""Ratings equal closed forms, do not depend on the order of battles, and refuse what has no finite rating."""

import io
import json
import math
import random
from collections import Counter

import pytest

from evalharness.arena.ratings import SCALE, Battle, comparable, rate_models, style, style_difference
from evalharness.arena.votes import read_battles
from evalharness.cli import guarded
from evalharness.errors import UserError
from evalharness.report.leaderboard import show_leaderboard


def battles(a, b, wins, ties, losses, per_item=1):
    scores = [1.0] * wins + [0.5] * ties + [0.0] * losses
    return [Battle(a=a, b=b, score=s, item=f"{a}{b}{i // per_item}") for i, s in enumerate(scores)]


def difference(board, a, b):
    found = {r.model: r.rating for r in board.ratings}
    v = board.covariance
    return found[a] - found[b], math.sqrt(v[a, a] + v[b, b] - 2 * v[a, b])


def test_two_models_have_the_closed_form():
    gap, stderr = difference(rate_models(battles("x", "y", 30, 10, 20), draws=20), "x", "y")
    assert gap == pytest.approx(400 * math.log10(35 / 25), abs=1e-4)
    assert (gap, stderr) == (pytest.approx(58.451, abs=5e-4), pytest.approx(41.408, abs=5e-4))


def test_battles_of_one_item_are_not_independent():
    alone = difference(rate_models(battles("x", "y", 30, 0, 20), draws=20), "x", "y")[1]
    doubled = [b for b in battles("x", "y", 30, 0, 20) for _ in range(2)]
    assert difference(rate_models(doubled, draws=20), "x", "y")[1] == pytest.approx(alone, rel=1e-6)


def test_the_order_of_battles_and_of_the_sides_changes_nothing():
    rng = random.Random(3)
    fought = battles("a", "b", 12, 3, 9) + battles("b", "c", 8, 2, 10) + battles("c", "a", 5, 5, 9)
    mixed = [Battle(a=b.b, b=b.a, score=1 - b.score, item=b.item) if rng.random() < 0.5 else b for b in fought]
    rng.shuffle(mixed)
    first, second = rate_models(fought, draws=5), rate_models(mixed, draws=5)
    assert [r.model for r in first.ratings] == [r.model for r in second.ratings]
    for one, other in zip(first.ratings, second.ratings, strict=True):
        assert one.rating == pytest.approx(other.rating, abs=1e-3)
        assert one.stderr == pytest.approx(other.stderr, abs=1e-3)


def test_the_fit_is_a_maximum_of_the_likelihood():
    fought = battles("a", "b", 12, 3, 9) + battles("b", "c", 8, 2, 10) + battles("c", "a", 5, 5, 9)
    found = {r.model: r.rating / SCALE for r in rate_models(fought, draws=2).ratings}
    for model in found:
        gained = sum(b.score if b.a == model else 1 - b.score for b in fought if model in (b.a, b.b))
        expected = sum(
            1 / (1 + math.exp(found[b.b if b.a == model else b.a] - found[model]))
            for b in fought
            if model in (b.a, b.b)
        )
        assert gained == pytest.approx(expected, abs=1e-3)


def test_an_anchor_is_worth_1000_and_has_no_error():
    board = rate_models(battles("x", "y", 30, 10, 20), draws=5, anchor="y")
    anchored = next(r for r in board.ratings if r.model == "y")
    assert (anchored.rating, anchored.stderr) == (pytest.approx(1000), pytest.approx(0, abs=1e-6))
    with pytest.raises(UserError, match="no such model"):
        rate_models(battles("x", "y", 3, 1, 2), draws=2, anchor="z")


def test_no_battle_is_said_in_one_line(tmp_path, capsys):
    with pytest.raises(UserError, match="no battle"):
        rate_models([])
    file = tmp_path / "none.json"
    file.write_text("[]")
    assert guarded(["arena", "rate", str(file)]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_one_tie_is_no_certainty():
    for board in (rate_models(battles("x", "y", 0, 1, 0), draws=20), rate_models(battles("x", "y", 0, 5, 0), draws=20)):
        assert [(r.rating, r.stderr, r.low, r.boot_low) for r in board.ratings] == [(1000.0, None, None, None)] * 2
        assert board.separability is None
    few = rate_models(battles("x", "y", 2, 1, 0), draws=50)
    assert few.draws_used < 45 and few.ratings[0].boot_low is None, "what is left of the draws is a selection"


def test_repeated_battles_that_name_no_item_are_told(tmp_path, capsys):
    row = {"model_a": "x", "model_b": "y", "winner": "model_a"}
    rows = [row, row, {**row, "winner": "model_b"}, {**row, "id": 1}, {**row, "id": 2}]
    file = tmp_path / "b.jsonl"
    file.write_text("\n".join(map(json.dumps, rows)))
    assert guarded(["arena", "rate", str(file), "--draws", "20"]) == 0
    assert "1 battles repeat another and name no item" in capsys.readouterr().out
    assert rate_models(read_battles(file), draws=2).repeated == 1


def test_models_without_a_finite_rating_are_said_to_have_none():
    fought = [*battles("x", "y", 5, 0, 3), *battles("z", "y", 2, 0, 0), *battles("y", "w", 2, 0, 0)]
    notes = {r.model: (r.rating, r.note) for r in rate_models([*fought, *battles("p", "q", 1, 0, 1)], draws=5).ratings}
    assert notes["x"][0] is not None and notes["y"][0] is not None
    assert notes["z"] == (None, "never lost a point: unbounded above")
    assert notes["w"] == (None, "never took a point: unbounded below")
    assert notes["p"][0] is None and "no common scale" in notes["p"][1]
    assert len(comparable(fought)) == 3


@pytest.mark.slow
def test_the_interval_of_a_difference_covers_the_truth():
    rng = random.Random(0)
    true, covered = 80.0, 0
    for _ in range(200):
        p = 1 / (1 + 10 ** (-true / 400))
        scores = [0.5 if rng.random() < 0.3 else float(rng.random() < p) for _ in range(300)]
        mean = 0.7 * p + 0.15  # ties pull the score towards a half: the truth of the rating is that of the score
        gap, stderr = difference(
            rate_models([Battle(a="x", b="y", score=s, item=str(i)) for i, s in enumerate(scores)], draws=0), "x", "y"
        )
        covered += abs(gap - 400 * math.log10(mean / (1 - mean))) < 1.96 * stderr
    assert 180 <= covered <= 199


def test_style_control_takes_length_out():
    rng = random.Random(5)
    fought = []
    for i in range(1500):
        long = rng.random()
        difference_ = style_difference((1000 * long, 0, 0, 0), (500, 0, 0, 0))
        p = 1 / (1 + math.exp(-3 * difference_[0]))
        fought.append(Battle(a="wordy", b="terse", score=float(rng.random() < p), item=str(i), style=difference_))
        fought[-1] = (
            fought[-1] if long > 0.3 else Battle(a="wordy", b="terse", score=0.5, item=str(i), style=(0.0,) * 4)
        )
    plain, _ = difference(rate_models(fought, draws=0), "wordy", "terse")
    board = rate_models(fought, draws=0, control_style=True)
    held, stderr = difference(board, "wordy", "terse")
    assert plain > 30 and abs(held) < 2.5 * stderr and board.style["length"] > 0.2


@pytest.mark.parametrize(("items", "told"), [(20, True), (40, False)])
def test_a_board_of_few_items_says_that_its_intervals_are_a_little_narrow(items, told):
    shown = io.StringIO()
    board = rate_models(battles("x", "y", items // 2, 0, items // 2), draws=20)
    show_leaderboard(board, as_json=False, stream=shown)
    assert (f"only {items} items" in " ".join(shown.getvalue().split())) is told


def test_style_counts_markdown():
    assert style("# Head\n\n- one\n- two\n1. three\n**bold** and __bold__\nnot a#header") == (63.0, 1.0, 3.0, 2.0)


def test_real_battles_are_rated_and_the_bootstrap_agrees_with_the_sandwich(shared):
    file = shared / "pandalm" / "testset-v1.json"
    fought = []
    for row in json.loads(file.read_text(encoding="utf-8")):
        a, b = row["cmp_key"].split("_")
        scores = [{0: 0.5, 1: 1.0, 2: 0.0}[row[f"annotator{k}"]] for k in (1, 2, 3)]
        fought += [Battle(a=a, b=b, score=s, item=str(row["idx"])) for s in scores]
    board = rate_models(fought, draws=200)
    assert [r.model for r in board.ratings][0::4] == ["llama-7b", "cerebras-gpt-6.7B"]
    assert (board.items, board.battles) == (999, 2997)
    for rating in board.ratings:
        assert rating.boot_high - rating.boot_low == pytest.approx(rating.high - rating.low, rel=0.2)


def test_pandalm_s_battles_by_majority_have_the_figures_computed_elsewhere(shared):
    """Three annotators, the majority counts, no majority is a tie; mean 1000."""
    file = shared / "pandalm" / "testset-v1.json"
    fought = []
    for row in json.loads(file.read_text(encoding="utf-8")):
        a, b = row["cmp_key"].split("_")
        said, times = Counter(row[f"annotator{k}"] for k in (1, 2, 3)).most_common(1)[0]
        fought.append(
            Battle(a=a, b=b, score={0: 0.5, 1: 1.0, 2: 0.0}[said] if times > 1 else 0.5, item=str(row["idx"]))
        )
    known = {
        "llama-7b": (1125.827, 14.27), "pythia-6.9b": (1012.788, 13.47), "bloom-7b": (996.839, 13.25),
        "opt-7b": (957.790, 13.67), "cerebras-gpt-6.7B": (906.756, 14.32),
    }  # fmt: skip
    board = rate_models(fought, draws=2)
    assert [rating.model for rating in board.ratings] == list(known)
    for rating in board.ratings:
        value, stderr = known[rating.model]
        assert rating.rating == pytest.approx(value, abs=0.01) and rating.stderr == pytest.approx(stderr, abs=0.02)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"model_a": "x", "model_b": "y", "winner": "c"}', ":1: wanted winner"),
        ('{"model_a": "x", "model_b": "x", "winner": "tie"}', "fights itself"),
        ('{"model_a": "x", "winner": "tie"}', "model_a and model_b"),
        ('{"model_a": "x", "model_b": "y"}', "wanted winner"),
        ('{"model_a": "x", "model_b": "y", "score": 2}', "wanted winner"),
        ('{"model_a": "x", "model_b": "y", "score": true}', "wanted winner"),
        ("not json", "not valid JSON"),
        ("[1]", "entry 1"),
        ("", "is empty"),
    ],
)
def test_bad_battles_are_one_line_that_names_the_place(tmp_path, capsys, text, said):
    file = tmp_path / "battles.jsonl"
    file.write_text(text)
    assert guarded(["arena", "rate", str(file)]) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1 and "battles.jsonl" in error


def test_all_ways_to_write_a_winner(tmp_path):
    rows = [{"winner": w} for w in ("model_a", "model_b", "tie", "tie (bothbad)", "A")]
    rows += [{"winner_model_a": 0, "winner_model_b": 1, "winner_tie": 0}, {"score": 0.25}]
    file = tmp_path / "battles.jsonl"
    file.write_text("\n".join(json.dumps({"model_a": "x", "model_b": "y", **row}) for row in rows))
    assert [b.score for b in read_battles(file)] == [1.0, 0.0, 0.5, 0.5, 1.0, 0.0, 0.25]
    assert len({b.item for b in read_battles(file)}) == 7


def test_the_command_prints_a_table_or_json(tmp_path, capsys):
    file = tmp_path / "battles.jsonl"
    said = {"conversation_a": [{"role": "user", "content": "x" * 99}, {"role": "assistant", "content": "**hi**"}]}
    rows = [{"model_a": "[red]x", "model_b": "y", "winner": w, **said, "answer_b": "hello"} for w in ("a", "b", "tie")]
    file.write_text("\n".join(map(json.dumps, rows)))
    assert guarded(["arena", "rate", str(file), "--draws", "20"]) == 0
    assert "[red]x" in capsys.readouterr().out
    assert guarded(["arena", "rate", str(file), "--json", "--style", "--draws", "20"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert [r["rating"] for r in printed["ratings"]] == [pytest.approx(1000, abs=0.1)] * 2
    assert set(printed["style"]) == {"length", "headers", "lists", "bold"}
