"""What crosses between the sandbox's processes: frames of JSON, and plain data inside them.

The sender is never believed. No pickle, no class chosen by the sender: JSON, in which an object with one known key
for what JSON lacks (`{"tuple": [...]}`). Reading a frame gives plain data or raises `BadFrame`.
"""

from __future__ import annotations

import json
import os
from collections import Counter, OrderedDict, defaultdict, namedtuple
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from itertools import chain
from typing import Any

CAP = 64 << 20  # bytes of one frame that a candidate may send
TRUSTED_CAP = 256 << 20  # of one that the harness sends
DEPTH = 200
_PIECE = 1 << 20
_SHORT = 4096
_ENCODE = json.JSONEncoder(check_circular=False).encode  # `pack` has looked how deep the data is
_DECODE = json.JSONDecoder().raw_decode
_SMALL = 1 << 63
_BARE = frozenset({int, float, str, bool, type(None)})
_NAMED: tuple[type, ...] = (int, float, str, bool, list, tuple, dict, set, bytes, complex)
_TYPES = {t.__name__: t for t in _NAMED}


class BadFrame(Exception):  # noqa: N818  an event of the protocol
    """The other side sent something that is no frame, or no plain data."""


class Closed(Exception):  # noqa: N818  as above
    """The other side is gone."""


class NotPlain(Exception):  # noqa: N818  as above
    """A value that cannot cross: its text is the type's name."""


def frame(message: Any) -> bytes:
    """4 bytes of length (little-endian), then JSON."""
    body = _ENCODE(message).encode("ascii")
    return len(body).to_bytes(4, "little") + body


def send(fd: int, message: Any) -> None:
    """Write one frame. Raises Closed when nobody reads."""
    write_fd(fd, frame(message))


def write_fd(fd: int, content: bytes) -> None:
    """Write all of it. Raises Closed when nobody reads."""
    try:
        sent = os.write(fd, content[:_PIECE])
        while sent < len(content):
            sent += os.write(fd, content[sent : sent + _PIECE])
    except OSError as error:
        raise Closed(str(error)) from error


def receive(fd: int, cap: int = CAP) -> dict[str, Any]:
    """Read one frame, the only one on its way: who speaks must wait for the answer.

    Raises Closed at the end of the stream, BadFrame when it is too long, not alone or no JSON object.
    """
    head = read_fd(fd, _SHORT)  # one call for most frames
    while len(head) < 4:
        head += read_fd(fd, 4 - len(head))
    length = int.from_bytes(head[:4], "little")
    if length > cap:
        raise BadFrame(f"a frame of {length} bytes")
    body = head[4:]
    if len(body) > length:
        raise BadFrame("more than one frame")
    if len(body) < length:
        body += _exactly(fd, length - len(body))
    return content(body)


def content(body: bytes) -> dict[str, Any]:
    """What a frame says, without its length. Raises BadFrame."""
    try:
        message, end = _DECODE(str(body, "ascii"))
        if end != len(body):
            raise ValueError
    except (ValueError, RecursionError, MemoryError) as error:
        raise BadFrame(f"no JSON: {type(error).__name__}") from error
    if type(message) is not dict:
        raise BadFrame("no JSON object")
    return message


def _exactly(fd: int, count: int) -> bytes:
    pieces = []
    while count:
        pieces.append(read_fd(fd, min(count, _PIECE)))
        count -= len(pieces[-1])
    return b"".join(pieces)


def read_fd(fd: int, most: int) -> bytes:
    """What there is, at most so much. Raises Closed at the end."""
    try:
        piece = os.read(fd, most)
    except OSError as error:
        raise Closed(str(error)) from error
    if not piece:
        raise Closed("end of stream")
    return piece


def pack_value(value: Any, depth: int = 0) -> Any:
    """A value as JSON. Sub-classes of plain types become their base type. Raises NotPlain for everything else."""
    if depth > DEPTH:
        raise NotPlain(f"data nested deeper than {DEPTH}")
    kind = type(value)
    if kind not in _PACKERS:
        if kind.__module__ == "numpy" and getattr(value, "shape", None) == ():
            return pack_value(value.item(), depth + 1)
        if kind is type:
            named = next((name for name, known in _TYPES.items() if known is value), None)
            return {"type": named} if named else _refuse("class")
        kind = next((base for base in kind.__mro__ if base in _PACKERS), object)
        if kind is object:
            raise NotPlain(type(value).__name__)
        if kind is tuple and is_named(type(value)):
            return {"named": [[type(value).__name__, *type(value)._fields], _pack_items(tuple.__iter__(value), depth)]}
    return _PACKERS[kind](value, depth)


def _refuse(name: str) -> Any:
    raise NotPlain(name)


def _pack_int(value: int, _: int) -> Any:
    # Decimal text stops at 4,300 digits, hexadecimal does not; __int__ of the base type ignores what a sub-class says.
    plain = int.__int__(value)
    return plain if -_SMALL < plain < _SMALL else {"int": int.__format__(plain, "x")}


def _pack_str(value: str, _: int) -> Any:
    plain = str.__str__(value)
    if plain.isascii() or not any("\ud800" <= c <= "\udfff" for c in plain):
        return plain
    return {"text": [ord(c) for c in plain]}  # JSON would join two lone surrogates into one character


def _pack_items(items: Any, depth: int) -> list[Any]:
    members = list(items)
    kinds = set(map(type, members))
    if kinds <= _BARE:  # the common flat list, without a call for each member
        numbers_small = int not in kinds or (kinds == {int} and min(members) > -_SMALL and max(members) < _SMALL)
        if numbers_small and (str not in kinds or (kinds == {str} and "".join(members).isascii())):
            return members
    return [pack_value(member, depth + 1) for member in members]


