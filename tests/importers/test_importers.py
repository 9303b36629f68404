"""Judgments made elsewhere: the published figures come out again, and bad files are one line."""

import csv
import json
import random

import numpy as np
import pytest

from evalharness import plugins
from evalharness.judge import JudgeCase
from evalharness.stats import length_control
from evalharness.stats.intervals import mean_interval

ANNOTATIONS = "alpaca_eval/results/{}/weighted_alpaca_eval_gpt4_turbo/annotations.json"
BASELINE = "alpaca_eval/results/gpt4_1106_preview/model_outputs.json"


def published(shared, model):
    path = shared / "alpaca_eval/leaderboards/data_AlpacaEval_2/weighted_alpaca_eval_gpt4_turbo_leaderboard.csv"
    with path.open() as file:
        return next(row for row in csv.DictReader(file) if row[""] == model)


@pytest.mark.parametrize("model", ["claude-2", "FuseChat-Llama-3.1-8B-Instruct"])
def test_alpaca_eval_gives_the_published_row(evalh, shared, model):
    folder = str(shared / "alpaca_eval")
    said = evalh("import", "alpaca_eval", str(shared / ANNOTATIONS.format(model)), "--data", folder, "--json")
    assert said.code == 0, said.err
    row, found = published(shared, model), said.json["figures"]
    for name in ("win_rate", "standard_error", "discrete_win_rate"):
        assert found[name] == pytest.approx(float(row[name]), abs=5e-7)
    for name in ("n_wins", "n_wins_base", "n_draws", "n_total", "avg_length"):
        assert found[name] == int(row[name])
    metrics = said.json["benchmarks"]["alpaca_eval"]["metrics"]
    assert 100 * metrics["win_rate"]["value"] == pytest.approx(found["win_rate"])
    assert found["length_controlled_winrate"] == pytest.approx(float(row["length_controlled_winrate"]), abs=0.1)
    controlled = metrics["length_controlled_win_rate"]
    assert controlled["low"] < controlled["value"] < controlled["high"]
    assert found["bootstrap_error"] > 2 * float(row["lc_standard_error"] or 0)
    assert "length_adjusted_win_rate" not in metrics


def test_the_figures_of_the_issue(evalh, shared):
    said = evalh("import", "alpaca_eval", str(shared / ANNOTATIONS.format("claude-2")), "--json").json
    figures = {k: round(v, 6) for k, v in said["figures"].items()}
    assert figures == {
        "win_rate": 17.188240, "standard_error": 1.174828, "discrete_win_rate": 16.335404,
        "n_wins": 131, "n_wins_base": 673, "n_draws": 1, "n_total": 805, "avg_length": 1069,
    }  # fmt: skip
    assert "length_controlled_win_rate" not in said["benchmarks"]["alpaca_eval"]["metrics"]
    assert "length_adjusted_win_rate" in said["benchmarks"]["alpaca_eval"]["metrics"]
    assert any("--data" in note for note in said["notes"])


def test_the_order_of_every_item_is_alpaca_evals(shared):
    """Seen from the judge's own token probabilities: P(m) of the answer shown first, and the preference they made."""
    judge = plugins.load_judge("pairwise_logprob")
    rows = json.loads((shared / ANNOTATIONS.format("claude-2")).read_text())
    checked = 0
    for row in rows:
        if not row["raw_completion"]:
            continue
        tops = {t["token"]: t["logprob"] for t in row["raw_completion"]["logprobs"]["content"][0]["top_logprobs"]}
        m, big = np.exp(tops.get("m", -np.inf)), np.exp(tops.get("M", -np.inf))
        order = judge.order_of(JudgeCase(id="", turns=((row["instruction"], ""),)), 0)
        first = m / (m + big)
        preference = 1 + first if order == "AB" else 2 - first
        assert preference == pytest.approx(row["preference"], abs=1e-4)
        checked += 1
    assert checked == 804


def test_half_of_a_file_says_how_many(evalh, shared, tmp_path):
    rows = json.loads((shared / ANNOTATIONS.format("claude-2")).read_text())
    (tmp_path / "half.json").write_text(json.dumps(rows[::2]))
    said = evalh("import", "alpaca_eval", "half.json", "--data", str(shared / "alpaca_eval"), "--json")
    assert said.code == 0, said.err
    assert (said.json["rows"], said.json["expected"]) == (403, 805)
    assert "403 rows of 805: 402 items have no judgment" in said.json["notes"][0]
    entry = said.json["benchmarks"]["alpaca_eval"]
    assert (entry["n"], entry["missing"]) == (403, 402)
    assert 0.20 < entry["metrics"]["length_controlled_win_rate"]["value"] < 0.36
    audit = evalh("judge", "audit", said.json["run"], "--json")
    assert audit.code == 0, audit.err
    assert "position" in {c["section"] for c in audit.json["checks"]}


