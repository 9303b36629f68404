"""What every plug-in owes, whoever wrote it: a sample in the hub's shape, pinned prompts, fair scores, few lines."""

import importlib.util
import json
import math
import re
from pathlib import Path

import pytest

from evalharness import plugins
from evalharness.benchmark import prompt_of, request, training_messages
from evalharness.data import sources
from evalharness.errors import UserError
from evalharness.records import STATUSES, Estimate, Response, Result
from evalharness.scoring.answers import LETTERS, score_response

ROOT = Path(__file__).resolve().parents[2]
_spec = importlib.util.spec_from_file_location("pin_prompts", ROOT / "tools" / "pin_prompts.py")
pins = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(pins)

PLUGINS = [
    name
    for name, module in plugins.modules("benchmarks").items()
    if module.startswith("evalharness.") and pins.has_questions(name)
]
NAMES = [(plugin, name) for plugin in PLUGINS for name, _ in pins.benchmarks(plugin)]
every_benchmark = pytest.mark.parametrize(("plugin", "name"), NAMES, ids=[name for _, name in NAMES])
every_plugin = pytest.mark.parametrize("plugin", PLUGINS)


def samples_of(benchmark):
    return sources.build_samples(pins.rows(benchmark, benchmark.source.split), benchmark.sample)


@every_plugin
def test_what_is_asked_is_pinned(plugin):
    file = ROOT / "tests" / "prompts" / f"{plugin}.txt"
    assert file.is_file(), f"read the prompts, then: python tools/pin_prompts.py {plugin}"
    assert pins.prompts(plugin) == file.read_text(encoding="utf-8")


@every_plugin
def test_the_bundled_rows_have_the_pinned_fields(plugin):
    file = ROOT / "tests" / "rows" / f"{plugin}.jsonl"
    assert pins.shapes(plugin) == file.read_text(encoding="utf-8"), f"python tools/pin_prompts.py {plugin}"


@every_benchmark
def test_the_bundled_sample_loads_and_its_ids_are_stable_and_unique(plugin, name):
    benchmark = plugins.load_benchmark(name)
    samples = samples_of(benchmark)
    assert samples and samples == samples_of(benchmark)
    assert len({s.id for s in samples}) == len(samples) and all(s.id for s in samples)
    for sample in samples:
        assert all(0 <= position < len(sample.choices) for position in sample.gold_indices)
        json.dumps(dict(sample.extra))
    first = pins.rows(benchmark, benchmark.source.split)[0]
    assert all(set(row) == set(first) for row in pins.rows(benchmark, benchmark.source.split))


@every_benchmark
def test_facts_are_facts(plugin, name):
    benchmark = plugins.load_benchmark(name)
    assert benchmark.name == name and benchmark.items >= 0 and benchmark.title and benchmark.licence
    assert re.match(r"https://", benchmark.paper)
    assert benchmark.chance is None or 0 <= benchmark.chance < 1
    if benchmark.source.revision:
        assert re.fullmatch(r"[0-9a-f]{40}", benchmark.source.revision), "a hub data set is pinned by its commit"


@every_benchmark
def test_every_mode_runs_and_any_answer_has_a_status(plugin, name):
    benchmark = plugins.load_benchmark(name)
    for mode in benchmark.modes:
        for chat in (False, True):
            results = []
            for position, sample in enumerate(samples_of(benchmark)):
                asked = request(benchmark, sample, (), mode=mode, chat=chat)
                assert (
                    (asked.text or asked.context_per_choice)
                    and asked.origin.id == sample.id
                    and bool(asked.choices) == (mode == "rank")
                )
                n = len(asked.choices)
                texts = ("", "\n", "no idea", "A", "yes", "é∑ \ud83d the 42", "I'm sorry, but I can't help with that.")
                answer = Response(logprobs=tuple(-float((i + position) % n) for i in range(n)), lengths=(1,) * n)
                answer = answer if n else Response(text=texts[position % len(texts)], finish="stop")
                if benchmark.open_scorer is None:
                    score = score_response(benchmark.score, sample, asked, answer)
                    assert score.status in STATUSES and all(0 <= v <= 1 for v in score.scores.values())
                    results.append(result_of(name, sample, asked, answer, score))
            for metric in benchmark.metrics if results and benchmark.judge is None else ():
                figure = metric.of(results)
                assert figure is None or (isinstance(figure, Estimate) and math.isfinite(figure.value))


