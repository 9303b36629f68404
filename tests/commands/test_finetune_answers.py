"""What a training answers: the test split, conversations, and a talk with what was made."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from stub_server import serve
from trainings import command, tuned

from evalharness.cli import guarded
from evalharness.training import callbacks, curves, prepare


@pytest.mark.slow
def test_then_judge_scores_the_answers_against_the_data(
    data: Path, base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    more = ("--max-steps", "2", "--then-judge", "openai:judge")
    assert guarded(command(data, base, tmp_path / "tuned", *more[:2], "--then-judge", "scoree=openai:judge")) == 2
    assert not (tmp_path / "tuned").exists()
    capsys.readouterr()
    with serve(lambda body: "85") as stub:
        found = tuned(command(data, base, tmp_path / "tuned", *more, "--judge-base-url", stub.url), capsys)
    judged = found["judged"]["benchmarks"]["instructions"]["judged"]["score=openai:judge"]
    assert judged["verdicts"]["ok"] == judged["answers"] == 6
    assert judged["metrics"]["judge_score"]["value"] == pytest.approx(0.85)


@pytest.mark.slow
def test_conversations_of_several_turns_are_answered_too(
    base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    roles = ("system", "user", "assistant", "user", "assistant")
    said = [("be kind", f"hi {n}", "hello", f"and {n}?", "bye") for n in range(40)]
    file = tmp_path / "chats.jsonl"
    turns = [[{"role": role, "content": text} for role, text in zip(roles, row, strict=True)] for row in said]
    file.write_text("".join(json.dumps({"messages": row}) + "\n" for row in turns))
    found = tuned(command(file, base, tmp_path / "tuned", "--max-steps", "2", "--test", "0.2"), capsys)
    results = [json.loads(line) for line in Path(found["answers"], "results.jsonl").read_text().splitlines()]
    assert len(results) == 8
    line = command(file, base, tmp_path / "look", "--test", "0.2", "--preflight")
    line.remove("--json")
    assert guarded(line) == 0
    assert "8 of 8 test rows have several turns; the last answer of each is asked for" in capsys.readouterr().err
    for result in results:
        assert [message["role"] for message in result["request"]["messages"]] == list(roles[:-1])
        assert result["sample"]["answers"] == ["bye"]


@pytest.mark.slow
def test_another_template_than_the_trained_one_is_warned_of(
    data: Path, base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    from evalharness import plugins
    from evalharness.options import LocalOptions

    out = tmp_path / "tuned"
    tuned(command(data, base, out, "--max-steps", "1", "--test", "0"), capsys)
    trained = json.loads((out / "training" / "training.json").read_text())["template"]["sha256"]
    assert plugins.load_model(f"local:{out}").describe()["template_sha256"] == trained
    assert not caplog.text
    plugins.load_model(f"local:{out}", LocalOptions(template="alpaca"))
    assert "which it was trained with" in caplog.text


def test_talking(base: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    import io

    monkeypatch.setattr(sys, "stdin", io.StringIO("hello\n/new\nagain\n\n"))
    assert guarded(["chat", str(base), "--max-tokens", "3", "--template", "chatml"]) == 0
    assert len(capsys.readouterr().out) > 2


def test_the_log_drops_what_lies_behind_the_saved_step(tmp_path: Path) -> None:
    log = callbacks.Log(tmp_path / "log.jsonl", 0, (), {})
    for step in range(1, 5):
        log.write({"step": step, "loss": 1.0})
    log.close()
    with (tmp_path / "log.jsonl").open("a") as stream:
        stream.write('{"step": 5, "lo')
    again = callbacks.Log(tmp_path / "log.jsonl", 2, (), {})
    again.close()
    assert [line["step"] for line in curves.read_log(tmp_path / "log.jsonl")] == [1, 2]


def test_jobs_are_what_the_options_say() -> None:
    asking = prepare.benchmark_checks_of("mmlu, gsm8k", ["mmlu=sample"], 10)
    assert (asking.names, asking.data, asking.limit) == (("mmlu", "gsm8k"), {"mmlu": "sample"}, 10)


def test_a_test_split_is_never_trained_on_and_is_answered_with_figures(
    base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    letters = "abcdefgh"
    pairs = [a + b for a in letters for b in letters]
    for name, part in (("train", pairs[:40]), ("test", pairs[40:60])):
        answer = {"role": "assistant", "content": "well then"}
        lines = [{"messages": [{"role": "user", "content": f"say {letters}"}, answer]} for letters in part]
        (folder / f"{name}.jsonl").write_text("\n".join(map(json.dumps, lines)))
    found = tuned(command(folder, base, tmp_path / "tuned", "--max-steps", "2"), capsys)
    about = json.loads((tmp_path / "tuned" / "training" / "training.json").read_text())
    assert about["split"]["test"] == list(range(41, 61)) and len(about["split"]["validation"]) == 2
    assert found["answered"]["counts"]["truncated"] == 20  # 4 tokens are not enough, and that is no `scored`
    assert "scored" not in found["answered"]["counts"]
    assert found["answered"]["metrics"]["exact_match"] == 0.0
    assert set(found["answered"]["metrics"]) >= {"exact_match", "f1", "rouge_l", "chrf"}


def test_figures_beside_references_are_those_of_their_libraries() -> None:
    import sacrebleu
    from rouge_score.rouge_scorer import RougeScorer

    from evalharness.records import Request, Response, Sample
    from evalharness.scoring.reference import beside_references, in_words

    said, wanted = "The cat sat on a mat.", ("A cat sat on the mat!", "No cat.")
    asked = Request(messages=())
    score = beside_references(Sample(question="", answers=wanted), asked, Response(text=f" {said}\n", finish="stop"))
    rouge = RougeScorer(["rougeL"])
    assert score.status == "scored"
    assert score.scores["rouge_l"] == max(rouge.score(text, said)["rougeL"].fmeasure for text in wanted)
    assert score.scores["chrf"] == pytest.approx(sacrebleu.sentence_chrf(said, list(wanted)).score / 100)
    assert (score.scores["exact_match"], score.scores["f1"]) == (0.0, 1.0)  # articles and full stops do not count in F1
    same = beside_references(Sample(question="", answers=wanted), asked, Response(text=wanted[1], finish="length"))
    assert (same.status, same.scores["exact_match"]) == ("truncated", 1.0)
    empty = beside_references(Sample(question="", answers=wanted), asked, Response(text="", finish="stop"))
    assert (empty.status, set(empty.scores.values())) == ("unparsed", {0.0})
    assert not beside_references(Sample(question=""), asked, Response(text="x", finish="stop")).scores
    assert in_words({"scored": 2, "wrong": 0}, {"chrf": 0.5, "other": 1.0}) == "2 scored; chrF 0.500"
