"""Where the program is in an answer: fences, tags, bare code; what is put together, and what is left out."""

import pytest
from code_texts import PIECES
from processor_time import processor_seconds

from evalharness.building_blocks.code import code_block
from evalharness.scoring.code_blocks import future_first, is_body
from evalharness.scoring.fences import fenced, inline, one_liners

GOOD = "def f(xs):\n    return sorted(xs)\n"
NAMES = ["jupyter", "tool_code", "ipython", "ipython3", "Python3", "PYTHON", "{python}", "{.python}", "jupyter-python",
         "python3.11"]  # fmt: skip


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


BLOCKS = {
    "star": "```python\nfrom math import *\n```\n```python\ndef f(xs):\n    return [floor(x) for x in sorted(xs)]\n```",
    "star2": (
        "```python\nfrom heapq import *\nfrom math import *\n```\nNow\n```python\ndef f(xs):\n"
        "    return nsmallest(2, xs)\n```"
    ),
    "star bare": "from heapq import *\n\nThen:\n\n```python\ndef f(xs):\n    return nsmallest(2, xs)\n```",
    "md4": f"````markdown\n# Solution\n```python\n{GOOD}```\n````",
    "md3": f"```markdown\n# Solution\n```python\n{GOOD}```\n```",
    "md tilde": f"~~~markdown\nHere\n\n```python\n{GOOD}```\n~~~",
    "md4 with text": f"Sure:\n\n````md\nText\n\n```python\n{GOOD}```\n\nmore\n````\nDone",
    "stub later": f"```python\n{GOOD}```\nThe signature was:\n```python\ndef f(xs):\n    ...\n```",
    "stub pass": f"```python\n{GOOD}```\nTemplate:\n```python\ndef f(xs):\n    '''Sort.'''\n    pass\n```",
    "stub nie": f"```python\n{GOOD}```\n```python\ndef f(xs):\n    raise NotImplementedError()\n```",
    "stub doc": f"```python\n{GOOD}```\n```python\ndef f(xs):\n    '''Sort.'''\n```",
    "stub first": f"```python\ndef f(xs):\n    pass\n```\n```python\n{GOOD}```",
    "stub only sig": f"```python\n{GOOD}```\nsignature\n```python\ndef f(xs):\n```",
    "diff": "```python\ndef f(xs):\n    return xs\n```\nFix:\n```diff\n-    return xs\n+    return sorted(xs)\n```",
    "diff ctx": (
        "```python\ndef f(xs):\n    a = 1\n    return xs\n```\nFix:\n```diff\n@@ -1,3 +1,3 @@\n def f(xs):\n"
        "     a = 1\n-    return xs\n+    return sorted(xs)\n```"
    ),
    "diff header": (
        "```python\ndef f(xs):\n    return xs\n```\nFix:\n```diff\n--- a/x.py\n+++ b/x.py\n@@ -1,2 +1,2 @@\n"
        " def f(xs):\n-    return xs\n+    return sorted(xs)\n```"
    ),
    "diff only": "```diff\n+def f(xs):\n+    return sorted(xs)\n```",
    "diff only both": "```diff\n-def f(xs):\n-    return xs\n+def f(xs):\n+    return sorted(xs)\n```",
    "diff then full": f"```diff\n-    return xs\n+    return sorted(xs)\n```\nFull:\n```python\n{GOOD}```",
    "usage stub class": f"```python\n{GOOD}```\n```python\n# Example\nprint(f([2,1]))\n```",
}  # fmt: skip


@pytest.mark.parametrize("kind", BLOCKS)
def test_blocks_that_need_one_another(kind):
    assert ran(BLOCKS[kind]) == [1, 2]


