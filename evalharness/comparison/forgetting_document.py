"""The JSON form of what was forgotten: what `evalh forget --json` prints, and what every report of it is made from.

Its schema is `forgetting.schema.json` beside this module. The last document is kept in the tuned model's run, since it
says at how many items a verdict was given before: each such test spends a part of the error rate.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from evalharness.comparison.document import ComparisonDocument, document_values
from evalharness.data.files import OWN_FILE, json_value, write_whole
from evalharness.data.kept import to_json
from evalharness.data.typed import Count
from evalharness.errors import UserError
from evalharness.runs.journal import dumps

Finding = Literal["lost", "gained", "kept", "can't tell"]
Ended = Literal["decided", "all asked", "budget"]
KEPT = "forgetting.json"  # in the folder of the tuned model's run
_SCHEMA = Path(__file__).with_name("forgetting.schema.json")


@dataclass(frozen=True, slots=True, kw_only=True)
class ForgottenBenchmark:
    """How far a benchmark was asked: `asked` items of both models of `there`, why it ended, the seconds that it took in
    this start, and the numbers of items at which a verdict was `tested`."""

    finding: Finding
    asked: Count
    there: Count
    ended: Ended
    seconds: float
    tested: tuple[Count, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ForgettingDocument:
    """What was lost, gained and kept, and what stays open, by benchmark; `comparison` has the figures and verdicts.

    `budget` and `spent` are seconds of asking, in this start.
    """

    kind: Literal["forgetting"] = "forgetting"
    format: int = 1
    lost: tuple[str, ...]
    gained: tuple[str, ...]
    kept: tuple[str, ...]
    open: tuple[str, ...]
    budget: float
    spent: float
    base_run: str
    tuned_run: str
    benchmarks: Mapping[str, ForgottenBenchmark]
    comparison: ComparisonDocument


def forgetting_values(document: ForgettingDocument) -> dict[str, Any]:
    """The document as JSON values."""
    return {**to_json(document), "comparison": document_values(document.comparison)}


@cache
def forgetting_schema() -> Mapping[str, Any]:
    """The published schema; that of `comparison` is `report.schema.json`."""
    found: Mapping[str, Any] = json.loads(_SCHEMA.read_text(encoding="utf-8"))
    return found


def keep_document(document: ForgettingDocument, run: Path) -> None:
    """Leave it in the tuned model's run. UserError where that cannot be written."""
    try:
        write_whole(run / KEPT, dumps(forgetting_values(document)) + b"\n", OWN_FILE)
    except OSError as error:
        raise UserError(f"{run / KEPT}: cannot be written ({error.strerror}); make room and run again") from error


def earlier_tests(run: Path, base: str) -> Mapping[str, tuple[int, ...]]:
    """At how many items of each benchmark a verdict against this base (its fingerprint) was given before.

    UserError where the file is damaged: without it the same answers might be tested again and again.
    """
    file = run / KEPT
    if not file.is_file():
        return {}
    try:
        said = json_value(file.read_bytes())
        if said["comparison"]["base"]["fingerprint"] != base:
            return {}
        found = {name: tuple(about["tested"]) for name, about in said["benchmarks"].items()}
        if not all(type(n) is int and n > 0 for tested in found.values() for n in tested):
            raise ValueError("a number of items that is none")
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UserError(f"{file}: edited or damaged ({error!r:.100}); delete it, the answers stay") from error
    return found
