"""Whether what a run says of itself has the form that comparisons and reports read; checked when it is read.

The schemas are made from the records (`runs.manifest`, `runs.figures`): they cannot disagree.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from evalharness.data.kept import schema_of
from evalharness.data.typed import Kept, record
from evalharness.errors import UserError
from evalharness.runs.figures import Summary
from evalharness.runs.manifest import FORMAT, SCHEMA_VERSION, Manifest

_K = TypeVar("_K", bound=Kept)


def read_manifest(file: Path, value: Mapping[str, Any]) -> Manifest:
    """The manifest. UserError for one of a later version, or names the field that is not as it should be."""
    for key, known in (("format", FORMAT), ("schema_version", SCHEMA_VERSION)):
        said = value.get(key, 0)
        if not isinstance(said, int) or said > known:
            raise UserError(
                f"{file}: {key}: written by a later evalharness ({said!r:.20}, this one reads {known}); "
                "pip install --upgrade evalharness"
            )
    return read_part(file, Manifest, value)


def read_summary(file: Path, value: Mapping[str, Any]) -> Summary:
    """The summary. UserError names the field that is not as it should be."""
    return read_part(file, Summary, value)


def read_part(file: Path, kind: type[_K], value: object) -> _K:
    """The record that this JSON value is. UserError names the field that is not as it should be."""
    try:
        return record(kind, value)
    except ValueError as error:
        said = _mistake(kind, value) or str(error)
        raise UserError(f"{file}: edited or damaged: {said[:300]}; restore it or run again") from None


def _mistake(kind: type[Kept], value: object) -> str:
    """What the schema finds wrong, field and all; it knows every name on the way to it."""
    from jsonschema import Draft202012Validator

    for mistake in Draft202012Validator(schema_of(kind)).iter_errors(value):
        where = ".".join(map(str, mistake.absolute_path))
        return f"{where}: {mistake.message}" if where else mistake.message
    return ""
