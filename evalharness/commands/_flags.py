"""Groups of options as flags: a command takes records, typer sees one parameter for each of their fields.

    @with_flags
    def run(data: DataOptions, sampling: SamplingOptions, given: GivenModelOptions, typed: Typed) -> int: ...

`Typed` are the names that stood on the command line, as the parser has them; `GivenModelOptions` what was typed about
the model, by name. Whatever else a command takes is typer's as ever.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from typing import Annotated, Any, Literal, get_origin, get_type_hints

from typer import Context, Option
from typer.core import TyperCommand

from evalharness.errors import UserError, option_name
from evalharness.options import MODEL_GROUPS, bare, hints, package_names

_CONTEXT, _MODEL_OPTION = "typer_context", "model_option"  # `context` is an option of local models


class Typed(frozenset[str]):
    """The names of the parameters that were typed, whatever their values."""

    def refuse_lone(self, names: Iterable[str], head: str) -> None:
        """UserError for one of these that would do nothing, because the one that they belong to was not typed."""
        lone = [name for name in names if name in self]
        if lone and head not in self:
            raise UserError(f"{option_name(lone[0])} does nothing without {option_name(head)}")

    def refuse_beside(self, names: Iterable[str], head: str, why: str) -> None:
        """UserError for one of these that was typed beside an option which does not go with it."""
        if head in self and (beside := [name for name in names if name in self]):
            raise UserError(f"{option_name(beside[0])} does not go with {option_name(head)}: {why}")


class GivenModelOptions(dict[str, object]):
    """The options of the model that were typed, by name: those that have a flag, and `--model-option NAME=VALUE`."""


def with_flags(command: Callable[..., Any]) -> Callable[..., Any]:
    """The command as typer takes it: every group among its parameters is spelled out as flags."""
    wanted = {name: hint for name, hint in get_type_hints(command, include_extras=True).items() if name != "return"}
    spelled: dict[str, inspect.Parameter] = {}
    parameters = inspect.signature(command).parameters
    for name, own in parameters.items():
        for each in _flags(own.replace(annotation=wanted[name])):
            spelled.setdefault(each.name, each)  # a field that two groups have is one flag

    def called(**given: Any) -> Any:
        typed = Typed(_typed(given[_CONTEXT], spelled))
        # What a command calls as an option of models is called is the command's own (`evalh chat --system`).
        of_model = Typed(typed - parameters.keys())
        return command(**{
            name: _model_options(given, of_model) if hint is GivenModelOptions else _value(name, hint, given, typed)
            for name, hint in wanted.items()
        })  # fmt: skip

    spelled.setdefault(_CONTEXT, inspect.Parameter(_CONTEXT, inspect.Parameter.KEYWORD_ONLY, annotation=Context))
    called.__name__, called.__doc__ = command.__name__, command.__doc__
    called.__annotations__ = {name: each.annotation for name, each in spelled.items()}
    called.__signature__ = inspect.Signature(list(spelled.values()))  # type: ignore[attr-defined]
    return called


def _typed(context: Context, names: Mapping[str, object]) -> Iterator[str]:
    """Which parameters the parser has found, by the parser's own word."""
    for name in names:
        source = context.get_parameter_source(name)
        if source is not None and source.name not in ("DEFAULT", "DEFAULT_MAP"):
            yield name


def _flags(own: inspect.Parameter) -> Iterator[inspect.Parameter]:
    """The parameters that stand for one of a command."""
    if own.annotation is Typed:
        return
    if own.annotation is GivenModelOptions:
        for group in MODEL_GROUPS:
            yield from _spelled(group)
        said = Option(
            help="Any option of the model's plug-in, as NAME=VALUE. Repeatable.", metavar="NAME=VALUE",
            rich_help_panel="Any model",
        )  # fmt: skip
        yield _parameter(_MODEL_OPTION, Annotated[list[str] | None, said], None)
    elif is_dataclass(own.annotation):
        yield from _spelled(own.annotation)
    else:
        yield own.replace(kind=inspect.Parameter.KEYWORD_ONLY)


def _spelled(group: Any) -> Iterator[inspect.Parameter]:
    """A flag for every field that has a help; the others are not a command's business."""
    for each in fields(group):
        marks = each.metadata
        if "help" not in marks:
            continue
        kind, default = _kind(bare(hints(group)[each.name]), each)
        # typer makes --no-... of a bool that has no spelling of its own, and no name but its own of a short flag
        own = marks.get("flag") or (f"--{each.name.replace('_', '-')}" if {"switch", "short"} & marks.keys() else None)
        said = Option(
            *(word for word in (own, marks.get("short")) if word), help=marks["help"], metavar=marks.get("unit"),
            rich_help_panel=marks.get("group") or getattr(group, "HEADING", None),
        )  # fmt: skip
        yield _parameter(each.name, Annotated[kind if default is not None else kind | None, said], default)


def _parameter(name: str, hint: Any, default: object) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=hint)


def _kind(hint: Any, each: Field[Any]) -> tuple[Any, Any]:
    """What typer is to read for a field, and its default. What is wrong is said by whoever takes the value."""
    default = each.default if each.default is not MISSING else None
    if get_origin(hint) is tuple:
        return (list[str] if each.metadata.get("repeatable") else str), ",".join(default or ()) or None
    return (str if get_origin(hint) is Literal else hint), default


def _value(name: str, hint: Any, given: Mapping[str, Any], typed: Typed) -> Any:
    """What a parameter of the command gets."""
    if hint is Typed:
        return typed
    if not is_dataclass(hint):
        return given[name]
    known = hints(hint)  # type: ignore[arg-type]
    spelled = {each.name: given[each.name] for each in fields(hint) if "help" in each.metadata}
    return hint(**{  # type: ignore[operator]
        word: _words(value) if get_origin(bare(known[word])) is tuple else value for word, value in spelled.items()
    })  # fmt: skip


def _words(value: str | list[str] | None) -> tuple[str, ...]:
    return package_names(value) if isinstance(value, str) else tuple(value or ())


def _model_options(given: Mapping[str, Any], typed: Typed) -> GivenModelOptions:
    """What was typed about the model. UserError for a word that gives nothing, or an option that is said twice."""
    found = GivenModelOptions()
    for group in MODEL_GROUPS:
        found |= {each.name: given[each.name] for each in fields(group) if each.name in typed}
    for word in given[_MODEL_OPTION] or ():
        name, equals, value = word.partition("=")
        name = name.strip().replace("-", "_")
        if not equals or not name:
            raise UserError(f"{option_name(_MODEL_OPTION)} wants NAME=VALUE; there is {word!r:.80}")
        if name in found:
            raise UserError(f"{option_name(_MODEL_OPTION)} {word!r:.80}: {name} is said twice")
        found[name] = value
    return found


class HelpInGroups(TyperCommand):
    """A command whose help shows its flags under the headings of their groups, and examples as they are typed."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        sections: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            heading = "Arguments" if parameter.param_type_name == "argument" else "Options"
            record = parameter.get_help_record(ctx)
            if record is not None:
                sections.setdefault(getattr(parameter, "rich_help_panel", None) or heading, []).append(record)
        for heading, records in sections.items():
            with formatter.section(heading):
                formatter.write_dl(records)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        if self.epilog:
            with formatter.section("Examples"):
                for line in self.epilog.strip().splitlines():
                    formatter.write(f"{'':>{formatter.current_indent}}{line.strip()}\n")
