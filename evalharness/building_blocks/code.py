"""Scoring of answers that are programs: the code is read from the text and run in the sandbox."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import Any, cast

from evalharness.errors import Exit, UserError
from evalharness.options import RunOptions
from evalharness.records import Request, Response, Sample, Score
from evalharness.sandbox.pool import Checked, CheckMode, Sandbox
from evalharness.sandbox.program import Program, ProgramOutcome
from evalharness.sandbox.tiers import open_sandbox
from evalharness.scoring.answers import REFUSAL, Scorer, unparsed_score

_CHECKS = ("both", "split", "inproc")
_BLOCK = re.compile(r"```[ \t]*(?P<language>[\w+-]*)[^\n]*\n(?P<code>.*?)(?:\n[ \t]*```|\Z)", re.DOTALL)
ProgramOf = Callable[[Sample, Request, str], "Program | None"]


def code_block(text: str, entry: str) -> str | None:
    """The code of an answer in prose: the last fenced block that defines the function, else the first; None if none.

    A text that is nothing but code counts as its own block.
    """
    blocks = [m["code"] for m in _BLOCK.finditer(text) if m["language"].lower() in ("", "python", "python3", "py")]
    defining = [code for code in blocks if defines(code, entry)]
    if defining or blocks:
        return (defining or blocks[:1])[-1]
    return (
        text if defines(text, entry) and text.lstrip().startswith(("def ", "import ", "from ", "class ", "@")) else None
    )


def defines(code: str, entry: str) -> bool:
    """Whether a text defines the function at its top level."""
    return re.search(rf"^(?:async\s+)?(?:def|class)\s+{re.escape(entry)}\b", code, re.MULTILINE) is not None


def cut_at_stop(text: str, stops: Sequence[str]) -> str:
    """A text up to the first of the stop sequences: an endpoint that ignores them must not change the score."""
    return text[: min((at for stop in stops if (at := text.find(stop)) >= 0), default=len(text))]


def open_code_scorer(program_of: ProgramOf) -> Callable[[RunOptions], Any]:
    """`Benchmark.open_scorer` for answers that are programs. `program_of` gives None where no code can be read."""

    @contextmanager
    def scorers(options: RunOptions) -> Iterator[Scorer]:
        if options.check not in _CHECKS:
            raise UserError(f"--check {options.check}: wanted one of {', '.join(_CHECKS)}")
        consent = options.yes_run_untrusted_code
        with open_sandbox(options.sandbox, consent=consent, workers=options.workers) as sandbox:
            yield ProgramScorer(sandbox, program_of, cast(CheckMode, options.check))

    return scorers


@dataclass(frozen=True)
class ProgramScorer:
    """Runs answers in an open sandbox: `accuracy` is the published verdict, `confirmed` the one nobody can forge."""

    sandbox: Sandbox
    program_of: ProgramOf
    check: CheckMode

    @property
    def record(self) -> dict[str, Any]:
        """What the run's manifest says of the sandbox: tier, self-test, kernel, limits, retries."""
        return {**self.sandbox.record, "retries": self.sandbox.retries}

    def __call__(self, sample: Sample, request: Request, response: Response) -> Score:
        """Run one answer."""
        program = self.program_of(sample, request, response.text) if isinstance(response.text, str) else None
        if program is None:
            refused = isinstance(response.text, str) and REFUSAL.search(response.text) is not None
            return replace(unparsed_score(), status="refused") if refused else unparsed_score()
        checked = self.sandbox.check(program, self.check, bool(sample.extra.get("splittable", True)))
        return _judged(checked, program, self.sandbox)


def _judged(checked: Checked, program: Program, sandbox: Sandbox) -> Score:
    """The score of a checked program, with all that `evalh show` prints."""
    outcome = checked.outcome
    detail = {
        "verdict": outcome.verdict, "why": outcome.why, "failing": outcome.line, "last_call": outcome.last_call,
        "published": _short(checked.published), "confirmed": _short(checked.confirmed), "suspect": checked.suspect,
        "unconfirmed": checked.unconfirmed, "limits": asdict(program.limits), "sandbox": sandbox.record["tier"],
        "program": program.source,
    }  # fmt: skip
    # A journal is UTF-8: what a model wrote may hold lone surrogates.
    answer = program.source.encode("utf-8", "backslashreplace").decode()
    detail["program"] = answer
    if outcome.verdict == "error":
        return Score(status="error", answer=answer, detail={**detail, "error": outcome.why})
    passed = outcome.verdict == "pass"
    scores = {"accuracy": float(passed)}
    if checked.published is not None and (checked.confirmed is not None or not passed or checked.unconfirmed):
        confirmed = checked.confirmed is not None and checked.confirmed.verdict == "pass"
        scores["confirmed"] = float(passed and confirmed)
    return Score(status="correct" if passed else "wrong", scores=scores, answer=answer, detail=detail)


def _short(outcome: ProgramOutcome | None) -> dict[str, Any] | None:
    if outcome is None:
        return None
    return {
        k: v for k, v in outcome.as_json().items() if k in ("verdict", "why", "cpu", "wall", "rss", "attempts", "calls")
    }


def not_opened(sample: Sample, request: Request, response: Response) -> Score:
    """`Benchmark.score` of a benchmark that needs its scorer opened."""
    raise UserError("programs are scored in a sandbox: use the benchmark's open_scorer", Exit.USAGE)


def plus_test(row: dict[str, Any], reference: str) -> str:
    """A test over EvalPlus's inputs (https://github.com/evalplus/evalplus): the answers must be those of the reference.

    Floats may differ by `atol`, or by 1e-6 where none is given.
    """
    entry, atol = row["entry_point"], float(row.get("atol") or 0)
    inputs = [*row["base_input"], *row.get("plus_input", [])]
    return f"""
def _reference():
    names = {{}}
    exec({reference!r}, names)
    return names[{entry!r}]

def _same(a, b, atol):
    if isinstance(a, float) or isinstance(b, float):
        import math
        return a == b or math.isclose(a, b, rel_tol=1e-7 if atol else 0.0, abs_tol=atol or 1e-6)
    if isinstance(a, (list, tuple)) and type(a) is type(b):
        return len(a) == len(b) and all(_same(x, y, atol) for x, y in zip(a, b))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(_same(a[k], b[k], atol) for k in a)
    return a == b

def check(candidate):
    import copy
    reference = _reference()
    for given in {inputs!r}:
        wanted = reference(*copy.deepcopy(given))
        assert _same(candidate(*copy.deepcopy(given)), wanted, {atol!r})
"""
