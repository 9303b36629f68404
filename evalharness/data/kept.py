"""Kept records and JSON: what is written of them, and the JSON schema that their own fields and kinds give."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass, replace
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from evalharness.data.typed import Count, Kept, is_required, kept_fields, key_on_disk

_K = TypeVar("_K", bound=Kept)
_PLAIN: Mapping[Any, Mapping[str, Any]] = {
    str: {"type": "string"}, int: {"type": "integer"}, float: {"type": "number"}, bool: {"type": "boolean"}, Any: {},
    object: {}, Count: {"type": "integer", "minimum": 0},
}  # fmt: skip


def to_json(value: object) -> Any:
    """A record as JSON values: of a kept one the keys that it was read with in their order, then what else it holds;
    of another one every field."""
    if isinstance(value, Kept):
        return _written(value)
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: to_json(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, Mapping):
        return {key: to_json(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [to_json(one) for one in value]
    return value


def _written(value: Kept) -> dict[str, Any]:
    own = {key_on_disk(f): f for f in kept_fields(type(value))}
    made: dict[str, Any] = {}
    for key in dict.fromkeys([*(value.written or ()), *own, *value.extra]):
        if key not in own:
            if key in value.extra:
                made[key] = to_json(value.extra[key])
            continue
        held = getattr(value, own[key].name)
        new = value.written is None and (is_required(own[key]) or "always" in own[key].metadata)
        if new or key in (value.written or ()) or held != _default(own[key]):
            made[key] = to_json(held)
    return made


def _default(of: Field[Any]) -> Any:
    return of.default if of.default_factory is MISSING else of.default_factory()


def finite(value: Any) -> Any:
    """JSON values with null for numbers that are not finite, which JSON has not."""
    if isinstance(value, Mapping):
        return {key: finite(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def only(record: _K, names: Collection[str]) -> _K:
    """The record with these fields alone; the others are as by default, and not written."""
    keys = {key_on_disk(f) for f in kept_fields(type(record)) if f.name in names}
    others = {f.name: _default(f) for f in kept_fields(type(record)) if f.name not in names}
    written = None if record.written is None else tuple(key for key in record.written if key in keys)
    return replace(record, **others, extra={}, written=written)


def schema_of(hint: Any) -> dict[str, Any]:
    """The JSON schema of what a field of this kind may hold."""
    if hint in _PLAIN:
        return dict(_PLAIN[hint])
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Literal:
        return {"enum": list(inner)}
    if origin in (Union, UnionType):
        (one,) = [one for one in inner if one is not NoneType]
        return _or_null(schema_of(one))
    if origin is tuple:
        if Ellipsis in inner:
            return {"type": "array", "items": schema_of(inner[0])}
        parts = [schema_of(one) for one in inner]
        return {"type": "array", "prefixItems": parts, "minItems": len(parts), "maxItems": len(parts)}
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return {"type": "object", "additionalProperties": schema_of(inner[1])}
    return _of_record(hint)


def _or_null(schema: dict[str, Any]) -> dict[str, Any]:
    more = {"enum": [*schema["enum"], None]} if "enum" in schema else {}
    return {**schema, **({"type": [schema["type"], "null"]} if "type" in schema else {}), **more}


def _of_record(kind: type[Any]) -> dict[str, Any]:
    """Of a kept record, whose keys may be more and whose fields with a default may lack; of another one, all of it."""
    hints = get_type_hints(kind, include_extras=True)
    kept = issubclass(kind, Kept)
    own = kept_fields(kind) if kept else fields(kind)
    return {
        "type": "object",
        "properties": {key_on_disk(f): schema_of(hints[f.name]) for f in own},
        "required": [key_on_disk(f) for f in own if is_required(f) or not kept],
        **({} if kept else {"additionalProperties": False}),
    }
