"""The examples that are shown before a question."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

from evalharness.benchmark import Benchmark, same_question
from evalharness.data import sources
from evalharness.data.rows import Row, SplitRows
from evalharness.errors import DataError, UserError, option_name
from evalharness.records import Sample


@dataclass(frozen=True, kw_only=True)
class ShotPool:
    """The examples by group (all under '' where a benchmark shows the same ones to everybody), and the ids of those
    whose rows are rows of the asked split too."""

    groups: Mapping[str, Sequence[Sample]] = field(default_factory=dict)
    asked: frozenset[str] = frozenset()


def shot_pool(benchmark: Benchmark, load: Callable[[str], SplitRows], questions: Sequence[Row]) -> ShotPool:
    """The examples of a benchmark, from the split that has them; `questions` are the rows of the asked one."""
    split = benchmark.source.shot_split
    if split is None:
        raise UserError(f"{benchmark.name} has no split to take examples from; say {option_name('shots', 0)}")
    loaded = load(split)
    there = set(map(_canonical, questions))
    groups: dict[str, list[Sample]] = {}
    asked = set()
    examples = sources.build_samples(loaded.rows, benchmark.sample, f"{loaded.origin} ({benchmark.name})")
    for row, sample in zip(loaded.rows, examples, strict=True):
        groups.setdefault(sample.group if benchmark.shots_by_group else "", []).append(sample)
        if _canonical(row) in there:
            asked.add(sample.id)
    return ShotPool(groups=groups, asked=frozenset(asked))


def _canonical(row: Row) -> bytes:
    text = json.dumps(row, sort_keys=True, ensure_ascii=True, default=str)
    return hashlib.sha256(text.encode()).digest()


def shots_shown(
    benchmark: Benchmark, pool: ShotPool, samples: Sequence[Sample], shots: int
) -> Callable[[Sample], Sequence[Sample]]:
    """What is shown before a question: the first `shots` examples, itself left out wherever it stands among them.

    `samples` are all questions of the split: a benchmark may draw examples for one after the other.
    """
    drawn: Mapping[str, Sequence[Sample]] = {}

    def is_asked(example: Sample, sample: Sample) -> bool:
        return example.id in pool.asked and same_question(benchmark.prompt, example, sample)

    if shots and benchmark.shots_drawn is not None:
        orders = benchmark.shots_drawn(pool.groups.get("", ()), samples, shots, is_asked)
        drawn = {sample.id: order for sample, order in zip(samples, orders, strict=True)}

    def shown(sample: Sample) -> Sequence[Sample]:
        if not shots:
            return ()
        group = sample.group if benchmark.shots_by_group else ""
        there = pool.groups.get(group, ())
        found = drawn.get(sample.id, there)
        if benchmark.shots_order is not None:
            found = benchmark.shots_order(found, sample, shots)
        others = (example for example in found if not is_asked(example, sample))
        chosen = tuple(islice(others, shots))
        if len(chosen) < shots:
            where = f" of {group}" if group else ""
            besides = " beside the question itself" if len(there) > len(chosen) else ""
            raise DataError(
                f"{benchmark.name}: wanted {shots} examples{where}, there are {len(chosen)}{besides}; "
                f"say {option_name('shots', len(chosen))}"
            )
        return chosen

    return shown
