"""Two runs, item by item: is the new one worse, better, the same, or can't we tell; what broke, what got fixed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from evalharness import plugins
from evalharness.comparison import flips as flipped
from evalharness.comparison.align import (
    ALLOWABLE,
    CHANGEABLE,
    Joined,
    Mismatch,
    align_scores,
    has_range,
    mismatches,
    on_purpose,
    overridden,
)
from evalharness.comparison.by_content import NOT_HELD, less_is_better, paired_by_content, pairing_note
from evalharness.comparison.choice_shift import choice_shift
from evalharness.comparison.decide import (
    Noise,
    TaskComparison,
    Word,
    decide,
    measured_task,
    overall,
    ruled,
    unread_bounds,
)
from evalharness.comparison.direction import as_measured, larger_is_better
from evalharness.comparison.draws import beside_the_draw, drawn_pair, with_draw
from evalharness.comparison.file_names import named_as_now
from evalharness.comparison.inputs import Side
from evalharness.comparison.rescoring import scored_alike
from evalharness.comparison.rules import GateWord, TaskRule, hold_to_rule
from evalharness.comparison.scores import STATUS_CODE, Scores
from evalharness.comparison.sides import ComparedSide, compared_side, side_notes
from evalharness.comparison.uncertainty import UncertaintySource, with_uncertainty
from evalharness.errors import Exit, UserError, nearest, option_name
from evalharness.records import UNREAD
from evalharness.runs.imported import is_imported
from evalharness.runs.manifest import FlakyFacts, WatchedFacts
from evalharness.stats.e_processes import final_alpha
from evalharness.stats.paired import RARE_DROPS
from evalharness.stats.power import zero_flip_caution

Policy = Literal["block-on-fail", "require-pass"]
_MARGIN = 0.02


def _names(benchmark: str) -> tuple[str, str, str]:
    """What a benchmark may be called, the closest first: in full, without the mark of a sample, by its family, or that
    of a file which an earlier version knew by its path."""
    plain = benchmark.removesuffix("@sample")
    return benchmark, plain, Path(plain).stem if plugins.is_file(plain) else plain.partition("/")[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How to compare. `allow` are fields that may differ, `changed` those that differ on purpose. `margins`, per
    benchmark or family, come before `margin`; `rules`, by the same names, are what a benchmark must keep besides;
    `uncertainty` names what is in the intervals (None: all that is known); `shown` limits the flips shown.
    `remedies`: what cannot be compared is said with the options of `evalh compare` that help."""

    margin: float = _MARGIN
    margins: Mapping[str, float] = field(default_factory=dict)
    alpha: float = 0.05
    clusters: str | None = None
    metric: str | None = None
    benchmarks: tuple[str, ...] = ()
    allow: frozenset[str] = frozenset()
    changed: frozenset[str] = frozenset()
    rules: Mapping[str, TaskRule] = field(default_factory=dict)
    uncertainty: tuple[UncertaintySource, ...] | None = None
    shown: int = 100
    remedies: bool = True

    def margin_of(self, benchmark: str) -> float:
        """The margin of one benchmark: its own, its family's, or the common one."""
        return next((self.margins[name] for name in _names(benchmark) if name in self.margins), self.margin)

    def rule_of(self, benchmark: str) -> TaskRule:
        """The rule of one benchmark: its own, its family's, or none."""
        return rule_named(self.rules, benchmark)


def rule_named(rules: Mapping[str, TaskRule], benchmark: str) -> TaskRule:
    """The rule that stands for a benchmark under one of its names; one that asks nothing where there is none."""
    return next((rules[name] for name in _names(benchmark) if name in rules), TaskRule())


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """The outcome over all tasks. `level` is the intervals' confidence; `allowed` the mismatches overridden."""

    base: ComparedSide
    new: ComparedSide
    alpha: float
    level: float
    verdict: Word
    gate: GateWord
    tasks: tuple[TaskComparison, ...]
    allowed: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    flips: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = field(default_factory=dict)

    def items(self) -> Iterator[tuple[str, str, str]]:
        """(benchmark, id, broke or fixed) of every flip, the shown and the others."""
        for benchmark, (broke, fixed) in self.flips.items():
            yield from ((benchmark, identity, "broke") for identity in broke)
            yield from ((benchmark, identity, "fixed") for identity in fixed)


