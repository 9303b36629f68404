"""Whatever a model writes is read in linear time: every regular expression of ours on hostile shapes of a megabyte."""

import ast
import re
import signal
from contextlib import contextmanager
from pathlib import Path

import pytest
from processor_time import processor_seconds

from evalharness.building_blocks.code import code_block
from evalharness.records import Request, Response, Sample
from evalharness.scoring.answers import choice, score_response
from evalharness.scoring.final_answer import final_answer
from evalharness.scoring.judge_replies import Scale, read_verdict
from evalharness.scoring.math import boxed, number_after_hashes

ROOT = Path(__file__).resolve().parents[2]
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
    "mixed thoughts": filled("<think></thinking>"), "html": filled("<pre><code>"), "code in a line": filled("`f = 1` "),
    "fenced lines": filled("```f = 1```\n"), "unseen": filled("\u200b"), "fields": filled('{"Verdict": "A"} '),
}  # fmt: skip
CALLS = ("search", "match", "fullmatch", "findall", "finditer", "sub", "split", "compile")
SPELLED = {**{f"re.{call}": call for call in CALLS}, "deferred": "compile"}
# Their expressions meet short pieces of a text, or what another has found: READERS below hold them as they are used.
ELSEWHERE = {
    "calculations.py", "closed_forms.py", "closed_spelling.py", "code_blocks.py", "fences.py", "final_answer.py",
    "judge_replies.py", "latex.py", "letter_words.py", "letters.py", "math.py", "math_reading.py", "numbers.py",
}  # fmt: skip


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
                if not isinstance(node, ast.Call) or ast.unparse(node.func) not in SPELLED or not node.args:
                    continue
                pattern = literal(node.args[0])
                said = [ast.unparse(a) for a in (*node.args[1:], *(k.value for k in node.keywords))]
                flags = sum(
                    eval(flag, {"re": re}) for flag in said if re.fullmatch(r"re\.[A-Z]+( \| re\.[A-Z]+)*", flag)
                )
                if pattern is not None:
                    found[f"{path.relative_to(ROOT)}:{node.lineno}"] = (
                        pattern,
                        int(flags),
                        SPELLED[ast.unparse(node.func)],
                    )
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
    """Shapes on which reading takes more than so many seconds of a quiet processor, at the best of three attempts."""
    return [name for name, text in SHAPES.items() if not any(_in_time(read, text[:size], seconds) for _ in range(3))]


def _in_time(read, text, seconds) -> bool:
    try:
        with limited(10 * seconds):
            return processor_seconds(lambda: read(text)) <= seconds
    except TimeoutError:
        return False


EXPRESSIONS = expressions()
# What no model writes: names of tensors, lines of the command line, our own docstrings, the files of a task.
NO_MODEL_TEXT = ("engine/", "commands/", "file_benchmarks/", "suites/", "inventory.py", "manifest.py", "store.py",
                 "baseline.py", "files.py", "plugins.py", "document.py", "pull_request.py", "seats.py")  # fmt: skip


def use(place: str):
    """How the expression is used: looked for once, or all over the text."""
    pattern, flags, how = EXPRESSIONS[place]
    compiled = re.compile(pattern, flags)
    once = {"match": compiled.match, "fullmatch": compiled.fullmatch, "search": compiled.search}.get(how)
    return once or (lambda text: compiled.sub("", text))


@pytest.mark.parametrize("place", EXPRESSIONS)
def test_no_expression_takes_quadratic_time(place):
    """On a fiftieth of the size, where what is quadratic takes seconds already."""
    ours = "inventory.py" in place  # reads the docstrings of plug-ins
    assert ours or slow(use(place), size=SIZE // 50, seconds=SECONDS / 5) == []


def test_the_expressions_are_those_of_the_product():
    assert len(EXPRESSIONS) > 50 and any(place.startswith("evalharness/") for place in EXPRESSIONS)


def answered(scorer, sample):
    return lambda text: score_response(scorer, sample, Request(messages=()), Response(text=text, finish="stop"))


READERS = {
    "letters": answered(choice, Sample(id="1", question="?", choices=("a", "b", "c", "d"), gold_indices=(1,))),
    "numbers": answered(number_after_hashes, Sample(question="?", answers=("18",))),
    "mathematics": answered(boxed, Sample(question="?", answers=("\\frac{1}{2}",))),
    "final answers": final_answer,
    "code": lambda text: code_block(text, "f"),
    "judges' choices": lambda text: read_verdict(Response(text=text), Scale(labels={"A": 1.0, "B": 0.0})),
    "judges' grades": lambda text: read_verdict(Response(text=text), Scale(low=1, high=10)),
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.slow
def test_no_reader_takes_quadratic_time(reader):
    assert slow(READERS[reader], size=SIZE // 50, seconds=SECONDS) == []


@pytest.mark.slow
@pytest.mark.parametrize("reader", READERS)
def test_a_reader_reads_a_megabyte_in_a_second(reader):
    assert slow(READERS[reader], size=SIZE, seconds=SECONDS) == []


@pytest.mark.slow
@pytest.mark.parametrize("place", [place for place in EXPRESSIONS if not any(part in place for part in NO_MODEL_TEXT)])
def test_an_expression_reads_a_megabyte_in_a_second(place):
    assert slow(use(place), size=SIZE, seconds=SECONDS) == []
