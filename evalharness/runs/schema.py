"""Whether what a run says of itself has the form that comparisons and reports read; checked before it is used."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evalharness.errors import UserError
from evalharness.runs.store import MANIFEST, SUMMARY, Run

_TEXT = {"type": ["string", "null"]}
_NUMBER = {"type": ["number", "null"]}
_COUNT = {"type": "integer", "minimum": 0}


def _object(required: tuple[str, ...] = (), each: Mapping[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    more = {"additionalProperties": each} if each is not None else {}
    return {"type": "object", "properties": fields, "required": list(required), **more}


def _maybe(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {**schema, "type": [schema["type"], "null"]}


_WATCHED = _object(
    ("decision", "counted", "planned", "margin", "e_pass", "e_fail"),
    decision={"enum": ["pass", "fail", None]}, counted=_COUNT, planned=_COUNT, margin={"type": "number"},
    e_pass={"type": "number"}, e_fail={"type": "number"},
)  # fmt: skip
_USED = _object(seconds=_NUMBER, tokens_in=_NUMBER, tokens_out=_NUMBER, cost=_NUMBER)
_FIGURE = _object(("value", "n"), value={"type": "number"}, low=_NUMBER, high=_NUMBER, stderr=_NUMBER, n=_COUNT)

MANIFEST_SCHEMA = _object(
    ("benchmarks",),
    name=_TEXT,
    scoring_version={"type": "integer", "minimum": 1},
    created=_TEXT,
    benchmarks=_object(each=_object(("items",), items=_COUNT, mode=_TEXT, data=_maybe(_object(origin=_TEXT)))),
    identity=_maybe(_object(benchmarks=_maybe(_object(each=_object())), data=_maybe(_object()))),
    options=_maybe(_object()),
    model=_maybe(_object(name=_TEXT, fingerprint=_TEXT)),
    sampling=_maybe(_object()),
    git=_maybe(_object(commit=_TEXT)),
    usage=_maybe(_object(each=_USED)),
    sequential=_maybe(_object(("benchmarks",), fingerprint=_TEXT, benchmarks=_object(each=_WATCHED))),
    command={"type": "array", "items": {"type": "string"}},
)
SUMMARY_SCHEMA = _object(
    ("benchmarks",),
    benchmarks=_object(
        each=_object(
            ("metrics", "counts"),
            mode=_TEXT, metrics=_object(each=_FIGURE), counts=_object(each=_COUNT), programs=_object(each=_COUNT),
            groups=_object(each=_FIGURE), bounds=_maybe(_object(low=_NUMBER, high=_NUMBER)),
        )
    ),
)  # fmt: skip


def checked_run(run: Run) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """The manifest and summary of a run. UserError names the first part that is not as it should be."""
    return checked_part(run, MANIFEST, run.manifest, MANIFEST_SCHEMA), checked_part(
        run, SUMMARY, run.summary, SUMMARY_SCHEMA
    )


def checked_part(run: Run, file: str, value: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """The value, if it has the form of the schema. UserError names the part that has not."""
    from jsonschema import Draft202012Validator

    for mistake in Draft202012Validator(schema).iter_errors(value):
        where = ".".join(map(str, mistake.absolute_path))
        said = f"{where}: {mistake.message}" if where else mistake.message
        raise UserError(f"{run.path / file}: edited or damaged: {said[:300]}; restore it or run again")
    return value