def test_a_diff_that_fits_nothing_is_what_it_adds():
    assert code_block("```python\nx = 1\n```\n```diff\n-def f():\n+def f(xs):\n+    return xs\n```", "f") == (
        "def f(xs):\n    return xs\n"
    )


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
        *(f"```{name}\n{GOOD}```" for name in NAMES),
        *(f"Run this:\n```bash\nls\n```\n```{name}\n{GOOD}```" for name in NAMES),
        *(f"Sure: ```{name}\n{GOOD}```" for name in NAMES),
        *(f"```python\ntry\n```{name}\n{GOOD}```" for name in NAMES if "." not in name.strip("{.}")),
        f'<pre><code class="language-python">{GOOD}</code></pre>',
        f"<p>Here:</p>\n<PRE class='x'>\n<CODE class='hljs language-Python'>{GOOD}</CODE></PRE>",
        f"<pre><code>{GOOD}</code></pre> and <code>f([1])</code>",
        f'<code class="language-python">{GOOD}</code>',
        f'<pre lang="python">{GOOD}</pre>',
        f'<pre><code class="language-bash">f = 1</code></pre><pre><code class="language-python">{GOOD}</code></pre>',
        '<pre><code class="language-python">def f(xs):\n    a = &#39;&gt;&quot;&#x27;\n'
        "    return sorted(xs) if 1 &lt; 2 else a\n</code></pre>",
        f"[PYTHON]\n{GOOD}[/python]\nThis sorts.",
        f"[python]\n{GOOD}[/PYTHON]\nThis sorts.",
        f"<code>\n{GOOD}</CODE>\nThis sorts.",
        f"\ufeff```python\n{GOOD}```",
        f"\u200b```python\n\u200b{GOOD}\u200b```",
        f"\ufeff{GOOD}",
        f"Here:\n\n\u200b{GOOD}",
        f"```python\n{GOOD.replace('    ', chr(0x2060) + '    ')}```",
        "```python def f(xs): return sorted(xs)```",
        "Sure.\n\n- ```py def f(xs): return sorted(xs)```\n",
        "```def f(xs): return sorted(xs)```",
        "Use ```python f = lambda xs: sorted(xs)``` for it.",
        "Use `f = sorted`, or better `f = lambda xs: sorted(xs)`.",
        "```python f([1])```\nfor this:\n```python\n" + GOOD + "```",
        "```python def f(xs): return sorted(xs)```\nUsage:\n```python\nf([1])\n```",
        f"```f([1])```\n\n{GOOD}",
        f"```python```\n{GOOD}```",
        f"The name is `f`:\n\n{GOOD}",
        f"```bash ls```\n```python\n{GOOD}```",
        *(text.replace("\n", "\r\n") for text in (
            f"```python\n{GOOD}```\n", f"~~~\n{GOOD}~~~\n", GOOD, f"{GOOD}```\nThis sorts.",
            f"import os\n\n{GOOD}\n\nThis sorts it.", f"[PYTHON]\n{GOOD}[/PYTHON]",
            "1. Here:\n\n" + indented(f"```python\nimport os\n\n{GOOD}```\n"),
            "```python\n" + indented(f"import os\n\n{GOOD}") + "```\n", "```python def f(xs): return sorted(xs)```\n",
        )),
    ],
)  # fmt: skip
def test_the_program_is_found(text, capsys):
    assert ran(text) == [1, 2]


@pytest.mark.parametrize("text", PIECES)
def test_pieces_in_prose_are_put_together(text, capsys):
    assert ran(text) == [1, 2]


@pytest.mark.parametrize(
    "text",
    [
        "It depends.",
        "",
        "```bash\nls\n```",
        "from the list we take f",
        "    return 1\ndef f(xs):\n    return 7",
        "The function `f` sorts `xs`.",
        "```sorted(xs)```",
        '<pre><code class="language-bash">f = 1</code></pre>',
        "I would sort it:\n\nsorted(xs)\n\nDone",
        "f: a function\n\nNote: it sorts.",
        "Usage:\n\nprint(f([1]))",
        "import heapq\n\nand so on",
    ],
)
def test_what_holds_no_program_has_none(text):
    assert code_block(text, "f") is None


def test_a_body_stays_a_body():
    assert code_block("```python\n    return 1\n```", "f") == "    return 1\n"
    assert code_block("```python\nreturn 1\n```", "f") == "    return 1\n"
    assert code_block("    return 1\n```\nThis is it.", "f") == "    return 1\n"
    assert code_block("```python return 1```", "f") == "    return 1\n"
    assert code_block("Of `f = 2`:\n```python\n    return 1\n```", "f") == "    return 1\n"
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


def test_code_within_one_line():
    assert code_block("```python print(1)```", "f") == "print(1)\n"
    assert fenced("```python print(1)```\na\n```\nb\n```")[0].code == "b\n"
    found = [tuple(line) for line in one_liners("1. ```py x```\na `b` and ```c```\n`d`")]
    assert found == [("py x", True), ("b", False), ("c", False), ("d", False)]


def test_entities_are_code_outside_of_html():
    assert code_block('<code>\nf = "&lt;"\n</code>', "f") == 'f = "&lt;"\n'
    assert code_block('```python\nf = "&lt;"\n```', "f") == 'f = "&lt;"\n'
    assert code_block('<pre><code>f = "&amp;lt;"</code></pre>', "f") == 'f = "&lt;"\n'


HOSTILE = [
    "a = 1\n\nb\n" * 100_000,
    "x(\n" * 300_000,
    "@a\n" * 300_000,
    "'''\n" * 250_000,
    "if x:\n" * 160_000,
    "class A:\n    x = 1\n\nprose\n" * 35_000,
    "def f():\n    x\n\nprose\n\n" * 40_000,
    "`" * 20_000,
    "`" * 1_000_000,
    "```\n" * 250_000,
    "~~~\n" * 250_000,
    "```python\n>>> " * 70_000,
    "\n" * 1_000_000,
    "```python\n" + "(" * 1_000_000,
    "def f():\n" + "    x\n" * 160_000,
    "[PYTHON]" * 120_000,
    "`f`" * 330_000,
    " " * 500_000 + "`f`" * 160_000,
    "```f=1```\n" * 100_000,
    "`f = 1` ``f`` " * 70_000,
    "<pre><code>" * 90_000,
    "<pre " * 200_000,
    "<code class='a'></code>" * 43_000,
    "\u200b" * 1_000_000,
    " \u200b\r\n" * 250_000,
]


@pytest.mark.parametrize("number", range(len(HOSTILE)))
def test_a_megabyte_of_anything_takes_no_time(number):
    # Under 1 s; quadratic time would be minutes.
    assert processor_seconds(lambda: code_block(HOSTILE[number], "f")) < 3
