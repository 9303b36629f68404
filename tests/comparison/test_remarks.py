"""What is said beside a verdict: few items, the same model twice, benchmarks of one side alone."""

import pytest
from run_folders import letters, make_run, write_run

from evalharness.comparison.compare import Options, compare_runs
from evalharness.comparison.inputs import open_side
from evalharness.comparison.notes import SAME_RUN


def compared(base, new, **options):
    return compare_runs(open_side(str(base)), open_side(str(new)), Options(**options))


@pytest.mark.parametrize(("n", "said"), [(29, True), (30, False)])
def test_fewer_than_thirty_items_are_a_small_sample(tmp_path, n, said):
    base, new = make_run(tmp_path / "a", "1" * n), make_run(tmp_path / "b", "1" * n)
    assert (f"only {n} items: a small sample" in compared(base, new).tasks[0].notes) is said


def test_only_runs_with_one_fingerprint_are_said_to_be_one_model(tmp_path):
    one, other = make_run(tmp_path / "a", "1" * 40), make_run(tmp_path / "b", "1" * 40)
    unknown = [make_run(tmp_path / name, "1" * 40, model={"name": "x", "fingerprint": None}) for name in "cd"]
    twin = make_run(tmp_path / "e", "1" * 40, model={"name": "x", "fingerprint": "a"})
    told = "both sides are the same model (same fingerprint)"
    assert told not in compared(one, other).notes
    assert told in compared(one, twin).notes and told not in compared(one, one).notes
    assert SAME_RUN in compared(one, one).notes and SAME_RUN not in compared(one, twin).notes
    assert told not in compared(*unknown).notes, "what is not known is not the same"


def test_a_benchmark_of_new_alone_stops_the_verdict_as_one_of_base_alone_does(tmp_path):
    both = letters("quiz", "1" * 200) + letters("other", "1" * 200)
    wide, narrow = write_run(tmp_path / "a", both), write_run(tmp_path / "b", letters("quiz", "1" * 200))
    for sides, where in (((wide, narrow), "BASE"), ((narrow, wide), "NEW")):
        assert compared(*sides).verdict != "same"
        assert any(task.benchmark == "other" and where in task.reason for task in compared(*sides).tasks)
        assert compared(*sides, allow=frozenset({"benchmarks"})).verdict == "same"


def test_sampling_that_an_endpoint_refused_on_one_side_is_said(tmp_path):
    def run(name, *refused):
        model = {"name": "x", "fingerprint": name, "refused_parameters": dict.fromkeys(refused, "left out")}
        return make_run(tmp_path / name, "1" * 40, model=model)

    plain, seedless, hot = run("a"), run("b", "seed"), run("c", "seed")
    told = "answers were not drawn alike: the endpoint refused, and was asked without, {}"
    assert told.format("nothing in BASE; seed in NEW") in compared(plain, seedless).notes
    assert told.format("seed in BASE; nothing in NEW") in compared(seedless, plain).notes
    assert not any("drawn alike" in note for note in compared(seedless, hot).notes)
    assert not any("drawn alike" in note for note in compared(plain, plain).notes)
