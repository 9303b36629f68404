"""The JSON form of a comparison: what `--json` prints, what is kept, and what every other report is made from.

Its schema is `report.schema.json` beside this module; `read_document` holds a document from elsewhere against it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from evalharness.comparison.compare import Comparison, Policy
from evalharness.comparison.decide import SYMBOLS, TaskComparison, Word
from evalharness.comparison.rules import GateWord
from evalharness.comparison.sides import ComparedSide
from evalharness.data.files import json_value
from evalharness.data.kept import finite, to_json
from evalharness.data.typed import record
from evalharness.errors import Exit, UserError

_FORMAT = 4  # 2: `tier` of a task; 3: its `lower_is_better` and `uncertainty`; 4: its `choices`
_SCHEMA = Path(__file__).with_name("report.schema.json")


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonDocument:
    """A comparison as it is kept, and as every report reads it. Scores and differences are shares: 0.02 is two
    points."""

    kind: Literal["comparison"] = "comparison"
    format: int = _FORMAT
    verdict: Word
    symbol: str
    gate: GateWord
    gated: bool
    policy: Policy
    exit_code: int
    alpha: float
    level: float
    base: ComparedSide
    new: ComparedSide
    tasks: tuple[TaskComparison, ...]
    allowed: tuple[str, ...]
    notes: tuple[str, ...]
    command: str


def comparison_document(
    comparison: Comparison, *, exit_code: Exit, gated: bool, policy: Policy, command: str = ""
) -> ComparisonDocument:
    """The comparison with what the gate made of it."""
    return ComparisonDocument(
        verdict=comparison.verdict,
        symbol=SYMBOLS[comparison.verdict],
        gate=comparison.gate,
        gated=gated,
        policy=policy,
        exit_code=int(exit_code),
        alpha=comparison.alpha,
        level=comparison.level,
        base=comparison.base,
        new=comparison.new,
        tasks=comparison.tasks,
        allowed=comparison.allowed,
        notes=comparison.notes,
        command=command,
    )


def document_values(document: ComparisonDocument) -> dict[str, Any]:
    """The document as JSON values: what is not finite is null there."""
    found: dict[str, Any] = finite(to_json(document))
    return {**found, "tasks": [{"symbol": SYMBOLS[task["verdict"]], **task} for task in found["tasks"]]}


@cache
def schema() -> Mapping[str, Any]:
    """The published schema."""
    found: Mapping[str, Any] = json.loads(_SCHEMA.read_text(encoding="utf-8"))
    return found


def read_document(path: Path) -> ComparisonDocument:
    """A comparison kept as JSON. UserError when the file is none, or of a later version."""
    try:
        found = json_value(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise UserError(f"{path}: not valid JSON ({error})") from error
    return document_from(found, path)


def document_from(found: object, path: Path) -> ComparisonDocument:
    """The document of JSON values that stand in a file. UserError as in `read_document`."""
    from jsonschema import Draft202012Validator

    if not isinstance(found, dict) or found.get("kind") != "comparison":
        raise UserError(f"{path}: not a comparison; `evalh compare BASE NEW --report DIR` writes one")
    if not isinstance(found.get("format"), int) or found["format"] > _FORMAT:
        raise UserError(f"{path}: written by a later evalharness (format {found.get('format')}); upgrade to read it")
    for mistake in Draft202012Validator(schema()).iter_errors(found):
        raise UserError(f"{path}: {mistake.json_path}: {mistake.message[:200]}")
    tasks = [{key: value for key, value in task.items() if key != "symbol"} for task in found["tasks"]]
    try:
        return record(ComparisonDocument, {**found, "tasks": tasks})
    except ValueError as error:
        raise UserError(f"{path}: {error}") from None
