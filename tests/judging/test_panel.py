"""Who judges: the words of the command line, the members of a panel, a rubric's criteria."""

import json

import pytest

from evalharness.errors import DataError, UserError
from evalharness.judging.panel import JudgeOptions, open_panel


def opened(spec, **options):
    return open_panel(spec, "score", JudgeOptions(**options))


@pytest.mark.parametrize(
    ("wanted", "benchmark", "judged"),
    [
        ((), "mt_bench", True),
        (("mt_bench",), "mt_bench", True),
        (("mt_bench",), "mt_bench@sample", True),
        (("mt_bench@sample",), "mt_bench@sample", True),
        (("glue",), "glue/cola@sample", True),
        (("glue/cola",), "glue/rte", False),
        (("other",), "mt_bench", False),
    ],
)
def test_the_benchmarks_that_are_named_are_judged(wanted, benchmark, judged):
    assert JudgeOptions(benchmarks=wanted).judges(benchmark) is judged


def test_the_least_that_each_number_may_be():
    JudgeOptions(max_cost=0, temperature=0, max_tokens=1, retries=0, retest=0, order="both").check()
    for bad in ({"max_cost": -0.01}, {"temperature": -0.1}, {"max_tokens": 0}, {"retries": -1}, {"retest": -1},
                {"order": "AB"}):  # fmt: skip
        with pytest.raises(UserError, match="want"):
            JudgeOptions(**bad).check()


def test_a_judge_and_its_model():
    alone = opened("pairwise=echo", temperature=0.5, max_tokens=77)
    (seat,) = alone.seats
    assert (alone.pairs, seat.judge.temperature, seat.judge.max_tokens, seat.prices) == (True, 0.5, 77, None)
    assert alone.name == seat.name == f"pairwise={seat.model.name}"
    assert seat.facts().judge == "pairwise" and seat.facts().template is None
    assert opened("echo").seats[0].judge.name.startswith("score"), "a model alone: the judge of the benchmark"
    assert opened("score/10=echo").seats[0].judge.name == "score/10"
    with pytest.raises(UserError, match="names no model"):
        opened("pairwise")
    with pytest.raises(UserError, match="are for panels"):
        opened("score=echo", aggregate="mean")
    with pytest.raises(UserError, match="are for panels"):
        opened("score=echo", weights=(1.0,))


def test_members_of_a_panel_have_names_and_weights_of_their_own():
    found = opened("panel=score=echo,score=echo,score=tiny", weights=(0.5, 0.25, 1.0))
    names = [seat.name for seat in found.seats]
    assert names[1] == f"{names[0]}#2" and len(set(names)) == 3
    assert found.aggregate == "weights" and found.weights == dict(zip(names, (0.5, 0.25, 1.0), strict=True))
    assert found.name == f"panel[weights]={','.join(names)}"
    assert opened("panel=score=echo,score=tiny").weights == {}
    assert opened("panel=score=echo,score=tiny", aggregate="majority").aggregate == "majority"


@pytest.mark.parametrize(
    ("spec", "options", "says"),
    [
        ("panel=score=echo", {}, "two judges or more"),
        ("panel=score=echo,pairwise=echo", {}, "measure different things"),
        ("panel=score=echo,panel=echo", {}, "cannot sit on a panel"),
        ("panel=score=echo,score=tiny", {"aggregate": "loudest"}, "there is"),
        ("panel=score=echo,score=tiny", {"aggregate": "weights"}, "one number for each"),
        ("panel=score=echo,score=tiny", {"aggregate": "mean", "weights": (1.0, 2.0)}, "one number for each"),
        ("panel=score=echo,score=tiny", {"weights": (1.0,)}, "one number for each"),
        ("panel=score=echo,score=tiny", {"weights": (1.0, -1.0)}, "not all 0"),
        ("panel=score=echo,score=tiny", {"weights": (0.0, 0.0)}, "not all 0"),
    ],
)
def test_a_panel_that_cannot_be_is_one_line(spec, options, says):
    with pytest.raises(UserError, match=says):
        opened(spec, **options)


def test_an_option_that_no_member_takes_is_refused():
    with pytest.raises(UserError, match="nonsense"):
        opened("panel=score=echo,score=tiny", model={"nonsense": 1})


def test_the_criteria_of_a_rubric(tmp_path):
    file = tmp_path / "rubric.json"
    file.write_text(json.dumps([{"name": "short", "description": "is it short"},
                                {"name": "kind", "description": "is it kind", "weight": 2.5}]))  # fmt: skip
    found = opened("rubric=echo", criteria=file).criteria
    assert [(c.name, c.description, c.weight) for c in found] == [
        ("short", "is it short", 1.0),
        ("kind", "is it kind", 2.5),
    ]
    assert opened("score=echo", criteria=file).criteria == ()
    with pytest.raises(UserError, match=r"wants .*criteria"):
        opened("rubric=echo")


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([], "wanted a list"),
        ({"name": "a"}, "wanted a list"),
        ([{"name": "a"}], "criterion 1 wants name"),
        ([{"name": "a", "description": "b"}, "c"], "criterion 2 wants name"),
        ([{"name": "a", "description": "b", "weight": 0}], "criterion 1 wants a weight above 0"),
        (
            [{"name": "a", "description": "b"}, {"name": "a", "description": "c"}],
            "criterion 2 wants .* name of its own",
        ),
    ],
)
def test_criteria_that_are_none_are_named(tmp_path, rows, says):
    file = tmp_path / "rubric.json"
    file.write_text(json.dumps(rows))
    with pytest.raises(DataError, match=says):
        opened("rubric=echo", criteria=file)


def test_only_members_of_one_name_are_numbered():
    names = [seat.name for seat in opened("panel=score=tiny,score=echo,score=tiny,score=tiny").seats]
    assert len(set(names)) == 4 and "#" not in names[0] + names[1]
    assert names[2:] == [f"{names[0]}#2", f"{names[0]}#3"]
