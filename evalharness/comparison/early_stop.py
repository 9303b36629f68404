"""What a run that is about to begin is held against: whether it will be comparable, and the sequential rule."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from evalharness.comparison.align import mismatches, within_range
from evalharness.comparison.compare import Options
from evalharness.comparison.draws import beside_a_draw
from evalharness.comparison.gate import comparison_options
from evalharness.comparison.inputs import Side, open_side
from evalharness.comparison.rescoring import scored_now
from evalharness.comparison.sequential import SequentialRule, WatchedItems, monitor
from evalharness.errors import Exit, UserError, option_name
from evalharness.runs import identity
from evalharness.runs.plan import Plan, Task
from evalharness.runs.session import RuleOf
from evalharness.runs.summary import lower_is_better


def rule_against(against: str | None, margin: Sequence[str], runs: Path) -> RuleOf:
    """The rule of `--against BASE --sequential`. UserError without BASE, which is opened before anything is asked."""
    if against is None:
        raise UserError(
            f"{option_name('sequential')} stops when the verdict is clear; say against what: "
            f"{option_name('against', 'BASE')}"
        )
    base, options = open_side(against, runs, drawn=True), comparison_options(margin, 0.05, (), ())
    return lambda tasks, plan: sequential_rule(base, tasks, plan, options)


def checked_against(against: str, margin: Sequence[str], runs: Path) -> RuleOf:
    """No rule, but a check before anything is asked: UserError with exit 4 where the run will not be comparable."""
    base, options = open_side(against, runs, drawn=True), comparison_options(margin, 0.05, (), ())

    def check(tasks: Sequence[Task], plan: Plan) -> None:
        hold_comparable(base, tasks, plan, options)

    return check


def sequential_rule(base: Side, tasks: Sequence[Task], plan: Plan, options: Options) -> SequentialRule:
    """The rule. UserError with exit 4, before anything is asked, when the run will not be comparable with the base."""
    with scored_now(base) as side:
        return _rule(side, tasks, plan, options)


def hold_comparable(base: Side, tasks: Sequence[Task], plan: Plan, options: Options) -> None:
    """UserError with exit 4 for a task that cannot be compared with the base."""
    drawn = (base.manifest.sampling, identity.plan_sampling(plan))
    for task in tasks:
        if task.name not in base.facts:
            raise UserError(f"{base.name} has no {task.name} to compare with", Exit.NOT_COMPARABLE)
        found = beside_a_draw(mismatches(base.facts[task.name], task.facts, drawn), base, task)
        refused = [mismatch for mismatch in found if mismatch.field not in options.allow]
        if refused:
            raise UserError(
                f"{task.name} will not be comparable with {base.name}: {', '.join(map(str, refused))}",
                Exit.NOT_COMPARABLE,
            )


def _rule(base: Side, tasks: Sequence[Task], plan: Plan, options: Options) -> SequentialRule:
    hold_comparable(base, tasks, plan, options)
    metrics = {task.name: options.metric or base.item_metric(task.name) for task in tasks}
    scores = base.scores(metrics)
    for name, metric in metrics.items():
        if not within_range(scores[name].values):
            raise UserError(
                f"{name}: {option_name('sequential')} bets on scores from 0 to 1, and {metric} has others; leave it out"
            )
    return SequentialRule(
        against=base.name,
        fingerprint=base.manifest.model.fingerprint,
        alpha=options.alpha,
        seed=plan.seed,
        metrics=metrics,
        watches={
            task.name: monitor(
                scores[task.name],
                WatchedItems(
                    ids=dict.fromkeys(question.sample.id for question in task.questions),
                    repeats=task.facts.repeats,
                    drawn=task.drawn,
                    lower_is_better=lower_is_better(task.name, metrics[task.name]),
                ),
                seed=plan.seed,
                margin=options.margin_of(task.name),
                alpha=options.alpha,
            )
            for task in tasks
        },
    )
