"""Where the program is in an answer: fences, tags, bare code; what is put together, and what is left out."""

import time

import pytest

from evalharness.building_blocks.code import code_block
from evalharness.scoring.code_blocks import future_first, is_body
from evalharness.scoring.fences import fenced, inline

GOOD = "def f(xs):\n    return sorted(xs)\n"


def ran(text):
    """What f([2, 1]) is by the code of an answer; None where there is no code."""
    code = code_block(text, "f")
    if code is None:
        return None
    names = {}
    exec(code, names)
    return names["f"]([2, 1])


def indented(text, by="   "):
    return "".join(by + line for line in text.splitlines(keepends=True))


@pytest.mark.parametrize(
    "text",
    [
        f"```python\n{GOOD}```",
        f"```\n{GOOD}```",
        f"~~~python\n{GOOD}~~~",
        f"````python\n{GOOD}````",
        f'```python title="a.py"\n{GOOD}```',
        f"```{{python}}\n{GOOD}```",
        f"```py\n{GOOD}```",
        f"Sure: ```python\n{GOOD}```",
        "1. Here:\n\n" + indented(f"```python\n{GOOD}```\n"),
        "- Here:\n\n" + indented(f"```python\n{GOOD}```\n", "    "),
        "1. ```python\n" + indented(GOOD) + "   ```\n",
        "> ```python\n" + indented(GOOD, "> ") + "> ```\n",
        f"```python\n{indented(GOOD, '  ')}```",
        f"```python\n\ufeff{GOOD}```",
        f"```python\n{GOOD.replace('    ', chr(160) * 4)}```",
        f"[PYTHON]\n{GOOD}[/PYTHON]",
        f"<code>\n{GOOD}</code>",
        f"```python\n{GOOD}",
        f"```python\n{GOOD}\n\nThis sorts it.",
        GOOD,
        f"Here is the function:\n\n{GOOD}",
        f"Here is the function:\n\n{GOOD}\nThis sorts the list.",
        f"{GOOD}```\nThis function sorts.",
        f"```bash\npip install x\n```\n```python\n{GOOD}```",
        f"```json\n{{}}\n```\n```python\n{GOOD}```",
        f"```python\n{GOOD}```\nUsage:\n```python\nprint(f([1]))\n```",
        f"Naive:\n```python\ndef f(xs):\n    return xs\n```\nBetter:\n```python\n{GOOD}```",
        "```python\nimport heapq\n```\nand\n```python\ndef f(xs):\n    return heapq.nsmallest(2, xs)\n```",
        "```python\ndef g(xs):\n    return sorted(xs)\n```\n```python\ndef f(xs):\n    return g(xs)\n```",
        "```python\ndef f(xs):\n    return g(xs)\n```\nwhere\n```python\ndef g(xs):\n    return sorted(xs)\n```",
        "```python\nimport heapq\n```\n```python\ndef g(xs):\n    return heapq.nsmallest(2, xs)\n```\n"
        "```python\nfrom __future__ import annotations\ndef f(xs: Any):\n    return g(xs)\n```",
        "```python\ndef f(xs):\n    '''Doc\n    ```\n    >>> f([1])\n    ```\n    '''\n    return sorted(xs)\n```",
        'Text\n```python\ndef f(xs):\n    """\n```\nx\n```\n    """\n    return sorted(xs)\n```',
        "```python\n>>> def f(xs):\n...     return sorted(xs)\n```",
        "```python\nf = lambda xs: sorted(xs)\n```",
        f"```python\n{GOOD}print('ok')```",
        f"```python\ntry\n```python\n{GOOD}```",
    ],
)
def test_the_program_is_found(text, capsys):
    assert ran(text) == [1, 2]


@pytest.mark.parametrize(
    "text", ["It depends.", "", "```bash\nls\n```", "from the list we take f", "    return 1\ndef f(xs):\n    return 7"]
)
def test_what_holds_no_program_has_none(text):
    assert code_block(text, "f") is None


def test_a_body_stays_a_body():
    assert code_block("```python\n    return 1\n```", "f") == "    return 1\n"
    assert code_block("```python\nreturn 1\n```", "f") == "    return 1\n"
    assert code_block("    return 1\n```\nThis is it.", "f") == "    return 1\n"
    assert is_body("x = 1\nreturn x") and not is_body("def f():\n    return 1")


def test_future_imports_come_first():
    assert future_first("import x\nfrom __future__ import annotations\ny = 1\n").startswith("from __future__")
    assert future_first("x = 1\n") == "x = 1\n"


def test_a_block_knows_where_it_is():
    text = "a\n```py x\nb\n```\nc\n~~~\nd"
    assert [(b.language, text[b.start : b.end], b.closed) for b in fenced(text)] == [
        ("py", "b\n", True),
        ("", "d", False),
    ]
    assert [text[a:b] for text in ["x `a` ``b ` c`` `d"] for a, b in inline(text)] == ["`a`", "``b ` c``"]


HOSTILE = [
    "`" * 20_000,
    "`" * 1_000_000,
    "```\n" * 250_000,
    "~~~\n" * 250_000,
    "```python\n>>> " * 70_000,
    "\n" * 1_000_000,
    "```python\n" + "(" * 1_000_000,
    "def f():\n" + "    x\n" * 160_000,
    "[PYTHON]" * 120_000,
]


@pytest.mark.parametrize("number", range(len(HOSTILE)))
def test_a_megabyte_of_anything_takes_no_time(number):
    before = time.process_time()
    code_block(HOSTILE[number], "f")
    assert time.process_time() - before < 3  # under 1 s alone on a core; quadratic time would be minutes
