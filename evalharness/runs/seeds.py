"""Several seeds: one answer to each question with each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evalharness.errors import UserError, option_name


def seeds_named(words: str) -> tuple[int, ...]:
    """The numbers in `1,2,3`. UserError for other words."""
    try:
        return tuple(int(word) for word in words.split(","))
    except ValueError:
        raise UserError(
            f"{option_name('seeds')} wants whole numbers separated by commas, such as 1,2,3; there is {words!r:.80}"
        ) from None


def asked_with_seeds(seeds: tuple[int, ...], rest: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a plan that asks once with each seed. UserError for one that is named twice, or for samples."""
    if len(set(seeds)) < len(seeds):
        raise UserError(f"{option_name('seeds')}: one is named twice; each is to be another")
    if rest.get("repeats") not in (None, len(seeds)):
        raise UserError(f"{option_name('seeds')} is one answer with each seed; leave {option_name('repeats')} out")
    return {"seeds": seeds, "seed": seeds[0], "repeats": len(seeds)}
