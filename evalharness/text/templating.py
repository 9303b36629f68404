"""The one place where Jinja runs: chat templates, task templates, judges' prompts, our own pages.

A template from elsewhere is data. It is rendered in Jinja's sandbox (https://jinja.palletsprojects.com/sandbox), which
keeps it from Python's internals, and on a budget, which keeps it from taking all time and memory: every step of a loop,
every call and filter, and every character that it makes is paid from the budget before the next one happens. Texts are
handed in as values, never pasted into the source.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import update_wrapper
from types import GeneratorType
from typing import Any

import jinja2
import jinja2.defaults
import jinja2.ext
import jinja2.nodes
from jinja2.compiler import CodeGenerator
from jinja2.exceptions import SecurityError
from jinja2.runtime import LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace

_SOURCE = 1 << 20  # characters of a template
NODES = 100_000  # of its syntax tree
WORK = 64 << 20  # units of work of one rendering: characters made, and STEP for every loop step, call and filter
STEP = 256
ITEM = 64  # of a list or a dictionary
_SECONDS = 5.0  # processor time of one rendering
_DEEPEST = 64  # lists in lists

# What a template can raise besides Jinja's own errors: it runs on values that it does not fit, or is too large.
FAILURES = (
    jinja2.TemplateError, TypeError, ValueError, LookupError, ArithmeticError, AttributeError, RecursionError,
    MemoryError, AssertionError,
)  # fmt: skip


class LimitError(SecurityError):
    """A template wants more work than one rendering may take."""


class _Budget:
    """What is left of one rendering's work and time."""

    def __init__(self) -> None:
        self.left, self.steps, self.end = WORK, 0, time.thread_time() + _SECONDS

    def pay(self, units: int) -> None:
        self.left -= STEP + units
        self.steps += 1
        if self.left < 0:
            raise LimitError(f"the template makes more than {WORK >> 20} million characters or {WORK // STEP:,} steps")
        if self.steps % 16 == 0 and time.thread_time() > self.end:
            raise LimitError(f"the template takes more than {_SECONDS:g} seconds")


class _Running(threading.local):
    budget: _Budget | None = None  # None: a template of ours, or no template is being rendered


_running = _Running()


def _pay(units: int = 0) -> None:
    if _running.budget is not None:
        _running.budget.pay(units)


def _size(value: Any, left: int, depth: int = 0) -> int:
    """Units of a value with everything in it, counted as often as it would be written; LimitError beyond `left`."""
    if isinstance(value, str | bytes):
        return len(value)
    if isinstance(value, int):
        return 1 + value.bit_length() // 3
    inside: Iterable[Any]
    if isinstance(value, Namespace):
        inside = object.__getattribute__(value, "_Namespace__attrs").items()
    elif isinstance(value, Mapping):
        inside = value.items()
    elif isinstance(value, list | tuple | set | frozenset):
        inside = value
    else:
        return 1
    if depth > _DEEPEST:
        raise LimitError(f"the template makes lists more than {_DEEPEST} deep")
    total = 0
    for one in inside:
        total += ITEM + _size(one, left - total, depth + 1)
        if total > left:
            raise LimitError(f"the template makes more than {WORK >> 20} million characters")
    return total


def _weigh(value: Any) -> int:
    return 0 if _running.budget is None else _size(value, _running.budget.left)


def _paid(value: Any) -> Any:
    """The value, once it is paid for; a generator pays for each value that it gives."""
    if _running.budget is None:
        return value
    if isinstance(value, GeneratorType):
        return (_paid(one) for one in value)
    _pay(_size(value, _running.budget.left))
    return value


class _Counted:
    """What a loop runs over; every step is paid for."""

    def __init__(self, over: Any) -> None:
        self.over = over

    def __len__(self) -> int:
        return len(self.over)

    def __iter__(self) -> Iterator[Any]:
        for one in self.over:
            _pay()
            yield one


def _numbers(values: Iterable[Any]) -> int:
    """The largest whole number among arguments, whatever its sign."""
    return max((abs(value) for value in values if isinstance(value, int)), default=0)


def _formatted(form: str, values: Sequence[Any]) -> int:
    """At most so long is what a format string makes: its widths, and every field filled with the largest value."""
    widths = sum(min(int(digits[:12]), WORK) for digits in re.findall(r"[0-9]+", form))
    fields = form.count("%") + form.count("{")
    nested = _numbers(values) if "*" in form or form.count("{") > form.count("}}") else 0
    return len(form) + widths + fields * (nested + max(map(_weigh, values), default=0))