def compare_runs(base: Side, new: Side, options: Options) -> Comparison:
    """Compare two sides. UserError for options that fit neither; a task that cannot be compared says so itself.

    Where they were scored by different versions, the older one's answers are scored again first.
    """
    if (base.drawn or new.drawn) and any(is_imported(one) for side in (base, new) for one in side.facts.values()):
        raise UserError(
            f"{(new if new.drawn else base).name} was drawn, and its items cannot be paired with those of an imported "
            "run; compare it with a run of evalh",
            Exit.NOT_COMPARABLE,
        )
    with (
        scored_alike(base, new) as (was, now),
        named_as_now(was, now) as renamed,
        paired_by_content(renamed, now) as (before, after, foreign),
    ):
        return _compared(before, after, options, foreign)


def _compared(base: Side, new: Side, options: Options, foreign: frozenset[str]) -> Comparison:
    _check(options, base, new)
    names, alone = _benchmarks(base, new, options)
    metrics = {name: _metric(base, new, name, options.metric) for name in names}
    clashes = {name: _clashes(base, new, name) for name in names}
    passed = options.allow | options.changed
    allowed = {name: passed | (frozenset(NOT_HELD) if name in foreign else frozenset()) for name in names}
    refused = {name: [m for m in found if m.field not in allowed[name]] for name, found in clashes.items()}
    wanted = {name: metric for name, metric in metrics.items() if not refused[name]}
    before, after = base.scores(wanted, options.clusters), new.scores(wanted, options.clusters)
    ids: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {}
    tasks = []
    for name in names:
        task = TaskComparison(
            benchmark=name,
            metric=metrics[name],
            lower_is_better=less_is_better(name, metrics[name], (base, new)),
            margin=options.margin_of(name),
            tier=options.rule_of(name).tier,
            mode=new.facts[name].mode or "",
            mismatches=tuple(clashes[name]),
        )
        if refused[name]:
            tasks.append(_refused(task, refused[name], options))
        elif name not in before or name not in after:
            tasks.append(replace(task, verdict="incomplete", reason="a run has no results of it"))
        else:
            task, ids[name] = _task(task, (base, before[name]), (new, after[name]), options)
            tasks.append(task)
    tasks += [_alone(name, side, options) for name, side in alone.items()]
    decided = [_ruled(_with_power(as_measured(task)), new, options) for task in decide(tasks, options.alpha)]
    word, gate = overall(decided)
    return Comparison(
        base=compared_side(base, names),
        new=compared_side(new, names),
        alpha=options.alpha,
        level=1 - 2 * options.alpha,
        verdict=word,
        gate=gate,
        tasks=tuple(decided),
        allowed=overridden(clashes, {name: fields - options.changed for name, fields in allowed.items()}),
        notes=(*on_purpose(clashes, options.changed), *side_notes(base, new), *map(pairing_note, sorted(foreign))),
        flips=ids,
    )


def _with_power(task: TaskComparison) -> TaskComparison:
    """A task that says what it could not have seen; one that has a clear verdict had power enough for it."""
    if task.verdict in ("worse", "better", "same"):
        return replace(task, underpowered=False)
    if not task.underpowered or task.detectable is None:
        return task
    said = f"underpowered: only a drop of {100 * task.detectable:.1f} points or more is likely to be seen"
    return replace(task, notes=(*task.notes, said))


def _ruled(task: TaskComparison, new: Side, options: Options) -> TaskComparison:
    """A task with what the rule of its benchmark makes of NEW's own figures."""
    if task.benchmark not in new.facts:
        return task
    figures = new.summary.benchmarks.get(task.benchmark)
    usage = (new.manifest.usage or {}).get(task.benchmark)
    return ruled(task, hold_to_rule(task.benchmark, options.rule_of(task.benchmark), figures, usage))


def _check(options: Options, base: Side, new: Side) -> None:
    known = {**base.facts, **new.facts}
    called = {name for benchmark in known for name in _names(benchmark)}
    for name in [*options.margins, *options.rules, *options.benchmarks]:
        if name not in called:
            raise UserError(f"neither run has a benchmark {name!r}{nearest(name, known)}; there is {', '.join(known)}")
    for option, named, there in (
        ("allow_mismatch", options.allow, ALLOWABLE), ("changed", options.changed, CHANGEABLE)
    ):  # fmt: skip
        for name in sorted(named - set(there)):
            raise UserError(f"{option_name(option)} {name!r}{nearest(name, there)}: wanted one of {', '.join(there)}")


