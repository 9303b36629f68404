"""Records read back from files. Every value is held to the kind that its record declares: a text where a number belongs
is named where it stands, not met as a traceback where it is used."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from evalharness.records import FIELDS_ON_DISK

R = TypeVar("R")
Convert = Callable[[Any], Any]
Count = Annotated[int, "0 or more"]
ALWAYS: Mapping[str, Any] = {"always": True}  # metadata of a field that a new record writes at its default too
_LARGEST = 1 << 53  # whole numbers beyond it are not the same everywhere that JSON is read


class _OddError(ValueError):
    """A value of another kind; says which was wanted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A record of a JSON file that others, or later versions, write too: what it does not know it keeps.

    `extra` holds the keys that are no fields, `written` the keys in the order in which they were read (None: the record
    is new). Reading and writing again gives the same bytes. Metadata `key` is a field's key where that is not its name.
    """

    extra: Mapping[str, Any] = field(default_factory=dict)
    written: tuple[str, ...] | None = field(default=None, compare=False, repr=False)


def key_on_disk(of: Field[Any]) -> str:
    """The key that holds a field of a kept record."""
    return str(of.metadata.get("key", of.name))


def kept_fields(kind: type[Kept]) -> tuple[Field[Any], ...]:
    """The fields of a kept record that have a key of their own."""
    return tuple(f for f in fields(kind) if f.name not in ("extra", "written"))


def is_required(of: Field[Any]) -> bool:
    """Whether a field has no default."""
    return of.default is MISSING and of.default_factory is MISSING


def _kept(kind: type[Any], values: Mapping[str, Any]) -> Any:
    convert, required = _fields(kind)  # type: ignore[arg-type]  # classes are hashable
    names = {key_on_disk(f): f.name for f in kept_fields(kind)}
    made: dict[str, Any] = {}
    for key, value in values.items():
        if (name := names.get(key)) is None:
            continue
        try:
            made[name] = convert[name](value)
        except _OddError as error:
            raise ValueError(f"{key}: {value!r:.60}, wanted {error}") from None
        except ValueError as error:
            raise ValueError(f"{key}: {error}") from None
    if missing := [name for name in required if name not in made]:
        raise ValueError(f"it has no field {missing[0]!r}")
    extra = {key: value for key, value in values.items() if key not in names}
    return kind(**made, extra=extra, written=tuple(values))


def record(kind: type[R], values: Any) -> R:
    """The record with these fields. ValueError names the field that is missing, unknown, or of another kind."""
    if not isinstance(values, Mapping):
        raise ValueError(f"wanted an object, there is {type(values).__name__}")
    if issubclass(kind, Kept):
        return _kept(kind, values)  # type: ignore[no-any-return]  # of the kind it was asked for
    known, required = _fields(kind)  # type: ignore[arg-type]  # classes are hashable
    made = {}
    for key, value in values.items():
        name = key if key in known else FIELDS_ON_DISK.get(str(key), str(key))
        if name not in known:
            raise ValueError(f"there is no field {name!r:.40}")
        try:
            made[name] = known[name](value)
        except _OddError as error:
            raise ValueError(f"its {name} is {value!r:.60}, wanted {error}") from None
    if missing := [name for name in required if name not in made]:
        raise ValueError(f"it has no field {missing[0]!r}")
    return kind(**made)


@cache
def _fields(kind: type[Any]) -> tuple[Mapping[str, Convert], tuple[str, ...]]:
    hints = get_type_hints(kind, include_extras=True)
    own = fields(kind)
    required = tuple(f.name for f in own if is_required(f))
    return {f.name: converter(hints[f.name]) for f in own}, required


@cache
def converter(hint: Any) -> Convert:
    """What makes a value of a declared kind from JSON's, and refuses every other."""
    plain: Mapping[Any, Convert] = {
        str: _text, int: _whole, Count: _count, float: number, bool: _bool, Any: lambda value: value,
    }  # fmt: skip
    if hint in plain:
        return plain[hint]
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Literal:
        return lambda value: _listed(value, inner)
    if origin in (Union, UnionType):
        parts = [converter(one) for one in inner if one is not NoneType]
        return lambda value: None if value is None else parts[0](value)
    if origin is tuple:
        return _several(inner)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return _mapping(converter(inner[1]))
    return lambda value: value if isinstance(value, hint) else record(hint, value)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise _OddError("a text")
    return value


def _whole(value: Any) -> int:
    if type(value) is not int or abs(value) > _LARGEST:
        raise _OddError("a whole number")
    return value


def _count(value: Any) -> int:
    if type(value) is not int or not 0 <= value <= _LARGEST:
        raise _OddError("a whole number, 0 or more")
    return value


def number(value: Any) -> int | float:
    """A finite number. ValueError for everything else, true and false too."""
    if type(value) is int and abs(value) <= _LARGEST:
        return value
    if type(value) is not float or not math.isfinite(value):
        raise _OddError("a finite number")
    return value


def _bool(value: Any) -> bool:
    if type(value) is not bool:
        raise _OddError("true or false")
    return value


def _listed(value: Any, known: tuple[Any, ...]) -> Any:
    if not isinstance(value, str) or value not in known:
        raise _OddError(f"one of {', '.join(map(repr, known))}")
    return value


def _several(inner: tuple[Any, ...]) -> Convert:
    """Lists: of one kind (`tuple[X, ...]`), or of a fixed kind at each place."""
    parts = [converter(one) for one in inner if one is not Ellipsis]
    endless = Ellipsis in inner

    def convert(value: Any) -> tuple[Any, ...]:
        if type(value) not in (list, tuple) or not (endless or len(value) == len(parts)):
            raise _OddError("a list" if endless else f"a list of {len(parts)}")
        if endless:
            return tuple(map(parts[0], value))
        return tuple(part(one) for part, one in zip(parts, value, strict=True))

    return convert


def _mapping(convert: Convert) -> Convert:
    def converted(value: Any) -> dict[str, Any]:
        if type(value) is not dict:
            raise _OddError("an object")
        return {key: convert(one) for key, one in value.items()}

    return converted
