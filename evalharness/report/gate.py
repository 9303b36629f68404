"""What `evalh compare` does, free of options: from a user's words to a comparison, its reports and its exit code."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast, get_args

from evalharness.comparison.compare import Comparison, Options, Policy, compare_runs, exit_code
from evalharness.comparison.document import comparison_document
from evalharness.comparison.flips import save_items
from evalharness.comparison.inputs import open_side
from evalharness.errors import Exit, UserError, nearest
from evalharness.report import deliver
from evalharness.report.deliver import Places
from evalharness.report.escape import line
from evalharness.suites.schema import load_suite


@dataclass(frozen=True, kw_only=True)
class ComparisonRequest:
    """The two sides by path or name, how to compare them, and what the gate does."""

    base: str
    new: str
    options: Options
    gate: bool = False
    policy: Policy = "block-on-fail"
    runs: Path = Path("runs")
    baselines: Path = Path("baselines")


@dataclass(frozen=True, kw_only=True)
class ReportsWanted:
    """Which reports to make. `show` flips are printed per task and direction."""

    places: Places = field(default_factory=Places)
    save_flips: Path | None = None
    show: int = 5
    as_json: bool = False
    key: str = "default"


def comparison_options(
    margin: Sequence[str], alpha: float, benchmarks: Sequence[str], allow: Sequence[str], **rest: Any
) -> Options:
    """How to compare, in a user's words. UserError for a number that makes no sense."""
    if not 0 < alpha < 0.5:
        raise UserError(f"--alpha wants an error rate above 0 and below 0.5; there is {alpha:g}")
    common, own = margins(margin)
    return Options(
        margin=common, margins=own, alpha=alpha, benchmarks=tuple(benchmarks), allow=frozenset(allow), **rest
    )


def from_suite(
    suite: Path | None, margin: list[str], alpha: float | None, clusters: str | None
) -> tuple[list[str], float, str | None]:
    """Margins, alpha and clusters: the command line's own first, then the suite's, then the usual."""
    if suite is None:
        return margin, 0.05 if alpha is None else alpha, clusters
    found = load_suite(suite)
    return [*found.margins, *margin], found.alpha if alpha is None else alpha, clusters or found.clusters


def policy(word: str | None, *, gate: bool) -> Policy:
    """The policy that a word names. UserError when there is no such policy, or no gate for it."""
    known = get_args(Policy)
    if word is not None and not gate:
        raise UserError("--policy says what --gate does with an inconclusive result; add --gate")
    if word is not None and word not in known:
        raise UserError(f"--policy {word!r}{nearest(word, known)}: wanted one of {', '.join(known)}")
    return cast(Policy, word or known[0])


def margins(words: Sequence[str]) -> tuple[float, Mapping[str, float]]:
    """The common margin and those of single benchmarks, from `0.02` and `mmlu=0.01`."""
    common, own = Options().margin, {}
    for word in words:
        name, equals, number = word.rpartition("=")
        try:
            value = float(number)
        except ValueError as error:
            raise UserError(f"--margin {word!r}: wanted a share such as 0.02, or BENCHMARK=0.02") from error
        if not 0 < value < 1:
            hint = f"; {value:g} points are {value / 100:g}" if 1 <= value < 100 else ""
            raise UserError(f"--margin {word!r}: wanted a share above 0 and below 1{hint}")
        if equals:
            own[name] = value
        else:
            common = value
    return common, own


def run_gate(asked: ComparisonRequest, wanted: ReportsWanted) -> int:
    """Compare, write what is wanted, print, tell the CI system, and say how to exit.

    UserError with exit 3 or 4, after the reports are written, where a task has no verdict.
    """
    base, new = (open_side(name, asked.runs, asked.baselines) for name in (asked.base, asked.new))
    found = compare_runs(base, new, asked.options)
    code = exit_code(found, gate=asked.gate, policy=asked.policy)
    made = comparison_document(found, exit_code=code, gated=asked.gate, policy=asked.policy, command=_command(asked))
    deliver.write_reports(made, wanted.places, key=wanted.key)
    if wanted.save_flips is not None:
        save_items(wanted.save_flips, found.items())
    if wanted.as_json:
        sys.stdout.write(deliver.document_json(made).decode("utf-8"))
    elif any(task.difference is not None for task in found.tasks):
        from evalharness.report import compare_terminal

        compare_terminal.show_comparison(made, compare_terminal.console(), wanted.show)
    log = sys.stderr if wanted.as_json else sys.stdout
    deliver.to_ci(made, wanted.places.folder or wanted.places.html, log)
    if code in (Exit.NOT_COMPARABLE, Exit.NOT_WHOLE):
        raise UserError(refusal(found), code)
    return code


def refusal(found: Comparison) -> str:
    """The one line that says why there is no verdict."""
    bad = [task for task in found.tasks if task.verdict in ("not comparable", "incomplete")]
    first = bad[0]
    more = f" (and {len(bad) - 1} more)" if len(bad) > 1 else ""
    return line(f"{first.benchmark} is {first.verdict}: {first.reason}{more}", 500)


def _command(asked: ComparisonRequest) -> str:
    """The command that makes this comparison again."""
    chosen = asked.options
    words = ["evalh", "compare", asked.base, asked.new, "--margin", f"{chosen.margin:g}"]
    for name, value in chosen.margins.items():
        words += ["--margin", f"{name}={value:g}"]
    words += ["--alpha", f"{chosen.alpha:g}"] if chosen.alpha != Options().alpha else []
    for option, word in (("--clusters", chosen.clusters), ("--metric", chosen.metric)):
        words += [option, word] if word else []
    for option, several in (("--benchmark", chosen.benchmarks), ("--allow-mismatch", sorted(chosen.allow))):
        for one in several:
            words += [option, one]
    if asked.gate:
        words += ["--gate", "--policy", asked.policy]
    return shlex.join(words)
