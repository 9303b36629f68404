"""A baseline stands for a run: small, readable, without prompts, and refused when it is not as it was written."""

import json

import pytest
from run_folders import letters, line, make_run, write_run

from evalharness.comparison import baseline
from evalharness.comparison.compare import Options, compare_runs
from evalharness.comparison.inputs import keep_baseline, open_side
from evalharness.errors import UserError


def kept(tmp_path, lines, name="main"):
    write_run(tmp_path / "runs" / "a", lines)
    path, _ = keep_baseline("a", name, metric=None, runs=tmp_path / "runs", baselines=tmp_path / "baselines")
    return path


def test_a_baseline_compares_as_the_run_it_stands_for(tmp_path):
    path = kept(tmp_path, letters("quiz", "1" * 80 + "0u1t" + "e" + "1" * 50, groups=3))
    new = make_run(tmp_path / "runs" / "b", "1" * 60 + "0" * 75, groups=3)
    run, stored = (
        compare_runs(open_side(str(side)), open_side(str(new)), Options()) for side in (tmp_path / "runs/a", path)
    )
    for field in (
        "difference",
        "low",
        "high",
        "fixed",
        "broke",
        "missing",
        "verdict",
        "counts",
        "slices",
        "unread_bounds",
    ):
        assert getattr(run.tasks[0], field) == getattr(stored.tasks[0], field), field
    assert run.flips == stored.flips
    sample = stored.tasks[0].samples[0]
    assert (sample.base_status, sample.base_text, sample.new_status) == ("correct", "", "wrong")


def test_it_holds_no_prompt_and_no_answer_and_is_small(tmp_path):
    lines = [line("quiz", f"g{i % 5}/{i // 5}", "correct", 1.0, text="SECRET", question="PROMPT") for i in range(5000)]
    path = kept(tmp_path, lines)
    text = path.read_text()
    assert "SECRET" not in text
    assert "PROMPT" not in text
    assert len(text) < 8000


def test_graded_values_repeats_and_odd_ids_survive(tmp_path):
    lines = [
        line("qa", "56be-x", "scored", 1 / 3, metric="f1", group=""),
        line("qa", "a b", "scored", 0.5, metric="f1", group=""),
    ]
    lines += [line("qa", "a b", "scored", 0.75, metric="f1", group="", repeat=1)]
    path = kept(tmp_path, lines)
    there = open_side(str(path)).scores({"qa": "f1"})["qa"]
    assert dict(zip(there.ids, there.values.tolist(), strict=True)) == {"56be-x": 1 / 3, "a b": 0.625}
    assert sorted(there.answers.tolist()) == [1, 2]


def test_the_same_run_gives_the_same_bytes_and_line_ends_do_not_matter(tmp_path):
    lines = letters("quiz", "1010e", groups=2)
    path = kept(tmp_path, lines)
    first = path.read_bytes()
    assert kept(tmp_path, lines).read_bytes() == first
    path.write_bytes(first.replace(b"\n", b"\r\n"))
    assert baseline.read_baseline(path).name == "main"


def test_an_edited_baseline_is_refused(tmp_path):
    path = kept(tmp_path, letters("quiz", "1" * 10))
    path.write_text(path.read_text().replace("cccccccccc", "cccccccccw"))
    with pytest.raises(UserError, match="edited or damaged"):
        open_side(str(path))


def test_one_of_a_later_version_says_to_upgrade(tmp_path):
    path = kept(tmp_path, letters("quiz", "1" * 10))
    header, *body = path.read_text().splitlines()
    later = json.dumps({**json.loads(header), "evalh_baseline": 2})
    path.write_text("\n".join([later, *body]) + "\n")
    with pytest.raises(UserError, match=r"later evalharness \(format 2, this one reads 1\)"):
        open_side(str(path))


@pytest.mark.parametrize("text", ["", "{}\n", "[1]\n", "not json\n", '{"evalh_baseline": "x"}\n'])
def test_what_is_no_baseline_says_how_to_get_one(tmp_path, text):
    path = tmp_path / "main.jsonl"
    path.write_text(text)
    with pytest.raises(UserError, match="baseline"):
        baseline.read_baseline(path)


def test_a_name_that_is_a_path_is_refused(tmp_path):
    write_run(tmp_path / "runs" / "a", letters("quiz", "11"))
    with pytest.raises(UserError, match=r"^name "):
        keep_baseline("a", "../main", metric=None, runs=tmp_path / "runs", baselines=tmp_path / "baselines")


def test_a_run_without_values_is_no_baseline(tmp_path):
    write_run(tmp_path / "runs" / "a", [line("quiz", f"q/{i}", "error", None) for i in range(3)])
    with pytest.raises(UserError, match="every answer is an error"):
        keep_baseline("a", "main", metric=None, runs=tmp_path / "runs", baselines=tmp_path / "baselines")
    assert not (tmp_path / "baselines").exists()


def test_groups_are_the_only_clusters_of_a_baseline(tmp_path):
    lines = [line("quiz", f"g{i % 20}/{i // 20}", "correct", 1.0, extra={"book": str(i % 9)}) for i in range(200)]
    path = kept(tmp_path, lines)
    side = open_side(str(path))
    assert compare_runs(side, side, Options(clusters="group")).tasks[0].clusters == 20
    with pytest.raises(UserError, match="a baseline knows only the field group"):
        compare_runs(side, side, Options(clusters="book"))
    run = open_side(str(tmp_path / "runs/a"))
    assert compare_runs(side, run, Options(clusters="book")).tasks[0].clusters == 9


def test_evalh_baseline(evalh, tmp_path):
    write_run(tmp_path / "runs" / "a", letters("quiz", "1" * 100))
    write_run(tmp_path / "runs" / "b", letters("quiz", "0" * 20 + "1" * 80))
    assert evalh("baseline", "set", "a", "--name", "main").code == 0
    assert "quiz accuracy 1.000 (n 100)" in evalh("baseline", "list").out
    assert evalh("compare", "main", "b", "--gate").code == 1
    write_run(tmp_path / "runs" / "main", letters("quiz", "1" * 100))
    said = evalh("compare", "main", "b")
    assert (said.code, said.err.count("\n")) == (2, 1)
    assert "both the baseline" in said.err
    assert evalh("baseline", "set", "main", "--name", "x").code == 2


def test_a_correct_answer_that_is_worth_less_than_one_keeps_its_value(tmp_path):
    lines = [line("qa", f"q/{i}", "correct", value) for i, value in enumerate((0.5, 1.0))]
    there = open_side(str(kept(tmp_path, lines))).scores({"qa": "accuracy"})["qa"]
    assert there.values.tolist() == [0.5, 1.0]


def test_its_file_is_ascii_whatever_ids_are_so_that_no_checkout_changes_it(tmp_path):
    path = kept(tmp_path, [line("quiz", "gé/ß", "correct", 1.0), line("quiz", "gé/\ud800", "wrong", 0.0)])
    assert path.read_bytes().isascii()
    assert sorted(open_side(str(path)).scores({"quiz": "accuracy"})["quiz"].ids) == ["gé/ß", "gé/\ud800"]


def test_a_file_of_another_name_or_one_that_is_not_there_is_no_baseline(tmp_path):
    path = kept(tmp_path, letters("quiz", "1"))
    other = path.with_suffix(".txt")
    other.write_bytes(path.read_bytes())
    assert baseline.find_baseline(str(path)) == path
    assert baseline.find_baseline(str(other)) is None
    assert baseline.find_baseline(str(tmp_path / f"gone{baseline.SUFFIX}")) is None
