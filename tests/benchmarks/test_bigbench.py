"""BIG-bench: all published task files there are, the prompt of the documentation, and each of its scores."""

import json

import pytest

from evalharness import plugins
from evalharness.benchmark import request
from evalharness.data import sources
from evalharness.data.rows import Want
from evalharness.errors import DataError, UserError
from evalharness.records import Response, Result
from evalharness.scoring.answers import score_response

TASKS = [
    "causal_judgment",
    "disambiguation_qa",
    "gender_inclusive_sentences_german",
    "implicatures",
    "logical_fallacy_detection",
    "navigate",
    "object_counting",
    "operators",
    "ruin_names",
    "snarks",
    "sports_understanding",
    "tense",
    "word_sorting",
]


def opened(task, data):
    benchmark = plugins.load_benchmark(f"bigbench/{task}", data)
    rows = sources.load_rows(benchmark.source, Want(split="examples"), str(data) if data else "sample").rows
    return benchmark, sources.build_samples(rows, benchmark.sample)


def written(folder, **task):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "task.json").write_text(json.dumps(task), encoding="utf-8")
    return folder


def figures(benchmark, samples, respond):
    results = []
    for sample in samples:
        asked = request(benchmark, sample, (), mode=benchmark.modes[0], chat=False)
        score = score_response(benchmark.score, sample, asked, respond(sample, asked))
        results.append(
            Result(
                benchmark="b",
                sample=sample,
                request=asked,
                response=respond(sample, asked),
                status=score.status,
                scores=score.scores,
                answer=score.answer,
            )
        )
    return {m.name: found for m in benchmark.metrics if (found := m.of(results)) is not None}, results


def gold(sample, asked):
    if asked.choices:
        return Response(logprobs=tuple(0.0 if i in sample.gold_indices else -9.0 for i in range(len(asked.choices))))
    return Response(text=sample.answers[-1] + "\n", finish="stop")


@pytest.mark.parametrize("task", TASKS)
def test_right_answers_get_the_full_score_in_every_published_task(task, shared):
    benchmark, samples = opened(task, shared / "bigbench")
    found, results = figures(benchmark, samples[:200], gold)
    assert found["preferred_score"].value == 1
    assert found["normalized"].value == pytest.approx(100)
    assert {r.status for r in results} == {"correct"}
    assert benchmark.items == len(samples)


def test_invalid_json_is_one_line_with_file_line_and_column(shared):
    with pytest.raises(DataError) as caught:
        plugins.load_benchmark("bigbench/crass_ai", shared / "bigbench")
    assert "crass_ai/task.json:54:13: not valid JSON" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_tasks_are_found_in_a_folder_and_in_a_file(shared):
    assert plugins.task_names("bigbench", shared / "bigbench") == tuple(
        f"bigbench/{t}" for t in sorted([*TASKS, "crass_ai"])
    )
    assert plugins.task_names("bigbench", (shared / "bigbench") / "snarks") == ("bigbench/snarks",)
    assert plugins.task_names("bigbench", (shared / "bigbench") / "snarks" / "task.json") == ("bigbench/snarks",)
    assert len(opened("snarks", (shared / "bigbench") / "snarks" / "task.json")[1]) == len(
        opened("snarks", shared / "bigbench")[1]
    )


def test_an_unknown_task_names_the_nearest(tmp_path):
    written(tmp_path / "snarks", metrics=["exact_str_match"], examples=[{"input": "a", "target": "b"}])
    with pytest.raises(UserError, match=r"did you mean snarks\?"):
        plugins.load_benchmark("bigbench/snark", tmp_path)


def test_the_prompt_of_the_documentation(tmp_path):
    folder = written(
        tmp_path / "t",
        metrics=["multiple_choice_grade"],
        task_prefix="Choose.",
        examples=[
            {"input": "Up?", "target_scores": {"yes": 1, "no": 0}},
            {"input": "Down?", "target_scores": {"no": 1, "yes": 0}},
        ],
    )
    benchmark, samples = opened("t", folder)
    asked = request(benchmark, samples[0], [samples[1]], mode="rank", chat=False)
    first, second = samples[0].choices, samples[1].choices
    assert asked.text == (
        f"Choose.\nQ: Down?\n  choice: {second[0]}\n  choice: {second[1]}\nA: no"
        f"\n\nQ: Up?\n  choice: {first[0]}\n  choice: {first[1]}\nA: "
    )
    assert asked.choices == first
    shown = request(benchmark, samples[0], (), mode="write", chat=False).text
    assert shown.endswith(f"\nA. {first[0]}\nB. {first[1]}\nAnswer:")


