"""Statements in prose: which lines are code, how far a statement goes, and which belong together."""

import pytest

from evalharness.scoring.bare_pieces import bare_pieces

F = "def f(xs):\n    return sorted(xs)\n"


def test_statements_with_nothing_between_them_are_one_piece():
    assert bare_pieces(f"import os\n\n\n\n{F}# a remark\nx = f([1])\n") == [f"import os\n\n\n{F}\nx = f([1])\n"], (
        "at most two blank lines are kept; a remark is as good as one"
    )
    assert bare_pieces(f"import os\nThen the function:\n{F}") == ["import os\n", F]
    assert bare_pieces(f"import os\n#hashtags are prose\n{F}") == ["import os\n", F]


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("total: int = 3", True),
        ("Note: this", False),
        ("answer: int", False),
        ("print(f([1]))", True),
        ("x = 3", True),
        ("f", False),
        ("names[0]", False),
        ("assert f([1])", True),
        ("for the sake of it", False),
        ("So it is (as you see)", False),
    ],
)
def test_a_line_is_code_where_prose_does_not_happen_to_read_like_it(line, code):
    assert bare_pieces(f"See here.\n\n{line}\n\nThat is all.") == ([line + "\n"] if code else [])


def test_a_statement_goes_on_within_brackets_and_quotation_marks():
    table = "TABLE = [\n1,\n\n(2, {3: '['}),  # ]\n]\n"
    text = 'TEXT = """\nAny line: [ ( \'\'\'\n\nx = 1\n"""\n'
    assert bare_pieces(f"A table:\n{table}and a text:\n{text}So.") == [table, text]
    closed = 'a = "]"\n'
    assert bare_pieces(f"{closed}Then prose.\n") == [closed]
    assert bare_pieces("x = '[('\nThen prose (with more\nand more).\n") == ["x = '[('\n"]
    both = "T = '''\n\"\"\" (\n'''\n"
    assert bare_pieces(f"{both}Prose.\n") == [both]


def test_what_goes_with_a_statement_stays_with_it():
    tried = "try:\n    import numpy\nexcept ImportError:\n    numpy = None\nelse:\n    pass\n"
    decorated = "@cache\n@other(1)\ndef f(x):\n    return x\n"
    assert bare_pieces(f"Here:\n{tried}And:\n{decorated}Done.") == [tried, decorated]


def test_a_body_behind_a_sentence_belongs_to_the_function_before_it():
    assert bare_pieces("def f(xs):\n    ys = sorted(xs)\n\nThen we return it:\n\n    return ys\n") == [
        "def f(xs):\n    ys = sorted(xs)\n    return ys\n"
    ]
    assert bare_pieces("x = 1\n\nThen:\n\n    return x\n") == ["x = 1\n"], "what defines nothing has no body"
    assert bare_pieces("def f(xs):\n    ys = 1\n\nThen:\n\n    return (ys\n") == ["def f(xs):\n    ys = 1\n"]
    lines = "def f(xs):\n    ys = 1\n\nThen:\n\n    ys += 1\n    return ys\n"
    assert bare_pieces(lines) == ["def f(xs):\n    ys = 1\n    ys += 1\n    return ys\n"]


def test_indented_definitions_each_stand_for_themselves():
    functions = "    def f(xs):\n        return heapq.nsmallest(2, xs)\n    def g(xs):\n        return xs\n"
    (piece,) = bare_pieces(f"Look:\n\n    import heapq\n{functions}")
    assert piece.splitlines()[0] == "import heapq" and "\ndef f(xs):\n    return heapq" in piece
    assert "\ndef g(xs):\n    return xs\n" in piece


def test_a_text_that_begins_indented_has_no_pieces():
    assert bare_pieces("\n    return xs\n\ndef g():\n    pass\n") == [] == bare_pieces("")


def test_quoted_lines_are_read_without_their_mark_and_prompts_of_an_interpreter_are_not():
    assert bare_pieces("> def f(xs):\n>     return xs\n") == ["def f(xs):\n    return xs\n"]
    assert bare_pieces(">>> x = 1\n1\n") == []


def test_a_last_line_without_its_end_is_a_whole_line_and_marks_around_it_are_left_out():
    assert bare_pieces("Use `x = f([2])`") == []
    assert bare_pieces("Use this:\n`x = f([2])`") == ["x = f([2])\n"]
