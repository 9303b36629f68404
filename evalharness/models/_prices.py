"""What models behind endpoints cost: what the user says, else what the provider's own page said (`prices.json`)."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from evalharness.options import ApiOptions

_TABLE = Path(__file__).with_name("prices.json")
_SNAPSHOT = re.compile(r"-20\d{2}-?\d{2}-?\d{2}\Z")  # `gpt-4o-mini-2024-07-18`, `claude-haiku-4-5-20251001`


@dataclass(frozen=True, slots=True)
class Prices:
    """US dollars per million tokens in and out, None where one is not known; `source` where the user did not say them:
    the page, and the day on which it said so."""

    each: tuple[float, float] | None = None
    source: str = ""

    def times(self, part: float) -> Prices:
        """What a part of these prices is."""
        return Prices(None if self.each is None else (self.each[0] * part, self.each[1] * part), self.source)


def prices_of(options: ApiOptions, base_url: str, model: str) -> Prices:
    """The prices of a model at an address. What the user says comes first; the table knows providers' own addresses."""
    said, listed = (options.price_in, options.price_out), _listed(base_url, model)
    if said == (None, None):
        return listed
    known = listed.each or (None, None)
    low, high = (known[side] if price is None else price for side, price in enumerate(said))
    return Prices() if low is None or high is None else Prices((low, high))


def _listed(base_url: str, model: str) -> Prices:
    there = _table().get(base_url)
    found = there and (there["models"].get(model) or there["models"].get(_SNAPSHOT.sub("", model)))
    return Prices((found[0], found[1]), f"{there['source']}, {there['read']}") if there and found else Prices()


@cache
def _table() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(_TABLE.read_text(encoding="utf-8"))["endpoints"]
    return found
