"""Whatever a model writes is read in linear time: every regular expression of ours on hostile shapes of a megabyte."""

import ast
import re
import signal
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SIZE = 1_000_000
SECONDS = 1.0


def filled(piece: str) -> str:
    return (piece * (SIZE // len(piece) + 1))[:SIZE]


# A text may be many openings that nothing closes, one long run of what a pattern repeats, or nearly a match everywhere.
SHAPES = {
    "backticks": filled("`"), "fences": filled("```\n"), "fences of code": filled("```python\nx = 1\n"),
    "tildes": filled("~~~\n"), "blanks": filled(" ") + "x", "newlines": filled("\n"), "tabs": filled("\t") + "x",
    "blank lines": filled(" \n"), "letters": filled("a"), "words": filled("a "), "digits": filled("1") + "x",
    "numbers": filled("1,234.5 "), "commas": filled("1,"), "dots": filled("1."), "minus signs": filled("-"),
    "open round": filled("("), "open square": filled("[["), "open curly": filled("{"), "open angle": filled("<"),
    "round pairs": filled("(A) "), "square pairs": filled("[[A]] "), "boxes": filled("\\boxed{"),
    "fractions": filled("\\frac{1}{"), "backslashes": filled("\\"), "dollars": filled("$"), "stars": filled("*"),
    "hashes": filled("#### "), "quotes": filled('"'), "open quotes": filled('"a": "'), "apostrophes": filled("'"),
    "answers": filled("the answer is "), "answers with letters": filled("Answer: (A "), "sorry": filled("I'm sorry, "),
    "cannot": "I'm sorry " + filled("can "), "defs": filled("def f(x):\n"), "imports": filled("import a\n"),
    "thoughts": filled("<think>"), "closed thoughts": filled("<think></think>"), "tags": filled("<a b='"),
    "verdicts": filled("[[A>"), "pipes": filled("|"), "underscores": filled("_"), "colons": filled("a:"),
    "sentences": filled("A. "), "ellipses": filled("..."), "bullets": filled("* a\n"), "returns": filled("\r\n"),
    "wide letters": filled("é"), "emoji": filled("\U0001f600"), "marks": filled("<<A 0>>"), "json": filled('{"a":[1,'),
    "urls": filled("http://a.b/"), "equals": filled("a = "), "semicolons": filled("a;"), "placeholders": filled("[a] "),
}  # fmt: skip
CALLS = ("search", "match", "fullmatch", "findall", "finditer", "sub", "split", "compile")
# Read how answers are read out of text; tests/test_readers_linear.py or their own tests hold them.
ELSEWHERE = {"scoring.py", "math_answers.py", "code_answers.py", "verdicts.py"}


def literal(node: ast.AST) -> str | None:
    try:
        found = ast.literal_eval(node)
    except ValueError:
        return None
    return found if isinstance(found, str) else None


def expressions() -> dict[str, tuple[str, int, str]]:
    """Every expression that the sources spell out: file:line -> (pattern, flags, how it is used)."""
    found = {}
    for folder in ("evalharness", "benchmarks", "judges"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            if "sandbox" in path.parts or path.name in ELSEWHERE:
                continue
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                    continue
                if ast.unparse(node.func.value) != "re" or node.func.attr not in CALLS or not node.args:
                    continue
                pattern = literal(node.args[0])
                said = [ast.unparse(a) for a in (*node.args[1:], *(k.value for k in node.keywords))]
                flags = sum(
                    eval(flag, {"re": re}) for flag in said if re.fullmatch(r"re\.[A-Z]+( \| re\.[A-Z]+)*", flag)
                )
                if pattern is not None:
                    found[f"{path.relative_to(ROOT)}:{node.lineno}"] = pattern, int(flags), node.func.attr
    return found


@contextmanager
def limited(seconds: float):
    """TimeoutError when the block takes longer; `re` looks for signals as it goes."""

    def stop(*_):
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def slow(read, *, size: int, seconds: float) -> list[str]:
    """The shapes on which reading takes more than so many seconds of processor time."""
    found = []
    for name, text in SHAPES.items():
        began = time.process_time()
        try:
            with limited(10 * seconds):
                read(text[:size])
        except TimeoutError:
            found.append(name)
            continue
        if time.process_time() - began > seconds:
            found.append(name)
    return found


EXPRESSIONS = expressions()
# What no model writes: names of tensors, lines of the command line, our own docstrings, the files of a task.
NO_MODEL_TEXT = ("network/", "commands/", "described/", "inventory.py", "jury.py", "manifest.py", "suite.py",
                 "store.py", "baseline.py", "files.py", "plugins.py", "publish.py", "document.py")  # fmt: skip


def use(place: str):
    """How the expression is used: looked for once, or all over the text."""
    pattern, flags, how = EXPRESSIONS[place]
    compiled = re.compile(pattern, flags)
    once = {"match": compiled.match, "fullmatch": compiled.fullmatch, "search": compiled.search}.get(how)
    return once or (lambda text: compiled.sub("", text))


@pytest.mark.parametrize("place", EXPRESSIONS)
def test_no_expression_takes_quadratic_time(place):
    """On a fiftieth of the size, where what is quadratic takes seconds already."""
    skipped = place.split(":")[0].endswith(("inventory.py", "jury.py"))
    assert skipped or slow(use(place), size=SIZE // 50, seconds=SECONDS / 5) == []


@pytest.mark.slow
@pytest.mark.parametrize("place", [place for place in EXPRESSIONS if not any(part in place for part in NO_MODEL_TEXT)])
def test_an_expression_reads_a_megabyte_in_a_second(place):
    assert slow(use(place), size=SIZE, seconds=SECONDS) == []
