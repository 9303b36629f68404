"""Twins and ladders hold imported runs beside ours by what was asked: names and ids of two programs mean nothing."""

from run_folders import line, make_run

from evalharness.evidence.item_table import item_tables
from evalharness.runs.store import Run

OTHER = {"imported": {"format": "lm_eval", "figures": []}}


def questions(folder, right, *, imported=False, begin=0):
    """A run of 60 questions; another program calls the benchmark and its items otherwise, in another order."""
    places = range(60) if not imported else reversed(range(60))
    lines = []
    for i in places:
        name, identity = ("other_quiz", f"doc-{59 - i}") if imported else ("quiz", f"q/{i}")
        value = float(right[i])
        status = "correct" if value else "wrong"
        lines.append(line(name, identity, status, value, question=f"What is the number {i + begin} called?"))
    return make_run(folder, lines=lines, facts=OTHER if imported else None)


def test_items_of_imported_runs_are_found_by_what_was_asked(tmp_path, evalh):
    right = [i % 3 > 0 for i in range(60)]
    ours, theirs = questions(tmp_path / "a", right), questions(tmp_path / "b", right, imported=True)
    (table,) = item_tables([Run(ours), Run(theirs)])
    assert (table.benchmark, table.runs, len(table.ids)) == ("quiz", ("a", "b"), 60)
    assert (table.worth[:, 0] == table.worth[:, 1]).all()
    (pair,) = evalh("twins", theirs, ours, "--json").json["pairs"]
    assert (pair["n"], pair["differ"]) == (60, 0)
    (ladder,) = evalh("scaling", ours, theirs, "--json").json["ladders"]
    assert [step["figure"]["value"] for step in ladder["steps"]] == [40 / 60, 40 / 60]
    both = questions(tmp_path / "c", right, imported=True)
    (two,) = item_tables([Run(theirs), Run(both)])
    assert (two.benchmark, len(two.ids)) == ("other_quiz", 60)


def test_other_questions_are_no_pair(tmp_path, evalh):
    right = [True] * 60
    ours, theirs = questions(tmp_path / "a", right), questions(tmp_path / "b", right, imported=True, begin=1000)
    assert list(item_tables([Run(ours), Run(theirs)])) == []
    assert "asked the same" in evalh("twins", ours, theirs).err