def test_settings_of_a_task_are_kept(tmp_path):
    folder = written(
        tmp_path / "t",
        metrics=["multiple_choice_grade"],
        example_input_prefix="In: ",
        example_output_prefix=" Out:",
        append_choices_to_input=False,
        examples=[{"input": "x", "target_scores": {"a": 0.5, "b": 1, "c": 0}}],
    )
    benchmark, (sample,) = opened("t", folder)
    assert request(benchmark, sample, (), mode="rank", chat=False).text == "In: x Out:"
    assert benchmark.chance == pytest.approx(0.5)

    def pick(label):
        return lambda s, q: Response(logprobs=tuple(0.0 if c == label else -1.0 for c in s.choices))

    half, (result,) = figures(benchmark, [sample], pick("a"))
    assert (half["preferred_score"].value, half["normalized"].value, result.status) == (0.5, 0, "wrong")
    assert figures(benchmark, [sample], pick("b"))[0]["normalized"].value == pytest.approx(100)


@pytest.mark.parametrize(
    ("settings", "text", "right"),
    [
        ({}, "gold", True),
        ({}, " gold \nmore", True),
        ({}, "gold. And more", True),
        ({}, "Gold", False),
        ({}, "golden", False),
        ({"stop_string": "##"}, "gold##rest", True),
        ({"stop_string": "##"}, "gold\nrest", False),
        ({"output_regex": "[0-9]+|[a-z]{4}"}, "It is gold!", True),
        ({"output_regex": "([a-z]+)[.]$"}, "gold.", True),
        ({"output_regex": "[0-9]+"}, "gold", None),
        ({}, "", None),
    ],
)
def test_what_is_read_of_a_written_answer(tmp_path, settings, text, right):
    folder = written(
        tmp_path / "t", metrics=["exact_str_match"], examples=[{"input": "q", "target": ["au", "gold"]}], **settings
    )
    benchmark, samples = opened("t", folder)
    _, (result,) = figures(benchmark, samples, lambda s, q: Response(text=text, finish="stop"))
    assert result.status == {True: "correct", False: "wrong", None: "unparsed"}[right]
    assert result.scores["exact_str_match"] == float(bool(right))


def test_a_choice_may_be_written_by_letter_or_by_text(tmp_path):
    folder = written(
        tmp_path / "t",
        metrics=["multiple_choice_grade"],
        examples=[{"input": "q", "target_scores": {"warm": 1, "cold": 0}}],
    )
    benchmark, (sample,) = opened("t", folder)
    asked = request(benchmark, sample, (), mode="write", chat=True)
    letter = "AB"[sample.choices.index("warm")]
    for text, status in (("Warm.", "correct"), (letter, "correct"), ("cold", "wrong"), ("who knows", "unparsed")):
        assert score_response(benchmark.score, sample, asked, Response(text=text, finish="stop")).status == status


def test_bleu_and_rouge_of_the_bundled_sample():
    benchmark, samples = opened("sample_shorter", None)
    found, _ = figures(benchmark, samples, gold)
    assert found["bleu"].value == pytest.approx(1)
    assert found["rougeLsum"].value == pytest.approx(1)
    assert found["normalized"].value == pytest.approx(100)
    none, _ = figures(benchmark, samples, lambda s, q: Response(text="xyz", finish="stop"))
    assert none["rouge1"].value == 0


def test_subtasks_become_groups_and_every_row_keeps_its_place(tmp_path):
    for name in ("one", "two"):
        written(tmp_path / "t" / name, metrics=["exact_str_match"], examples=[{"input": name, "target": "x"}] * 2)
    _, samples = opened("t", tmp_path)
    assert [s.id for s in samples] == ["one/0", "one/1", "two/0", "two/1"]
    assert [s.question for s in opened("t/two", tmp_path)[1]] == ["two", "two"]


def test_a_row_that_repeats_is_asked_and_said(tmp_path, evalh):
    rows = [{"input": name, "target": "x"} for name in "abacab"]
    folder = written(tmp_path / "t", metrics=["exact_str_match"], examples=rows)
    said = evalh("run", "bigbench/t", "--data", folder, "--model", "echo", "--json")
    assert said.code == 0
    assert "3 of 6 questions repeat an earlier one (2 repeats 0, 4 repeats 0, 5 repeats 1)" in said.err
    assert said.json["benchmarks"]["bigbench/t"]["n"] == 6
    facts = json.loads((tmp_path / said.json["run"] / "run.json").read_text())["benchmarks"]["bigbench/t"]
    assert facts["data"]["repeated"] == {"2": "0", "4": "0", "5": "1"}


MANY = [f"label {chr(97 + i // 26)}{chr(97 + i % 26)}" for i in range(40)]


def many(folder, **settings):
    example = {"input": "q", "target_scores": {label: int(label == MANY[7]) for label in MANY}}
    return written(folder, metrics=["multiple_choice_grade"], examples=[example, {**example, "input": "r"}], **settings)


