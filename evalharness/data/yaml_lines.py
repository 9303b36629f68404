"""YAML that knows on which line each value stands, so that a mistake in it can be named by file and line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from evalharness.data.files import read_text
from evalharness.errors import DataError

YamlPath = tuple[str | int, ...]
PYTHON = "!function"
_DEEPEST = 50
_LONGEST = 16 << 20  # characters
_UNFOLDED = 1 << 20  # values and characters that aliases may add to a file's own
YAML = "tag:yaml.org,2002:"
_MERGE = YAML + "merge"
SCALARS = {YAML + name for name in ("str", "int", "float", "bool", "null", "timestamp", "merge", "value")}


class Function(str):
    """A value that names Python code (`!function module.name`), which is never run."""

    __slots__ = ()


@dataclass(frozen=True)
class YamlDocument:
    """The mapping that a YAML file holds. `lines` has the line of every key and list entry by its place; `files` the
    file of a top-level key that comes from another one."""

    file: Path
    value: Mapping[str, Any]
    lines: Mapping[YamlPath, int]
    files: Mapping[str, Path] = field(default_factory=dict)

    def error(self, where: YamlPath, message: str) -> DataError:
        """A DataError that begins with file and line of a place, or of the nearest place around it."""
        while where and where not in self.lines:
            where = where[:-1]
        return DataError(f"{self.file_of(where)}:{self.lines.get(where, 1)}: {message}")

    def file_of(self, where: YamlPath) -> Path:
        """The file that a place stands in."""
        return self.files.get(str(where[0]), self.file) if where else self.file

    def hold_to(self, schema: Mapping[str, Any]) -> None:
        """DataError names file and line of the first value that is not as a JSON schema has it."""
        from jsonschema import Draft202012Validator

        for mistake in Draft202012Validator(schema).iter_errors(self.value):
            where = tuple(mistake.absolute_path)
            raise self.error(where, f"{'.'.join(map(str, where))}: {mistake.message:.200}")

    def over(self, base: YamlDocument) -> YamlDocument:
        """This mapping laid over another: its keys win, and every key keeps its own file and line."""
        kept = {key: line for key, line in base.lines.items() if not key or key[0] not in self.value}
        files = {**dict.fromkeys(base.value, base.file), **base.files}
        return YamlDocument(
            file=self.file,
            value={**base.value, **self.value},
            lines={**kept, **self.lines},
            files={key: file for key, file in files.items() if key not in self.value},
        )


def read_yaml(file: Path, repeated: list[int] | None = None, *, aliases: bool = False) -> YamlDocument:
    """The file's mapping. DataError for bad YAML, a key that is there twice, an alias, a tag that asks for anything but
    plain data (`!!python/...`), and anything but a mapping.

    With a list for them, `repeated` gets the lines of keys that are there twice, and the last counts. With `aliases`
    they and merged mappings (`<<: *name`) are read too, unless they unfold to far more than the file is long.
    """
    value, lines = parsed(file, strict=repeated is None, repeated=repeated, aliases=aliases)
    if not isinstance(value, dict):
        raise DataError(f"{file}:1: wanted a mapping of keys and values")
    return YamlDocument(file=file, value=value, lines=lines)


def parsed(
    file: Path, *, strict: bool = True, repeated: list[int] | None = None, aliases: bool = False
) -> tuple[Any, dict[YamlPath, int]]:
    """The value of a YAML file, whatever it is, and the line of every part of it. DataError as `read_yaml`; not
    `strict`: a key may be there twice, and the last counts."""
    import yaml

    text = read_text(file)
    if len(text) > _LONGEST:
        raise DataError(f"{file}: has {len(text):,} characters; a YAML file has {_LONGEST:,} at most")
    try:
        _check(yaml.parse(text, Loader=yaml.SafeLoader), file, aliases)
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f":{mark.line + 1}:{mark.column + 1}" if mark else ""
        raise DataError(f"{file}{place}: not valid YAML ({error.problem or error.context})") from error
    except yaml.YAMLError as error:
        raise DataError(f"{file}: not valid YAML ({str(error).splitlines()[0]})") from error
    lines: dict[YamlPath, int] = {}
    reader = _Reader(
        file, yaml.SafeLoader(""), strict, repeated, _Unfolding(2 * len(text) + _UNFOLDED) if aliases else None
    )
    return None if node is None else _value(node, (), lines, reader), lines


def _check(events: Iterator[Any], file: Path, aliases: bool) -> None:
    """DataError for what could unfold to gigabytes or recurse: aliases that are not expected, and nesting beyond any
    use."""
    import yaml

    depth = 0
    for event in events:
        line = event.start_mark.line + 1
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if isinstance(event, yaml.AliasEvent) and not aliases:
            raise DataError(f"{file}:{line}: aliases (*{event.anchor}) are not read")
        if depth > _DEEPEST:
            raise DataError(f"{file}:{line}: nested more than {_DEEPEST} deep")


@dataclass(slots=True)
class _Unfolding:
    """How many more values and characters a file's aliases may unfold to: a few lines can stand for more than any
    memory holds."""

    left: int

    def step(self, file: Path, line: int, deep: int, characters: int = 0) -> None:
        """DataError for one value too many, or one too deep: an alias may stand within what it names."""
        self.left -= 1 + characters
        if self.left < 0 or deep > _DEEPEST:
            raise DataError(f"{file}:{line}: its aliases (*name) unfold to more than can be read; write them out")


@dataclass(frozen=True, slots=True)
class _Reader:
    file: Path
    loader: Any
    strict: bool
    repeated: list[int] | None
    unfolding: _Unfolding | None  # None: aliases are not read, and `<<` is a key like any other

    def merged(self, node: Any, deep: int = 0) -> Iterator[tuple[Any, Any]]:
        """The keys and values that a mapping takes from others (`<<`), later ones over earlier: of a list of mappings
        the first wins."""
        import yaml

        if self.unfolding is None:
            return
        for key, value in node.value:
            for other in reversed(value.value if value.id == "sequence" else [value]) if key.tag == _MERGE else ():
                self.unfolding.step(self.file, key.start_mark.line + 1, deep)
                if not isinstance(other, yaml.MappingNode):
                    raise DataError(f"{self.file}:{key.start_mark.line + 1}: << wants a mapping, or a list of them")
                yield from self.merged(other, deep + 1)
                yield from self.own(other)

    def own(self, node: Any) -> list[tuple[Any, Any]]:
        """A mapping's own keys and values."""
        return [pair for pair in node.value if self.unfolding is None or pair[0].tag != _MERGE]


