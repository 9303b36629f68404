"""HumanEval: published verdicts, the ways an answer is read, and what is no problem at all."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from evalharness import plugins
from evalharness.benchmark import request
from evalharness.data import files, sources
from evalharness.errors import DataError, UserError
from evalharness.options import RunOptions
from evalharness.records import Response, Result, Sample
from evalharness.scoring.answers import score_response
from evalharness.scoring.metrics import pass_at

BENCHMARK = plugins.load_benchmark("humaneval")
ROWS = list(files.jsonl(BENCHMARK.source.sample))


@pytest.fixture(scope="module")
def scorer():
    with BENCHMARK.open_scorer(RunOptions(workers=3)) as opened:
        yield opened


def answered(scorer, sample, text, *, chat=False, finish="stop"):
    asked = request(BENCHMARK, sample, (), mode="write", chat=chat)
    return score_response(scorer, sample, asked, Response(text=text, finish=finish))


def scored(scorer, pairs, chat=False):
    with ThreadPoolExecutor(4) as pool:
        return list(pool.map(lambda pair: answered(scorer, *pair, chat=chat), pairs))


def of(name):
    return BENCHMARK.sample(next(r for r in ROWS if r["entry_point"] == name))


def test_the_bundled_sample_is_large_enough_and_right(scorer):
    samples = sources.build_samples(ROWS, BENCHMARK.sample)
    assert len(samples) >= 10
    assert {s.status for s in scored(scorer, [(s, s.answers[0]) for s in samples])} == {"correct"}


@pytest.mark.parametrize("check", ["both", "split", "inproc"])
@pytest.mark.parametrize("tier", ["namespace", "landlock"])
def test_every_canonical_solution_passes(shared, tier, check):
    rows = list(files.jsonl(shared / "humaneval" / "HumanEval.jsonl.gz"))
    with BENCHMARK.open_scorer(RunOptions(sandbox=tier, check=check, workers=4)) as opened:
        scores = scored(opened, [(BENCHMARK.sample(row), row["canonical_solution"]) for row in rows])
    assert len(scores) == 164 and {s.status for s in scores} == {"correct"}
    standing = {"inproc": "unconfirmable"}.get(check, "confirmed")
    assert {s.detail["standing"] for s in scores} == {standing}
    assert {s.scores.get("confirmed") for s in scores} == {None if check == "inproc" else 1.0}


def test_code_llamas_answers_come_to_the_published_verdicts(shared, scorer):
    told = list(files.jsonl(shared / "humaneval" / "outputs" / "humaneval_seed_codellama.jsonl"))
    rows = {r["task_id"]: r for r in files.jsonl(shared / "humaneval" / "HumanEval.jsonl.gz")}
    scores = scored(scorer, [(BENCHMARK.sample(rows[t["task_id"]]), t["solution"]) for t in told])
    assert [s.status == "correct" for s in scores] == [t["is_solved"] for t in told]
    assert sum(s.status == "correct" for s in scores) == 81


def test_a_base_model_is_stopped_where_the_paper_stops_it(scorer):
    sample = of("is_leap")
    assert answered(scorer, sample, sample.answers[0] + "\ndef is_leap(year):\n    return 7").status == "correct"
    assert answered(scorer, sample, sample.answers[0] + "\nprint(1 / 0)").status == "correct"


LEAP = "return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)"


@pytest.mark.parametrize(
    ("completion", "status"),
    [
        (f"    {LEAP}\n```\nThis function tests it.", "correct"),
        (f"   {LEAP}\n", "correct"),
        (f"   leap = year\n   {LEAP}\n", "correct"),
        (f"   leap = year\n    {LEAP}\n", "correct"),
        (f"{LEAP}\n", "wrong"),
        (f"    {LEAP}<|endoftext|>Next", "correct"),
        (f"    {LEAP}\n\n@cache\ndef other():\n    return 1\n", "correct"),
        (f"    # strip </think> tags\n    {LEAP}", "correct"),
        (f"<think>\nhm\n</think>\n    {LEAP}", "correct"),
    ],
)
def test_completions_of_a_base_model(scorer, completion, status):
    assert answered(scorer, of("is_leap"), completion).status == status


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("Sure:\n```python\nimport calendar\ndef is_leap(y):\n    return calendar.isleap(y)\n```\nDone.", "correct"),
        ("```\nimport calendar\n\ndef is_leap(year):\n    return calendar.isleap(year)\n```", "correct"),
        ("<think>```python\nx\n```</think>```py\nfrom calendar import isleap as is_leap\n```", "correct"),
        ("```python\nprint(is_leap(4))\n```\n\n```python\ndef is_leap(year):\n    return True\n```", "wrong"),
        ("def is_leap(year):\n    import calendar\n    return calendar.isleap(year)", "correct"),
        ("```python\nfrom __future__ import annotations\nimport calendar\n```\nand\n"
         "```python\ndef is_leap(year: Year):\n    return calendar.isleap(year)\n```", "correct"),
        ("```python\nfrom __future__ import annotations\nimport calendar\ndef is_leap(year: Year):\n"
         "    return calendar.isleap(year)\n```", "correct"),
        ("```python\nimport calendar\n```\nand\n```python\ndef is_leap(year):\n    return calendar.isleap(year)\n```",
         "correct"),
        ("It depends on the year.", "unparsed"),
        ("", "unparsed"),
        ("I'm sorry, but I can't help with that.", "refused"),
        ("```bash\nrm -rf /\n```", "unparsed"),
        ("```python\ndef is_leap(year):\n    return '\0\ud800'\n```", "wrong"),
    ],
)  # fmt: skip
def test_a_chat_models_answer_is_read_from_its_code_block(scorer, text, status):
    assert answered(scorer, of("is_leap"), text, chat=True).status == status


def test_an_answer_that_was_cut_off_before_its_code_is_truncated(scorer):
    assert answered(scorer, of("is_leap"), "Let me think", chat=True, finish="length").status == "truncated"


def test_the_detail_says_what_failed_and_within_which_limits(scorer):
    score = answered(scorer, of("digital_root"), "    return n\n")
    detail = score.detail
    assert (
        score.status == "wrong" and detail["verdict"] == "fail" and detail["failing"].startswith("assert candidate(38)")
    )
    assert (
        detail["limits"]["seconds"] == 3.0
        and "return n" in detail["program"]
        and detail["published"]["verdict"] == "fail"
    )
    json.dumps(dict(detail))


def test_a_forged_pass_is_shown_as_suspect_with_both_figures(scorer):
    forged = "    class Y:\n        def __eq__(self, o):\n            return True\n    return Y()\n"
    score = answered(scorer, of("digital_root"), forged)
    assert score.status == "wrong" and score.detail["standing"] == "suspect"
    assert score.scores == {"accuracy": 0.0, "published": 1.0, "confirmed": 0.0}
    assert score.detail["published"]["verdict"] == "pass" and score.detail["confirmed"]["verdict"] == "fail"


def test_a_text_that_is_none_is_unparsed(scorer):
    asked = request(BENCHMARK, of("is_leap"), (), mode="write", chat=True)
    assert scorer(of("is_leap"), asked, Response(text=None)).status == "unparsed"


def test_a_test_that_raises_by_itself_is_an_error_and_the_run_goes_on(scorer):
    broken = BENCHMARK.sample({**ROWS[0], "test": "import no_such_module\n" + ROWS[0]["test"]})
    for text in (broken.answers[0], "    return 0\n"):
        score = answered(scorer, broken, text)
        assert score.status == "error" and "no_such_module" in score.detail["error"]
    assert answered(scorer, of("is_leap"), of("is_leap").answers[0]).status == "correct"


@pytest.mark.parametrize(
    ("change", "said"),
    [({"entry_point": None}, "entry_point"), ({"entry_point": "a b"}, "entry_point"), ({"test": 5}, "test"),
     ({"prompt": ["x"]}, "prompt")],
)  # fmt: skip
def test_a_problem_with_a_bad_field_is_one_line(change, said):
    with pytest.raises(DataError, match=f"row 1 is not a question of this benchmark.*{said}"):
        sources.build_samples([{**ROWS[0], **change}], BENCHMARK.sample)


def test_a_problem_without_a_field_is_one_line():
    with pytest.raises(DataError, match="it has no field 'entry_point'"):
        sources.build_samples([{k: v for k, v in ROWS[0].items() if k != "entry_point"}], BENCHMARK.sample)


def test_an_unknown_check_or_sandbox_is_one_line():
    for options in (RunOptions(check="twice"), RunOptions(sandbox="paper"), RunOptions(sandbox="none")):
        with pytest.raises(UserError), BENCHMARK.open_scorer(options):
            pass


def test_evalplus_inputs_become_a_test(scorer):
    row = {k: v for k, v in ROWS[0].items() if k != "test"}
    plus = BENCHMARK.sample({**row, "base_input": [[2048], [13]], "plus_input": [[-26]], "atol": 0, "contract": ""})
    assert answered(scorer, plus, plus.answers[0]).scores == {"accuracy": 1.0, "published": 1.0, "confirmed": 1.0}
    assert answered(scorer, plus, "    return 4 if n == 2048 else 0\n").status == "wrong"


def results(*rows):
    asked = request(BENCHMARK, of("is_leap"), (), mode="write", chat=False)
    return [
        Result(
            benchmark="humaneval", sample=Sample(id=str(i), question=""), request=asked, response=Response(), repeat=r,
            status="correct" if right else "wrong", scores={"accuracy": float(right)},
        )
        for i, row in enumerate(rows)
        for r, right in enumerate(row)
    ]  # fmt: skip


def test_pass_at_k_is_the_papers_estimator():
    runs = results([1, 0, 0, 0], [0, 0, 0, 0], [1, 1, 1, 1], [1, 1, 0, 0])
    assert pass_at(1).of(runs).value == pytest.approx((0.25 + 0 + 1 + 0.5) / 4)
    assert pass_at(2).of(runs).value == pytest.approx((0.5 + 0 + 1 + 5 / 6) / 4)
    assert pass_at(4).of(runs).value == pytest.approx(3 / 4) and pass_at(2).of(runs).n == 4
    assert pass_at(5).of(runs) is None and pass_at(1).of([]) is None
