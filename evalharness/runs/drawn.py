"""Fewer questions: a draw by what earlier runs of other models leave open, and the figure that such a draw gives.

A run that was drawn keeps `drawn.json`: every item of the benchmark, what the earlier runs got on it, its chance and
whether it was drawn. So its figures are made again from its own folder alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from evalharness.benchmark import Benchmark
from evalharness.data.files import OWN_FILE, own_folder, write_whole
from evalharness.data.kept import to_json
from evalharness.data.typed import ALWAYS, Count, Kept
from evalharness.errors import Exit, UserError, option_name
from evalharness.records import UNREAD, Estimate, Result, Sample
from evalharness.runs.figures import Bounds, TaskSummary, kept_estimate
from evalharness.runs.journal import dumps, loads
from evalharness.runs.manifest import DrawFacts
from evalharness.runs.schema import read_part
from evalharness.runs.store import Run
from evalharness.scoring.metrics import Metric

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


DRAWN = "drawn.json"
LEAST_DRAWN = 100  # items; with fewer the interval was not simulated (perf/fewer_items.py)


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawnItems(Kept):
    """All items of one benchmark in its order: their ids, groups, earlier results by run (0 to 1, None where it has
    none) and chances; `places` are of the items drawn."""

    seed: int
    ids: tuple[str, ...]
    groups: tuple[str, ...]
    earlier: Mapping[str, tuple[float | None, ...]]
    probabilities: tuple[float, ...]
    places: tuple[Count, ...]

    def asked(self, samples: Sequence[Sample]) -> list[Sample]:
        """Those of all the benchmark's samples that were drawn."""
        return [samples[place] for place in self.places]


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawnFile(Kept):
    """`drawn.json`."""

    format: Count = field(default=1, metadata=ALWAYS)
    benchmarks: Mapping[str, DrawnItems]


# From a benchmark's name, itself, its samples and the seed to what is drawn of them.
Drawer = Callable[[str, Benchmark, Sequence[Sample], int], DrawnItems]


def draw_items(
    samples: Sequence[Sample], earlier: Mapping[str, Mapping[str, float]], budget: int, seed: int
) -> DrawnItems:
    """Draw so many samples, each with a chance in proportion to how open `earlier` (by run and id) leaves it."""
    import numpy as np

    from evalharness.stats.item_regression import expected_spread, filled_results
    from evalharness.stats.unequal_draws import inclusion_probabilities, systematic_draw

    ids, groups = [sample.id for sample in samples], [sample.group for sample in samples]
    table = {run: tuple(found.get(identity) for identity in ids) for run, found in earlier.items()}
    codes = _codes(groups)
    chances = inclusion_probabilities(expected_spread(filled_results(_matrix(table)), codes), budget)
    order = np.lexsort((_numbers(f"draw/{seed}", ids), codes))
    places = systematic_draw(chances, order, float(_numbers(f"start/{seed}", [""])[0]))
    return DrawnItems(
        seed=seed, ids=tuple(ids), groups=tuple(groups), earlier=table, probabilities=tuple(chances.tolist()),
        places=tuple(places.tolist()),
    )  # fmt: skip


def estimated_mean(drawn: DrawnItems, worth: Mapping[str, float]) -> Estimate | None:
    """The mean over all items from the results of those drawn, by id; None with fewer than two results."""
    import numpy as np

    from evalharness.stats.item_regression import filled_results, item_features
    from evalharness.stats.unequal_draws import FOLDS, DrawnPopulation, mean_of_draw

    places = [place for place in drawn.places if drawn.ids[place] in worth]
    if len(places) < 2:
        return None
    population = DrawnPopulation(
        features=item_features(filled_results(_matrix(drawn.earlier)), _codes(drawn.groups)),
        probabilities=np.array(drawn.probabilities),
        folds=(_numbers(f"fold/{drawn.seed}", drawn.ids) * FOLDS).astype(np.int64),
    )
    values = np.array([worth[drawn.ids[place]] for place in places])
    return mean_of_draw(population, np.array(places), values)


def _matrix(earlier: Mapping[str, Sequence[float | None]]) -> NDArray[np.float64]:
    import numpy as np

    return np.array([[np.nan if one is None else one for one in column] for column in earlier.values()], float).T


def _codes(groups: Sequence[str]) -> NDArray[np.int64]:
    import numpy as np

    known = {name: code for code, name in enumerate(sorted(set(groups)))}
    return np.array([known[group] for group in groups], np.int64)