def _grown(name: str, value: Any, given: Sequence[Any]) -> int:
    """At most so many units does a text's method or a filter of that name make of a value."""
    texts = [one for one in given if isinstance(one, str | bytes)]
    if name == "replace" and len(texts) > 1:
        old, new = texts[:2]
        plain = isinstance(value, str) and isinstance(old, str)
        return _weigh(value) + (value.count(old) if plain else len(str(value))) * len(new)
    if name in ("format", "format_map"):
        held = given[0].values() if name == "format_map" and given and isinstance(given[0], Mapping) else given
        return _formatted(str(value), list(held))
    if name == "join":
        sides = (value, *given)
        return sum(map(_weigh, sides)) + max(map(len, texts), default=0) * max(
            (len(one) for one in sides if hasattr(one, "__len__")), default=0
        )
    if name == "sum":
        return _weigh(value) * (
            len(value) if hasattr(value, "__len__") and isinstance(given[-1] if given else 0, list | tuple) else 1
        )
    widest = max(_numbers(given), *map(len, texts), 1) if texts else max(_numbers(given), 1)
    rows = 1 + (str(value).count("\n") if name == "indent" else _weigh(value))
    return widest if name in ("center", "ljust", "rjust", "zfill", "batch", "slice", "round", "truncate") else (
        rows * widest if name in ("indent", "expandtabs", "wordwrap", "tojson") else 0
    )  # fmt: skip


def _afford(units: int) -> None:
    if _running.budget is not None and units > _running.budget.left:
        raise LimitError(f"the template makes more than {WORK >> 20} million characters")