def _benchmarks(base: Side, new: Side, options: Options) -> tuple[list[str], dict[str, str]]:
    """The benchmarks of both sides, and those of one side alone with the side's name."""

    def wanted(name: str) -> bool:
        return not options.benchmarks or bool(set(_names(name)) & set(options.benchmarks))

    both = [name for name in new.facts if name in base.facts and wanted(name)]
    alone = {name: "BASE" for name in base.facts if name not in new.facts and wanted(name)}
    alone |= {name: "NEW" for name in new.facts if name not in base.facts and wanted(name)}
    return both, alone if "benchmarks" not in options.allow or not both else {}


def _metric(base: Side, new: Side, benchmark: str, wanted: str | None) -> str:
    """The score that is compared: the one asked for, else the headline where items have it."""
    if wanted is not None:
        for side in (base, new):
            side.check_metric(benchmark, wanted)
        return wanted
    stored = [side.stored[benchmark].metric for side in (base, new) if benchmark in side.stored]
    return stored[0] if stored else new.item_metric(benchmark)


def _clashes(base: Side, new: Side, benchmark: str) -> list[Mismatch]:
    drawn = (base.manifest.sampling, new.manifest.sampling)
    found = mismatches(base.facts[benchmark], new.facts[benchmark], drawn)
    return beside_the_draw(found, base, new, benchmark)


def _refused(task: TaskComparison, found: list[Mismatch], options: Options) -> TaskComparison:
    fields = {mismatch.field for mismatch in found}
    purpose = f", --changed {','.join(sorted(fields))} where that is the purpose" if fields <= set(CHANGEABLE) else ""
    ways = " ".join(f"--allow-mismatch {mismatch.field}" for mismatch in found)
    remedy = f"; {ways} compares them all the same{purpose}" if options.remedies else ""
    return replace(task, verdict="not comparable", reason=f"{', '.join(map(str, found))}{remedy}")


def _alone(name: str, side: str, options: Options) -> TaskComparison:
    remedy = "; --benchmark compares some, --allow-mismatch benchmarks what both have" if options.remedies else ""
    return TaskComparison(
        benchmark=name, metric="", margin=options.margin_of(name), tier=options.rule_of(name).tier,
        verdict="not comparable", reason=f"only {side} has it{remedy}",
    )  # fmt: skip


def _task(
    task: TaskComparison, base: tuple[Side, Scores], new: tuple[Side, Scores], options: Options
) -> tuple[TaskComparison, tuple[tuple[str, ...], tuple[str, ...]]]:
    """The figures and flips of one task, and the ids of everything that broke and that got fixed."""
    (before, was), (after, now) = base, new
    programs = {"base": before.programs(task.benchmark), "new": after.programs(task.benchmark)}
    early = after.stopped_early(task.benchmark) or before.stopped_early(task.benchmark)
    drawn = drawn_pair(before, after, task.benchmark)
    common = early or drawn is not None or "items" in options.allow
    read = align_scores(was, now, common_only=common, cluster=options.clusters)
    margin, said = options.rule_of(task.benchmark).margin_at(_mean(read.base[read.known]), task.margin)
    task = replace(task, margin=margin, sequential=_rule(before, after, replace(task, margin=margin)))
    joined = larger_is_better(read) if task.lower_is_better else read
    found = flipped.flips(joined)
    flaky = before.flaky.get(task.benchmark) or after.flaky.get(task.benchmark)
    lengths = np.where(joined.at_new >= 0, now.lengths[joined.at_new], was.lengths[joined.at_base])
    shown = []
    for change, positions in (("broke", found.broke[: options.shown]), ("fixed", found.fixed[: options.shown])):
        texts = (
            before.texts(was.places[joined.at_base[positions]].tolist()),
            after.texts(now.places[joined.at_new[positions]].tolist()),
        )
        ids = frozenset(() if flaky is None else flaky.ids)
        shown += flipped.flipped_items(positions.tolist(), change, read, texts, ids)  # type: ignore[arg-type]  # a literal
    planned = task.sequential is not None and not early
    alpha = final_alpha(options.alpha) if planned else options.alpha
    measured = measured_task(joined, task, alpha)
    if drawn is not None:
        measured = with_draw(measured, joined, drawn, now if drawn.base else was, alpha)
    elif task.sequential is None or not early:
        measured = with_uncertainty(measured, joined, (before, after), (was, now), options.uncertainty, options.alpha)
    if task.sequential is not None and early and measured.p_worse is not None:
        measured = replace(measured, p_worse=min(1.0, 1 / max(task.sequential.e_fail, 1e-300)))
    told = replace(
        measured,
        base=_figure(measured.base, read.base[read.known], task, drawn=drawn is not None),
        new=_figure(measured.new, read.new[read.known], task, drawn=drawn is not None),
        counts={"base": was.counts(), "new": now.counts(), "flips": flipped.transitions(joined, found)},
        programs={word: counted for word, counted in programs.items() if counted},
        slices=flipped.slices(joined, found, lengths) if drawn is None else (),
        samples=tuple(shown),
        unread_bounds=unread_bounds(joined),
        flaky=_noise(flaky, measured.n),
        choices=choice_shift(joined, base, new),
        notes=tuple(filter(None, [said, *measured.notes, *_remarks(measured, joined, options.alpha)])),
    )
    broke, fixed = (tuple(joined.ids[i] for i in positions.tolist()) for positions in (found.broke, found.fixed))
    return told, (broke, fixed)