def _numbers(label: str, ids: Sequence[str]) -> NDArray[np.float64]:
    """A number from 0 to 1 for each id, the same on every machine."""
    import numpy as np

    hashed = (hashlib.sha256(f"{label}/{one}".encode("utf-8", "surrogatepass")).digest() for one in ids)
    return np.array([int.from_bytes(one[:6], "big") / (1 << 48) for one in hashed])


def drawn_bytes(drawn: DrawnItems) -> bytes:
    """What decides a draw, as bytes to be hashed."""
    return dumps(to_json(drawn))


def draw_facts(drawn: DrawnItems) -> DrawFacts:
    """What the manifest says of a draw."""
    return DrawFacts(
        budget=len(drawn.places), population=len(drawn.ids), seed=drawn.seed, using=tuple(drawn.earlier),
        least_probability=min(drawn.probabilities), sha256=hashlib.sha256(drawn_bytes(drawn)).hexdigest(),
    )  # fmt: skip


def keep_drawn(run: Run, drawn: Mapping[str, DrawnItems]) -> None:
    """Write `drawn.json`, where anything was drawn."""
    if not drawn:
        return
    try:
        own_folder(run.path)
        write_whole(run.path / DRAWN, dumps(to_json(DrawnFile(benchmarks=drawn))), OWN_FILE)
    except OSError as error:
        raise UserError(f"{run.path / DRAWN}: cannot be written ({error.strerror}); choose another folder") from error


def drawn_items(run: Run) -> Mapping[str, DrawnItems]:
    """What was drawn of each benchmark; nothing for an ordinary run. UserError where the file is not as it was."""
    wanted = {name: facts.drawn for name, facts in run.manifest.benchmarks.items() if facts.drawn is not None}
    if not wanted:
        return {}
    file = run.path / DRAWN
    try:
        found = read_part(file, DrawnFile, loads(file.read_bytes())).benchmarks
    except (OSError, ValueError) as error:
        raise UserError(f"{file}: cannot be read ({error!r:.100}); restore it or run again") from error
    for name, facts in wanted.items():
        if name not in found or hashlib.sha256(drawn_bytes(found[name])).hexdigest() != facts.sha256:
            raise UserError(f"{file}: edited or damaged: {name} is not as {run.name} says it was drawn; restore it")
    return found


def of_draw(
    made: TaskSummary, drawn: DrawnItems, headline: Metric, answered: Sequence[Result], asked: Sequence[Result]
) -> TaskSummary:
    """The figures of a benchmark of which a draw was asked: the headline, estimated for all items from the results that
    count (`answered`), and nothing that would be of the drawn ones alone. `made` are the figures as of an ordinary
    run; `asked` are the results with those that failed."""
    score = str(headline.score)
    figure = estimated_mean(drawn, _worth(answered, score))
    ends = [
        estimated_mean(drawn, _worth([_supposing(result, score, worth) for result in asked], score))
        for worth in (0.0, 1.0)
    ]
    low, high = (None if one is None else one.value for one in ends)
    return replace(
        made,
        metrics={} if figure is None else {headline.name: kept_estimate(figure)},
        groups={},
        bounds=None if figure is None else Bounds(low=low, high=high),
        cautions=(draw_in_words(drawn, len({result.sample.id for result in asked})), *made.cautions),
    )


def _supposing(result: Result, score: str, worth: float) -> Result:
    """As if an answer that failed or could not be read had this score."""
    return replace(result, scores={score: worth}) if result.status in UNREAD | {"error"} else result


def _worth(results: Sequence[Result], score: str) -> dict[str, float]:
    found: dict[str, list[float]] = {}
    for result in results:
        found.setdefault(result.sample.id, []).append(result.scores.get(score, 0.0))
    return {identity: sum(values) / len(values) for identity, values in found.items()}


def draw_in_words(drawn: DrawnItems, asked: int) -> str:
    """What a reader must know of a figure from a draw, of which so many items were asked."""
    runs = f"{len(drawn.earlier)} earlier run{'s' if len(drawn.earlier) > 1 else ''}"
    return (
        f"estimated from {asked:,} of {len(drawn.ids):,} questions, drawn by {runs}; the interval is of "
        "the draw: what all questions would give, asked once (no reruns, no other prompts)"
    )


def refuse_drawn(run: Run, what: str) -> None:
    """UserError where a run asked drawn items only, for what would take them for a plain part of the benchmark."""
    for name, facts in run.manifest.benchmarks.items():
        if facts.drawn is not None:
            raise UserError(
                f"{run.path}: {name} was drawn with unequal chances ({option_name('budget_items')}), and {what}; run "
                f"it without {option_name('budget_items')}",
                Exit.NOT_COMPARABLE,
            )
