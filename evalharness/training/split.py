"""Train, validation and test rows, with near-duplicates kept on one side."""

from __future__ import annotations

import random
import re
from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from math import ceil

from evalharness.errors import DataError, option_name
from evalharness.training.shapes import TrainingRow

NEAR = 0.8  # Jaccard similarity of word trigrams from which two prompts are near-duplicates


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """The three parts. `crossing` counts the rows of test and validation whose very prompt also stands in train."""

    train: tuple[TrainingRow, ...]
    validation: tuple[TrainingRow, ...]
    test: tuple[TrainingRow, ...]

    def crossing(self) -> dict[str, int]:
        known = {row.prompt for row in self.train}
        parts = {"test": self.test, "validation": self.validation}
        return {name: sum(row.prompt in known for row in part) for name, part in parts.items()}


def by_file_order(rows: Sequence[TrainingRow], train: float = 0.85, test: float = 0.10) -> Split:
    """The book's split: the first 85 % train, then 10 % test, the rest validates."""
    first, second = int(len(rows) * train), int(len(rows) * train) + int(len(rows) * test)
    return _checked(Split(train=tuple(rows[:first]), test=tuple(rows[first:second]), validation=tuple(rows[second:])))


def as_given(rows: Sequence[TrainingRow], seed: int = 0, validation: float = 0.0, test: float = 0.0) -> Split:
    """The split that the rows name themselves; a row that names none trains. A part that none names is drawn from the
    rows to train on, by groups, as large a share of them as is wanted."""
    parts = {part: tuple(row for row in rows if (row.part or "train") == part) for part in _PARTS}
    if not parts["train"]:
        raise DataError("the data names no rows to train on, only to validate or test on; give it a train part")
    drawn = by_groups(parts["train"], seed, 0 if parts["validation"] else validation, 0 if parts["test"] else test)
    return Split(
        train=drawn.train, validation=parts["validation"] or drawn.validation, test=parts["test"] or drawn.test
    )


_PARTS = ("train", "validation", "test")


def by_groups(rows: Sequence[TrainingRow], seed: int, validation: float = 0.05, test: float = 0.10) -> Split:
    """A seeded draw of whole groups of near-duplicates; every part keeps the order of the file."""
    if not 0 <= validation < 1 or not 0 <= test < 1 or validation + test >= 1:
        raise DataError(f"the parts wanted are {validation} to validate and {test} to test; together less than 1")
    wanted = {"test": _size(len(rows), test), "validation": _size(len(rows), validation)}
    numbers = duplicate_groups([row.prompt for row in rows])
    members: dict[int, list[int]] = defaultdict(list)
    for index, group in enumerate(numbers):
        members[group].append(index)
    order = sorted(members)
    random.Random(f"{seed}/split").shuffle(order)
    parts: dict[str, list[int]] = {"train": [], "test": [], "validation": []}
    for group in order:
        fits = (name for name in wanted if len(parts[name]) + len(members[group]) <= wanted[name])
        parts[next(fits, "train")] += members[group]
    chosen = {name: tuple(rows[i] for i in sorted(indices)) for name, indices in parts.items()}
    return _checked(Split(train=chosen["train"], validation=chosen["validation"], test=chosen["test"]))


def without(parted: Split, numbers: Collection[int]) -> Split:
    """The split without the rows of these numbers."""
    kept = (tuple(row for row in part if row.number not in numbers) for part in
            (parted.train, parted.validation, parted.test))  # fmt: skip
    return Split(**dict(zip(("train", "validation", "test"), kept, strict=True)))


def _size(count: int, share: float) -> int:
    return 0 if share == 0 else max(int(count * share), 1 if count > 2 else 0)


def _checked(split: Split) -> Split:
    if not split.train:
        raise DataError(
            f"no rows are left to train on; give more data or smaller {option_name('validation')} and "
            f"{option_name('test')} shares"
        )
    return split


def duplicate_groups(texts: Sequence[str], near: float = NEAR) -> list[int]:
    """Texts of one group are equal or near-duplicates, directly or over others. Returns a group number per text.

    Exact join by prefix filtering (https://doi.org/10.1145/1242572.1242591): two sets as similar as `near` share one of
    their rarest elements, so only those are looked up.
    """
    sets = [_shingles(text) for text in texts]
    frequency = Counter(shingle for shingles in sets for shingle in shingles)
    parent = list(range(len(texts)))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    first: dict[frozenset[str], int] = {}
    holders: dict[str, list[int]] = defaultdict(list)
    for i, shingles in enumerate(sets):
        if shingles in first:
            parent[root(i)] = root(first[shingles])
            continue
        first[shingles] = i
        rarest = sorted(shingles, key=lambda s: (frequency[s], s))
        rarest = rarest[: len(rarest) - ceil(near * len(rarest)) + 1]
        for j in {j for shingle in rarest for j in holders[shingle]}:
            other = sets[j]
            small, large = sorted((len(shingles), len(other)))
            if small >= near * large and len(shingles & other) >= near * len(shingles | other):
                parent[root(i)] = root(j)
        for shingle in rarest:
            holders[shingle].append(i)
    return [root(i) for i in range(len(texts))]


def content_words(text: str) -> list[str]:
    """Lower-case words and numbers; signs, which carry the meaning of sums, stand alone."""
    return re.findall(r"\w+|[^\w\s.,;:!?'\"()\[\]`]", text.lower())


def _shingles(text: str, size: int = 3) -> frozenset[str]:
    found = content_words(text) or [text]
    if len(found) <= size:
        return frozenset([" ".join(found)])
    return frozenset(" ".join(found[i : i + size]) for i in range(len(found) - size + 1))
