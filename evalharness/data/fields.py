"""Fields of a row, held to what they should be: a mistake in data is said by the field's name, never as a traceback."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from evalharness.records import Sample

KINDS = {str: "a text", int: "a whole number", list: "a list", dict: "an object"}
Kind = TypeVar("Kind", str, int, list[Any], dict[str, Any])
# What reading a row that is laid out otherwise raises.
ROW_ERRORS = (KeyError, IndexError, TypeError, ValueError, AttributeError)


def take(row: Any, name: str, kind: type[Kind]) -> Kind:
    """A field of an object. KeyError where it is absent, ValueError where it is of another kind."""
    if not isinstance(row, Mapping):
        raise ValueError(f"wanted an object with the field {name!r}, there is {row!r:.60}")
    found = row[name]
    if not isinstance(found, kind):
        raise ValueError(f"its {name} is {found!r:.60}, wanted {KINDS[kind]}")
    return found


def texts(row: Any, name: str, least: int = 1) -> list[str]:
    """A field that lists texts, one at least."""
    found = take(row, name, list)
    if len(found) < least or not all(isinstance(text, str) for text in found):
        raise ValueError(f"its {name} is {found!r:.60}, wanted a list of texts")
    return found


def place(row: Any, name: str, count: int, first: int = 0) -> int:
    """The position, of `count`, that a field says, which counts from `first`. ValueError where it says none of them."""
    said, places = row[name], [str(first + i) for i in range(count)]
    text = str(int(said)) if isinstance(said, bool) else str(said)
    if text in places:
        return places.index(text)
    if text == "-1":
        raise ValueError(f"its {name} is -1, which is how a data set withholds the right answer")
    raise ValueError(f"its {name} is {said!r:.60}, wanted one of {', '.join(places)}")


def row_error(error: Exception) -> str:
    """What a row lacks, from what reading it raised."""
    return f"it has no field {error}" if isinstance(error, KeyError) else str(error)


def checked(sample: Sample) -> Sample:
    """The sample, if its parts are texts and the right choice is one of the choices. ValueError otherwise."""
    if not all(
        type(part) is str for part in (sample.id, sample.question, sample.group, *sample.answers, *sample.choices)
    ):
        parts = {"id": [sample.id], "question": [sample.question], "group": [sample.group]}
        parts |= {"answer": list(sample.answers), "choice": list(sample.choices)}
        for name, found in parts.items():
            if wrong := [part for part in found if not isinstance(part, str)]:
                raise ValueError(f"its {name} is {wrong[0]!r:.60}, wanted a text")
    if outside := [number for number in sample.gold_indices if not 0 <= number < len(sample.choices)]:
        raise ValueError(f"its right choice is number {outside[0]} of {len(sample.choices)}, counted from 0")
    return sample
