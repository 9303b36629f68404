"""What does not cross as plain data: deep containers, dates, views and arrays by value, live objects by a
stand-in.

A value is laid out flat, as a list of nodes: each stands after its members and names them by their places. So it can be
deeper than what is written member within member; not without end, for hashing what is deep takes the interpreter's
stack, and an overflow there would end the judge. An object that has to stay with the program (a function, a generator,
whatever has no plain value) becomes a node that names it by a number. The judge gets a stand-in for it whose calls,
steps and items are asked of the program one by one; each answer is data again. What could say yes to anything stays
with the judge: a stand-in is equal to itself alone, and `in` goes through its items.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from datetime import date, datetime, time, timedelta, timezone
from functools import lru_cache
from itertools import chain
from typing import Any

from evalharness.sandbox import wire

_EMPTY: dict[Any, Any] = {}
_KEYS, _VALUES, _ITEMS = type(_EMPTY.keys()), type(_EMPTY.values()), type(_EMPTY.items())
_MEMBERS: dict[type, tuple[str, Callable[[Any], Iterable[Any]]]] = {
    list: ("list", list.__iter__),
    tuple: ("tuple", tuple.__iter__),
    set: ("set", set.__iter__),
    frozenset: ("frozenset", frozenset.__iter__),
    dict: ("dict", lambda value: chain.from_iterable(dict.items(value))),
    deque: ("deque", deque.__iter__),
    _KEYS: ("keys", iter),
    _VALUES: ("values", iter),
    _ITEMS: ("items", iter),
}
_ARRAYS = frozenset("biufcU")  # numpy's kinds of dtype whose members are plain
# What an object can do, by the method that says so: a stand-in can do the same and no more.
ABILITIES = {"call": "__call__", "iter": "__iter__", "next": "__next__", "len": "__len__", "item": "__getitem__"}
# Methods of plain data, which would have crossed as such, and of comparisons: they are told what is expected, and an
# object of the program could say yes to anything.
_JUDGING = frozenset(chain.from_iterable(map(dir, (str, bytes, int, float, complex, list, tuple, dict, set)))) | {
    "equals", "equal", "eq", "allclose", "isclose", "is_equal",
}  # fmt: skip
DEEPEST = 5000
_LONGEST = 100  # characters of a type's name
Hold = Callable[[Any], list[Any]]
Ask = Callable[..., Any]  # (what, *args, **kwargs) of one object


def flatten(value: Any, hold: Hold) -> list[list[Any]]:
    """The nodes of a value, itself the last. `hold` gives the node of an object that stays, or raises NotPlain."""
    nodes: list[list[Any]] = []
    depths: list[int] = []
    places: dict[int, int] = {}
    opened: dict[int, tuple[list[Any], list[Any]]] = {}  # keeps the members alive: their ids must not be used again
    stack = [value]
    while stack:
        top = stack[-1]
        if id(top) in places:
            stack.pop()
            continue
        if id(top) not in opened:
            head, members = _taken_apart(top, hold)
            opened[id(top)] = head, members
            waiting = [member for member in reversed(members) if id(member) not in places]
            stack += waiting
            if waiting:
                continue
        head, members = opened[id(top)]
        if any(id(member) not in places for member in members):
            raise wire.NotPlain("data that contains itself")
        depths.append(_deeper(depths, [places[id(member)] for member in members], wire.NotPlain))
        places[id(top)] = len(nodes)
        nodes.append([*head, [places[id(member)] for member in members]] if members or head[0] in _BUILDERS else head)
        stack.pop()
    return nodes


def _taken_apart(value: Any, hold: Hold) -> tuple[list[Any], list[Any]]:
    """(kind and facts of a node, its members)."""
    kind = type(value)
    base = next((b for b in kind.__mro__ if b in _MEMBERS), None)
    if base is not None:
        name, members = _MEMBERS[base]
        if base is tuple and wire.is_named(kind):
            return ["named", [kind.__name__, *kind._fields]], list(members(value))
        return [name, value.maxlen if name == "deque" else None], list(members(value))
    if kind in (date, datetime, time) and isinstance(getattr(value, "tzinfo", None), timezone | None):
        return ["when", kind.__name__, value.isoformat()], []
    if kind is timedelta:
        return ["when", "timedelta", [value.days, value.seconds, value.microseconds]], []
    if kind.__module__ == "numpy" and kind.__name__ == "ndarray" and value.dtype.kind in _ARRAYS:
        return ["array", value.dtype.str, list(value.shape), wire.pack_value(value.ravel().tolist())], []
    try:
        return ["plain", wire.pack_value(value)], []
    except wire.NotPlain:
        return hold(value), []


def build(nodes: Any, stand_in: Callable[[list[Any]], Any]) -> Any:
    """What `flatten` laid out. `stand_in` makes the object for a held node. Raises BadFrame for anything else."""
    built: list[Any] = []
    depths: list[int] = []
    try:
        for kind, *facts in nodes:
            about, places = facts if kind in _BUILDERS else (None, ())
            depths.append(_deeper(depths, [place for place in places if _is_place(place)], wire.BadFrame))
            if kind == "held":
                built.append(stand_in(facts))
            elif kind in _BUILDERS:
                built.append(_BUILDERS[kind]([built[place] for place in places], about))
            else:
                built.append(_LEAVES[kind](*facts))
        return built[-1]
    except wire.BadFrame:
        raise
    # A hostile frame can make any constructor raise, as in wire.unpack.
    except Exception as error:
        raise wire.BadFrame(f"no data: {type(error).__name__}") from error


def _deeper(depths: list[int], places: list[int], refusal: type[Exception]) -> int:
    """How deep a node is whose members stand at these places."""
    depth = 1 + max((depths[place] for place in places), default=0)
    if depth > DEEPEST:
        raise refusal(f"data nested deeper than {DEEPEST:,}")
    return depth


def _is_place(place: Any) -> bool:
    if type(place) is not int or place < 0:
        raise wire.BadFrame("no place")
    return True


def _pairs(members: list[Any]) -> dict[Any, Any]:
    return dict(zip(members[::2], members[1::2], strict=True))


def _when(kind: Any, said: Any) -> Any:
    if kind == "timedelta":
        return timedelta(*said)
    kinds: dict[str, Any] = {"date": date, "datetime": datetime, "time": time}
    return kinds[kind].fromisoformat(said)


def _array(dtype: Any, shape: Any, members: Any) -> Any:
    import numpy  # where --sandbox-packages allows it

    kind = numpy.dtype(dtype)
    if kind.kind not in _ARRAYS:
        raise wire.BadFrame("not an array of plain members")
    return numpy.array(wire.unpack(members), kind).reshape(shape)


_BUILDERS: dict[str, Callable[[list[Any], Any], Any]] = {
    "list": lambda members, _: members,
    "tuple": lambda members, _: tuple(members),
    "set": lambda members, _: set(members),
    "frozenset": lambda members, _: frozenset(members),
    "dict": lambda members, _: _pairs(members),
    "deque": deque,
    "keys": lambda members, _: dict.fromkeys(members).keys(),
    "values": lambda members, _: dict(enumerate(members)).values(),
    "items": lambda members, _: dict(members).items(),
    "named": lambda members, about: wire.named(about)(*members),
}
_LEAVES: dict[str, Callable[..., Any]] = {"plain": wire.unpack, "when": _when, "array": _array}


def abilities(value: Any) -> list[str]:
    """What an object can do."""
    has = frozenset(chain.from_iterable(vars(kind) for kind in type(value).__mro__))
    return [name for name, method in ABILITIES.items() if method in has]


class StandIn:
    """Stands for an object of the program. Sub-classes add the methods of its abilities."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    def __bool__(self) -> bool:
        return self._ask("bool") is True

    def __str__(self) -> str:
        return str(self._ask("str"))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name in _JUDGING:  # what Python itself looks for is here or nowhere
            raise AttributeError(f"the stand-in of a {type(self).__name__} has no {name}")
        return self._ask("attribute", name)