def _pack_dict(value: dict[Any, Any], depth: int) -> Any:
    items = [list(item) for item in dict.items(value)]
    flat = _pack_items(chain.from_iterable(items), depth + 1)
    return {"dict": [flat[i : i + 2] for i in range(0, len(flat), 2)]}


def _pack_default(value: defaultdict[Any, Any], depth: int) -> Any:
    named = next((name for name, known in _TYPES.items() if known is value.default_factory), None)
    plain = _pack_dict(value, depth)
    return {"defaultdict": [named, plain]} if named else plain


def is_named(kind: type) -> bool:
    """Whether a type is a named tuple."""
    fields = getattr(kind, "_fields", None)
    return type(fields) is tuple and {*map(type, fields)} <= {str}


def named(about: list[str]) -> Any:
    """The named tuple type with a name and fields."""
    return _named(*about)


@lru_cache(maxsize=64)
def _named(name: str, *fields: str) -> Any:
    return namedtuple(name, fields)  # it refuses what is no name


_PACKERS: dict[type, Callable[[Any, int], Any]] = {
    bool: lambda v, d: v,
    int: _pack_int,
    float: lambda v, d: float.__float__(v),
    str: _pack_str,
    type(None): lambda v, d: None,
    list: lambda v, d: _pack_items(list.__iter__(v), d),
    tuple: lambda v, d: {"tuple": _pack_items(tuple.__iter__(v), d)},
    dict: _pack_dict,
    Counter: lambda v, d: {"counter": _pack_dict(v, d)},
    OrderedDict: lambda v, d: {"ordered": _pack_dict(v, d)},
    defaultdict: _pack_default,
    set: lambda v, d: {"set": _pack_items(set.__iter__(v), d)},
    frozenset: lambda v, d: {"frozenset": _pack_items(frozenset.__iter__(v), d)},
    bytes: lambda v, d: {"bytes": bytes.hex(v)},
    bytearray: lambda v, d: {"bytearray": bytearray.hex(v)},
    complex: lambda v, d: {"complex": [v.real, v.imag]},
    range: lambda v, d: {"range": [_pack_int(n, d) for n in (v.start, v.stop, v.step)]},
    Fraction: lambda v, d: {"fraction": [_pack_int(v.numerator, d), _pack_int(v.denominator, d)]},
    Decimal: lambda v, d: {"decimal": Decimal.__str__(v)},
}


def unpack(value: Any) -> Any:
    """What `pack` packed. Raises BadFrame for anything that it cannot have written."""
    try:
        return _unpack(value, 0)
    except BadFrame:
        raise
    # A hostile frame can make any constructor below raise: unhashable members, zero denominators, odd digits, ...
    except Exception as error:
        raise BadFrame(f"no plain data: {type(error).__name__}") from error


def _unpack(value: Any, depth: int) -> Any:
    if depth > DEPTH + 2:
        raise BadFrame(f"data nested deeper than {DEPTH}")
    if type(value) is list:
        if set(map(type, value)) <= _BARE:
            return value
        return [_unpack(member, depth + 1) for member in value]
    if type(value) is not dict:
        return value
    if len(value) != 1:
        raise BadFrame("an object with more or fewer than one key")
    ((tag, content),) = value.items()
    if tag not in _READERS:
        raise BadFrame("an unknown tag")
    return _READERS[tag](content, depth)


def _members(content: Any, depth: int, count: int | None = None) -> list[Any]:
    if type(content) is not list or (count is not None and len(content) != count):
        raise BadFrame("wrong shape")
    read = _unpack(content, depth + 1)
    return list(read)


def _integers(content: Any, depth: int, count: int) -> list[int]:
    numbers = _members(content, depth, count)
    if set(map(type, numbers)) != {int}:
        raise BadFrame("not integers")
    return numbers


def _floats(content: Any, depth: int) -> list[float]:
    numbers = _members(content, depth, 2)
    if set(map(type, numbers)) != {float}:
        raise BadFrame("not floats")
    return numbers


def _text(content: Any) -> str:
    if type(content) is not str:
        raise BadFrame("not a text")
    return content


def _pairs(content: Any, depth: int) -> dict[Any, Any]:
    if type(content) is not list:
        raise BadFrame("wrong shape")
    return dict(_members(pair, depth, 2) for pair in content)


def _dict(content: Any, depth: int) -> dict[Any, Any]:
    if type(content) is not dict or content.keys() != {"dict"}:
        raise BadFrame("wrong shape")
    return _pairs(content["dict"], depth)


_READERS: dict[str, Callable[[Any, int], Any]] = {
    "tuple": lambda c, d: tuple(_members(c, d)),
    "dict": _pairs,
    "counter": lambda c, d: Counter(_dict(c, d)),
    "ordered": lambda c, d: OrderedDict(_dict(c, d)),
    "defaultdict": lambda c, d: defaultdict(_TYPES[_text(c[0])], _dict(c[1], d)),
    "named": lambda c, d: named(c[0])(*_members(c[1], d)),
    "set": lambda c, d: set(_members(c, d)),
    "frozenset": lambda c, d: frozenset(_members(c, d)),
    "bytes": lambda c, d: bytes.fromhex(_text(c)),
    "bytearray": lambda c, d: bytearray.fromhex(_text(c)),
    "complex": lambda c, d: complex(*_floats(c, d)),
    "range": lambda c, d: range(*_integers(c, d, 3)),
    "fraction": lambda c, d: Fraction(*_integers(c, d, 2)),
    "decimal": lambda c, d: Decimal(_text(c)),
    "int": lambda c, d: int(_text(c), 16),
    "text": lambda c, d: "".join(map(chr, _integers(c, d, len(c)) if c else [])),
    "type": lambda c, d: _TYPES[_text(c)],
}
