"""The JSON form of a comparison: what `--json` prints, what is kept, and what every other report is made from.

Its schema is `report.schema.json` beside this module; `check` holds a document from elsewhere against it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

from evalharness.comparison.compare import Comparison, Policy
from evalharness.comparison.decide import SYMBOLS
from evalharness.data.files import json_value
from evalharness.errors import Exit, UserError

_FORMAT = 1
_SCHEMA = Path(__file__).with_name("report.schema.json")

_Document = Mapping[str, Any]


def comparison_document(
    comparison: Comparison, *, exit_code: Exit, gated: bool, policy: Policy, command: str = ""
) -> dict[str, Any]:
    """The comparison as JSON values. Scores and differences are shares: 0.02 is two points."""
    return {
        "kind": "comparison",
        "format": _FORMAT,
        "verdict": comparison.verdict,
        "symbol": SYMBOLS[comparison.verdict],
        "gate": comparison.gate,
        "gated": gated,
        "policy": policy,
        "exit_code": int(exit_code),
        "alpha": comparison.alpha,
        "level": comparison.level,
        "base": dict(comparison.base),
        "new": dict(comparison.new),
        "tasks": [_task(asdict(task)) for task in comparison.tasks],
        "allowed": list(comparison.allowed),
        "notes": list(comparison.notes),
        "command": command,
    }


def _task(task: dict[str, Any]) -> dict[str, Any]:
    return {"symbol": SYMBOLS[task["verdict"]], **task}


@cache
def schema() -> Mapping[str, Any]:
    """The published schema."""
    found: Mapping[str, Any] = json.loads(_SCHEMA.read_text(encoding="utf-8"))
    return found


def read_document(path: Path) -> _Document:
    """A comparison kept as JSON. UserError when the file is none, or of a later version."""
    from jsonschema import Draft202012Validator

    try:
        found = json_value(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise UserError(f"{path}: not valid JSON ({error})") from error
    if not isinstance(found, dict) or found.get("kind") != "comparison":
        raise UserError(f"{path}: not a comparison; `evalh compare BASE NEW --report DIR` writes one")
    if not isinstance(found.get("format"), int) or found["format"] > _FORMAT:
        raise UserError(f"{path}: written by a later evalharness (format {found.get('format')}); upgrade to read it")
    for mistake in Draft202012Validator(schema()).iter_errors(found):
        raise UserError(f"{path}: {mistake.json_path}: {mistake.message[:200]}")
    return found