@pytest.mark.parametrize("appended", [True, False])
def test_more_choices_than_letters_are_answered_in_words(tmp_path, evalh, appended):
    folder = many(tmp_path / "t", append_choices_to_input=appended)
    benchmark, samples = opened("t", folder)
    asked = request(benchmark, samples[0], samples[1:], mode="write", chat=False)
    assert f"Answer: {MANY[7]}\n" in asked.text and asked.text.endswith("\nAnswer:")
    assert all(f"\n- {label}\n" in asked.text for label in MANY)
    for text, status in (
        (f" {MANY[7]}\n", "correct"),
        (f"{MANY[7].upper()}.", "correct"),
        (f"I think the answer is {MANY[7]}, surely", "correct"),
        (MANY[8], "wrong"),
        ("B", "unparsed"),
    ):
        assert (
            score_response(benchmark.score, samples[0], asked, Response(text=text, finish="stop")).status == status
        ), text
    for mode in ("rank", "write"):
        assert evalh("run", "bigbench/t", "--data", folder, "--model", "echo", "--mode", mode, "--shots", 1).code == 0


def test_a_task_that_prefers_exact_match_is_generated(tmp_path, evalh):
    examples = [
        {"input": "q", "target": "green", "target_scores": {"green": 1, "red": 0}},
        {"input": "r", "target_scores": {"blue": 0, "white": 1}},
    ]
    folder = written(
        tmp_path / "t",
        metrics=["multiple_choice_grade", "exact_str_match"],
        preferred_score="exact_str_match",
        examples=examples,
    )
    benchmark, samples = opened("t", folder)
    assert (benchmark.modes, benchmark.chance) == (("write",), 0)
    asked = request(benchmark, samples[0], samples[1:], mode="write", chat=False)
    assert asked.text.startswith("\nQ: r\n  choice: ") and "A: white\n\nQ: q\n" in asked.text
    assert asked.text.endswith("\nA: ") and "Answer:" not in asked.text
    found, _ = figures(benchmark, samples, gold)
    assert (found["preferred_score"].value, found["exact_str_match"].value) == (1, 1)
    _, (letter, other) = figures(benchmark, samples, lambda s, q: Response(text="A\n", finish="stop"))
    assert (letter.status, other.status) == ("wrong", "wrong")
    refused = evalh("run", "bigbench/t", "--data", folder, "--model", "echo", "--mode", "rank")
    assert refused.code == 2 and "no mode 'rank'" in refused.err


@pytest.mark.parametrize(
    ("task", "said"),
    [
        ({"metrics": ["exact_str_match"]}, "examples"),
        ({"metrics": ["custom"], "examples": []}, "custom"),
        ({"metrics": 5, "examples": []}, "wanted one of the metrics"),
        ({"metrics": ["bleu"], "examples": ["x"]}, "an example is an object"),
        ({"metrics": ["bleu"], "examples": [{"input": "x", "target_scores": [1]}]}, "an example is an object"),
        (
            {"metrics": ["multiple_choice_grade"], "examples": [{"input": "x", "target_scores": {"a": "b"}}]},
            "could not",
        ),
        ({"metrics": ["bleu"], "examples": [{"target": "x"}]}, "no field 'input'"),
        ({"metrics": ["bleu"], "output_regex": "(", "examples": []}, "not a valid regular expression"),
        ({"metrics": ["bleu"], "stop_string": 5, "examples": []}, "stop_string wants a text"),
        ({"metrics": ["bleu"], "examples": []}, "wanted t/task.json with examples"),
        ({"metrics": ["bleu"], "examples": [{"input": "x"}]}, "neither"),
    ],
)
def test_a_task_that_lacks_something_says_what(tmp_path, task, said):
    with pytest.raises(DataError, match=said):
        plugins.load_benchmark("bigbench/t", written(tmp_path / "t", **task))


def test_the_aggregate_is_the_mean_of_normalised_scores():
    benchmark, samples = opened("sample_odd_one_out", None)
    right, _ = figures(benchmark, samples, gold)
    wrong, _ = figures(
        benchmark, samples, lambda s, q: Response(logprobs=tuple(float(i not in s.gold_indices) for i in range(4)))
    )
    total = plugins.load_family("bigbench").average({"a": right, "b": wrong})["normalized_aggregate"]
    assert total.value == pytest.approx((100 - 100 / 3) / 2)


@pytest.mark.parametrize(("keywords", "refused"), [(["computer code"], "computer code"), (["common sense"], "")])
def test_a_task_about_form_is_not_spelled_otherwise_on_purpose(evalh, tmp_path, keywords, refused):
    examples = [{"input": f"print({i}) prints", "target_scores": {str(i): 1, "nothing": 0}} for i in range(4)]
    task = {"name": "printing", "metrics": ["multiple_choice_grade"], "keywords": keywords, "examples": examples}
    (tmp_path / "printing").mkdir()
    (tmp_path / "printing" / "task.json").write_text(json.dumps(task))
    said = evalh("run", "bigbench/printing", "--data", tmp_path, "--model", "echo", "--holistic", "--shots", 0)
    assert said.code == (2 if refused else 0), said.err
    assert refused in said.err and said.err.count("another answer") == bool(refused)
