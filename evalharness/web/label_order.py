"""Which answers to label next: those that narrow the interval most, drawn so that any beginning is a fair sample.

What labels leave open is where people may say something else than the judge. So an answer comes the sooner the less
sure the judge is of it: in proportion to the spread of a verdict's chance (Neyman 1934,
https://doi.org/10.2307/2342192). Each answer keeps one random number, that of its key, which is divided by its
proportion; the smallest come first (sequential Poisson sampling, Ohlsson 1998,
Journal of Official Statistics 14, 149-162). The chance with which an answer was to come is kept with its label, so that
estimates weigh it. As the numbers are the same in every run of the same questions, annotators and runs meet on the same
answers.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from statistics import fmean

from evalharness.records import Result
from evalharness.runs.store import Run
from evalharness.stats.unequal_draws import inclusion_probabilities
from evalharness.web.journal_index import JournalIndex, ResultFilter, key_checksum

_MOST = 50_000  # results that are looked at for their verdicts: more are labelled in the order of their numbers
_BATCH = 1_000
_SUREST = 0.2  # the spread of the surest verdict: a judge that is sure of all errs in one of 25


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelOrder:
    """Where the results of a run begin, in the order in which they are labelled, and the spread of each judged item."""

    places: tuple[int, ...]
    spread: Mapping[str, float]

    def chances(self, labelled: Collection[str]) -> dict[str, float]:
        """The chance that each of the labelled items had to be among so many; nothing where all had the same."""
        import numpy as np

        known = np.array(list(self.spread.values()))
        ours = [name for name in labelled if name in self.spread]
        if not ours or float(np.ptp(known)) == 0.0:
            return {}
        found = dict(zip(self.spread, inclusion_probabilities(known, len(ours)).tolist(), strict=True))
        return {name: round(found[name], 6) for name in ours}


def label_order(run: Run, index: JournalIndex) -> LabelOrder | None:
    """The order of a run that was judged; None where no verdict tells which labels matter."""
    if not run.manifest.judgings:
        return None
    places = index.places(ResultFilter(), most=_MOST + 1)
    if len(places) > _MOST:
        return None
    numbers: dict[int, float] = {}
    spread: dict[str, float] = {}
    for begin in range(0, len(places), _BATCH):
        batch = places[begin : begin + _BATCH]
        for place, result in zip(batch, index.readable(batch), strict=True):
            if result is None:
                continue
            own = _spread(result)
            if own is not None:
                spread[result.sample.id] = own
            numbers[place] = key_checksum(result.key) / (own or _SUREST)
    return LabelOrder(places=tuple(sorted(numbers, key=numbers.__getitem__)), spread=spread) if spread else None


def _spread(result: Result) -> float | None:
    """How far people may be from the verdict, as the standard deviation of a right or wrong of its chance."""
    judged = result.detail.get("judged")
    values = [one.get("value") for one in judged.values()] if isinstance(judged, dict) else []
    known = [value for value in values if isinstance(value, int | float) and 0 <= value <= 1]
    if not known:
        return None
    chance = fmean(known)
    return max(_SUREST, math.sqrt(chance * (1 - chance)))
