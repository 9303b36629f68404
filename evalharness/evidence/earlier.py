"""What earlier runs of other models got on each item of a benchmark, and the draw that is made by it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from evalharness.benchmark import Benchmark
from evalharness.comparison.by_content import asked_item, matched_items
from evalharness.comparison.scores import numbered_lines
from evalharness.errors import Exit, UserError, option_name
from evalharness.records import Sample
from evalharness.runs.drawn import LEAST_DRAWN, Drawer, DrawnItems, draw_items
from evalharness.runs.imported import is_imported
from evalharness.runs.plan import Plan
from evalharness.runs.store import JOURNAL, Run, find_run, record_to_json

_LEAST_SHARE = 0.5  # of a benchmark's items that an earlier run must have


def drawer_using(budget: int | None, using: Sequence[str], runs: Path) -> Drawer | None:
    """What draws `budget` items of a benchmark by these runs; None without a budget. UserError, before anything is
    read, where one is said without the other, or there is no such run."""
    if budget is None:
        if using:
            raise UserError(f"{option_name('using')} does nothing without {option_name('budget_items')}")
        return None
    if budget < LEAST_DRAWN:
        raise UserError(f"{option_name('budget_items')} wants {LEAST_DRAWN} questions or more; there is {budget}")
    if not using:
        raise UserError(
            f"{option_name('budget_items')} draws by earlier runs of other models; name them: "
            f"{option_name('using', 'RUN')}, repeatable, or a pattern such as 'runs/*'"
        )
    named = list(_named(using, runs))

    def draw(name: str, benchmark: Benchmark, samples: Sequence[Sample], seed: int) -> DrawnItems:
        if len(samples) <= budget:
            raise UserError(
                f"{name} has {len(samples):,} questions: {option_name('budget_items', budget)} spares none; "
                "leave it out"
            )
        score = benchmark.metrics[0].score
        if score is None or benchmark.judge is not None:
            raise UserError(
                f"{name}: its headline {benchmark.metrics[0].name} is not a mean over items that is known without a "
                f"judge, so {option_name('budget_items')} cannot estimate it"
            )
        return draw_items(samples, earlier_results(named, name, score, samples), budget, seed)

    return draw


def check_beside_draw(plan: Plan, said: Mapping[str, object]) -> None:
    """UserError for what a plan with a draw cannot have beside it; `said` are further options by name, None or False
    where they were not given."""
    if plan.draw is None:
        return
    given = {"limit": plan.limit, "shard": plan.shard, "holistic": plan.holistic, **said}
    for name, value in given.items():
        if value not in (None, False):
            raise UserError(f"{option_name(name)} does not go with {option_name('budget_items')}")


def _named(using: Sequence[str], runs: Path) -> Iterator[Run]:
    """The runs that these words name, each once; a pattern names every run that it fits."""
    seen = set[Path]()
    for word in using:
        pattern = Path(word)
        if any(sign in pattern.name for sign in "*?[") and not pattern.exists():
            fitting = sorted(map(Run, pattern.parent.glob(pattern.name)), key=lambda run: run.path)
            found = [run for run in fitting if run.finished]
        else:
            found = [find_run(word, runs)]
        if not found:
            raise UserError(f"{option_name('using', word)}: no finished run fits this pattern")
        for run in found:
            if not run.finished:
                raise UserError(f"{run.path} is not finished: give its command again and it goes on", Exit.NOT_WHOLE)
            if run.path.resolve() not in seen:
                seen.add(run.path.resolve())
                yield run


def earlier_results(
    runs: Sequence[Run], name: str, score: str, samples: Sequence[Sample]
) -> dict[str, dict[str, float]]:
    """By run and id what each earlier run got, 0 to 1, the mean over its answers.

    Items are found by id and the same question; those of imported runs by what was asked. UserError (exit 4) for a run
    that has fewer than half of the items, or scores beyond 0 ... 1.
    """
    found: dict[str, dict[str, float]] = {}
    for run in runs:
        label = run.name if run.name not in found else str(run.path)
        found[label] = got = _of_run(run, name, score, samples)
        if len(got) < _LEAST_SHARE * len(samples):
            raise UserError(
                f"{run.path}: has results of {len(got):,} of the {len(samples):,} questions of {name}, wanted half of "
                "them or more; leave it out",
                Exit.NOT_COMPARABLE,
            )
        if odd := [value for value in got.values() if not 0 <= value <= 1]:
            raise UserError(
                f"{run.path}: its {score} of {name} goes to {odd[0]:g}; {option_name('budget_items')} is for scores "
                "from 0 to 1",
                Exit.NOT_COMPARABLE,
            )
    return found


def _of_run(run: Run, name: str, score: str, samples: Sequence[Sample]) -> dict[str, float]:
    own = {each for each in run.manifest.benchmarks if each.removesuffix("@sample") == name.removesuffix("@sample")}
    foreign = any(is_imported(facts) for facts in run.manifest.benchmarks.values())
    answers: dict[tuple[str, str], dict[int, float]] = {}
    lines: dict[tuple[str, str], Mapping[str, Any]] = {}
    for _, _, line in numbered_lines(run.path / JOURNAL):
        scores = line.get("scores")
        if (not foreign and line["benchmark"] not in own) or line["status"] == "error" or not isinstance(scores, dict):
            continue
        value = scores.get(score)
        if isinstance(value, int | float) and not isinstance(value, bool):
            key = str(line["benchmark"]), str(line["id"])
            lines.setdefault(key, line)
            answers.setdefault(key, {})[line.get("repeat", 0)] = float(value)
    means = {key: sum(values.values()) / len(values) for key, values in answers.items()}
    if not foreign:
        asked = {sample.id: sample.question for sample in samples}
        return {
            key[1]: mean for key, mean in means.items()
            if key[1] in asked and (lines[key].get("sample") or {}).get("question") == asked[key[1]]
        }  # fmt: skip
    ours = {sample.id: asked_item({"sample": record_to_json(sample)}) for sample in samples}
    pairs = matched_items(ours, {"\0".join(key): asked_item(line) for key, line in lines.items()})
    return {pairs[joined]: mean for key, mean in means.items() if (joined := "\0".join(key)) in pairs}
