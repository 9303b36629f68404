"""The sections of `perf/coverage.py` on figures made of several: averages over tasks, worst cases, pairs of answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache

import numpy as np
from coverage import Cell, batches, many
from coverage_intervals import ONE, TABLE_DRAWS, cautioned, similar, wide_open

from evalharness.records import Estimate
from evalharness.report.cautions import few_units
from evalharness.scoring.classification import mean_of
from evalharness.stats.confusion import drawn_tables, f1_of, matthews_of
from evalharness.stats.correlation import correlation_ends, correlation_of
from evalharness.stats.intervals import mean_of_estimates, mean_pivot, stratified_ends, wilson

Draw = np.random.Generator
counted = cache(wilson)


def holds(made: Estimate, truth: float) -> bool:
    """Whether an interval holds the truth."""
    return made.low <= truth <= made.high


# GLUE: share right where that is the figure; (share of positives, found, spared) where a table is asked for.
GLUE_SHARES = {"sst2": 0.94, "qnli": 0.91, "rte": 0.7, "wnli": 0.56}
GLUE_TABLES = {"cola": (0.69, 0.93, 0.6), "mrpc": (0.68, 0.92, 0.75), "qqp": (0.37, 0.88, 0.93)}
GLUE_SIZES = {"sst2": 872, "qnli": 2000, "rte": 277, "wnli": 71, "cola": 1043, "mrpc": 408, "qqp": 2000, "stsb": 1500}
STSB = (0.35, 0.03, False)


def _table(positive: float, found: float, spared: float) -> np.ndarray:
    return np.array(
        [[(1 - positive) * spared, (1 - positive) * (1 - spared)], [positive * (1 - found), positive * found]]
    )


def glue_scores(draw: Draw, draws: int) -> Iterator[Cell]:
    """GLUE's score: Matthews, F1 and accuracy of the same answers, two correlations, accuracies, over nine tasks."""
    big = similar(draw, (many(draws) // 4,), *STSB)
    close = _correlations(big[0][None], big[1][None], None)
    truths = {t: [p] for t, p in GLUE_SHARES.items()} | {"mnli": [0.85, 0.84], "stsb": [c[0].value for c in close]}
    for task, of in GLUE_TABLES.items():
        truths[task] = [float(figure(_table(*of))) for figure in _figures_of(task)]
    truth = float(np.mean([np.mean(of) for of in truths.values()]))
    for sizes, world in (
        (dict.fromkeys(GLUE_SIZES, 100), "100 of each task"),
        (GLUE_SIZES, "up to 2,000 of each task"),
    ):
        held = 0
        for k in batches(draws, 4 * max(*sizes.values(), TABLE_DRAWS)):
            rows = {"stsb": _correlations(*similar(draw, (k, sizes["stsb"]), *STSB), draw)}
            for task, of in GLUE_TABLES.items():
                rows[task] = _tables(draw, draw.multinomial(sizes[task], _table(*of).ravel(), k), task)
            held += sum(holds(_glue(draw, sizes, {task: [f[i] for f in of] for task, of in rows.items()}), truth)
                        for i in range(k))  # fmt: skip
        n = sum(sizes.values()) + 2 * sizes["sst2"]
        yield Cell(
            section="average", figure="glue_score", world=world, n=n, truth=truth, draws=draws, held=held / draws
        )


def _correlations(said: np.ndarray, right: np.ndarray, draw: Draw | None) -> list[list[Estimate]]:
    """Pearson and Spearman of each sample; without `draw` the values alone."""
    from scipy.stats import rankdata

    found = []
    for x, y in ((said, right), (rankdata(said, axis=-1), rankdata(right, axis=-1))):
        r, n = correlation_of(x, y, ONE), x.shape[-1]
        ends = (r, r, np.zeros_like(r)) if draw is None else correlation_ends(x, y, draw, 200)
        rows = zip(r.tolist(), *(end.tolist() for end in ends), strict=True)
        found.append([Estimate(value=v, stderr=s, low=min(a, v), high=max(b, v), n=n) for v, a, b, s in rows])
    return found


def _figures_of(task: str) -> list[Callable[[np.ndarray], np.ndarray]]:
    if task == "cola":
        return [matthews_of]
    return [lambda t: np.trace(t, axis1=-2, axis2=-1) / t.sum((-1, -2)), lambda t: f1_of(t, [1])]


_CELLS = np.eye(4).reshape(4, 2, 2)


def _tables(draw: Draw, counts: np.ndarray, task: str) -> list[list[Estimate]]:
    """The figures of a task of each sample, from the counts of its confusion table."""
    n, times = int(counts[0].sum()), counts.astype(float)
    shares = [counted(int(right), n) for right in counts[:, 0] + counts[:, 3]]
    figure = _figures_of(task)[-1]
    drawn = figure(drawn_tables(times, _CELLS, [0, 1], draw, TABLE_DRAWS))
    low, high = np.percentile(drawn, [2.5, 97.5], axis=-1)
    values = zip(figure(times.reshape(-1, 2, 2)).tolist(), low.tolist(), high.tolist(), strict=True)
    found = [Estimate(value=v, stderr=0.0, low=min(a, v), high=max(b, v), n=n) for v, a, b in values]
    return [found] if task == "cola" else [shares, found]


def _glue(draw: Draw, sizes: dict[str, int], known: dict[str, list[Estimate]]) -> Estimate:
    tasks: dict[str, list[Estimate | None]] = {task: [*figures] for task, figures in known.items()}
    for task, p in GLUE_SHARES.items():
        tasks[task] = [counted(int(draw.binomial(sizes[task], p)), sizes[task])]
    tasks["mnli"] = [counted(int(draw.binomial(sizes["sst2"], p)), sizes["sst2"]) for p in (0.85, 0.84)]
    return mean_of(tasks, "glue_score")["glue_score"]


def averages(draw: Draw, draws: int) -> Iterator[Cell]:
    """Plain means over tasks that have nothing in common (BIG-bench's aggregate), and GLUE's."""
    worlds = {
        "5 tasks, .3 to .9": (0.3, 0.45, 0.6, 0.75, 0.9),
        "20 tasks, .5 to .99": tuple(np.linspace(0.5, 0.99, 20)),
    }
    for world, shares in worlds.items():
        for n in (30, 100):
            right = draw.binomial(n, shares, (draws, len(shares)))
            truth = float(np.mean(shares))
            held = sum(holds(mean_of_estimates([counted(int(k), n) for k in row]), truth) for row in right)
            yield Cell(
                section="average", figure="mean over tasks", world=f"{world}, {n} of each", n=n * len(shares),
                truth=truth, draws=draws, held=held / draws,
            )  # fmt: skip
    yield from glue_scores(draw, draws)


def worst_cases(draw: Draw, draws: int) -> Iterator[Cell]:
    """Robustness: each question is worth what the worst of it and four variants is; one answer, or four of each."""

    def worst(d: Draw, shape: tuple[int, ...], answers: int) -> np.ndarray:
        easy = d.beta(3, 1, shape)[..., None]
        asked = np.clip(easy + d.normal(0, 0.1, (*shape, 5)), 0, 1)
        return np.asarray((d.binomial(answers, asked) / answers).min(-1))

    for answers in (1, 4):
        truth = float(worst(draw, (many(draws) // 4,), answers).mean())
        for n in (30, 50, 100, 400):
            held = sum(
                int(np.sum(np.abs(mean_pivot(worst(draw, (k, n), answers), ONE, truth)) <= 1))
                for k in batches(draws, 5 * n)
            )
            yield Cell(
                section="worst case", figure="robustness", world=f"{answers} of each, 5 ways to ask", n=n, truth=truth,
                draws=draws, held=held / draws, expected=wide_open(n, truth), **cautioned(few_units(n)),
            )  # fmt: skip
        values = worst(draw, (draws, 12, 20), answers)
        means, spread = values.mean(-1), values.var(-1, ddof=1)
        _, _, low, high = stratified_ends(means, spread, np.full(12, 20))
        yield Cell(
            section="worst case", figure="robustness_macro", world=f"{answers} of each, 12 groups of 20", n=240,
            truth=truth, draws=draws, held=float(np.mean((low <= truth) & (truth <= high))),
        )  # fmt: skip


def pairs_alike(draw: Draw, draws: int) -> Iterator[Cell]:
    """Gender parity: the share of pairs whose two answers are the same; both are as hard."""
    for a, b in ((2.0, 1.0), (9.0, 0.5)):
        truth = 1 - 2 * a * b / ((a + b) * (a + b + 1))
        for n in (30, 100, 178):
            p = draw.beta(a, b, (draws, n, 1))
            same = np.sum(np.ptp((draw.random((draws, n, 2)) < p).astype(int), axis=-1) == 0, -1)
            held = sum(holds(counted(int(k), n), truth) for k in same)
            yield Cell(
                section="pairs", figure="gender_parity", world=f"both as hard, {truth:.2f} alike", n=n, truth=truth,
                draws=draws, held=held / draws, expected=wide_open(n, truth), **cautioned(few_units(n)),
            )  # fmt: skip


AVERAGES: dict[str, Callable[[Draw, int], Iterator[Cell]]] = {
    "average": averages,
    "worst case": worst_cases,
    "pairs": pairs_alike,
}
