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
DEEPEST = 50


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
        file = self.files.get(str(where[0]), self.file) if where else self.file
        return DataError(f"{file}:{self.lines.get(where, 1)}: {message}")

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


def read_yaml(file: Path) -> YamlDocument:
    """The file's mapping. DataError for bad YAML, a key that is there twice, an alias, and anything but a mapping."""
    import yaml

    text = read_text(file)
    try:
        _check(yaml.parse(text, Loader=yaml.SafeLoader), file)
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f":{mark.line + 1}:{mark.column + 1}" if mark else ""
        raise DataError(f"{file}{place}: not valid YAML ({error.problem or error.context})") from error
    except yaml.YAMLError as error:
        raise DataError(f"{file}: not valid YAML ({str(error).splitlines()[0]})") from error
    if not isinstance(node, yaml.MappingNode):
        raise DataError(f"{file}:1: wanted a mapping of keys and values")
    lines: dict[YamlPath, int] = {}
    loader = yaml.SafeLoader("")
    loader.add_constructor(PYTHON, lambda _, found: Function(found.value))
    value = _value(node, (), lines, loader, file)
    return YamlDocument(file=file, value=value, lines=lines)


def _check(events: Iterator[Any], file: Path) -> None:
    """DataError for what could unfold to gigabytes or recurse: aliases, and nesting beyond any use."""
    import yaml

    depth = 0
    for event in events:
        line = event.start_mark.line + 1
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if isinstance(event, yaml.AliasEvent):
            raise DataError(f"{file}:{line}: aliases (*{event.anchor}) are not read")
        if depth > DEEPEST:
            raise DataError(f"{file}:{line}: nested more than {DEEPEST} deep")


def _value(node: Any, where: YamlPath, lines: dict[YamlPath, int], loader: Any, file: Path) -> Any:
    """Mappings and lists by hand, to keep their lines; plain values as SafeLoader reads them."""
    import yaml

    lines.setdefault(where, node.start_mark.line + 1)
    if isinstance(node, yaml.SequenceNode):
        return [_value(child, (*where, i), lines, loader, file) for i, child in enumerate(node.value)]
    if not isinstance(node, yaml.MappingNode):
        try:
            return loader.construct_object(node)
        except yaml.MarkedYAMLError as error:
            raise DataError(f"{file}:{node.start_mark.line + 1}: {error.problem}") from error
    found: dict[str, Any] = {}
    for key_node, child in node.value:
        if not isinstance(key_node, yaml.ScalarNode):
            raise DataError(f"{file}:{key_node.start_mark.line + 1}: wanted a name before the colon")
        key = str(key_node.value)
        place = (*where, key)
        if key in found:
            raise DataError(f"{file}:{key_node.start_mark.line + 1}: the key {key!r} is there twice")
        lines[place] = key_node.start_mark.line + 1
        found[key] = _value(child, place, lines, loader, file)
    return found
