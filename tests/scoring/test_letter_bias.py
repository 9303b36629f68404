"""One letter picked far more often than it is right is said so; a model that is merely wrong is not accused."""

import json

import numpy as np
import pytest
from scipy.stats import binomtest

from evalharness.records import Message, Request, Response, Result, Sample
from evalharness.scoring.columns import columns_of
from evalharness.scoring.letter_bias import _p_value, letter_bias


def results(picked, right, choices=4, **changes):
    return [
        Result(
            benchmark="b",
            sample=Sample(id=f"q{i:04}", question="?", choices=tuple("wxyz"[:choices]), gold_indices=(gold,)),
            request=Request(messages=(Message("user", "?"),)),
            response=Response(text=letter),
            status="correct" if letter == "ABCD"[gold] else "wrong",
            answer=letter,
            **changes,
        )
        for i, (letter, gold) in enumerate(zip(picked, right, strict=True))
    ]


def said(picked, right, **fields):
    return letter_bias(columns_of(results(picked, right, **fields)))


def test_a_model_that_picks_c_is_told():
    right = [i % 4 for i in range(228)]
    picked = ["C" if i % 3 else "ABD"[i % 7 % 3] for i in range(228)]
    assert said(picked, right) == [
        "it picks C in 152 of 228 answers, where C is right in 57: the letter decides, more than the options do"
    ]


def test_what_is_no_letter_s_doing():
    draw = np.random.default_rng(0)
    right = draw.integers(0, 4, 400).tolist()
    assert said(["ABCD"[g] for g in right], right) == []  # all right
    assert said(["C"] * 300, [2] * 300) == []  # C is right
    assert said(["C"] * 8, [0, 1, 2, 3] * 2) == []  # too few to tell
    slightly = ["C" if draw.random() < 0.08 else "ABCD"[draw.integers(0, 4)] for _ in right]
    assert said(slightly, right) == []  # not far more often
    assert said(["ABCD"[(g + 1) % 4] for g in right], right) == []  # wrong everywhere, no letter liked


def test_guessers_are_hardly_ever_accused():
    draw = np.random.default_rng(1)
    accused = sum(
        bool(said(["ABCD"[k] for k in draw.integers(0, 4, 100)], draw.integers(0, 4, 100).tolist())) for _ in range(100)
    )
    assert accused <= 1


@pytest.mark.parametrize("answer", [None, "", "no", "E", "Z", "w"])
def test_answers_that_are_no_letter_of_a_choice_do_not_count(answer):
    assert said([answer] * 200, [0] * 200) == []


def test_only_the_first_answer_to_a_question_counts():
    right = [i % 4 for i in range(12)]
    once = results(["C"] * 12, right)
    many = [r for repeat in range(20) for r in results(["C"] * 12, right, repeat=repeat)]
    assert letter_bias(columns_of(once)) == letter_bias(columns_of(many))


def test_run_verify_and_old_summaries(tmp_path, evalh):
    rows = [{"q": f"Which {i}?", "options": ["w", "x", "y", "z"], "right": i % 4} for i in range(60)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "letters.yaml").write_text('source: rows.jsonl\ntemplate: "{{q}}"\nchoices: options\ngold: right\n')
    (tmp_path / "answers.jsonl").write_text(
        "".join(json.dumps({"id": str(i), "response": "C"}) + "\n" for i in range(60))
    )
    ran = evalh("run", tmp_path / "letters.yaml", "--model", f"replay:{tmp_path / 'answers.jsonl'}", "--mode", "write")
    assert ran.code == 0, ran.err
    assert "it picks C in 60 of 60 answers, where C is right in 15" in " ".join(ran.out.split())
    (run,) = tmp_path.glob("runs/*/summary.json")
    assert evalh("verify", run.parent).code == 0
    summary = json.loads(run.read_text())
    (entry,) = summary["benchmarks"].values()
    assert len(entry["cautions"]) == 1
    entry["cautions"] = ["something else"]
    run.write_text(json.dumps(summary))
    assert "cautions" in evalh("verify", run.parent).out


@pytest.mark.parametrize(("wrongly", "left"), [(20, 2), (16, 4), (9, 0), (12, 0)])
def test_a_letter_is_named_where_chance_would_hardly_pick_it_so_often_in_error(wrongly, left):
    """`wrongly` answers take C where another is right, `left` another where C is right."""
    picked, right = ["C"] * wrongly + ["A"] * left + ["C"] * 5, [0] * wrongly + [2] * left + [2] * 5
    p = binomtest(wrongly, wrongly + left, alternative="greater").pvalue
    assert _p_value(wrongly, left) == pytest.approx(p) and _p_value(0, left) == 1.0
    assert bool(said(picked, right)) or p > 1e-3
