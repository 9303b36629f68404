"""Tables that fit a terminal without breaking a word."""

import io
import re

import pytest
from rich.console import Console
from rich.text import Text

from evalharness.report.fitted import FittedTable, broken_name, name_parts

NAMES = ("mmlu_pro_computer_science", "bigbench/causal_judgement-multiple.choice", "gsm8k", "truthfulqa_mc2@sample")


def shown(width, names=NAMES, optional=True):
    table = FittedTable()
    table.add_column("task", named=True)
    for heading in ("base", "new", "margin"):
        table.add_column(heading, "right", optional=optional)
    table.add_column("verdict")
    for name in names:
        table.add_row(Text(name), *map(Text, ("61.02", "58.33", "2")), Text("! not comparable"))
    console = Console(width=width, no_color=True, file=io.StringIO())
    console.print(table)
    return console.file.getvalue()


@pytest.mark.parametrize("width", [40, 48, 60, 80, 120])
def test_words_stay_whole_and_nothing_is_wider_than_the_terminal(width):
    text = shown(width)
    assert max(map(len, text.splitlines())) <= width
    assert text.count("! not comparable") == len(NAMES)
    for word in re.findall(r"[A-Za-z0-9]+", " ".join(NAMES)):
        assert re.search(rf"(?<![A-Za-z0-9]){word}(?![A-Za-z0-9])", text), word


def test_names_are_whole_where_there_is_room_and_columns_go_only_where_there_is_none():
    assert all(name in shown(120) for name in NAMES)
    assert "margin" in shown(80)
    assert "margin" not in shown(40)
    assert "verdict" in shown(30)


def test_where_nothing_more_can_be_left_out_a_cell_has_a_line_of_its_own():
    text = shown(34, optional=False)
    assert max(map(len, text.splitlines())) <= 34
    for line in ("  base 61.02", "  new 58.33", "  margin 2", "  verdict ! not comparable"):
        assert text.splitlines().count(line) == len(NAMES), text
    assert text.startswith(("task mmlu_pro_computer_science\n", "task\nmmlu_pro_computer_science")), text


@pytest.mark.parametrize(
    ("name", "width", "lines"),
    [
        ("mmlu_pro_law", 8, "mmlu_\npro_law"),
        ("mmlu_pro_law", 12, "mmlu_pro_law"),
        ("averylongwordwithoutanyend", 5, "averylongwordwithoutanyend"),
        ("a/b", 1, "a/\nb"),
        ("gpt-4.1-mini 1,319", 6, "gpt-\n4.1-\nmini\n1,319"),
        ("日本語_評価", 7, "日本語_\n評価"),
        ("", 3, ""),
        ("__", 1, "__"),
        ("two words", 5, "two\nwords"),
    ],
)
def test_a_name_is_broken_between_its_parts(name, width, lines):
    assert broken_name(name, width) == lines
    assert "".join(name_parts(name)) == name
