"""Answers that hold a program, as chat models write them: with their task, and with `f`, which sorts a list."""

TASK = {
    "task_id": "T/0",
    "entry_point": "twice_sorted",
    "prompt": (
        "from typing import List\nimport math\n\n\ndef _half(x):\n    return x / 2\n\n\n"
        'def twice_sorted(xs: List[int]) -> List[int]:\n    """ Double every number and sort.\n'
        '    >>> twice_sorted([3, 1])\n    [2, 6]\n    """\n'
    ),
    "canonical_solution": "    return sorted(2 * x for x in xs)\n",
    "test": (
        "def check(candidate):\n    assert candidate([3, 1]) == [2, 6]\n    assert candidate([]) == []\n"
        "    assert candidate([5,-1,0]) == [-2,0,10]\n"
    ),
}
# Chat answers to the task, by what is odd in them; all are right.
CHAT_ANSWERS = {
    "tildes": "~~~python\ndef twice_sorted(xs: List[int]) -> List[int]:\n    return sorted(2 * x for x in xs)\n~~~",
    "indented_fence": (
        "1. Here:\n\n   ```python\n   def twice_sorted(xs: List[int]) -> List[int]:\n"
        "       return sorted(2 * x for x in xs)\n   ```\n"
    ),
    "indented_fence4": (
        "- Here:\n\n    ```python\n    def twice_sorted(xs: List[int]) -> List[int]:\n"
        "        return sorted(2 * x for x in xs)\n    ```\n"
    ),
    "imports_split": (
        "```python\nimport heapq\n```\nand\n```python\ndef twice_sorted(xs):\n"
        "    h=[2*x for x in xs]; heapq.heapify(h)\n    return [heapq.heappop(h) for _ in range(len(h))]\n"
        "```"
    ),
    "helper_split": (
        "First a helper:\n```python\ndef dbl(x):\n    return 2*x\n```\nThen:\n```python\n"
        "def twice_sorted(xs):\n    return sorted(map(dbl, xs))\n```"
    ),
    "think_after_code_mention": (
        "```python\ndef twice_sorted(xs):\n    # strip </think> tags\n    return sorted(2 * x for x in xs)\n```"
    ),
    "no_fence_intro": (
        "Here is the function:\n\ndef twice_sorted(xs: List[int]) -> List[int]:\n    return sorted(2 * x for x in xs)\n"
    ),
    "no_fence_intro_outro": (
        "Here is the function:\n\ndef twice_sorted(xs: List[int]) -> List[int]:\n"
        "    return sorted(2 * x for x in xs)\n\nThis sorts the list."
    ),
    "nested_fence_doc": (
        "```python\ndef twice_sorted(xs):\n    '''Doc\n    ```\n    >>> twice_sorted([1])\n    ```\n"
        "    '''\n    return sorted(2*x for x in xs)\n```"
    ),
    "future_import": (
        "```python\nfrom __future__ import annotations\ndef twice_sorted(xs: List[int]) -> List[int]:\n"
        "    return sorted(2 * x for x in xs)\n```"
    ),
    "indented_def": "```python\n  def twice_sorted(xs):\n      return sorted(2*x for x in xs)\n```",
    "python_tags": (
        "[PYTHON]\ndef twice_sorted(xs: List[int]) -> List[int]:\n    return sorted(2 * x for x in xs)\n[/PYTHON]"
    ),
}
# Answers of base models that go on with the prompt; all are right.
COMPLETIONS = {
    "fence_close_only": "    return sorted(2 * x for x in xs)\n```\nThis function sorts.",
    "one_space_less": "   return sorted(2 * x for x in xs)\n",
}
# Programs in pieces, most of them without fences: f([2, 1]) is [1, 2].
PIECES = [
    (
        "We need an import.\n\nimport heapq\n\nThen the function:\n\ndef f(xs):\n"
        "    return heapq.nsmallest(2, xs)\n\nThat's it."
    ),
    (
        "First, a helper:\n\ndef g(xs):\n    return sorted(xs)\n\nThen the function itself:\n\ndef f(xs):\n"
        "    return g(xs)\n\nThis works."
    ),
    (
        "First, a helper:\n\ndef g(xs):\n    return sorted(xs)\n\nThen the function itself uses it:\n\n"
        "def f(xs):\n    return g(xs)\n"
    ),
    (
        "Here is f:\n\ndef f(xs):\n    return g(xs)\n\nand this is the helper it uses:\n\ndef g(xs):\n"
        "    return sorted(xs)\n\nDone!"
    ),
    "from typing import List\n\nThis imports List.\n\ndef f(xs: List[int]):\n    return sorted(xs)\n",
    (
        "Step 1: imports\nimport heapq\n\nStep 2: the function\ndef f(xs):\n"
        "    return heapq.nsmallest(2, xs)\n\nStep 3: use it\nprint(f([1]))"
    ),
    "Naive:\n\ndef f(xs):\n    return xs\n\nA better version:\n\ndef f(xs):\n    return sorted(xs)\n",
    "1. Define a constant.\n\nN = 2\n\n2. Define f.\n\ndef f(xs):\n    return sorted(xs)[:N]\n",
    "Let me define it.\n\n    def f(xs):\n        return sorted(xs)\n\nThat is all.",
    (
        "Here is the code:\n\n    import heapq\n\n    def f(xs):\n        return heapq.nsmallest(2, xs)\n\n"
        "Explanation: it sorts."
    ),
    (
        "def f(xs):\n    '''Sort.\n\nThis is a docstring with text at the left edge.\n    '''\n"
        "    return sorted(xs)\n\nIt sorts."
    ),
    "def f(xs):\n    # comment\n\n    return sorted(xs)\n\n# Test\nprint(f([1]))\nThis prints [1].",
    (
        "class Solution:\n    def solve(self, xs):\n        return sorted(xs)\n\nNow wrap it:\n\n"
        "def f(xs):\n    return Solution().solve(xs)\n"
    ),
    "The function:\n\ndef f(xs):\n    return sorted(xs)\n\nExample:\n\n>>> f([2, 1])\n[1, 2]\n",
    "Sure! The function is:\n\ndef f(xs):\n    return sorted(xs)\n\nTime complexity: O(n log n).\nSpace: O(n).",
    "Sure!\n\ndef f(xs):\n    return sorted(xs)\n\n**Explanation**\n\n- sorted sorts\n- return returns\n",
    (
        "Sure!\n\ndef f(xs):\n    if xs:\n        return sorted(xs)\n    else:\n        return []\n\n"
        "if the list is empty, it returns []."
    ),
    "Sure!\n\ndef f(xs):\n    return sorted(xs)\n\nfor example, f([2, 1]) gives [1, 2].",
    "Sure!\n\ndef f(xs):\n    return sorted(xs)\n\nwith this we sort.\nreturn value is a list.",
    "Sure!\n\ndef f(xs):\n    return sorted(xs)\n\nprint the result to see it.",
    "Sure!\n\ndef f(xs):\n    return sorted(xs)\n\nassert f([2,1]) == [1,2]\n\nThe assertion holds.",
    "import the module first and then call it.\n\ndef f(xs):\n    return sorted(xs)",
    "from the list we take the sorted one\n\ndef f(xs):\n    return sorted(xs)",
    "def is a keyword. The function:\n\ndef f(xs):\n    return sorted(xs)",
    "Python 3:\n@staticmethod is not needed.\n\ndef f(xs):\n    return sorted(xs)",
    "import heapq  # for speed\n\nNext comes:\n\ndef f(xs):\n    return heapq.nsmallest(2, xs)",
    (
        "import heapq, math\nfrom typing import (\n    List,\n    Dict,\n)\n\nand\n\n"
        "def f(xs: List[int]):\n    return heapq.nsmallest(2, xs)"
    ),
    "x = 5 is not needed.\n\ndef f(xs):\n    return sorted(xs)",
    "def f(xs): return sorted(xs)",
    "f = lambda xs: sorted(xs)",
    "Answer:\n\nf = lambda xs: sorted(xs)\n\nDone.",
    "Use:\n\nf = sorted\n",
    "async def g():\n    pass\n\ndef f(xs):\n    return sorted(xs)",
    (
        "Helper functions:\ndef g(x):\n    return x\n\nMain function:\ndef f(xs):\n"
        "    return sorted(map(g, xs))\n\nUsage:\nresult = f([2, 1])\nprint(result)"
    ),
    (
        "def g(x):\n    return x\nThe above is the identity.\ndef f(xs):\n    return sorted(map(g, xs))\n"
        "The above sorts."
    ),
    "```python\nimport heapq\n```\nThen, without a fence:\n\ndef f(xs):\n    return heapq.nsmallest(2, xs)\n",
    "```\nimport heapq\n```\nthe function:\n```\ndef f(xs):\n    return heapq.nsmallest(2, xs)\n```",
    "```python\ndef f(xs):\n    return g(xs)\n```\nHelper:\n\ndef g(xs):\n    return sorted(xs)\n",
    "### Solution\n\ndef f(xs):\n    return sorted(xs)\n\n### Explanation\n\nSorts.",
    "# Solution\ndef f(xs):\n    return sorted(xs)\n# End of the solution\n\nIt is done.",
    "---\ndef f(xs):\n    return sorted(xs)\n---",
    "'''python\ndef f(xs):\n    return sorted(xs)\n'''",
    '"""\nSort.\n"""\ndef f(xs):\n    return sorted(xs)\n',
    "python\ndef f(xs):\n    return sorted(xs)\n",
    "`def f(xs):\n    return sorted(xs)`",
    "``\ndef f(xs):\n    return sorted(xs)\n``",
    "<code>\ndef f(xs):\n    return sorted(xs)\n</code>\nDone",
    "```python\ndef f(xs):\n    return sorted(xs)\n``` \nDone.",
    "```python\ndef f(xs):\n    return sorted(xs)```",
    "```python\n\ndef f(xs):\n    return sorted(xs)\n\n\n```",
    (
        "```python\n# imports\nimport heapq\n```\n```python\n# code\ndef f(xs):\n"
        "    return heapq.nsmallest(2, xs)\n```\n```python\n# test\nassert f([1]) == [1]\n```"
    ),
    "```python\ndef f(xs):\n    return sorted(xs)\n```\n```output\n[1, 2]\n```",
    "```python\ndef f(xs):\n    return sorted(xs)\n```\nOutput:\n```\n[1, 2]\n```",
    ("```python\ndef f(xs):\n    pass  # later\n```\nFilled in:\n```python\ndef f(xs):\n    return sorted(xs)\n```"),
    (
        "```python\ndef f(xs):\n    return sorted(xs)\n```\nA buggy alternative would be:\n```python\n"
        "def g(xs):\n    return xs\n```"
    ),
    "<|im_start|>x\n```python\ndef f(xs):\n    return sorted(xs)\n```",
    (
        "Here's the code:\n\n```python\nfrom typing import List\n\n\ndef f(xs: List[int]) -> List[int]:\n"
        '    """ Sort.\n    >>> f([2, 1])\n    [1, 2]\n    """\n    return sorted(xs)\n```\n\n'
        "This code works by ```sorted```."
    ),
    (
        "First piece:\n```python\nclass Node:\n    def __init__(self, v):\n        self.v = v\n```\n"
        "Second:\n```python\ndef f(xs):\n"
        "    return [n.v for n in sorted(map(Node, xs), key=lambda n: n.v)]\n```"
    ),
    "Constants:\n```python\nLIMIT = 2\n```\n```python\ndef f(xs):\n    return sorted(xs)[:LIMIT]\n```",
    ("```python\nimport sys\nsys.setrecursionlimit(10**6)\n```\n```python\ndef f(xs):\n    return sorted(xs)\n```"),
    ("```python\nimport random\nrandom.seed(0)\nHELP = sorted\n```\n```python\ndef f(xs):\n    return HELP(xs)\n```"),
    "1. First\n\n   import heapq\n\n2. Then\n\n   def f(xs):\n       return heapq.nsmallest(2, xs)\n",
    "Import this:\n    import heapq\nDefine this:\n    def f(xs):\n        return heapq.nsmallest(2, xs)\n",
    (
        "def helper(a):\n    return a\n\n\nAnd then we have the main one. Note that it uses `helper`.\n\n\n"
        "def f(xs):\n    return sorted(helper(x) for x in xs)\n\n\nHope this helps!"
    ),
    (
        "I would write\n\nimport itertools as it\n\nand define\n\ndef f(xs):\n    ys = list(it.chain(xs))\n"
        "\n    ys.sort()\n\n    return ys\n\nwhich is stable."
    ),
    (
        "We use a decorator:\n\nfrom functools import lru_cache\n\n@lru_cache(None)\ndef g(x):\n"
        "    return x\n\nand\n\ndef f(xs):\n    return sorted(map(g, xs))"
    ),
    "def f(xs):\n    xs = list(xs)\n\nThen we sort:\n\n    xs.sort()\n    return xs\n",
    (
        "def f(xs):\n    out = []\n    for x in xs:\n        out.append(x)\n\n"
        "After the loop we sort the list.\n\n    out.sort()\n    return out\n\nDone."
    ),
    (
        "Certainly! Here's a Python function that sorts:\n\n```python\ndef f(xs):\n    return sorted(xs)\n"
        "\n# Example usage:\nprint(f([2, 1]))  # Output: [1, 2]\n```\n\nExplanation:\n1. `sorted` sorts."
    ),
    (
        "Certainly!\n\n```python\n# Python 3\nfrom typing import List\n\n"
        'def f(xs: List[int]) -> List[int]:\n    return sorted(xs)\n\nif __name__ == "__main__":\n'
        "    import doctest\n    doctest.testmod()\n```"
    ),
    "[BEGIN]\ndef f(xs):\n    return sorted(xs)\n[DONE]",
    "[BEGIN]\ndef f(xs):\n    return sorted(xs)\n[DONE]\n\nYou are an expert Python programmer.",
    "def f(xs):\n    return sorted(xs)\n\n[DONE]",
    'def f(xs):\n    return sorted(xs)\n\n"""\nTests:\n"""\nassert f([1]) == [1]',
    "def f(xs):\r\n\treturn sorted(xs)\r\n",
    "Answer:\ndef f(xs):\n\n    # sort\n\n    return sorted(xs)\n\n\nQuestion: next",
    (
        "Code:\n```\ndef f(xs):\n    return sorted(xs)\n```\n\nCode 2 (alternative):\n```\ndef f2(xs):\n"
        "    return xs\n```"
    ),
    (
        "To solve this we first import:\n\n```python\nfrom functools import reduce\n```\n\n"
        "Next we define a helper:\n\n```python\ndef _ins(a, x):\n    return sorted(a + [x])\n```\n\n"
        "And finally:\n\n```python\ndef f(xs):\n    return reduce(_ins, xs, [])\n```"
    ),
    "**Solution:**\n\n> def f(xs):\n>     return sorted(xs)",
    "The code is as follows.\ndef f(xs):\n    ys = [\n1, 2\n    ]\n    return sorted(xs)\nHope it helps.",
    "def f(xs):\n    s = '''\na\nb\n'''\n    return sorted(xs)\nDone.",
    (
        "import math\ndef f(xs):\n    return sorted(xs)\n\nThe function f:\n- takes xs\n"
        "- returns sorted(xs)\n\nprint(f([2,1])) would print [1, 2]."
    ),
    "def f(xs):\n    return sorted(xs)",
    (
        "First approach:\n\n```python\ndef f(xs):\n    xs.sort()\n```\n\nThis returns None, so:\n\n"
        "```python\ndef f(xs):\n    xs = list(xs)\n    xs.sort()\n    return xs\n```\n\n```python\n"
        "f([2, 1])\n```"
    ),
    (
        '```python\ndef f(xs):\n    """Sort.\n\n    ```python\n    f([2, 1])\n    ```\n    """\n'
        "    return sorted(xs)\n```"
    ),
    (
        "```python\nclass S:\n    def f(self, xs):\n        return xs\n```\n```python\ndef f(xs):\n"
        "    return sorted(xs)\n```"
    ),
    (
        "I'll define helper first.\n\ndef helper(xs):\n    return sorted(xs)\n\nThe helper sorts. Then:\n\n"
        "```python\ndef f(xs):\n    return helper(xs)\n```"
    ),
    (
        "```python\ndef f(xs):\n    return helper(xs)\n```\n\nwith\n\n```python\n>>> def helper(xs):\n"
        "...     return sorted(xs)\n```"
    ),
    (
        "Here is the pseudo code:\n\n```text\nsort xs\n```\n\nand the code:\n\n```python\ndef f(xs):\n"
        "    return sorted(xs)\n```"
    ),
    "```Python\ndef f(xs):\n    return sorted(xs)\n```",
    "``` python\ndef f(xs):\n    return sorted(xs)\n```",
    "```python3\ndef f(xs):\n    return sorted(xs)\n```",
    "```{.python .numberLines}\ndef f(xs):\n    return sorted(xs)\n```",
    "```python:solution.py\ndef f(xs):\n    return sorted(xs)\n```",
    "```py title='a'\ndef f(xs):\n    return sorted(xs)\n```",
    "<python>\ndef f(xs):\n    return sorted(xs)\n</python>",
    "<solution>\ndef f(xs):\n    return sorted(xs)\n</solution>",
    "<answer>\n```python\ndef f(xs):\n    return sorted(xs)\n```\n</answer>",
    "\\begin{verbatim}\ndef f(xs):\n    return sorted(xs)\n\\end{verbatim}",
    "\\begin{lstlisting}[language=Python]\ndef f(xs):\n    return sorted(xs)\n\\end{lstlisting}",
    "def f(xs):\n    return sorted(xs)\n",
    '{"code": 1}\n\ndef f(xs):\n    return sorted(xs)',
    ("Solution 1\n==========\ndef f(xs):\n    return xs\n\nSolution 2\n==========\ndef f(xs):\n    return sorted(xs)"),
    (
        "def g(xs):\n    return sorted(xs)\n\n\ndef f(xs):\n    return g(xs)\n\n\n"
        "The second function calls the first one.\n\nLet me know if you need more!"
    ),
    (
        "In Python:\n\nfrom collections import Counter\n\ndef f(xs):\n    c = Counter(xs)\n\n"
        "    return [x for x in sorted(c) for _ in range(c[x])]\n\nThat's O(n log n)."
    ),
    ("global_list = []\n\nThe function:\n\ndef f(xs):\n    global_list.extend(xs)\n    return sorted(global_list)\n"),
    "MOD = 10**9 + 7\n\nWe take MOD for safety.\n\ndef f(xs):\n    return sorted(x % MOD for x in xs)",
    "Define A = 1.\n\nA = 1\n\nThen\n\ndef f(xs):\n    return sorted(xs)[: A + 1]",
    (
        "try:\n    import numpy\nexcept ImportError:\n    numpy = None\n\nWith that,\n\ndef f(xs):\n"
        "    return sorted(xs) if numpy is None or numpy else xs"
    ),
    "if True:\n    K = 2\n\nSo:\n\ndef f(xs):\n    return sorted(xs)[:K]",
    (
        "class Heap(list):\n    '''A heap.'''\n\n    def pop_all(self):\n        return sorted(self)\n\n"
        "Using the class:\n\ndef f(xs):\n    return Heap(xs).pop_all()\n\nThe class is a list."
    ),
    "def f(xs):\n    '''Sorts.'''\n    return sorted(xs)\n\nf.__doc__ is 'Sorts.'.\n",
    (
        "1. **Import**\n```python\nimport heapq\n```\n2. **Code**\n```python\ndef f(xs):\n"
        "    return heapq.nsmallest(2, xs)\n```\n3. **Test**\n```python\nassert f([2,1]) == [1,2]\n"
        "print('ok')\n```"
    ),
    "    ```python\n    def f(xs):\n        return sorted(xs)\n    ```",
    "* Code:\n\n  ```python\n  def f(xs):\n      return sorted(xs)\n  ```",
    "Code below\n\n\tdef f(xs):\n\t\treturn sorted(xs)\n\nCode above",
    # github.com/haesleinhuepf/human-eval-bia/issues/76 (two kinds), EleutherAI/lm-evaluation-harness 3769
    (
        "Here is a plan:\n    `````python\n    # Step 1: Define the function.\n    # Step 2: Return.\n\n"
        '    ```\n\nNow here\'s your completed code:\n\n````python\n# Step 1 & 2\n\n\ndef f(xs):\n    """\n'
        '     Returns.\n\n     """\n    return sorted(xs)\n````'
    ),
    (
        "It's simple. The code is as follows:\n\ndef f(xs):\n    return sorted(xs)\n\n"
        "It just returns the list when you call it.\n\n```\n"
    ),
    "import heapq\n\ndef f(xs): return heapq.nsmallest(2, xs)\n```",
]
