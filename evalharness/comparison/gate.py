"""The gate: two sides by name, how they are compared, which exit code that gives, and the document that tells of it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast, get_args

from evalharness import plugins
from evalharness.comparison.compare import Comparison, Options, Policy, compare_runs, exit_code
from evalharness.comparison.decide import TaskComparison, Word
from evalharness.comparison.document import ComparisonDocument, comparison_document
from evalharness.comparison.inputs import Side, open_side
from evalharness.errors import Exit, UserError, nearest, option_name


@dataclass(frozen=True, kw_only=True)
class ComparisonRequest:
    """The two sides by path or name, how to compare them, and what the gate does; `suite` is where that is written.
    `command` makes it all again; '' is `evalh compare` with the same options."""

    base: str
    new: str
    options: Options
    gate: bool = False
    policy: Policy = "block-on-fail"
    runs: Path = Path("runs")
    baselines: Path = Path("baselines")
    suite: Path | None = None
    command: str = ""


@dataclass(frozen=True, kw_only=True)
class GatedComparison:
    """A comparison with the exit code that the gate gives it; `document` is its JSON form, for every report. `files`
    are those that a benchmark's prompt stands in, relative to the working folder."""

    comparison: Comparison
    document: ComparisonDocument
    exit_code: Exit
    files: Mapping[str, str] = field(default_factory=dict)

    @property
    def decisions(self) -> tuple[TaskComparison, ...]:
        """What is known of each benchmark: the difference, its interval, the verdict and the reason."""
        return self.comparison.tasks

    @property
    def verdict(self) -> Word:
        """The verdict over all benchmarks: better, worse, same or can't tell."""
        return self.document.verdict

    def settled(self) -> Exit:
        """The exit code. UserError with exit 3 or 4 where a task has no verdict."""
        if self.exit_code in (Exit.NOT_COMPARABLE, Exit.NOT_WHOLE):
            raise UserError(self.refusal, self.exit_code)
        return self.exit_code

    @property
    def refusal(self) -> str:
        """The line that says why there is no verdict; '' where every task has one."""
        bad = [task for task in self.comparison.tasks if task.verdict in ("not comparable", "incomplete")]
        if not bad:
            return ""
        more = f" (and {len(bad) - 1} more)" if len(bad) > 1 else ""
        return " ".join(f"{bad[0].benchmark} is {bad[0].verdict}: {bad[0].reason}{more}".split())[:500]


def run_gate(request: ComparisonRequest) -> GatedComparison:
    """Open both sides, compare them, and apply the policy. UserError for a side that cannot be read."""
    base, new = (open_side(name, request.runs, request.baselines, drawn=True) for name in (request.base, request.new))
    found = compare_runs(base, new, request.options)
    code = exit_code(found, gate=request.gate, policy=request.policy)
    made = comparison_document(
        found, exit_code=code, gated=request.gate, policy=request.policy, command=request.command or _command(request)
    )
    return GatedComparison(comparison=found, document=made, exit_code=code, files=_prompt_files(new))


def _prompt_files(side: Side) -> dict[str, str]:
    """The file that describes each benchmark, where it lies in the working folder."""
    here, found = Path.cwd(), {}
    for name, facts in side.facts.items():
        described = facts.data.described_by
        if described is not None and Path(described).is_relative_to(here):
            found[name] = Path(described).relative_to(here).as_posix()
    return found


def comparison_options(
    margin: Sequence[str], alpha: float, benchmarks: Sequence[str], allow: Sequence[str], **rest: Any
) -> Options:
    """How to compare, in a user's words. UserError for a number that makes no sense."""
    if not 0 < alpha < 0.5:
        raise UserError(f"{option_name('alpha')} wants an error rate above 0 and below 0.5; there is {alpha:g}")
    common, own = margins(margin)
    return Options(
        margin=common,
        margins={_called(name): value for name, value in own.items()},
        rules={_called(name): rule for name, rule in rest.pop("rules", {}).items()},
        alpha=alpha,
        benchmarks=tuple(map(_called, benchmarks)),
        allow=frozenset(allow),
        **rest,
    )


def _called(word: str) -> str:
    """A benchmark as runs know it: a file by the name that it gives itself, or its own where it is not here."""
    if not plugins.is_file(word):
        return word
    with suppress(UserError):
        return plugins.called(word)
    return Path(word).stem


def policy(word: str | None, *, gate: bool) -> Policy:
    """The policy that a word names. UserError when there is no such policy, or no gate for it."""
    known = get_args(Policy)
    if word is not None and not gate:
        raise UserError(
            f"{option_name('policy')} says what {option_name('gate')} does with an inconclusive result; add "
            f"{option_name('gate', True)}"
        )
    if word is not None and word not in known:
        raise UserError(f"{option_name('policy')} {word!r}{nearest(word, known)}: wanted one of {', '.join(known)}")
    return cast(Policy, word or known[0])


def margins(words: Sequence[str]) -> tuple[float, Mapping[str, float]]:
    """The common margin and those of single benchmarks, from `0.02` and `mmlu=0.01`."""
    common, own = Options().margin, {}
    for word in words:
        name, equals, number = word.rpartition("=")
        try:
            value = float(number)
        except ValueError as error:
            raise UserError(
                f"{option_name('margin')} {word!r}: wanted a share such as 0.02, or BENCHMARK=0.02"
            ) from error
        if not 0 < value < 1:
            hint = f"; {value:g} points are {value / 100:g}" if 1 <= value < 100 else ""
            raise UserError(f"{option_name('margin')} {word!r}: wanted a share above 0 and below 1{hint}")
        if equals:
            own[name] = value
        else:
            common = value
    return common, own


def _command(request: ComparisonRequest) -> str:
    """The command that makes this comparison again."""
    chosen = request.options
    words = ["evalh", "compare", request.base, request.new]
    words += ["--suite", str(request.suite)] if request.suite is not None else []
    words += ["--margin", f"{chosen.margin:g}"]
    for name, value in chosen.margins.items():
        words += ["--margin", f"{name}={value:g}"]
    words += ["--alpha", f"{chosen.alpha:g}"] if chosen.alpha != Options().alpha else []
    told = None if chosen.uncertainty is None else ",".join(chosen.uncertainty)
    for option, word in (("--clusters", chosen.clusters), ("--metric", chosen.metric), ("--uncertainty", told)):
        words += [option, word] if word else []
    for option, several in (("--benchmark", chosen.benchmarks), ("--allow-mismatch", sorted(chosen.allow))):
        for one in several:
            words += [option, one]
    words += ["--changed", ",".join(sorted(chosen.changed))] if chosen.changed else []
    if request.gate:
        words += ["--gate", "--policy", request.policy]
    return shlex.join(words)
