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
    ("```python\ndef f(xs):\n    pass  # TODO\n```\nFilled in:\n```python\ndef f(xs):\n    return sorted(xs)\n```"),
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
]