_METHODS: dict[str, Callable[..., Any]] = {
    "call": lambda self, *args, **kwargs: self._ask("call", *args, **kwargs),
    "iter": lambda self: self._ask("iter"),
    "next": lambda self: self._ask("next"),
    "len": lambda self: self._ask("len"),
    "item": lambda self, key: self._ask("item", key),
}


@lru_cache(maxsize=64)
def _class_with(kind: str, *names: str) -> type[StandIn]:
    return type(kind, (StandIn,), {ABILITIES[name]: _METHODS[name] for name in names})


def made(kind: str, names: list[str], ask: Ask) -> Any:
    """The stand-in for an object: a generator, coroutine or function of the judge's own where the object is one."""
    if kind == "generator":
        return _generator(ask)
    if kind == "coroutine":
        return _coroutine(ask)
    if kind in ("function", "method", "builtin_function_or_method"):
        return lambda *args, **kwargs: ask("call", *args, **kwargs)
    return _class_with(kind[:_LONGEST], *sorted(set(names)))(ask)


def _generator(ask: Ask) -> Any:
    sent = None
    while True:
        try:
            value = ask("next") if sent is None else ask("send", sent)
        except StopIteration as end:
            return end.value
        sent = yield value


async def _coroutine(ask: Ask) -> Any:
    return ask("await")
