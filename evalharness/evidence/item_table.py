"""Several runs of one benchmark as one table: what each got on each item, and what it answered."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalharness.comparison.by_content import pair_items
from evalharness.comparison.inputs import from_run
from evalharness.comparison.scores import numbered_lines
from evalharness.errors import Exit, UserError
from evalharness.runs.imported import is_imported
from evalharness.runs.journal import dumps
from evalharness.runs.store import JOURNAL, Run, find_run

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemTable:
    """N items that two or more of k runs answered, in the order of the first run that has them.

    `worth` (N, k): the mean of `metric` over a run's answers, NaN where it has none. `texts` (N, k): a hash of the
    first answer, 0 where there is none. `choices` (N, k): the answer as it was read, '' where there is none.
    """

    benchmark: str
    metric: str
    runs: tuple[str, ...]
    ids: tuple[str, ...]
    groups: NDArray[np.int64]
    worth: NDArray[np.float64]
    texts: NDArray[np.int64]
    choices: NDArray[np.object_]


@dataclass(slots=True)
class _Answers:
    """One run's answers to an item."""

    group: str
    values: dict[int, float] = field(default_factory=dict)
    text: int = 0
    choice: str = ""


_Item = tuple[str, bytes]  # an id and the question that stands behind it


def open_runs(names: Sequence[str], folder: Path, least: int, what: str) -> list[Run]:
    """The finished runs with these names. UserError for one named twice, or fewer than `least`, which `what` wants."""
    found = [find_run(name, folder) for name in names]
    if len({run.path.resolve() for run in found}) < len(found) or len(found) < least:
        raise UserError(f"{what} wants {least} or more runs, each once; there are {len(found)}")
    for run in found:
        if not run.finished:
            raise UserError(f"{run.path} is not finished: give its command again and it goes on", Exit.NOT_WHOLE)
    return found


def item_tables(runs: Sequence[Run]) -> Iterator[ItemTable]:
    """A table for each benchmark of which two or more runs were asked the same, of the items and runs that were. Items
    of runs that other programs made are found by what was asked."""
    read = _under_common_names(runs, [_answers(run) for run in runs])
    for benchmark in dict.fromkeys(name for one in read for name in one):
        asked = Counter(item for one in read for item in one.get(benchmark, ()))
        having = [place for place, one in enumerate(read) if any(asked[item] > 1 for item in one.get(benchmark, ()))]
        if len(having) < 2:
            continue
        yield _joined(benchmark, [runs[place] for place in having], [read[place][benchmark] for place in having])


def _under_common_names(
    runs: Sequence[Run], read: Sequence[dict[str, dict[_Item, _Answers]]]
) -> Sequence[dict[str, dict[_Item, _Answers]]]:
    """The answers with the items of imported runs, whose names and ids mean nothing to others, under those of the first
    run of ours (of the first one, where all are imported)."""
    foreign = [any(map(is_imported, run.manifest.benchmarks.values())) for run in runs]
    if not any(foreign):
        return read
    first = foreign.index(False) if False in foreign else 0
    base = from_run(runs[first], drawn=True)
    known = {(name, item[0]): item for name, items in read[first].items() for item in items}
    found = list(read)
    for place, run in enumerate(runs):
        if place == first or not (foreign[place] or foreign[first]):
            continue
        paired = pair_items(base, from_run(run, drawn=True))
        found[place] = {}
        for name, items in read[place].items():
            own = paired.names.get(name, name)
            for item, answers in items.items():
                same = known.get((own, paired.ids.get((name, item[0]), "")))
                found[place].setdefault(name if same is None else own, {})[same or item] = answers
    return found


def _metric(run: Run, benchmark: str) -> str:
    entry = run.summary.benchmarks.get(benchmark)
    return (entry.headline if entry is not None else None) or "accuracy"


def _answers(run: Run) -> dict[str, dict[_Item, _Answers]]:
    """By benchmark and item; of each answer the last line counts, and an error is none."""
    found: dict[str, dict[_Item, _Answers]] = {}
    metrics = {name: _metric(run, name) for name in run.manifest.benchmarks}
    for _, _, line in numbered_lines(run.path / JOURNAL):
        name, scores, sample = str(line["benchmark"]), line.get("scores"), line.get("sample") or {}
        if line["status"] == "error" or not isinstance(scores, dict) or "perturbation" in (sample.get("extra") or {}):
            continue
        value = scores.get(metrics.get(name, ""), next(iter(scores.values()), None))
        if not isinstance(value, int | float):
            continue
        question = hashlib.blake2b(dumps([sample.get("question"), sample.get("choices")]), digest_size=8).digest()
        new = _Answers(str(line.get("group") or ""))
        item = found.setdefault(name, {}).setdefault((str(line["id"]), question), new)
        repeat = line.get("repeat", 0)
        item.values[repeat] = float(value)
        if repeat == 0:
            item.text, item.choice = _text_hash(line.get("response") or {}), str(line.get("answer") or "")
    return found


def _text_hash(response: Mapping[str, Any]) -> int:
    """Of what was answered: the text and the log-probabilities; never 0."""
    said = hashlib.blake2b(dumps([response.get("text"), response.get("logprobs")]), digest_size=8).digest()
    return int.from_bytes(said, "big", signed=True) or 1


def _joined(benchmark: str, runs: Sequence[Run], read: Sequence[Mapping[_Item, _Answers]]) -> ItemTable:
    import numpy as np

    count: dict[_Item, int] = {}
    for one in read:
        for item in one:
            count[item] = count.get(item, 0) + 1
    items = [item for item, times in count.items() if times > 1]
    groups = [next(one[item].group for one in read if item in one) for item in items]
    codes = {name: code for code, name in enumerate(sorted(set(groups)))}
    known = [[one.get(item) for one in read] for item in items]
    shape = len(items), len(read)

    def cells(kind: Any, none: object, get: Any) -> Any:
        flat = [none if one is None else get(one) for row in known for one in row]
        made = np.empty(len(flat), kind)
        made[:] = flat
        return made.reshape(shape)

    return ItemTable(
        benchmark=benchmark,
        metric=_metric(runs[0], benchmark),
        runs=tuple(run.name for run in runs),
        ids=tuple(identity for identity, _ in items),
        groups=np.array([codes[group] for group in groups], np.int64),
        worth=cells(float, np.nan, lambda one: sum(one.values.values()) / len(one.values)),
        texts=cells(np.int64, 0, lambda one: one.text),
        choices=cells(object, "", lambda one: one.choice),
    )
