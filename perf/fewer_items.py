"""How many questions a model can be spared: estimates from drawn items against the result on all of them.

Each model of a file of item results (an `id` column such as SUBJECT/ROW, then one column of 0 and 1 per model) is held
out in turn; the others are its earlier runs. For every size of draw: the half width of the 95 % interval, the error
(root mean square) and how often the interval holds what all items give, over many draws; and how many items a plain
random draw would need for the same interval. Beside it plain sampling, anchor points as in tinyBenchmarks (Polo et al.
2024, https://arxiv.org/abs/2402.14992: items that stand for clusters of items on which the earlier models did alike)
and its estimate by a two-parameter IRT model (p-IRT there), which have an error but no interval.

    python perf/fewer_items.py ITEM_RESULTS.csv --items 1000 2000 --draws 500
"""

from __future__ import annotations

import argparse
import csv
import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

from evalharness.stats.item_regression import expected_spread, filled_results, item_features
from evalharness.stats.unequal_draws import (
    FOLDS,
    DrawnPopulation,
    inclusion_probabilities,
    mean_of_draw,
    systematic_draw,
)

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Z95 = 1.959963984540054


@dataclass(frozen=True, kw_only=True)
class Held:
    """One model held out: its results (N,), those of the others (N, k), and the items' group codes (N,)."""

    name: str
    worth: FloatArray
    earlier: FloatArray
    groups: IntArray


@dataclass(frozen=True, kw_only=True)
class Found:
    """Estimates and standard errors over draws; no errors where a method has none."""

    values: FloatArray
    errors: FloatArray | None = None


def read_results(path: Path) -> tuple[list[str], FloatArray, IntArray]:
    with path.open(encoding="utf-8", newline="") as file:
        head, *rows = csv.reader(file)
    groups = np.unique([row[0].rpartition("/")[0] for row in rows], return_inverse=True)[1]
    return head[1:], np.array([[float(value) for value in row[1:]] for row in rows]), groups.astype(np.int64)


def regression(held: Held, items: int, draws: int) -> Found:
    """The product's own estimate, with a new draw and new folds each time."""
    earlier, total = filled_results(held.earlier), len(held.worth)
    chances = inclusion_probabilities(expected_spread(earlier, held.groups), items)
    features = item_features(earlier, held.groups)
    made = []
    for seed in range(draws):
        random = np.random.default_rng(seed)
        order = np.lexsort((random.random(total), held.groups))
        drawn = systematic_draw(chances, order, random.random())
        folds = random.integers(0, FOLDS, total)
        population = DrawnPopulation(features=features, probabilities=chances, folds=folds)
        made.append(mean_of_draw(population, drawn, held.worth[drawn]))
    return Found(values=np.array([one.value for one in made]), errors=np.array([one.stderr for one in made]))


def plain(held: Held, items: int, draws: int) -> Found:
    """The mean of a plain random draw, with the correction for a finite number of items."""
    total, left = len(held.worth), 1 - items / len(held.worth)
    drawn = [np.random.default_rng(seed).choice(total, items, replace=False) for seed in range(draws)]
    found = np.array([held.worth[places] for places in drawn])
    return Found(values=found.mean(1), errors=np.sqrt(left * found.var(1, ddof=1) / items))


def anchors(held: Held, items: int, draws: int) -> Found:
    """Items with the same earlier results are a cluster; of each as many items are asked as its size says (largest
    remainders), and the cluster counts with its size."""
    cluster = np.unique(held.earlier, axis=0, return_inverse=True)[1].ravel()
    sizes = np.bincount(cluster)
    share = items * sizes / sizes.sum()
    asked = np.floor(share).astype(int)
    asked[np.argsort(asked - share, kind="stable")[: items - asked.sum()]] += 1
    members = [np.flatnonzero(cluster == one) for one in range(len(sizes))]
    kept = sizes * (asked > 0)
    values = []
    for seed in range(draws):
        random = np.random.default_rng(seed)
        means = [
            held.worth[random.choice(of, count, replace=False)].mean() if count else 0.0
            for of, count in zip(members, asked, strict=True)
        ]
        values.append(float(kept @ np.array(means)) / kept.sum())
    return Found(values=np.array(values))


