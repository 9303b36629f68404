"""The index of many runs: the same list as without it, whatever happens to the runs or to it."""

import json
import os
import shutil
from pathlib import Path

import pytest

from evalharness.runs import run_index, run_rows
from evalharness.runs.store import Run

RUNS = Path("runs")
INDEX = RUNS / run_index.RUN_INDEX


@pytest.fixture
def some(evalh, monkeypatch):
    """Six runs, of which an index is kept, and how often one of them was read since."""
    assert evalh("run", "tiny_exam", "--model", "echo", "--mode", "write", "--limit", "3", "--name", "r0").code == 0
    for number in range(1, 6):
        shutil.copytree(RUNS / "r0", RUNS / f"r{number}")
        os.utime(RUNS / f"r{number}" / "run.json", (2e9 + number, 2e9 + number))
    monkeypatch.setattr(run_index, "MANY_RUNS", 3)
    read, plain = [], run_rows._run_rows
    monkeypatch.setattr(run_rows, "_run_rows", lambda run: read.append(run.name) or plain(run))
    return read


def listed(evalh) -> list[dict]:
    found = evalh("list", "runs", "--json")
    assert found.code == 0 and "Traceback" not in found.err
    return found.json


def test_what_is_known_is_not_read_again(evalh, some):
    first = listed(evalh)
    assert len(some) == 6 and INDEX.stat().st_mode & 0o777 == 0o600
    assert listed(evalh) == first and len(some) == 6
    assert [row["name"] for row in first] == [f"r{i}" for i in range(6)]
    path = RUNS / "r3" / "summary.json"
    path.write_text(path.read_text().replace('"n": 3', '"n": 2'))
    changed = listed(evalh)
    assert some[6:] == ["r3"] and [row["n"] for row in changed] == [3, 3, 3, 2, 3, 3]
    path.unlink()
    assert listed(evalh)[3]["n"] == "unfinished" and some[7:] == ["r3"]
    shutil.rmtree(RUNS / "r5")
    shutil.copytree(RUNS / "r1", RUNS / "new")
    assert {row["name"] for row in listed(evalh)} == {"r0", "r1", "r2", "r3", "r4", "new"} and some[8:] == ["new"]


@pytest.mark.parametrize("damage", [b"", b"no database", None])
def test_an_index_that_is_missing_or_damaged_is_made_anew(evalh, some, damage):
    first = listed(evalh)
    if damage is None:
        INDEX.unlink()
    else:
        INDEX.write_bytes(damage)
    assert listed(evalh) == first and len(some) == 12
    for _ in range(2):
        assert listed(evalh) == first
    assert len(some) <= 18  # a damaged one may cost one list more


def test_an_index_that_cannot_be_written_changes_nothing(evalh, some, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(run_index, "own_folder", full)
        assert len(listed(evalh)) == 6 and not INDEX.exists()
    assert len(listed(evalh)) == 6


def test_a_damaged_run_is_said_every_time(evalh, some):
    (RUNS / "r2" / "run.json").write_text("{")
    for _ in range(3):
        found = evalh("list", "runs", "--json")
        assert found.err.count("r2") == 1 and [row["n"] for row in found.json].count("damaged") == 1
    assert len(some) == 5 + 3


def test_few_runs_have_no_index_and_an_empty_folder_has_no_runs(evalh, some, monkeypatch):
    monkeypatch.setattr(run_index, "MANY_RUNS", 7)
    assert len(listed(evalh)) == 6 and not INDEX.exists()
    assert evalh("list", "runs", "--runs", "nowhere").out.strip() == "there are none"


def test_a_long_table_has_the_same_cells(evalh, some, monkeypatch):
    from evalharness.report import items

    monkeypatch.setenv("COLUMNS", "200")
    drawn = evalh("list", "runs").out
    monkeypatch.setattr(items, "MANY", 2)
    plain = evalh("list", "runs").out
    first, second = ([line.split() for line in text.splitlines() if line.strip()] for text in (plain, drawn))
    assert first == second and len(first) == 7
    assert [json.dumps(row) for row in run_rows.run_rows(RUNS)] == [json.dumps(row) for row in listed(evalh)]
    assert Run(RUNS / "r0").finished