def _filter(name: str, plain: Callable[..., Any]) -> Callable[..., Any]:
    """A filter that is paid for: what it is given, what it may make at most, and what it made."""
    passed = hasattr(plain, "jinja_pass_arg")  # then the first argument is the context or the environment

    def paying(*args: Any, **named: Any) -> Any:
        if _running.budget is not None:
            value, *rest = args[passed:] or (None,)
            _pay(sum(map(_weigh, (value, *rest))) // 8)
            _afford(_grown(name, value, [*rest, *named.values()]))
        return _paid(plain(*args, **named))

    return update_wrapper(paying, plain)


class _Generator(CodeGenerator):
    """Code in which lists, dictionaries and joined texts are paid for too."""

    def visit_Concat(self, node: jinja2.nodes.Concat, frame: Any) -> None:  # noqa: N802
        self.write("environment.glued((")
        for one in node.nodes:
            self.visit(one, frame)
            self.write(", ")
        self.write("))")

    def _visit_paid(self, plain: Callable[[Any, Any], None], node: Any, frame: Any) -> None:
        self.write("environment.paid(")
        plain(node, frame)
        self.write(")")

    def visit_List(self, node: jinja2.nodes.List, frame: Any) -> None:  # noqa: N802
        self._visit_paid(super().visit_List, node, frame)

    def visit_Dict(self, node: jinja2.nodes.Dict, frame: Any) -> None:  # noqa: N802
        self._visit_paid(super().visit_Dict, node, frame)

    def visit_Tuple(self, node: jinja2.nodes.Tuple, frame: Any) -> None:  # noqa: N802
        if node.ctx == "load":
            self._visit_paid(super().visit_Tuple, node, frame)
        else:
            super().visit_Tuple(node, frame)


class Environment(ImmutableSandboxedEnvironment):
    """Jinja's sandbox on a budget."""

    intercepted_binops = frozenset(jinja2.sandbox.SandboxedEnvironment.default_binop_table)
    code_generator_class = _Generator
    paid = staticmethod(_paid)
    counted = staticmethod(_Counted)

    def __init__(self, *, filters: Mapping[str, Callable[..., Any]] | None = None, **options: Any) -> None:
        super().__init__(optimized=False, **options)  # the optimizer would compute constants while it reads
        self.filters.update(filters or {})
        if not self.autoescape:  # a template of ours joins its own texts
            self.finalize = _printed
        self.filters = {name: _filter(name, plain) for name, plain in self.filters.items()}
        for chancy in ("random", "pprint"):  # another prompt each time
            self.filters.pop(chancy)
        self.globals.pop("lipsum")

    def _parse(self, source: str, name: str | None, filename: str | None) -> jinja2.nodes.Template:
        tree = super()._parse(source, name, filename)
        if sum(1 for _ in tree.find_all(jinja2.nodes.Node)) > NODES:
            raise LimitError(f"the template has more than {NODES:,} parts")
        for loop in list(tree.find_all(jinja2.nodes.For)):
            counted = jinja2.nodes.EnvironmentAttribute("counted")
            loop.iter = jinja2.nodes.Call(counted, [loop.iter], [], None, None)
        return tree

    def call(__self, __context: Any, __obj: Any, *args: Any, **named: Any) -> Any:  # noqa: N805
        """A call: the arguments of a text's methods decide how much they make, so they are looked at first."""
        _pay()
        if _running.budget is not None:
            if isinstance(__obj, LoopContext):  # a recursive loop goes on over what it is given
                args = tuple(_Counted(one) for one in args)
            owner = getattr(getattr(__obj, "__wrapped__", __obj), "__self__", None)
            if isinstance(owner, str | bytes):
                _afford(_grown(__obj.__name__, owner, [*args, *named.values()]))
        return _paid(super().call(__context, __obj, *args, **named))

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """Methods whose result has no bound that can be told beforehand are not there."""
        return attr not in ("translate", "to_bytes") and super().is_safe_attribute(obj, attr, value)

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        """`*`, `+`, `**` and `%` can make much of little."""
        if _running.budget is not None:
            _afford(self._product(operator, left, right))
        return _paid(super().call_binop(context, operator, left, right))

    @staticmethod
    def _product(operator: str, left: Any, right: Any) -> int:
        if operator == "%" and isinstance(left, str | bytes):
            values = right if isinstance(right, tuple) else right.values() if isinstance(right, Mapping) else [right]
            return _formatted(str(left), list(values))
        if operator == "**" and isinstance(left, int) and isinstance(right, int):
            return left.bit_length() * max(right, 0)
        if operator == "*":
            repeated, times = (right, left) if isinstance(left, int) else (left, right)
            if isinstance(times, int) and not isinstance(repeated, int | float):
                return max(times, 0) * max(_weigh(repeated), 1)
        return _weigh(left) + _weigh(right)

    def glued(self, parts: Sequence[Any]) -> str:
        """What `~` makes."""
        _afford(sum(map(_weigh, parts)))
        made: str = _paid("".join(map(str, parts))) if not self.autoescape else jinja2.runtime.markup_join(parts)
        return made

    def concat(self, parts: Iterable[str]) -> str:
        """What a macro or the whole template makes, piece by piece."""
        pieces = []
        for piece in parts:
            _pay(len(piece))
            pieces.append(piece)
        return "".join(pieces)


@jinja2.pass_context  # so that no constant is computed while the template is read
def _printed(context: Any, value: Any) -> Any:
    """A value that is printed: nothing in it may unfold beyond the budget when it becomes text."""
    _pay(_weigh(value))
    return value


def compiled(environment: Environment, source: str) -> jinja2.Template:
    """The template. jinja2.TemplateError where it is none, LimitError where it is too large."""
    if len(source) > _SOURCE:
        raise LimitError(f"the template has {len(source):,} characters, more than {_SOURCE:,}")
    try:
        return environment.from_string(source)
    except (SyntaxError, RecursionError, MemoryError, ValueError, OverflowError) as error:
        said = "it is nested too deep" if isinstance(error, RecursionError | MemoryError) else str(error)
        raise jinja2.TemplateError(f"not a template that can be read ({said})") from error


def rendered(template: jinja2.Template, values: Mapping[str, Any]) -> str:
    """What a template from elsewhere makes of values, within the limits. One of FAILURES where it cannot."""
    before, _running.budget = _running.budget, _Budget()
    try:
        return template.render(values)
    except RecursionError as error:
        raise LimitError("the template calls itself without end") from error
    except MemoryError as error:
        raise LimitError("the template takes more memory than there is") from error
    finally:
        _running.budget = before


def strict(**options: Any) -> Environment:
    """The environment of task templates and judges' prompts: a name that is not there is an error."""
    return Environment(undefined=jinja2.StrictUndefined, autoescape=False, **options)