def irt(held: Held, items: int, draws: int) -> Found:
    """A two-parameter model fitted to the earlier results; the ability of the model held out by its drawn answers, the
    answers to all other items by the model."""
    patterns, cluster = np.unique(held.earlier, axis=0, return_inverse=True)
    slope, ease = _item_parameters(patterns, np.bincount(cluster.ravel()))
    slope, ease = slope[cluster.ravel()], ease[cluster.ravel()]
    total, values = len(held.worth), []
    for seed in range(draws):
        drawn = np.random.default_rng(seed).choice(total, items, replace=False)
        ability = 0.0
        for _ in range(20):
            fitted = expit(slope[drawn] * ability + ease[drawn])
            gradient = float(slope[drawn] @ (held.worth[drawn] - fitted)) - ability
            ability += gradient / (float(slope[drawn] ** 2 @ (fitted * (1 - fitted))) + 1)
        every = expit(slope * ability + ease)
        every[drawn] = held.worth[drawn]
        values.append(float(every.mean()))
    return Found(values=np.array(values))


def _item_parameters(patterns: FloatArray, sizes: IntArray) -> tuple[FloatArray, FloatArray]:
    """Slope and ease of each pattern of earlier results, with normal priors on them and on the models' abilities."""
    count, models = patterns.shape

    def loss(at: FloatArray) -> tuple[float, FloatArray]:
        log_slope, ease, ability = at[:count], at[count : 2 * count], at[2 * count :]
        slope = np.exp(log_slope)
        eta = slope[:, None] * ability + ease[:, None]
        off = sizes[:, None] * (expit(eta) - patterns)
        value = float((sizes[:, None] * (np.logaddexp(0, eta) - patterns * eta)).sum())
        value += float(sizes @ (log_slope**2 / 0.5 + ease**2 / 8)) + float(ability @ ability) / 2
        to_slope = (off * ability).sum(1) * slope + sizes * log_slope * 4
        to_ease = off.sum(1) + sizes * ease / 4
        return value, np.concatenate([to_slope, to_ease, (off * slope[:, None]).sum(0) + ability])

    start = np.concatenate([np.zeros(2 * count), np.linspace(-0.1, 0.1, models)])
    found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 2000}).x
    return np.exp(found[:count]), found[count : 2 * count]


METHODS: dict[str, Callable[[Held, int, int], Found]] = {
    "drawn by spread, with regression": regression,
    "plain": plain,
    "anchor points": anchors,
    "IRT": irt,
}


def told(held: Held, items: int, method: str, found: Found) -> dict[str, object]:
    """What a method's draws say, in points of 100."""
    truth, total = float(held.worth.mean()), len(held.worth)
    error = found.values - truth
    said: dict[str, object] = {
        "model": held.name, "items": items, "method": method, "draws": len(error),
        "error": round(100 * float(np.sqrt(np.mean(error**2))), 3), "bias": round(100 * float(error.mean()), 3),
    }  # fmt: skip
    if found.errors is None:
        return said
    variance = float(np.mean(found.errors**2))
    spread = truth * (1 - truth) * total / (total - 1)
    needed = 1 / (variance / spread + 1 / total)
    return {
        **said,
        "half_width": round(100 * Z95 * float(found.errors.mean()), 3),
        "coverage": round(float(np.mean(np.abs(error) <= Z95 * found.errors)), 4),
        "plain_items": math.ceil(needed),
        "times_fewer": round(needed / items, 3),
    }


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("results", type=Path)
    options.add_argument("--items", type=int, nargs="+", default=[1000, 2000])
    options.add_argument("--draws", type=int, default=500)
    options.add_argument("--only", nargs="+", default=list(METHODS), choices=list(METHODS))
    given = options.parse_args()
    names, worth, groups = read_results(given.results)
    for items in given.items:
        for method in given.only:
            lines = []
            for place, name in enumerate(names):
                earlier = np.delete(worth, place, 1)
                held = Held(name=name, worth=worth[:, place], earlier=earlier, groups=groups)
                lines.append(told(held, items, method, METHODS[method](held, items, given.draws)))
                print(json.dumps(lines[-1]), flush=True)
            keys = [key for key in ("half_width", "error", "coverage", "times_fewer") if key in lines[0]]
            over = {f"median_{key}": round(median(float(str(line[key])) for line in lines), 3) for key in keys}
            print(json.dumps({"items": items, "method": method, **over}), flush=True)


if __name__ == "__main__":
    main()
