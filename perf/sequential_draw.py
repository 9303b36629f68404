"""How often a drawn run that may stop early (`--budget-items N --against BASE --sequential`) says what is not so.

Pairs of models of a file of item results (as for perf/fewer_items.py): BASE has all items, of NEW a draw is asked by
the results of the other models and BASE. Each pair as it is, and with so many of NEW's results turned round that the
difference over all items is exactly -margin: there either verdict is wrong, and each may come in 5 % of the draws.
Printed are the shares of both verdicts (by the looks or the last test), and how many items were asked on average,
beside a plain random draw of as many items with the plain process and no last test.

    python perf/sequential_draw.py ITEM_RESULTS.csv --items 1000 --draws 200
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from fewer_items import FloatArray, IntArray, read_results

from evalharness.stats.e_processes import Decision, EProcess, evidence_needed, final_alpha
from evalharness.stats.intervals import t_quantile
from evalharness.stats.item_regression import expected_spread, filled_results, item_features
from evalharness.stats.unequal_draws import (
    FOLDS,
    DrawnPopulation,
    inclusion_probabilities,
    mean_of_draw,
    systematic_draw,
)

MARGIN, ALPHA = 0.02, 0.05
PAIRS = ((0, 1), (6, 5), (6, 4), (1, 4), (5, 6), (3, 4))


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Two models' results (N,), those of all earlier runs with BASE last (N, k), the items' groups and chances."""

    base: FloatArray
    new: FloatArray
    earlier: FloatArray
    groups: IntArray
    chances: FloatArray


def looked_at(differences: Sequence[float], weights: Sequence[float], reach: float) -> tuple[Decision | None, int]:
    """The decision of the looks, and after how many items."""
    process = EProcess(MARGIN, reach=reach)
    for difference, weight in zip(differences, weights, strict=True):
        process.add(weight * difference, weight * difference)
        if (said := process.look(evidence_needed(ALPHA))) is not None:
            return said, process.n
    return None, process.n


def drawn(pair: Pair, seed: int) -> tuple[Decision | None, int]:
    """One drawn run: the looks, else the last test over the draw."""
    random, total = np.random.default_rng(seed), len(pair.base)
    order = np.lexsort((random.random(total), pair.groups))
    places = systematic_draw(pair.chances, order, random.random())
    asked = random.permutation(places)
    weights = pair.chances.mean() / pair.chances
    differences = pair.new - pair.base
    said, used = looked_at(differences[asked].tolist(), weights[asked].tolist(), float(weights.max()))
    if said is not None:
        return said, used
    population = DrawnPopulation(
        features=item_features(pair.earlier, pair.groups), probabilities=pair.chances,
        folds=random.integers(0, FOLDS, total),
    )  # fmt: skip
    found = mean_of_draw(population, places, pair.new[places])
    sampling = math.sqrt(float(np.average((differences[places] - differences[places].mean()) ** 2)) / total)
    half = t_quantile(1 - final_alpha(ALPHA), len(places) - 1) * math.hypot(found.stderr, sampling)
    difference = found.value - float(pair.base.mean())
    return ("pass" if difference - half > -MARGIN else "fail" if difference + half < -MARGIN else None), used


def plain(pair: Pair, seed: int) -> tuple[Decision | None, int]:
    """The looks at a plain draw of as many items."""
    items = round(float(pair.chances.sum()))
    places = np.random.default_rng(seed).choice(len(pair.base), items, replace=False)
    return looked_at((pair.new - pair.base)[places].tolist(), [1.0] * items, 1.0)


def at_the_margin(base: FloatArray, new: FloatArray, random: np.random.Generator) -> FloatArray:
    """NEW with the fewest results turned round, at random, for which it loses exactly the margin."""
    lacking = round(float(base.sum()) - MARGIN * len(base)) - int(new.sum())
    turned = random.choice(np.flatnonzero(new == (0 if lacking > 0 else 1)), abs(lacking), replace=False)
    found = new.copy()
    found[turned] = 1 - found[turned]
    return found


def told(case: str, names: tuple[str, str], pair: Pair, draws: int) -> dict[str, object]:
    """Shares of both verdicts and items used, of drawn runs and beside plain ones."""
    found = [drawn(pair, seed) for seed in range(draws)]
    beside = [plain(pair, seed) for seed in range(draws)]
    said: dict[str, object] = {"case": case, "base": names[0], "new": names[1], "draws": draws}
    said["difference"] = round(100 * float((pair.new - pair.base).mean()), 2)
    for verdict in ("pass", "fail"):
        said[verdict] = round(sum(one == verdict for one, _ in found) / draws, 3)
        said[f"{verdict}_plain_looks"] = round(sum(one == verdict for one, _ in beside) / draws, 3)
    planned = round(float(pair.chances.sum()))
    for verdict in ("pass", "fail"):
        said[f"{verdict}_looks"] = round(sum(one == verdict and used < planned for one, used in found) / draws, 3)
    said["items"] = round(float(np.mean([used for _, used in found])))
    said["items_plain"] = round(float(np.mean([used for _, used in beside])))
    return said


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("results", type=Path)
    options.add_argument("--items", type=int, default=1000)
    options.add_argument("--draws", type=int, default=200)
    given = options.parse_args()
    names, worth, groups = read_results(given.results)
    for one, other in PAIRS:
        others = [place for place in range(len(names)) if place not in (one, other)]
        earlier = filled_results(worth[:, [*others, one]])
        chances = inclusion_probabilities(expected_spread(earlier, groups), given.items)
        base, new = worth[:, one], worth[:, other]
        cases = {"as it is": new, "at the margin": at_the_margin(base, new, np.random.default_rng(0))}
        for case, results in cases.items():
            pair = Pair(base=base, new=results, earlier=earlier, groups=groups, chances=chances)
            print(json.dumps(told(case, (names[one], names[other]), pair, given.draws)), flush=True)


if __name__ == "__main__":
    main()
