"""Checks that a row brings along for the answer to it: what the text must be, hold, begin with or match, and must not.

Their names are promptfoo's (https://www.promptfoo.dev/docs/configuration/expected-outputs/deterministic): `contains`,
`icontains` (whatever the case), `contains-any`, `regex`, `is-json` and so on, each also as `not-...`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from evalharness.records import Request, Response, Sample, Score
from evalharness.text.patterns import SlowPatternError, pattern_of

Holds = Callable[[str, Any], bool]


def _listed(value: Any) -> list[str]:
    """The texts of a check that wants several: a list, or one text with commas between them."""
    parts = value if isinstance(value, list | tuple) else str(value).split(",")
    return [str(part).strip() for part in parts]


def _is_json(text: str, schema: Any) -> bool:
    try:
        found = json.loads(text)
    except ValueError:
        return False
    return not isinstance(schema, Mapping) or _fits(found, schema)


def _fits(found: Any, schema: Mapping[str, Any]) -> bool:
    from jsonschema import Draft202012Validator

    return Draft202012Validator(schema).is_valid(found)


def _holds_json(text: str, schema: Any) -> bool:
    """Whether JSON begins anywhere in the text, and fits the schema where there is one."""
    decoder = json.JSONDecoder()
    for place, character in enumerate(text):
        if character in "{[":
            try:
                found, _ = decoder.raw_decode(text, place)
            except (ValueError, RecursionError):
                continue
            return not isinstance(schema, Mapping) or _fits(found, schema)
    return False


CHECKS: Mapping[str, Holds] = {
    "equals": lambda text, value: text.strip() == str(value).strip(),
    "contains": lambda text, value: str(value) in text,
    "icontains": lambda text, value: str(value).lower() in text.lower(),
    "contains-any": lambda text, value: any(part in text for part in _listed(value)),
    "contains-all": lambda text, value: all(part in text for part in _listed(value)),
    "icontains-any": lambda text, value: any(part.lower() in text.lower() for part in _listed(value)),
    "icontains-all": lambda text, value: all(part.lower() in text.lower() for part in _listed(value)),
    "starts-with": lambda text, value: text.startswith(str(value)),
    "regex": lambda text, value: bool(pattern_of(str(value)).matches(text)),
    "is-json": _is_json,
    "contains-json": _holds_json,
}


def check_problem(check: Any) -> str:
    """What is wrong with a row's check; '' where it can be made."""
    if not isinstance(check, Mapping) or not isinstance(check.get("type"), str):
        return f"a check wants a type and a value; there is {check!r:.80}"
    kind = check["type"].removeprefix("not-")
    if kind not in CHECKS:
        return f"there is no check {check['type']!r}; there is {', '.join(CHECKS)}, each also as not-..."
    if kind not in ("is-json", "contains-json") and check.get("value") in (None, "", []):
        return f"the check {check['type']} wants a value"
    try:
        if kind == "regex":
            pattern_of(str(check["value"]))
    except ValueError as error:
        return f"the check regex: {error}"
    return ""


def passes(check: Mapping[str, Any], text: str) -> bool:
    """Whether a text passes a check. SlowPatternError for a pattern that takes too long on it."""
    kind = str(check["type"])
    held = CHECKS[kind.removeprefix("not-")](text, check.get("value"))
    return held != kind.startswith("not-")


def all_checks(sample: Sample, request: Request, response: Response) -> Score:
    """Whether the text passes all checks of the sample; `checks_passed` is the share that it passes."""
    checks: Sequence[Mapping[str, Any]] = sample.extra.get("checks") or ()
    try:
        held = [passes(check, response.text) for check in checks]
    except SlowPatternError as error:
        return Score(status="unparsed", scores={"accuracy": 0.0, "checks_passed": 0.0}, detail={"unread": str(error)})
    failed = [
        f"{check['type']} {check.get('value', '')!s:.80}" for check, one in zip(checks, held, strict=True) if not one
    ]
    return Score(
        status="wrong" if failed else "correct",
        scores={"accuracy": float(not failed), "checks_passed": sum(held) / len(held) if held else 1.0},
        answer=response.text.strip(),
        detail={"failed": failed} if failed else {},
    )
