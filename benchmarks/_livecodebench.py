"""LiveCodeBench's rows and files, and its tests: a program that reads standard input, or a function that is called."""

from __future__ import annotations

import base64
import io
import json
import pickle  # nothing but a text is read by it: see _Text
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import combinations_with_replacement
from pathlib import Path
from typing import Any

from evalharness.building_blocks.code import code_block
from evalharness.data.files import jsonl
from evalharness.data.rows import Files, Row, Want
from evalharness.records import Message, Mode, Request, Sample
from evalharness.sandbox.program import Limits, Program
from evalharness.scoring.code_blocks import future_first, plain_lines, python_blocks

_MONTHS = [f"{year}-{month:02}" for year in (2023, 2024, 2025) for month in range(1, 13)]
WINDOWS = tuple(f"{first}_{last}" for first, last in combinations_with_replacement(_MONTHS, 2))
_LARGEST = 1 << 29  # bytes of one problem's hidden tests, unpacked
# The authors give each test 6 s, and all of them (6 + 1) s each and 5 s more (lcb_runner/evaluation, commit 28fef95).
TEST_SECONDS = 6.0
_MEMORY = 4 << 30
# Their runner takes all names of these modules before a program, in this order, as contest sites do: `builtins` comes
# after `math` and `operator`, so that `pow` has its modulus.
_MODULES = (
    "string", "re", "datetime", "collections", "heapq", "bisect", "copy", "math", "random", "statistics", "itertools",
    "functools", "operator", "io", "sys", "json", "builtins", "typing",
)  # fmt: skip
_IMPORTS = (
    "".join((*(f"from {name} import *\n" for name in _MODULES), f"import {', '.join(_MODULES[:-2])}\n"))
    + "sys.setrecursionlimit(50000)"
)
# A test's time is the program's own processor time, so that a busy machine fails no honest program. One that stops
# this clock gains nothing but the time of the other tests: the sandbox counts for itself.
_IN_TIME = """
def answer_to(given):
    import signal
    def late(*_):
        raise TimeoutError("a test took over {seconds:g} s")
    signal.signal(signal.SIGPROF, late)
    signal.setitimer(signal.ITIMER_PROF, {seconds!r})
    try:
        return _answer_to(given)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
"""
_BY_STDIN = """
def _answer_to(given):
    import builtins, io, sys
    kept = sys.stdin, sys.stdout, open
    def opened(file, mode="r", *rest, **named):
        if file in (0, "/dev/stdin"):
            return io.BytesIO(given.encode()) if "b" in mode else io.StringIO(given)
        return kept[2](file, mode, *rest, **named)
    sys.stdin, sys.stdout = io.TextIOWrapper(io.BytesIO(given.encode()), encoding="utf-8"), io.StringIO()
    builtins.open = opened
    try:
        exec(compile({source!r}, "answer", "exec"), {{"__name__": "__main__"}})
    except SystemExit:
        pass
    finally:
        said = sys.stdout.getvalue()
        sys.stdin, sys.stdout, builtins.open = kept
    return said
"""
_BY_CALL = """
def _answer_to(given):
    import json
    found = Solution() if "Solution" in globals() else None
    called = getattr(found, {name!r}) if found is not None else globals()[{name!r}]
    result = called(*[json.loads(line) for line in given.split("\\n")])
    return list(result) if isinstance(result, tuple) else result
"""
# In the judge: output line by line, where numbers may be written otherwise; or the value itself.
_SAME_LINES = """
def same(said, wanted):
    from decimal import Decimal
    if not isinstance(said, str):
        return False
    one, other = ([line.strip() for line in text.strip().split("\\n")] for text in (said, wanted))
    if len(one) != len(other):
        return False
    for a, b in zip(one, other):
        if a != b:
            try:
                if [Decimal(x) for x in a.split()] != [Decimal(x) for x in b.split()]:
                    return False
            except ArithmeticError:
                return False
    return True
"""
_SAME_VALUE = """
def same(said, wanted):
    import json
    return said == json.loads(wanted)
"""
_CHECK = """
def check(candidate):
    for given, wanted in {tests!r}:
        assert same(candidate(given), wanted)
check(answer_to)
"""


def months(window: str) -> str:
    """`2024-08_2025-01` in words."""
    first, _, last = window.partition("_")
    return "all months" if window == "all" else first if first == last else f"{first} to {last}"


