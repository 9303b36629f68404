"""MBPP: the authors' file, its odd tasks, its shots."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from evalharness import plugins
from evalharness.benchmark import request
from evalharness.data import files, sources
from evalharness.data.rows import Want
from evalharness.errors import DataError
from evalharness.options import RunOptions
from evalharness.records import Response
from evalharness.scoring.answers import score_response

BENCHMARK = plugins.load_benchmark("mbpp")


def scored(samples, text=lambda s: s.answers[0] + "\n[DONE]\nprint(1 / 0)", **options):
    def one(sample):
        asked = request(BENCHMARK, sample, (), mode="write", chat=False)
        return score_response(scorer, sample, asked, Response(text=text(sample), finish="stop"))

    with BENCHMARK.open_scorer(RunOptions(workers=4, **options)) as scorer, ThreadPoolExecutor(4) as pool:
        return list(pool.map(one, samples))


@pytest.mark.parametrize("name", ["mbpp", "mbpp_sanitized"])
def test_the_bundled_samples_are_right(name):
    benchmark = plugins.load_benchmark(name)
    samples = sources.build_samples(list(files.jsonl(benchmark.source.sample)), benchmark.sample)
    assert len(samples) >= 10 and {s.status for s in scored(samples)} == {"correct"}


@pytest.fixture(scope="module")
def published(shared):
    return sources.build_samples(list(files.jsonl(shared / "mbpp" / "mbpp.jsonl")), BENCHMARK.sample)


def test_a_part_of_the_reference_programs_passes_in_both_checks(published):
    # Functions called `check` or `sum`, sets, complex numbers, counters, types as arguments, tuples as keys.
    odd = {"40", "56", "67", "124", "126", "237", "349", "533", "590", "596", "653", "698", "899", "967"}
    chosen = [s for s in published if s.id in odd or int(s.id) % 20 == 0]
    scores = scored(chosen)
    assert [s.id for s, score in zip(chosen, scores, strict=True) if score.detail["standing"] != "confirmed"] == []


@pytest.mark.slow
def test_all_974_reference_programs_pass(published):
    scores = dict(zip((s.id for s in published), scored(published), strict=True))
    assert len(scores) == 974 and {s.status for s in scores.values()} == {"correct"}
    standing = {i: s.detail["standing"] for i, s in scores.items()}
    assert {i for i, found in standing.items() if found != "confirmed"} == {"367", "601", "927"}
    assert {standing[i] for i in ("367", "601", "927")} == {"unconfirmable"}
    assert {s.detail["limits"]["seconds"] for s in scores.values()} == {10.0}  # task 123 needs a quarter of them


def test_tasks_whose_tests_need_the_programs_classes_are_unconfirmable(published):
    chosen = [s for s in published if s.id in ("367", "601", "927")]
    for score in scored(chosen):
        assert score.status == "correct" and score.scores == {"accuracy": 1.0, "published": 1.0, "confirmed": 0.0}
        assert score.detail["standing"] == "unconfirmable"


def test_the_authors_file_is_split_by_task_id(shared):
    source = BENCHMARK.source
    path = str(shared / "mbpp")
    assert len(sources.load_rows(source, Want(split="test"), path).rows) == 500
    shots = [BENCHMARK.sample(r) for r in sources.load_rows(source, Want(split="prompt"), path).rows]
    assert [s.id for s in BENCHMARK.shots_order(shots, shots[0], 3)][:3] == ["2", "3", "4"]


def test_the_prompt_is_the_papers(published):
    text = request(BENCHMARK, published[10], published[1:3], mode="write", chat=False).text
    assert text.startswith(
        "You are an expert Python programmer, and here is your task: Write a function to find the similar"
    )
    assert text.count("[BEGIN]\n") == 3 and text.count("\n[DONE]\n\n") == 2 and text.endswith("[BEGIN]\n")


@pytest.mark.parametrize(
    ("change", "said"),
    [({"test_list": []}, "is empty"), ({"code": 5}, "code"), ({"test_list": ["assert other(1) == 1"]}, "entry_point")],
)  # fmt: skip
def test_a_problem_with_a_bad_field_is_one_line(change, said):
    row = next(iter(files.jsonl(BENCHMARK.source.sample)))
    with pytest.raises(DataError, match=said):
        sources.build_samples([{**row, **change}], BENCHMARK.sample)
