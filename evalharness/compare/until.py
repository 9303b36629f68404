"""The sequential rule for a run that is about to begin: what is watched, against which base, at which margins."""

from __future__ import annotations

from collections.abc import Sequence

from evalharness import runner
from evalharness.compare import Options, sampling
from evalharness.compare.join import mismatches
from evalharness.compare.sequential import Rule, watch
from evalharness.compare.sides import Side
from evalharness.errors import Exit, UserError
from evalharness.plan import Plan, Task


def rule(base: Side, tasks: Sequence[Task], plan: Plan, options: Options) -> Rule:
    """The rule. UserError with exit 4, before anything is asked, when the run will not be comparable with the base."""
    ours = sampling(runner.sampling(plan))
    for task in tasks:
        if task.name not in base.facts:
            raise UserError(f"{base.name} has no {task.name} to compare with", Exit.NOT_COMPARABLE)
        found = mismatches(base.facts[task.name], task.facts, (sampling(base.manifest.get("sampling")), ours))
        refused = [mismatch for mismatch in found if mismatch.field not in options.allow]
        if refused:
            raise UserError(
                f"{task.name} will not be comparable with {base.name}: {', '.join(map(str, refused))}",
                Exit.NOT_COMPARABLE,
            )
    metrics = {task.name: options.metric or base.item_metric(task.name) for task in tasks}
    scores = base.scores(metrics)
    return Rule(
        against=base.name,
        fingerprint=(base.manifest.get("model") or {}).get("fingerprint"),
        alpha=options.alpha,
        seed=plan.seed,
        metrics=metrics,
        watches={
            task.name: watch(
                scores[task.name],
                dict.fromkeys(question.sample.id for question in task.questions),
                seed=plan.seed,
                repeats=plan.repeats,
                margin=options.margin_of(task.name),
                alpha=options.alpha,
            )
            for task in tasks
        },
    )
