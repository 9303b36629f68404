"""What a tuned model lost, gained and kept on general benchmarks: both models asked side by side within a time budget.

The verdicts are those of a comparison, by its words and margins; the bounds hold for all benchmarks at once and at
every look (`paired_watch`). Both models leave ordinary runs, so that they can be shown, compared and gone on with.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace

from evalharness.comparison import flips as flipped
from evalharness.comparison.compare import Comparison, exit_code
from evalharness.comparison.decide import TaskComparison, decide_by_interval, overall, unread_bounds
from evalharness.comparison.document import comparison_document
from evalharness.comparison.forgetting_document import (
    Ended,
    Finding,
    ForgettingDocument,
    ForgottenBenchmark,
    earlier_tests,
    keep_document,
)
from evalharness.comparison.forgetting_plan import ForgettingRequest, plan_forgetting
from evalharness.comparison.inputs import Side, open_side
from evalharness.comparison.paired_watch import BASE, TUNED, PairedWatch, family_share
from evalharness.comparison.sequential import order
from evalharness.comparison.side_by_side import Course, SideBySide, Stopwatch
from evalharness.comparison.sides import compared_side
from evalharness.errors import Exit, UserError, option_name
from evalharness.events import RunOpened, tell
from evalharness.model import Model, Priced
from evalharness.records import STATUSES
from evalharness.runs import cache, identity, runner
from evalharness.runs.manifest import SequentialFacts, WatchedFacts
from evalharness.runs.plan import Task
from evalharness.runs.questions import Question
from evalharness.runs.runner import RunWriter
from evalharness.runs.store import MANIFEST, Run


@dataclass(frozen=True, kw_only=True)
class Forgetting:
    """What came of it, with the exit code that a comparison would have."""

    document: ForgettingDocument
    comparison: Comparison
    exit_code: Exit
    base: Run
    tuned: Run

    @property
    def lost(self) -> tuple[str, ...]:
        """The benchmarks that surely dropped, but for those whose drop is surely smaller than the margin."""
        return self.document.lost

    @property
    def gained(self) -> tuple[str, ...]:
        """The benchmarks that surely rose by more than the margin."""
        return self.document.gained

    def settled(self) -> Exit:
        """The exit code. UserError with exit 3 where so many items lack a value that a benchmark has no verdict."""
        if self.exit_code == Exit.NOT_WHOLE:
            lacking = next(task for task in self.comparison.tasks if task.verdict == "incomplete")
            raise UserError(f"{lacking.benchmark} is incomplete: {lacking.reason}", self.exit_code)
        return self.exit_code


def measure_forgetting(
    request: ForgettingRequest, base: Model, tuned: Model, clock: Stopwatch = time.monotonic
) -> Forgetting:
    """Ask both models what is not answered yet, for as long as the budget lasts, and say what changed.

    The same request goes on where the last one ended, with a budget of its own; what is decided is not asked again.
    UserError, before anything is asked, for what cannot be measured, and where both are one model.
    """
    _check_budget(request.budget)
    if base.fingerprint == tuned.fingerprint:
        raise UserError(
            f"{base.name} and {tuned.name} are the same model (same fingerprint): nothing can have been lost or gained"
        )
    models = [_cached(model, request) for model in (base, tuned)]
    plan, tasks = plan_forgetting(request, *models)
    tell(RunOpened(tasks=tasks[BASE], model=f"{base.name}, then {tuned.name}"))
    runs = [
        runner.open_run(request.runs / identity.folder_name(mine, plan, model), mine, plan, model)
        for mine, model in zip(tasks, models, strict=True)
    ]
    tests = earlier_tests(runs[TUNED].path, base.fingerprint)
    with ExitStack() as held:
        writers = [
            held.enter_context(RunWriter(run, mine, plan, model))
            for run, mine, model in zip(runs, tasks, models, strict=True)
        ]
        courses = [
            _course(pair, request, family_share(request.judged.alpha, len(tasks[BASE])), tests)
            for pair in zip(*tasks, strict=True)
        ]
        asking = SideBySide((writers[BASE], writers[TUNED]), courses, request.budget, clock)
        asking.ask()
        for writer, seconds in zip(writers, asking.took, strict=True):
            writer.finish(seconds)
    return _told(request, asking, (runs[BASE], runs[TUNED]))


def _check_budget(seconds: float) -> None:
    """UserError for a budget in which nothing can be asked."""
    if not 0 < seconds < float("inf"):
        raise UserError(f"{option_name('budget')} wants more than 0 seconds; there is {seconds:g}")


def _cached(model: Model, request: ForgettingRequest) -> Model:
    priced = request.cache and isinstance(model, Priced)
    return cache.with_cache(model, request.runs / cache.BESIDE_RUNS) if priced else model


def _course(
    pair: tuple[Task, ...], request: ForgettingRequest, alpha: float, tests: Mapping[str, tuple[int, ...]]
) -> Course:
    base, tuned = pair
    watch = PairedWatch(
        name=base.name,
        order=order(base.items, request.seed),
        repeats=(base.facts.repeats, tuned.facts.repeats),
        scores=[m.score for m in base.benchmark.metrics if m.score and m.higher_is_better],
        margin=request.judged.margin_of(base.name),
        alpha=alpha,
        tested=tests.get(base.name, ()),
    )
    return Course(watch=watch, tasks=(base, tuned), questions=(_by_item(base), _by_item(tuned)))


def _by_item(task: Task) -> Mapping[str, Sequence[Question]]:
    found: dict[str, list[Question]] = {}
    for question in task.questions:
        found.setdefault(question.sample.id, []).append(question)
    return found


def _told(request: ForgettingRequest, asking: SideBySide, runs: tuple[Run, Run]) -> Forgetting:
    """The verdicts, kept beside the tuned model's answers, and noted in its manifest for comparisons to come."""
    sides = open_side(str(runs[BASE].path)), open_side(str(runs[TUNED].path))
    found = {course.watch.name: _verdict(course, sides) for course in asking.courses}
    word, gate = overall([task for task, _ in found.values()])
    options = request.judged
    comparison = Comparison(
        base=compared_side(sides[BASE], list(found)), new=compared_side(sides[TUNED], list(found)),
        alpha=options.alpha, level=1 - 2 * options.alpha, verdict=word, gate=gate,
        tasks=tuple(task for task, _ in found.values()),
    )  # fmt: skip
    code = exit_code(comparison, gate=request.gate, policy=request.policy)
    inner = comparison_document(comparison, exit_code=code, gated=request.gate, policy=request.policy)

    def are(finding: Finding) -> tuple[str, ...]:
        return tuple(name for name, (_, about) in found.items() if about.finding == finding)

    document = ForgettingDocument(
        lost=are("lost"), gained=are("gained"), kept=are("kept"), open=are("can't tell"),
        budget=request.budget, spent=round(asking.spent, 3), base_run=str(runs[BASE].path),
        tuned_run=str(runs[TUNED].path), benchmarks={name: about for name, (_, about) in found.items()},
        comparison=inner,
    )  # fmt: skip
    keep_document(document, runs[TUNED].path)
    for run, other in (runs, runs[::-1]):
        facts = _sequential(run, _watched_facts(asking, found, request, other))
        run.write(MANIFEST, replace(run.manifest, sequential=facts))
    return Forgetting(document=document, comparison=comparison, exit_code=code, base=runs[BASE], tuned=runs[TUNED])


