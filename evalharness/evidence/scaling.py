"""Ladders: models of growing size, or steps of a training, on one benchmark: does it rank them, which items are odd."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalharness.comparison.scores import numbered_lines
from evalharness.errors import UserError, option_name
from evalharness.evidence.item_table import ItemTable, item_tables, open_runs
from evalharness.runs.figures import KeptEstimate, kept_estimate
from evalharness.runs.store import JOURNAL, Run
from evalharness.scoring.metrics import average
from evalharness.stats.ladders import RankingPower, item_rest_correlations, ranking_power
from evalharness.stats.paired import holm, p_no_change, paired_mean

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_LEVEL = 0.95
_STRONGEST = 3  # at least so many strong models must give the same wrong answer


@dataclass(frozen=True, slots=True, kw_only=True)
class LadderStep:
    """A run of the ladder: its size (None: only its place is known), its figure, and the step up to it from the run
    before, over the items of both: the difference, its 95 % interval and Holm's p of no difference."""

    run: str
    model: str
    size: float | None
    figure: KeptEstimate | None
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SuspectItem:
    """An item that a person should look at: all of the strongest models gave this answer, which counts as wrong."""

    id: str
    answer: str
    strong: int
    all_models: int
    correlation: float | None
    question: str
    right: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ladder:
    """One benchmark. `tau` is Kendall's rank correlation of size and figure with its two-sided p; `power` what the
    items tell of the models. Of n items `all_right` and `all_wrong` tell nothing of them, `with_ladder` go with the
    models' rank and `against_ladder` against it; `by_right` counts items by how many models have them right (.5 or
    more), none first; `curves` are for each run its mean on the items that a share of the others has right; `left_out`
    are runs that were not asked the same."""

    benchmark: str
    metric: str
    n: int
    steps: tuple[LadderStep, ...]
    tau: float
    tau_p: float
    power: RankingPower | None
    all_right: int
    all_wrong: int
    by_right: tuple[int, ...]
    curves: Mapping[str, tuple[tuple[float, float], ...]]
    with_ladder: int
    against_ladder: int
    suspects: tuple[SuspectItem, ...]
    left_out: tuple[str, ...]


def sizes_named(words: str | None) -> tuple[float, ...]:
    """The numbers in `0.5,1.5,7`. UserError for other words."""
    try:
        found = tuple(float(word) for word in words.split(",")) if words else ()
    except ValueError:
        found = (math.nan,)
    if not all(math.isfinite(size) for size in found):
        raise UserError(
            f"{option_name('sizes')} wants numbers separated by commas, such as 0.5,1.5,7; there is {words!r:.80}"
        )
    return found


def build_ladders(
    names: Sequence[str], *, sizes: Sequence[float] = (), runs: Path = Path("runs")
) -> tuple[Ladder, ...]:
    """The ladder of each benchmark that two or more of these runs have, by `sizes`, else by the models' parameters
    where all are known, else in the order given.

    UserError for fewer than two runs, or sizes that are not one for each.
    """
    opened = open_runs(names, runs, 2, "a ladder")
    if sizes and (len(sizes) != len(opened) or len(set(sizes)) < len(sizes)):
        raise UserError(
            f"{option_name('sizes')} wants a number for each of the {len(opened)} runs, no two the same; there are "
            f"{', '.join(f'{size:g}' for size in sizes)}"
        )
    known = [_parameters(run) for run in opened]
    said = list(sizes) or (
        [float(size) for size in known if size] if all(known) and len({*known}) == len(known) else []
    )
    order = sorted(range(len(opened)), key=lambda place: said[place]) if said else list(range(len(opened)))
    ordered = [opened[place] for place in order]
    size_of = {opened[place].name: said[place] for place in order} if said else {}
    found = tuple(_ladder(table, ordered, size_of) for table in item_tables(ordered))
    if not found:
        raise UserError("no two of these runs were asked the same questions, so there is no ladder")
    return found


def _parameters(run: Run) -> float | None:
    count = run.manifest.model.extra.get("parameters")
    return float(count) if isinstance(count, int | float) and count > 0 else None


