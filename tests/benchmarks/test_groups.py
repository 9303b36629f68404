"""Sets of benchmarks under one name: their members, their examples, their means."""

import pytest

from evalharness import plugins
from evalharness.records import Estimate


def figure(value):
    return Estimate(value=value, stderr=0.01, low=value - 0.02, high=value + 0.02, n=100)


@pytest.mark.parametrize(
    ("name", "count"), [("open_llm_v1", 6), ("open_llm_v2", 33), ("tulu_dev", 34), ("helm_lite", 17)]
)
def test_each_member_is_a_benchmark_and_has_the_figure_that_counts_first(name, count):
    tasks = plugins.task_names(name)
    assert len(tasks) == count
    for task in tasks:
        found = plugins.load_benchmark(task)
        assert found.name == task and found.metrics and found.shots >= 0
        assert found.shots == 0 or found.source.shot_split is not None


def test_examples_and_first_figures_are_those_of_the_leaderboard():
    found = {task: plugins.load_benchmark(f"open_llm_v1/{task}") for task in plugins.load_family("open_llm_v1").tasks}
    assert {task: (b.shots, b.metrics[0].name) for task, b in found.items()} == {
        "arc_challenge": (25, "accuracy_norm"), "hellaswag": (10, "accuracy_norm"), "mmlu": (5, "accuracy_macro"),
        "truthfulqa_mc2": (0, "accuracy"), "winogrande": (5, "accuracy"), "gsm8k": (5, "accuracy"),
    }  # fmt: skip


def test_the_plain_mean_wants_every_member():
    family = plugins.load_family("open_llm_v1")
    names = {task: plugins.load_benchmark(f"open_llm_v1/{task}").metrics[0].name for task in family.tasks}
    figures = {task: {name: figure(0.1 * i)} for i, (task, name) in enumerate(names.items())}
    made = family.average(figures)["open_llm_v1"]
    assert made.value == pytest.approx(0.25) and made.low < 0.25 < made.high
    assert family.average({**figures, "gsm8k": {}}) == {}
    tulu = plugins.load_family("tulu_dev")
    whole = {task: {plugins.load_benchmark(f"tulu_dev/{task}").metrics[0].name: figure(1.0)} for task in tulu.tasks}
    halved = {task: {name: figure(0.5) if "bbh" in task else f for name, f in of.items()} for task, of in whole.items()}
    assert tulu.average(halved)["tulu_dev"].value == pytest.approx(7.5 / 8)  # the 27 tasks of BBH count as one
    helm = plugins.load_family("helm_lite")
    whole = {task: {plugins.load_benchmark(f"helm_lite/{task}").metrics[0].name: figure(1.0)} for task in helm.tasks}
    halved = {
        task: {name: figure(0.5) if "wmt14" in task or "legal" in task else f for name, f in of.items()}
        for task, of in whole.items()
    }
    assert helm.average(halved)["helm_lite"].value == pytest.approx(8 / 9)  # nine scenarios, two of five tasks


def test_guessing_is_nothing_in_the_second_leaderboards_mean():
    family = plugins.load_family("open_llm_v2")
    names = ("prompt_strict", "instruction_strict", "accuracy", "accuracy_norm")
    for value, mean in ((1.0, 1.0), (0.0, 0.0), (0.55, None)):
        figures = {task: {name: figure(value) for name in names} for task in family.tasks}
        made = family.average(figures)["open_llm_v2"].value
        assert made == pytest.approx(mean) if mean is not None else 0.3 < made < 0.55
    guessed = {task: {name: figure(0.1) for name in names} for task in family.tasks}
    parts = family.average(guessed)["open_llm_v2"].value
    # IFEval and MATH as they are; object counting, colored objects and geometric shapes are above their chance
    above = sum(max(0, (0.1 - 1 / n) / (1 - 1 / n)) for n in (19, 18, 11)) / 24
    assert parts == pytest.approx((0.1 + 0.1 + above) / 6)


def test_a_set_runs_under_its_name(evalh):
    said = evalh("run", "open_llm_v1", "--data", "sample", "--model", "echo", "--shots", "0", "--json")
    assert said.code == 0, said.err
    assert {"open_llm_v1/gsm8k@sample", "open_llm_v1/mmlu@sample"} <= set(said.json["benchmarks"])
