"""Scoring of answers that are programs: the code is read from the text and run in the sandbox."""

from __future__ import annotations

import re
import sys
import textwrap
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, cast

from evalharness.errors import Exit, UserError, option_name
from evalharness.options import RunOptions
from evalharness.records import Request, Response, Result, Sample, Score
from evalharness.sandbox.program import Program, ProgramOutcome
from evalharness.scoring.answers import REFUSAL, Scorer, unparsed_score
from evalharness.scoring.bare_pieces import bare_pieces
from evalharness.scoring.code_blocks import (
    bare_code,
    before_closing_fence,
    binds,
    is_body,
    is_stub,
    one_line_code,
    outdented,
    outside_blocks,
    plain_lines,
    python_blocks,
    with_helpers,
)
from evalharness.scoring.metrics import mean_where, pass_at

if TYPE_CHECKING:
    from evalharness.sandbox.pool import Checked, CheckMode, Sandbox

_CHECKS = ("both", "split", "inproc")
# The headline leaves out what passes the published check alone; without a split nothing is confirmed, without the
# published check there is no published figure.
PROGRAM_METRICS = (
    pass_at(1), pass_at(10), pass_at(100), mean_where("published", "pass@1_published"),
    mean_where("confirmed", "pass@1_confirmed"),
)  # fmt: skip
_NO_MODULE = re.compile(r"ModuleNotFoundError: No module named '(?P<name>\w+)")
ProgramOf = Callable[[Sample, Request, str], "Program | None"]


def code_block(text: str, entry: str) -> str | None:
    """The code of an answer in prose; None where there is none.

    The last block that defines the function, with a body if one has any, else the first that binds its name, else the
    first, with what it needs of the other blocks. A block that the answer only closes counts, and so do pieces of bare
    code in prose, or code within one line.
    """
    text = plain_lines(text)
    begun = before_closing_fence(text)
    if begun is not None:
        return outdented(begun) if defines(outdented(begun), entry) else begun
    found = python_blocks(text)
    pieces = bare_pieces(outside_blocks(text))
    if found is None or not any(binds(_placed(code, entry), entry) for code in found):
        whole = bare_code(text) if found is None else None
        if any(binds(piece, entry) for piece in pieces):
            found = [*(found or []), *pieces]
        elif whole is not None and defines(whole, entry):
            return whole
    blocks = [_placed(code, entry) for code in found or []]
    if not blocks:
        line = one_line_code(text, entry)
        return None if line is None else _placed(line, entry)
    defining = [at for at, code in enumerate(blocks) if defines(code, entry)]
    binding = [at for at, code in enumerate(blocks) if binds(code, entry)]
    line = None if defining or binding else one_line_code(text, entry, fences=True)
    if line is not None:
        return with_helpers(line, blocks)
    whole_ones = [at for at in defining if not is_stub(blocks[at], entry)]
    at = (whole_ones[-1:] or defining[-1:] or binding[:1] or [0])[0]
    others = [code for place, code in enumerate(blocks) if place != at and not defines(code, entry)]
    return with_helpers(blocks[at], [*(piece for piece in pieces if not binds(piece, entry)), *others])


def _placed(code: str, entry: str) -> str:
    """A block's code at the left edge where it defines something; the body of a function where it returns."""
    flush = outdented(code)
    if defines(flush, entry) or not code[:1].isspace():
        return textwrap.indent(flush, "    ") if not defines(flush, entry) and is_body(flush) else flush
    return code


def defines(code: str, entry: str) -> bool:
    """Whether a text defines the function at its top level."""
    return re.search(rf"^(?:async\s+)?(?:def|class)\s+{re.escape(entry)}\b", code, re.MULTILINE) is not None


def open_code_scorer(program_of: ProgramOf) -> Callable[[RunOptions], Any]:
    """`Benchmark.open_scorer` for answers that are programs. `program_of` gives None where no code can be read."""

    @contextmanager
    def scorers(options: RunOptions) -> Iterator[Scorer]:
        if options.check not in _CHECKS:
            raise UserError(f"{option_name('check', options.check)}: wanted one of {', '.join(_CHECKS)}")
        from evalharness.sandbox.tiers import open_sandbox  # a benchmark's name and sample are told without it

        consent = options.yes_run_untrusted_code
        packages = options.sandbox_packages
        with open_sandbox(options.sandbox, consent=consent, workers=options.workers, packages=packages) as sandbox:
            yield ProgramScorer(sandbox, program_of, cast("CheckMode", options.check))

    return scorers


@dataclass(frozen=True)
class ProgramScorer:
    """Runs answers in an open sandbox: the headline, `accuracy`, leaves out what passes the published check alone."""

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
    """The score of a checked program, with all that `evalh show` prints.

    `accuracy` counts what is confirmed or unconfirmable, `published` the suspect ones too, `confirmed` the confirmed
    ones alone. A program that needs a package which the sandbox lacks is unscored: it counts as 0, as an answer that
    cannot be read does, or a program could leave the score by naming a package.
    """
    outcome, found = checked.outcome, checked.standing
    # A journal is UTF-8: what a model wrote may hold lone surrogates.
    answer = program.source.encode("utf-8", "backslashreplace").decode()
    detail = {
        "verdict": outcome.verdict, "standing": found, "why": outcome.why, "failing": outcome.line,
        "last_call": outcome.last_call, "published": _short(checked.published), "confirmed": _short(checked.confirmed),
        "limits": asdict(program.limits), "sandbox": sandbox.record["tier"], "program": answer,
    }  # fmt: skip
    if found is None:
        return Score(status="error", answer=answer, detail={**detail, "error": outcome.why})
    passed = found in ("confirmed", "unconfirmable")
    scores = {"accuracy": float(passed)}
    if checked.published is not None:
        scores["published"] = float(found != "failed")
    if checked.confirmed is not None or checked.unsplittable:
        scores["confirmed"] = float(found == "confirmed")
    if found == "failed" and (needed := missing_package(outcome.why, sandbox)):
        said = {"standing": None, "unscored": f"needs {needed}"}
        return Score(status="unparsed", scores=scores, answer=answer, detail={**detail, **said})
    return Score(status="correct" if passed else "wrong", scores=scores, answer=answer, detail=detail)


def missing_package(why: str, sandbox: Sandbox) -> str | None:
    """The package that a program failed for, where it is not Python's own and the sandbox does not have it."""
    found = _NO_MODULE.match(why)
    name = found["name"] if found else ""
    return name if name and name not in sys.stdlib_module_names and name not in sandbox.packages.names else None


def program_cautions(results: Sequence[Result]) -> tuple[str, ...]:
    """What to know before a figure is believed: suspects, nothing confirmed, packages that were missing."""
    found = [r.detail.get("standing") for r in results]
    said = []
    if suspects := found.count("suspect"):
        said.append(f"{suspects} suspect: they pass the published check and not the split one; `evalh show` says why")
    if "unconfirmable" in found and not any("confirmed" in r.scores for r in results):
        said.append("nothing is confirmed: --check inproc runs program and test in one process, which can be cheated")
    needs = Counter(r.detail["unscored"] for r in results if "unscored" in r.detail)
    said += [f"{n} unscored: {what} (counted as 0; see --sandbox-packages)" for what, n in needs.items()]
    return tuple(said)


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