def _ladder(table: ItemTable, runs: Sequence[Run], size_of: Mapping[str, float]) -> Ladder:
    import numpy as np
    from scipy.stats import kendalltau

    by_name = {run.name: run for run in runs}
    own = [by_name[name] for name in table.runs]
    complete = ~np.isnan(table.worth).any(1)
    worth = table.worth[complete]
    means = np.nanmean(table.worth, 0)
    tau = kendalltau(np.arange(len(own)), means) if len(own) > 2 else (float("nan"), float("nan"))
    correlation = np.full(len(table.ids), np.nan)
    correlation[complete] = item_rest_correlations(worth)
    return Ladder(
        benchmark=table.benchmark, metric=table.metric, n=int(complete.sum()),
        steps=tuple(_steps(table, own, size_of)), tau=float(tau[0]), tau_p=float(tau[1]), power=ranking_power(worth),
        by_right=tuple(np.bincount((worth >= 0.5).sum(1), minlength=worth.shape[1] + 1).tolist()),
        curves=_curves(table.runs, worth),
        all_right=int((worth >= 1).all(1).sum()), all_wrong=int((worth <= 0).all(1).sum()),
        with_ladder=int((correlation > 0).sum()), against_ladder=int((correlation < 0).sum()),
        suspects=tuple(_suspects(table, means, correlation, own)),
        left_out=tuple(name for name in by_name if name not in table.runs),
    )  # fmt: skip


def _curves(names: Sequence[str], worth: NDArray[np.float64]) -> dict[str, tuple[tuple[float, float], ...]]:
    """For each run the share of the others that have an item right (.5 or more), and its own mean on those items."""
    right, others = (worth >= 0.5).astype(int), max(1, worth.shape[1] - 1)
    found = {}
    for place, name in enumerate(names):
        had = right.sum(1) - right[:, place]
        counts = sorted(set(had.tolist()))
        found[name] = tuple((count / others, float(worth[had == count, place].mean())) for count in counts)
    return found


def _steps(table: ItemTable, runs: Sequence[Run], size_of: Mapping[str, float]) -> Iterator[LadderStep]:
    import numpy as np

    moved = []
    for first, second in pairwise(range(len(runs))):
        both = table.worth[:, [first, second]]
        moved.append(np.diff(both[~np.isnan(both).any(1)], axis=1)[:, 0])
    p_values = holm([p_no_change(differences) for differences in moved])
    for place, run in enumerate(runs):
        entry = run.summary.benchmarks.get(table.benchmark)
        step = LadderStep(
            run=run.name, model=run.manifest.model.name or "?", size=size_of.get(run.name),
            figure=entry.metrics.get(table.metric) if entry is not None else _mean_of(table.worth[:, place]),
        )  # fmt: skip
        if place and len(moved[place - 1]):
            pair = paired_mean(moved[place - 1], _LEVEL)
            step = replace(step, difference=pair.value, low=pair.low, high=pair.high, p=p_values[place - 1])
        yield step


def _mean_of(worth: NDArray[np.float64]) -> KeptEstimate | None:
    """The figure of an imported run, which has it under another name: the mean over the items of the table."""
    found = average([value for value in worth.tolist() if not math.isnan(value)])
    return None if found is None else kept_estimate(found)


def _suspects(
    table: ItemTable, means: NDArray[np.float64], correlation: NDArray[np.float64], runs: Sequence[Run]
) -> Iterator[SuspectItem]:
    """Items that all of the stronger half of the models, three or more, got wrong by the same answer; those on which
    most models agree first."""
    import numpy as np

    half = max(_STRONGEST, -(-len(runs) // 2))
    if len(runs) < half:
        return
    strong = np.argsort(-means, kind="stable")[:half]
    answers, worth = table.choices[:, strong], table.worth[:, strong]
    alike = (answers == answers[:, :1]).all(1) & (answers[:, 0] != "") & (worth <= 0).all(1)
    places = np.flatnonzero(alike)
    agree = {int(place): int((table.choices[place] == answers[place, 0]).sum()) for place in places}
    texts = _texts(runs, table.benchmark, {table.ids[place] for place in agree})
    for place in sorted(agree, key=lambda place: (-agree[place], place)):
        question, right = texts.get(table.ids[place], ("", ""))
        known = correlation[place]
        yield SuspectItem(
            id=table.ids[place], answer=str(answers[place, 0]), strong=half, all_models=agree[place],
            correlation=None if np.isnan(known) else float(known), question=question, right=right,
        )  # fmt: skip


def _texts(runs: Sequence[Run], benchmark: str, wanted: set[str]) -> dict[str, tuple[str, str]]:
    """The question and the right answer of these items, from the first run that has them."""
    found: dict[str, tuple[str, str]] = {}
    for run in runs:
        if wanted <= found.keys():
            break
        for _, _, line in numbered_lines(run.path / JOURNAL):
            if line["benchmark"] == benchmark and line["id"] in wanted:
                sample: Mapping[str, Any] = line.get("sample") or {}
                choices, gold = sample.get("choices") or (), sample.get("gold") or ()
                right = [str(choices[i]) for i in gold if isinstance(i, int) and 0 <= i < len(choices)]
                accepted = right or [str(one) for one in sample.get("answers") or ()]
                found.setdefault(str(line["id"]), (str(sample.get("question", "")), " / ".join(accepted)))
    return found