def test_difficulties_alone_are_joined_by_position(evalh, shared, tmp_path):
    (tmp_path / "only").mkdir()
    (tmp_path / "only/df_gamed.csv").write_bytes((shared / "alpaca_eval/df_gamed.csv").read_bytes())
    path = shared / ANNOTATIONS.format("FuseChat-Llama-3.1-8B-Instruct")
    said = evalh("import", "alpaca_eval", str(path), "--data", "only", "--json")
    assert said.code == 0, said.err
    assert said.json["figures"]["length_controlled_winrate"] == pytest.approx(65.386, abs=0.1)
    (tmp_path / "part.json").write_text(json.dumps(json.loads(path.read_text())[:9]))
    part = evalh("import", "alpaca_eval", "part.json", "--data", "only")
    assert part.code == 2 and "9 rows of 805" in part.err


def test_llmbar(evalh, shared):
    path = shared / "llmbar/Natural/evaluators/GPT-4/Vanilla/result.json"
    found = evalh("import", "llmbar", str(path), "--json").json["figures"]
    assert (found["accuracy"], found["right_in_both_orders"], found["positional_agreement"]) == (95.5, 93.0, 95.0)
    assert found["kappa_between_orders"] == pytest.approx(0.897709, abs=5e-7)


def test_pandalm(evalh, shared):
    said = evalh("import", "pandalm", str(shared / "pandalm/testset-v1.json"), "--json").json
    assert said["figures"]["kappa_1_2"] == pytest.approx(0.852023, abs=5e-7)
    assert said["figures"]["majority"] == {"tie": 105, "first": 422, "second": 472}
    panel = said["benchmarks"]["instructions"]["judged"]["annotators vs response2"]["panel"]
    assert panel["kappa"]["annotator1 / annotator2"] == pytest.approx(0.852023, abs=5e-7)


def test_a_books_recorded_grades(evalh, shared):
    folder = shared / "rasbt/ch07/03_model-evaluation/scores"
    means, values = [], []
    for n in (1, 2):
        said = evalh("import", "scores", str(folder / f"gpt4-model-{n}-response.json"), "--name", f"m{n}", "--json")
        means.append(said.json["figures"]["mean"])
        values.append(json.loads((folder / f"gpt4-model-{n}-response.json").read_text()))
    assert means == [74.09, 56.57]
    compared = evalh("compare", "runs/m1", "runs/m2", "--json")
    assert compared.code == 0, compared.err
    assert "-0.1752" in compared.out
    gap = mean_interval([b - a for a, b in zip(*values, strict=True)])
    assert (round(gap.value, 2), round(gap.stderr, 4)) == (-17.52, 4.7299)
    sides = [(b > a) - (b < a) for a, b in zip(*values, strict=True)]
    assert [sides.count(s) for s in (-1, 0, 1)] == [33, 56, 11]


def test_length_control_on_made_up_data():
    rng = np.random.default_rng(1)
    n = 400
    difficulty, gap = rng.normal(size=n), rng.normal(0, 300, n)
    eta = 1.5 * np.tanh(gap / gap.std(ddof=1)) * -1 + 0.5 * difficulty + 0.4
    pairs = length_control.Pairs(1 / (1 + np.exp(-eta)), gap, difficulty)
    held = length_control.Regulariser(np.full(10, 0.5), np.zeros(10), np.zeros(10))
    found = length_control.fit(pairs, held)
    assert (found.length, found.difficulty, found.bias) == pytest.approx((-1.5, 0.5, 0.4), abs=0.01)
    estimate = length_control.length_controlled(pairs, held, draws=50)
    assert estimate.value == pytest.approx(np.mean(1 / (1 + np.exp(-(0.4 + 0.5 * difficulty)))), abs=0.005)
    missing = pairs.preference.copy()
    missing[:5] = np.nan
    without = length_control.length_controlled(length_control.Pairs(missing, gap, difficulty), held, draws=20)
    assert without.n == n and without.value == pytest.approx(estimate.value, abs=0.01)
    nothing = length_control.Pairs(np.full(n, np.nan), gap, difficulty)
    assert length_control.length_controlled(nothing, held) is None


def test_stored_weights_compare_any_two_models(shared):
    path = shared / "alpaca_eval/metrics/weights/weighted_alpaca_eval_gpt4_turbo/length_controlled_v1"
    assert next(path.glob("*.csv")).is_file()
    same = length_control.Fit(0.3, 0.2, 0.1)
    assert length_control.between(same, same, np.arange(5.0)) == 0.5


def test_when_a_length_controlled_rate_is_not_to_be_believed():
    assert length_control.cautions([1, 2, -3, 4], 0.5, 0.55) == ()
    assert "do not overlap" in length_control.cautions([5.0] * 20, 0.5, 0.55)[0]
    assert "+15.0 points" in length_control.cautions([1, -1], 0.5, 0.65)[0]