def _figure(measured: float | None, values: NDArray[np.float64], task: TaskComparison, *, drawn: bool) -> float | None:
    """A side's figure as it was measured, not turned round: of drawn items the estimate, else the mean."""
    if measured is None or not drawn:
        return None if measured is None else _mean(values)
    return 1 - measured if task.lower_is_better else measured


def _mean(values: NDArray[np.float64]) -> float:
    return float(np.mean(values)) if len(values) else 0.0


def _rule(base: Side, new: Side, task: TaskComparison) -> WatchedFacts | None:
    """What the sequential rule recorded of NEW, if it watched it against this BASE at this margin."""
    plan, found = new.manifest.sequential, new.watched(task.benchmark)
    if plan is None or found is None or plan.fingerprint != base.manifest.model.fingerprint:
        return None
    return found if found.margin == task.margin else None


def _noise(flaky: FlakyFacts | None, n: int) -> Noise | None:
    return None if flaky is None else Noise(rate=flaky.rate, n=flaky.n, expected=flaky.rate * n)


def _remarks(task: TaskComparison, joined: Joined, alpha: float) -> Iterator[str]:
    """What a reader must know besides the verdict."""
    if task.n < 30:
        yield f"only {task.n} items: a small sample"
    if task.clusters is not None and task.clusters < 30:
        yield f"only {task.clusters} clusters: hardly any verdict can be promised from so few, the interval is wide"
    if task.method.endswith("score"):
        units = "items" if task.clusters is None else "clusters"
        yield f"few {units} carry the change: a score test over {units}, for Student's t would pass too often here"
    if task.method.endswith(" t") and not has_range(joined):
        yield RARE_DROPS
    if joined.clusters is None and task.fixed + task.broke == 0 and (task.low or 0) > -task.margin:
        yield from filter(None, [zero_flip_caution(task.n, task.margin, alpha)])
    if task.p_change is not None and task.p_change < 0.05 and (task.difference or 0) < 0:
        yield f"worse than 0 (p {task.p_change:.2g}), whatever the margin"
    codes = [STATUS_CODE[status] for status in UNREAD]
    unread = [int(np.isin(status[joined.known], codes).sum()) for status in (joined.base_status, joined.new_status)]
    if any(unread):
        yield f"answers that could not be read, counted as 0: {unread[0]:,} in BASE, {unread[1]:,} in NEW"
    if task.missing:
        sides = f"{task.missing_base:,} in BASE, {task.missing_new:,} in NEW"
        yield f"items without a value, allowed for in the interval: {sides}"


def exit_code(comparison: Comparison, *, gate: bool, policy: Policy = "block-on-fail") -> Exit:
    """What a pipeline is told. Worse comes before not comparable, that before not whole, that before can't tell.

    Advisory tasks have no say; a critical one blocks under either policy until it is shown to pass.
    """
    counted = [task for task in comparison.tasks if task.tier != "advisory"]
    words = {task.verdict for task in counted}
    open_critical = any(task.tier == "critical" and task.gate != "pass" for task in counted)
    if gate and comparison.gate == "fail":
        return Exit.GATE_FAILED
    if "not comparable" in words:
        return Exit.NOT_COMPARABLE
    if "incomplete" in words:
        return Exit.NOT_WHOLE
    if gate and (open_critical or (policy == "require-pass" and comparison.gate != "pass")):
        return Exit.INCONCLUSIVE
    return Exit.FINE


__all__ = ["Comparison", "Joined", "Options", "Policy", "TaskComparison", "compare_runs", "exit_code"]
