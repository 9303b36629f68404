"""BIG-Bench Hard: the recorded accuracies and prompts of Codex, and what an answer may look like."""

import json

import pytest

from evalharness import plugins
from evalharness.benchmark import request
from evalharness.data import sources
from evalharness.data.rows import Want
from evalharness.errors import DataError, UserError
from evalharness.records import Response
from evalharness.scoring.answers import score_response


def opened(name, data=None, split="test"):
    benchmark = plugins.load_benchmark(name, data)
    rows = sources.load_rows(benchmark.source, Want(split=split), str(data) if data else "sample").rows
    return benchmark, sources.build_samples(rows, benchmark.sample)


@pytest.mark.parametrize(
    ("name", "recorded", "same_prompt"),
    [
        ("bbh/boolean_expressions", 88.4, True),
        ("bbh/date_understanding", 63.6, False),
        ("bbh_cot/boolean_expressions", 92.8, True),
        ("bbh_cot/date_understanding", 87.2, True),
    ],
)
def test_recorded_accuracies(name, recorded, same_prompt, shared):
    """The authors asked date_understanding directly with one example that differs from the one they published."""
    benchmark, samples = opened(name, shared / "bbh")
    _, shots = opened(name, shared / "bbh", "shots")
    family, task = name.split("/")
    stem = (
        (shared / "bbh")
        / "outputs"
        / ("cot" if family == "bbh_cot" else "direct")
        / f"{task}_few_shot_template_0-255000"
    )
    outputs = json.loads(stem.with_suffix(".json").read_text(encoding="utf-8"))["outputs"]
    said = json.loads((stem.parent / f"{stem.name}_eval_metrics.jsonl").read_text(encoding="utf-8"))
    right = 0.0
    for sample, output in zip(samples, outputs, strict=True):
        asked = request(benchmark, sample, shots[: benchmark.shots], mode="write", chat=False)
        assert (asked.text == output["input"]) == same_prompt
        right += score_response(
            benchmark.score, sample, asked, Response(text=output["prediction"], finish="stop")
        ).scores["accuracy"]
    assert 100 * right / len(samples) == pytest.approx(recorded) == pytest.approx(said["accuracy"])


def test_all_27_tasks_with_their_three_examples(shared):
    tasks = plugins.task_names("bbh", shared / "bbh")
    assert len(tasks) == 27
    total = 0
    for name in tasks:
        benchmark, samples = opened(name, shared / "bbh")
        _, shots = opened(name, shared / "bbh", "shots")
        assert (len(samples), len(shots), benchmark.shots) == (benchmark.items, 3, 3)
        assert all(shot.answers[0] for shot in shots)
        total += len(samples)
    assert total == 6511


def test_without_the_authors_prompts_none_are_shown(tmp_path):
    (tmp_path / "navigate.json").write_text(
        '{"examples": [{"input": "Turn. Options:", "target": "No"}]}', encoding="utf-8"
    )
    benchmark, (sample,) = opened("bbh_cot/navigate", tmp_path)
    assert benchmark.shots == 0
    asked = request(benchmark, sample, (), mode="write", chat=False)
    assert asked.text.endswith("\n\nQ: Turn. Options:\nA: Let's think step by step.")
    with pytest.raises(DataError, match="shots=0"):
        sources.load_rows(benchmark.source, Want(split="shots"), str(tmp_path))


@pytest.mark.parametrize(
    ("name", "text", "status"),
    [
        ("bbh/date_understanding", " (A)", "correct"),
        ("bbh/date_understanding", "A", "correct"),
        ("bbh/date_understanding", "(A) 03/04/2010", "correct"),
        ("bbh/date_understanding", "The answer is (B).", "wrong"),
        ("bbh/date_understanding", "", "unparsed"),
        ("bbh/date_understanding", "(A) or (B)", "wrong"),
        ("bbh/date_understanding", "(B) or (A)", "wrong"),
        ("bbh_cot/date_understanding", "so the answer is (A) or (B).", "wrong"),
        ("bbh_cot/date_understanding", "the answer is in the list as (A)", "wrong"),
        ("bbh_cot/date_understanding", "<think>the answer is (B).</think> So the answer is (A).", "correct"),
        ("bbh_cot/date_understanding", "so (B). No: the answer is **(A)**.", "correct"),
        ("bbh_cot/date_understanding", "I think (A)", "unparsed"),
        ("bbh/boolean_expressions", " True", "correct"),
        ("bbh_cot/boolean_expressions", "Z. So the answer is False. But the answer is True.", "correct"),
        ("bbh/boolean_expressions", "true", "wrong"),
    ],
)
def test_how_an_answer_is_read(name, text, status):
    benchmark, samples = opened(name)
    asked = request(benchmark, samples[0], (), mode="write", chat=False)
    assert score_response(benchmark.score, samples[0], asked, Response(text=text, finish="stop")).status == status


def test_an_unknown_task_names_the_nearest():
    with pytest.raises(UserError, match=r"did you mean navigate\?"):
        plugins.load_benchmark("bbh/navigat")