def single(question, turn, score, model="m"):
    return {"question_id": question, "turn": turn, "score": score, "model": model, "judge": ["gpt-4", "single-v1"]}


def test_fastchat_grades(evalh, tmp_path):
    rows = [single(81, 1, 8), single(81, 2, 6), single(82, 1, -1), single(82, 2, 10)]
    (tmp_path / "s.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    said = evalh("import", "fastchat", "s.jsonl", "--json").json
    assert said["figures"]["score"] == 8.0
    assert said["benchmarks"]["mt_bench"]["metrics"]["score"]["value"] == pytest.approx(7.0)
    judged = said["benchmarks"]["mt_bench"]["judged"]["gpt-4/single-v1"]
    assert judged["verdicts"] == {"ok": 3, "unparsable": 1, "refused": 0, "error": 0}
    assert judged["without_verdict"] == 1


def test_fastchat_pairs(evalh, tmp_path):
    def pair(question, first, second):
        return {
            "question_id": question, "turn": 1, "model_1": "a", "model_2": "b", "g1_winner": first, "g2_winner": second,
        }  # fmt: skip

    rows = [
        pair(1, "model_1", "model_1"),
        pair(2, "model_1", "model_2"),
        pair(3, "tie", "tie"),
        pair(4, "error", "tie"),
    ]
    (tmp_path / "p.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    said = evalh("import", "fastchat", "p.jsonl", "--model", "a", "--json").json
    ((_, judged),) = said["benchmarks"]["mt_bench"]["judged"].items()
    assert judged["metrics"]["win_rate"]["value"] == pytest.approx((1 + 0.5 + 0.5) / 3)
    assert judged["without_verdict"] == 1
    assert judged["same_winner_in_both_orders"]["n"] == 3
    other = evalh("import", "fastchat", "p.jsonl", "--model", "b", "--json").json
    ((_, judged),) = other["benchmarks"]["mt_bench"]["judged"].items()
    assert judged["metrics"]["win_rate"]["value"] == pytest.approx(1 / 3)


def alpaca(n, preference=1.5, **more):
    return {
        "instruction": f"i{n}", "output_1": "b", "output_2": f"m{n}", "generator_1": "b", "generator_2": "m",
        "preference": preference, **more,
    }  # fmt: skip


def test_old_draws_and_values_off_the_scale(evalh, tmp_path):
    rows = [alpaca(0, 0), alpaca(1, 2.0), alpaca(2, None), alpaca(3, 2.5), alpaca(4, 1.0)]
    (tmp_path / "a.json").write_text(json.dumps(rows))
    found = evalh("import", "alpaca_eval", "a.json", "--json").json["figures"]
    assert (found["n_total"], found["n_draws"], found["n_wins"], found["n_wins_base"]) == (3, 1, 1, 1)


PANDALM = ("annotator1", "annotator2", "annotator3", "response1", "response2")


@pytest.mark.parametrize(
    ("kind", "content", "more", "says"),
    [
        ("alpaca", [alpaca(0)], (), "did you mean alpaca_eval"),
        ("alpaca_eval", [], (), "no judgments"),
        ("alpaca_eval", [alpaca(0), alpaca(0)], (), "row 2: the same instruction"),
        ("alpaca_eval", [{"instruction": "i"}], (), "wanted the field 'generator_2'"),
        ("alpaca_eval", [{**alpaca(0), "output_2": "x"}, {"generator_2": "m"}], (), "row 2: wanted the field"),
        ("alpaca_eval", [alpaca(0), alpaca(1, generator_2="n")], (), "--model with one of m, n"),
        ("alpaca_eval", [alpaca(0)], ("--model", "x"), "no judgments of 'x'"),
        ("alpaca_eval", [alpaca(0)], ("--data", "nowhere"), "no such file or folder"),
        ("llmbar", [{"input": "q", "output_1": "a", "output_2": "b", "label": 3, "results": [{}]}], (), "row 1"),
        ("pandalm", [dict.fromkeys(PANDALM, "5")], (), "0, 1 or 2"),
        ("scores", [1, 200], (), "wanted 0 to 100"),
        ("fastchat", [{"question_id": 1}], (), "wanted a JSON object"),
    ],
)  # fmt: skip
def test_bad_files_are_one_line(evalh, tmp_path, kind, content, more, says):
    (tmp_path / "file.json").write_text(json.dumps(content))
    said = evalh("import", kind, "file.json", *more)
    assert said.code == 2, said.out
    assert says in said.err and said.err.strip().count("\n") == 0


def test_a_run_is_never_overwritten(evalh, tmp_path):
    (tmp_path / "a.json").write_text(json.dumps([alpaca(n, 1 + random.Random(n).random()) for n in range(12)]))
    assert evalh("import", "alpaca_eval", "a.json").code == 0
    again = evalh("import", "alpaca_eval", "a.json")
    assert again.code == 2 and "a run already" in again.err