def within_window(window: str) -> Callable[[Sequence[Row], str], tuple[Row, ...]]:
    """Keeps the problems whose contest was in the window's months, both included."""
    first, _, last = window.partition("_")

    def kept(rows: Sequence[Row], split: str) -> tuple[Row, ...]:
        return tuple(row for row in rows if window == "all" or first <= str(row["contest_date"])[:7] <= last)

    return kept


def _read(path: Path, want: Want) -> Iterable[Row] | None:
    files = [path] if path.is_file() else sorted(path.glob("test*.jsonl"))
    return _each(files) if files and files[0].suffix == ".jsonl" else None


def _each(files: Sequence[Path]) -> Iterator[Row]:
    """The releases, test.jsonl, test2.jsonl, ..., hold problems one after the other; none twice."""
    seen = set()
    for file in files:
        for row in jsonl(file):
            if row["question_id"] not in seen:
                seen.add(row["question_id"])
                yield row


FILES = Files("test.jsonl, test2.jsonl, ... of code_generation_lite", _read)


class _Text(pickle.Unpickler):
    """A pickle that may hold texts and nothing that runs."""

    def find_class(self, module: str, name: str) -> Any:
        raise ValueError(f"its hidden tests hold {module}.{name}, wanted a text")


def _tests(row: Row) -> list[dict[str, str]]:
    """The shown tests and the hidden ones, which are JSON, or JSON in a pickle, packed and in base 64."""
    hidden = row["private_test_cases"]
    try:
        found = json.loads(hidden)
    except ValueError:
        found = _unpacked(hidden)
    return [*json.loads(row["public_test_cases"]), *found]


def _unpacked(hidden: str) -> Any:
    unpacker = zlib.decompressobj()
    try:
        packed = unpacker.decompress(base64.b64decode(hidden), _LARGEST)
        text = _Text(io.BytesIO(packed)).load()
    except (zlib.error, pickle.UnpicklingError, EOFError, IndexError) as error:
        raise ValueError(f"its hidden tests cannot be unpacked ({error})") from error
    if unpacker.unconsumed_tail:
        raise ValueError(f"its hidden tests are larger than {_LARGEST} bytes")
    return json.loads(text)


def sample(row: Row) -> Sample:
    """A problem with its tests; grouped by how hard it is said to be."""
    function = json.loads(row["metadata"] or "{}").get("func_name")
    tests = [(str(test["input"]), str(test["output"])) for test in _tests(row)]
    same = _SAME_VALUE if function else _SAME_LINES
    return Sample(
        id=str(row["question_id"]), question=row["question_content"], group=str(row["difficulty"]),
        extra={
            "function": function, "starter": row["starter_code"], "test": same + _CHECK.format(tests=tests),
            "tests": len(tests),
        },
    )  # fmt: skip


def ask(asked: Sample, shots: Sequence[Sample], mode: Mode, chat: bool) -> Request:
    """The problem, how the program is given its input, and the starter code where there is one."""
    starter = asked.extra["starter"]
    told = (
        f"Complete this code:\n\n```python\n{starter}\n```"
        if starter
        else "The program reads standard input and writes its answer to standard output."
    )
    text = (
        f"Solve this problem in Python.\n\n{asked.question.strip()}\n\n{told}\n\n"
        "Answer with the whole program in one Python code block.\n"
    )
    return Request(messages=(Message("user", text),), max_tokens=8192 if chat else 2048)


def program(asked: Sample, request: Request, text: str) -> Program | None:
    """The answer's program behind one function that takes an input as text and gives what comes of it: the last code
    block where a program is asked for, that of the function or of its class where one is."""
    name, blocks = asked.extra["function"], python_blocks(plain_lines(text))
    entry = "Solution" if "class Solution" in text else name or "main"
    code = blocks[-1] if blocks and not name else code_block(text, entry)
    if code is None:
        return None
    whole = future_first(f"{_IMPORTS}\n{code}")
    source = f"{whole}\n{_BY_CALL.format(name=name)}" if name else _BY_STDIN.format(source=whole)
    source += _IN_TIME.format(seconds=TEST_SECONDS)
    return Program(source=source, test=asked.extra["test"], entry="answer_to", limits=_limits(asked.extra["tests"]))


def _limits(tests: int) -> Limits:
    """What a program with so many tests may use."""
    seconds = (TEST_SECONDS + 1) * tests + 5
    return Limits(seconds=seconds, wall=max(120.0, 2 * seconds), memory=_MEMORY)