def _verdict(course: Course, sides: tuple[Side, Side]) -> tuple[TaskComparison, ForgottenBenchmark]:
    """One benchmark's verdict, with what the runs say of its programs, and the time that it took."""
    programs = {word: side.programs(course.watch.name) for word, side in zip(("base", "new"), sides, strict=True)}
    task, about = watched_verdict(course.watch, {word: counted for word, counted in programs.items() if counted})
    return replace(task, mode=course.tasks[TUNED].mode), replace(about, seconds=round(course.seconds, 3))


def watched_verdict(
    watch: PairedWatch, programs: Mapping[str, Mapping[str, int]] | None = None
) -> tuple[TaskComparison, ForgottenBenchmark]:
    """One benchmark as a comparison has it, with the bounds that hold at every look, and how far it was asked.

    Where asking ended without a verdict this is one test more, which `tested` then has.
    """
    decided, tested = watch.decided, watch.tested
    if watch.counted > max(tested, default=0) and not decided:
        tested = (*tested, watch.counted)
    ended: Ended = "all asked" if watch.complete else "decided" if decided else "budget"
    about = ForgottenBenchmark(
        finding="can't tell", asked=watch.counted, there=len(watch.order), ended=ended, seconds=0.0, tested=tested
    )
    if not watch.counted:
        task = TaskComparison(benchmark=watch.name, metric=watch.scores[0], margin=watch.margin)
        return replace(task, reason="the time was used up before an item was asked of both"), about
    joined, measured = watch.joined(watch.counted), watch.measured(watch.counted, watch.alpha)
    low, high = watch.bounds(tested)
    task = replace(
        measured, low=low, high=high, p_worse=None, p_change=None, bootstrap=None,
        method=f"{measured.method}, at every look" if tested else "confidence sequence",
        unread_bounds=unread_bounds(joined), programs={word: dict(found) for word, found in (programs or {}).items()},
        counts={
            "base": _counts(joined.base_status.tolist()), "new": _counts(joined.new_status.tolist()),
            "flips": flipped.transitions(joined, flipped.flips(joined)),
        },
        notes=tuple(_notes(watch, ended)),
    )  # fmt: skip
    task = decide_by_interval(task)
    return task, replace(about, finding=_finding(task))