@every_benchmark
def test_the_right_answers_are_worth_everything(plugin, name):
    benchmark = plugins.load_benchmark(name)
    if benchmark.open_scorer is not None or benchmark.judge is not None:
        return  # generated code and judged answers are held by the tests of the sandbox and of the judges
    for mode in benchmark.modes:
        results = []
        for sample in samples_of(benchmark):
            if mode == "write" and not written_answer(benchmark, sample):
                continue
            asked = request(benchmark, sample, (), mode=mode, chat=False)
            right = tuple(0.0 if i in sample.gold_indices else -50.0 for i in range(len(asked.choices)))
            text = "" if mode == "rank" else written_answer(benchmark, sample)
            answer = Response(
                text=text, logprobs=right, lengths=(1,) * len(right), greedy=tuple(v == 0 for v in right), finish="stop"
            )
            score = score_response(benchmark.score, sample, asked, answer)
            assert score.status in ("correct", "scored"), (sample.id, answer.text, score)
            results.append(result_of(name, sample, asked, answer, score))
        value = benchmark.metrics[0].of(results).value
        graded = any(r.status == "scored" for r in results)
        assert value > 0.9 if graded and mode == "rank" else value == pytest.approx(1.0)


@every_benchmark
def test_a_lesson_ends_with_the_right_answer(plugin, name):
    benchmark = plugins.load_benchmark(name)
    if "write" in benchmark.modes:
        for sample in samples_of(benchmark):
            *_, said = training_messages(benchmark, sample, chat=True)
            assert said.role == "assistant" and said.content == said.content.lstrip()


def written_answer(benchmark, sample):
    """What the prompt shows as right, or the right letter where the data has no worked answer (MMLU-Pro); '' where it
    is several spans, which DROP scores as a set and a text cannot be."""
    if benchmark.name == "drop" and "," in sample.answers[0]:
        return ""
    shown = prompt_of(benchmark, "write").answer(sample).strip()
    return shown or f"the answer is ({LETTERS[sample.gold_indices[0]]})"


def result_of(name, sample, asked, answer, score):
    return Result(
        benchmark=name, sample=sample, request=asked, response=answer, status=score.status, scores=score.scores,
        answer=score.answer, detail=score.detail,
    )  # fmt: skip


@every_plugin
def test_a_plug_in_is_short(plugin):
    """All its lines count. A family whose tasks only the user's data tells is no multiple choice of its own."""
    lines = len((ROOT / "benchmarks" / f"{plugin}.py").read_text(encoding="utf-8").splitlines())
    roof = plugins.load_family(plugin)
    by_data = roof is not None and not roof.tasks
    chosen = not by_data and any(s.choices for _, b in pins.benchmarks(plugin) for s in samples_of(b))
    assert lines <= (25 if chosen else 40)


def test_every_plug_in_keeps_its_sample_beside_it():
    assert [p for p in PLUGINS if not plugins.bundled(p).is_file()] == [
        "bbh_cot",
        "needle",
        "ruler",
        "tiny_letters",
    ]  # bbh's; made offline; tiny_exam's


def test_a_task_outside_the_usual_ones_is_had_by_its_name():
    assert plugins.load_benchmark("glue/ax").items == 1104 and "glue/ax" not in plugins.task_names("glue")
    with pytest.raises(UserError, match=r"there is no task of glue called 'axe' \(did you mean ax\?\)"):
        plugins.load_benchmark("glue/axe")
