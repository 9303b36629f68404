"""`perf/coverage.py`, with a handful of draws: every cell is made, and one out of its bounds is an error."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PERF = ROOT / "perf"
# Every figure that is printed with an interval has a cell.
FIGURES = {
    "accuracy", "f1", "macro f1", "mcc", "judge_score", "win_rate", "pass@10", "pass@100", "instruction accuracy",
    "accuracy_macro", "perplexity", "seconds", "tokens_out", "attempts", "f1a", "exact_match", "pearson", "spearman",
    "glue_score", "mean over tasks", "robustness", "robustness_macro", "gender_parity", "shown first minus second",
    "a judge minus the others", "kinder to its own family", "label mass", "mean win rate", "prediction-powered mean",
    "length_adjusted_win_rate", "length_controlled_win_rate", "rating", "ece_10_bin", "ece_1_bin",
    "selective_accuracy_10", "selective_coverage_accuracy", "bootstrap interval (BCa)",
    "right or wrong", "graded", "without a range", "clusters", "stops early",
}  # fmt: skip


def coverage(*words):
    """The script in a process of its own: its name is that of another package."""
    said = subprocess.run(
        [sys.executable, *words], cwd=ROOT, capture_output=True, text=True, timeout=240, check=False
    )  # fmt: skip
    assert "Traceback" not in said.stderr, said.stderr
    return said


@pytest.mark.slow
def test_every_cell_is_made_with_a_handful_of_draws():
    said = coverage("-W", "error::RuntimeWarning", str(PERF / "coverage.py"), "--draws", "3")
    cells = [json.loads(line) for line in said.stdout.splitlines()]
    assert {cell["figure"] for cell in cells} >= FIGURES
    for cell in cells:
        rates = [cell[kind] for kind in ("held", "passes", "fails") if cell[kind] is not None]
        assert rates and all(0 <= rate <= 1 for rate in rates) and 0 < cell["draws"] <= 3, cell
        assert (cell["admits"] is None) == (cell["caution"] == ""), cell
    assert said.returncode == int(any(cell["expected"] and not cell["within"] for cell in cells))
    named = {(cell["section"], cell["figure"], cell["world"], cell["n"]) for cell in cells}
    assert len(named) == len(cells), "no cell stands twice"


CELL = """
import sys
sys.path.insert(0, {perf!r})
from coverage import Cell, table
cell = Cell(section="s", figure="f", world="w", n=100, truth=0.5, draws=10_000, {fields})
raise SystemExit(table({{"s": lambda draw, draws: iter([cell])}}, 10_000, markdown={markdown}))
"""


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ("held=0.95", 0), ("held=0.929", 1), ("held=0.986", 1), ("held=0.9, expected=False", 0),
        ("held=0.92, caution='few', admits=(0.91, 0.985)", 0), ("held=0.90, caution='few', admits=(0.91, 0.985)", 1),
        ("held=0.92, caution='few'", 1), ("passes=0.05, fails=0.04", 0), ("passes=0.061, fails=0.0", 1),
        ("passes=0.0, fails=0.0575", 1), ("passes=0.068, fails=0.0, caution='no flip', admits=(0.0, 0.07)", 0),
    ],
)  # fmt: skip
def test_a_cell_out_of_its_bounds_is_an_error(fields, code):
    said = coverage("-c", CELL.format(perf=str(PERF), fields=fields, markdown=True))
    assert said.returncode == code, said.stdout + said.stderr
    assert ("**outside**" in said.stdout) == bool(code)


def test_only_what_is_printed_moves_the_bounds():
    said = subprocess.run(
        [sys.executable, "-c", CELL.format(perf=str(PERF), fields="held=0.5, admits=(0.0, 1.0)", markdown=False)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert said.returncode == 1 and "only a printed caution" in said.stderr