def _value(node: Any, where: YamlPath, lines: dict[YamlPath, int], by: _Reader) -> Any:
    """Mappings and lists by hand, to keep their lines; plain values as SafeLoader reads them."""
    import yaml

    line = node.start_mark.line + 1
    lines.setdefault(where, line)
    if by.unfolding is not None:
        by.unfolding.step(by.file, line, len(where), len(node.value) if node.id == "scalar" else 0)
    plain = {"scalar": {*SCALARS, PYTHON}, "sequence": {YAML + "seq"}, "mapping": {YAML + "map"}}
    if node.tag not in plain[node.id]:
        raise DataError(f"{by.file}:{line}: the tag {node.tag!r:.80} asks for more than plain data, which is not read")
    if isinstance(node, yaml.SequenceNode):
        return [_value(child, (*where, i), lines, by) for i, child in enumerate(node.value)]
    if not isinstance(node, yaml.MappingNode):
        try:
            return Function(node.value) if node.tag == PYTHON else by.loader.construct_object(node)
        except yaml.MarkedYAMLError as error:
            raise DataError(f"{by.file}:{line}: {error.problem}") from error
        except (ValueError, OverflowError, LookupError, TypeError) as error:  # a date of month 99, a million digits
            raise DataError(f"{by.file}:{line}: not a value that can be read ({str(error)[:80]})") from error
    found: dict[str, Any] = {}
    for pairs, strict in ((by.merged(node), False), (by.own(node), True)):
        seen: set[str] = set()
        for key_node, child in pairs:
            at = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                raise DataError(f"{by.file}:{at}: wanted a name before the colon")
            key = str(key_node.value)
            if key in seen and strict and by.strict:
                raise DataError(f"{by.file}:{at}: the key {key!r} is there twice")
            if key in seen and strict and by.repeated is not None:
                by.repeated.append(at)
            seen.add(key)
            lines[(*where, key)] = at
            found[key] = _value(child, (*where, key), lines, by)
    return found