def _finding(task: TaskComparison) -> Finding:
    """A sure drop is a loss, whether or not it is surely larger than the margin; a gain must be, to be called so."""
    if task.verdict == "worse" or (task.verdict == "can't tell" and (task.high or 0.0) < 0):
        return "lost"
    words: dict[str, Finding] = {"better": "gained", "same": "kept"}
    return words.get(task.verdict, "can't tell")


def _counts(codes: Sequence[int]) -> dict[str, int]:
    return {status: codes.count(code) for code, status in enumerate(STATUSES) if code in codes}


def _notes(watch: PairedWatch, ended: Ended) -> list[str]:
    """What a reader must know besides the verdict."""
    part = f"{watch.counted:,} of {len(watch.order):,} items, a seeded random part"
    said = {
        "budget": [f"the budget ended after {part}"], "decided": [f"decided after {part}"], "all asked": [],
    }[ended]  # fmt: skip
    return said + ([f"only {watch.counted} items: a small sample"] if watch.counted < 30 else [])


def _sequential(run: Run, facts: SequentialFacts) -> SequentialFacts | None:
    """What a manifest keeps of the looks. A run that has every answer, as one that was made by itself, was not stopped
    by them."""
    if any(entry.missing for entry in run.summary.benchmarks.values()):
        return facts
    before = run.manifest.sequential
    stopped = before is not None and any(watched.decision for watched in before.benchmarks.values())
    return None if stopped else before


def _watched_facts(
    asking: SideBySide, found: Mapping[str, tuple[TaskComparison, ForgottenBenchmark]], request: ForgettingRequest,
    against: Run,
) -> SequentialFacts:  # fmt: skip
    """What `evalh compare` is to know: which benchmarks were stopped by looking, and by what evidence."""
    watched = {}
    for course in asking.courses:
        watch = course.watch
        above, below = watch.sequence.evidence(-watch.margin)
        stopped = found[watch.name][1].ended == "decided" and not found[watch.name][1].tested
        worse = found[watch.name][0].verdict == "worse"
        watched[watch.name] = WatchedFacts(
            decision=None if not stopped else "fail" if worse else "pass", counted=watch.counted,
            planned=len(watch.order), margin=watch.margin, e_pass=above, e_fail=below,
        )  # fmt: skip
    return SequentialFacts(
        against=against.name, fingerprint=against.manifest.model.fingerprint, alpha=request.judged.alpha,
        seed=request.seed, benchmarks=watched,
    )  # fmt: skip
