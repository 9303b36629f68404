"""Verdicts on pairs: JudgeBench's and RewardBench's files, and plain tables."""

import json

import pytest


def wrote(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def judged(said, judging):
    return said["benchmarks"]["instructions"]["metrics"]["win_rate"]["value"]


def bench_row(n, label, *decisions, source="mmlu-pro-law"):
    return {
        "pair_id": f"p{n}", "source": source, "question": f"q{n}", "response_A": "a", "response_B": "b", "label": label,
        "judgments": [
            {"judgment": {"judge_model": "J", "response": "r"}, "decision": decision} if decision else None
            for decision in decisions
        ],
    }  # fmt: skip


def test_judgebench_counts_as_its_own_script(evalh, tmp_path):
    """Checked against `utils/metrics.py` on all seven published files that could be had: 350 or 270 pairs each."""
    file = wrote(tmp_path / "out.jsonl", [
        bench_row(1, "A>B", "A>B", "B>A"), bench_row(2, "A>B", "A>B", "A>B"), bench_row(3, "B>A", "B>A", "A=B"),
        bench_row(4, "B>A", None, "A>B", source="livecodebench"), bench_row(5, "A>B", "A=B", None),
    ])  # fmt: skip
    said = evalh("import", "judgebench", file, "--name", "jb", "--json").json
    assert said["figures"] == {
        "accuracy": 60.0, "accuracy_coding": 100.0, "accuracy_knowledge": 50.0, "right_in_all_orders": 1,
        "unreadable": 2, "n": 5,
    }  # fmt: skip
    audit = evalh("judge", "audit", "runs/jb")
    assert audit.code in (0, 3), audit.err
    one = evalh("import", "judgebench", wrote(tmp_path / "one.jsonl", [bench_row(1, "A>B", "A>B")]), "--json").json
    assert one["figures"]["accuracy"] == 100.0


def test_rewardbench(evalh, tmp_path):
    chosen = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "good"}]
    columns = {
        "model": "acme/rm", "model_type": "Seq. Classifier", "results": [1, 0, 0.5, 1],
        "subset": ["math-prm", "hep-go", "hep-go", "donotanswer"], "id": [1, 2, 3, 1],
        "text_chosen": [chosen, "x", "x", "x"], "text_rejected": [chosen, "y", "y", "y"],
        "scores_chosen": [1.5, None, 0, 2], "scores_rejected": [1, None, 1, 1],
    }  # fmt: skip
    (tmp_path / "rm.json").write_text(json.dumps(columns))
    said = evalh("import", "rewardbench", str(tmp_path / "rm.json"), "--name", "rb", "--json").json
    assert said["figures"]["accuracy"] == 62.5 and said["figures"]["subset hep-go"] == 25.0
    shown = evalh("show", "runs/rb", "--item", "math-prm/1").out
    assert "good" in shown
    assert "score" not in said["figures"], "a leaderboard's figure wants all of its subsets"


def test_tables_of_pairs(evalh, tmp_path):
    file = wrote(tmp_path / "p.jsonl", [
        {"id": 1, "model_a": "x", "model_b": "y", "winner": "model_a", "judge": "J", "order": "AB"},
        {"id": 1, "model_a": "y", "model_b": "x", "winner": "[[B]]", "judge": "J", "order": "BA"},
        {"id": 2, "model_a": "y", "model_b": "x", "winner": "tie", "judge": "K", "human": "B"},
        {"id": 3, "model_a": "y", "model_b": "x", "winner": ""},
    ])  # fmt: skip
    said = evalh("import", "pairs", file, "--model", "x", "--json").json
    assert said["figures"] == {"win_rate": 75.0, "n": 3, "verdicts": 4}
    (tmp_path / "p.csv").write_text("Question,Response_A,Response_B,Verdict\nq,a,b,A\nq2,a,b,b\n")
    said = evalh("import", "pairs", str(tmp_path / "p.csv"), "--json").json
    assert said["figures"] == {"win_rate": 50.0, "n": 2, "verdicts": 2}


def test_tables_of_grades(evalh, tmp_path):
    (tmp_path / "g.csv").write_text("id,score,min,max\na,7,1,10\nb,,1,10\n")
    said = evalh("import", "scores", str(tmp_path / "g.csv"), "--json").json
    assert said["figures"] == {"mean": pytest.approx(2 / 3), "n": 1, "without_grade": 1}


@pytest.mark.parametrize(
    ("kind", "rows", "says"),
    [
        ("judgebench", [{"label": "A"}], "judgments"),
        ("judgebench", [bench_row(1, "A")], "its label is 'A'"),
        ("pairs", [{"winner": "perhaps"}], "wanted A, B or tie"),
        ("pairs", [{"score": 3}], "wanted 0 to 1"),
        ("pairs", [{"winner": "a", "order": "up"}], "wanted AB or BA"),
        ("pairs", [{"model_a": "x", "model_b": "y", "winner": "a"}, {"model_a": "z", "model_b": "y", "winner": "a"}],
         "judges several models"),
        ("scores", [{"id": 1, "score": 7}], "`min` and `max` say another scale"),
        ("rewardbench", [], "an object of columns"),
    ],
)  # fmt: skip
def test_bad_files_are_one_line(evalh, tmp_path, kind, rows, says):
    suffix = "json" if kind == "rewardbench" else "jsonl"
    said = evalh("import", kind, wrote(tmp_path / f"f.{suffix}", rows or [[]]))
    assert said.code == 2 and says in said.err and len(said.err.splitlines()) == 1
