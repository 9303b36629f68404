"""The table of one run."""

import io

from rich.console import Console

from evalharness.data.kept import finite
from evalharness.data.typed import record
from evalharness.report.terminal import run_table
from evalharness.runs.figures import Summary
from evalharness.runs.manifest import UsageFacts


def shown(summary, usage=None, width=140):
    console = Console(width=width, no_color=True, file=io.StringIO())
    console.print(run_table(record(Summary, finite(summary)), usage or {}))
    return console.file.getvalue()


def entry(**counts):
    estimate = {"value": 0.61, "stderr": 0.004, "low": 0.602, "high": 0.618, "n": 14042}
    return {"mode": "rank", "n": 14042, "metrics": {"accuracy": estimate, "macro": estimate}, "counts": counts,
            "bounds": {"low": 0.6, "high": 0.64}}  # fmt: skip


def test_every_figure_is_in_the_table():
    usage = {"mmlu": UsageFacts(seconds=271, tokens_in=1_900_000, tokens_out=14042, cost=2.306)}
    text = shown({"benchmarks": {"mmlu": entry(correct=8565, wrong=5477)}}, usage)
    for wanted in (
        "mmlu",
        "rank",
        "14,042",
        "0.610",
        "0.602 … 0.618",
        "8,565 correct, 5,477",
        "4 m 31 s",
        "1.9 M / 14 k",
        "$2.31",
    ):
        assert wanted in text, wanted
    assert "bounds" not in text


def test_a_score_that_guessing_gives_is_called_so():
    told = {"headline": "accuracy", "chance": 0.25}
    text = shown({"benchmarks": {"mmlu": {**entry(correct=1, wrong=3), **told}}})
    assert "chance 0.250" in text and "guessing" not in text
    estimate = {"value": 0.24, "stderr": 0.01, "low": 0.22, "high": 0.26, "n": 100}
    text = shown({"benchmarks": {"mmlu": {**entry(correct=1, wrong=3), **told, "metrics": {"accuracy": estimate}}}})
    assert "accuracy 0.240 cannot be told from guessing, which gives 0.250" in text


def test_the_table_fits_eighty_columns():
    text = shown({"benchmarks": {"mmlu@sample": entry(correct=8565, wrong=5477)}}, width=80)
    assert "0.602 … 0.618" in text and "accuracy" in text and max(map(len, text.splitlines())) <= 80


def test_what_could_not_be_read_brings_bounds_and_a_remark():
    text = shown({"benchmarks": {"mmlu": entry(correct=8565, wrong=5000, unparsed=400, error=77)}})
    assert "0.600 … 0.640" in text
    assert "400 answers could not be read" in text
    assert "77 questions have no answer" in text


def test_a_name_with_markup_and_escapes_is_only_text():
    text = shown({"benchmarks": {"[bold]x[/bold]\x1b[2J": entry(correct=1)}})
    assert "[bold]x[/bold]\\x1b[2J" in text
    assert "\x1b" not in text


def test_missing_figures_are_dashes():
    estimate = {"value": 0.5, "stderr": None, "low": None, "high": float("inf"), "n": 1}
    text = shown({"benchmarks": {"x": {"mode": "write", "n": 1, "metrics": {"accuracy": estimate}, "counts": {}}}})
    assert "– … –" in text


def test_prompts_that_were_cut_are_said():
    text = shown({"benchmarks": {"mmlu": {**entry(correct=1), "tokens": {"in": 5, "out": 0, "cut": 3}}}})
    assert "3 prompts were cut from the left" in text


def test_what_an_interval_is_worth_is_said_and_why_there_is_none():
    bare = {"value": 0.0, "stderr": 0.0, "low": None, "high": None, "n": 300}
    tenth = {"value": 0.9, "stderr": 0.05, "low": 0.74, "high": 0.97, "n": 30}
    error = {"value": 0.08, "stderr": 0.02, "low": 0.0, "high": 0.12, "n": 300}
    whole = {**entry(correct=200, wrong=100), "n": 300}
    whole["holistic"] = {"tokens_in": bare, "tokens_out": bare, "selective_accuracy_10": tenth, "ece_10_bin": error}
    text = shown({"benchmarks": {"mmlu": whole}}, width=300)
    assert "no interval for tokens_in, tokens_out: all values are the same, or there is one only" in text
    assert "selective_accuracy_10: only 30 answers: a 95 % interval from so few may hold 92 times in 100" in text
    assert "ece_10_bin is above 0 by chance too: about 0.066" in text
    assert "ece_10_bin of 300 answers: its interval allows for chance; it is too wide, not too narrow" in text
    many = shown({"benchmarks": {"mmlu": {**whole, "holistic": {"ece_10_bin": {**error, "n": 2000}}}}}, width=300)
    assert "by chance too" in many and "too wide" not in many and "so few" not in many and "no interval" not in many
