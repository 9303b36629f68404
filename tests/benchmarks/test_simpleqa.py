"""SimpleQA: three grades by a judge, and the figures that its paper makes of them."""

import json

import pytest
from stub_server import serve

from evalharness import plugins
from evalharness.records import Message, Request, Response, Result, Sample, Verdict

GRADES = {"1889": "A", "gold": "B", "I do not know": "C"}


def graded(*grades):
    return [
        Result(
            benchmark="simpleqa", sample=Sample(id=f"q{i}", question="q"), response=Response(text="a"),
            request=Request(messages=(Message("user", "q"),)), status="scored",
            scores={} if grade is None else {"judge_correct": float(grade == "A")},
            verdicts=() if grade is None else (
                Verdict(judge="j", kind="classify", value=float(grade == "A"), label=grade),
                Verdict(judge="j", kind="classify", value=1.0, label="A", extra={"retest": True}),
            ),
        )
        for i, grade in enumerate(grades)
    ]  # fmt: skip


def figures(results):
    metrics = plugins.load_benchmark("simpleqa").metrics
    return {m.name: made.value for m in metrics if (made := m.of(results)) is not None}


def test_the_papers_figures():
    """Of ten, four right and two wrong: 4 of 6 attempted, and F the harmonic mean of .4 and 2/3."""
    made = figures(graded(*"AAAABBCCCC"))
    assert made == pytest.approx(
        {
            "judge_correct": 0.4,
            "attempted": 0.6,
            "correct_given_attempted": 4 / 6,
            "f_score": 2 * 0.4 * (4 / 6) / (0.4 + 4 / 6),
        }
    )
    assert figures(graded(*"CC")) == {"judge_correct": 0.0, "attempted": 0.0, "f_score": 0.0}
    assert figures(graded("A", None))["attempted"] == 1.0  # without a verdict it is in no figure
    assert figures(graded(None)) == {}


def test_a_judge_grades_a_run(evalh, tmp_path):
    rows = plugins.load_benchmark("simpleqa").source
    questions = [json.loads(line)["problem"] for line in plugins.bundled("simpleqa").read_text().splitlines()]
    answers = tmp_path / "answers.jsonl"
    lines = (json.dumps({"question": q, "text": a}) + "\n" for q, a in zip(questions, GRADES, strict=True))
    answers.write_text("".join(lines), encoding="utf-8")

    def reply(body):
        said = body["messages"][-1]["content"]
        assert "not attempted" in said
        return json.dumps({"reason": "-", "verdict": next(GRADES[a] for a in GRADES if f"\n{a}\n" in said)})

    with serve(reply) as stub:
        said = evalh(
            "run", "simpleqa", "--data", "sample", "--model", f"replay:{answers}", "--judge",
            "reference/attempted=openai:stub", "--judge-base-url", stub.url, "--name", "r", "--json",
        )  # fmt: skip
    assert rows.repository == "basicv8vc/SimpleQA"
    assert said.code == 0, said.err
    kept = json.loads((tmp_path / "runs/r/summary.json").read_text())["benchmarks"]["simpleqa@sample"]["metrics"]
    assert {name: round(of["value"], 3) for name, of in kept.items()} == {
        "judge_correct": 0.333, "attempted": 0.667, "correct_given_attempted": 0.5, "f_score": 0.4,
    }  # fmt: skip
