"""Writes the reference pages from the code: `python tools/reference.py`; with `--check` it only compares.

docs/cli.md has every command with its options, docs/run-folder.md every field of a run on disk, and
docs/python-reference.md the public names with their signatures.
"""

from __future__ import annotations

import importlib
import inspect
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import evalharness
from evalharness import cli, records
from evalharness.data.kept import schema_of
from evalharness.runs.figures import Summary
from evalharness.runs.manifest import Manifest

DOCS = Path(__file__).resolve().parents[1] / "docs"
CLI = """# Commands

Generated from the commands by `python tools/reference.py`; a test holds it fresh. `evalh COMMAND --help` shows the
same. `evalh completion bash` (or zsh, fish) prints what a shell needs to complete them.
"""
FOLDER = """# A run's folder

Generated from the records by `python tools/reference.py`; a test holds it fresh. `runs/NAME/` holds `run.json`,
`results.jsonl` and `summary.json`; a judged run has `verdicts.jsonl`, a part of a run no summary. `evalh verify` says
whether they agree, [design.md](design.md) why they are as they are. A field that is not said is null or left out; what
another writer put beside them is kept. An *object by name* has an entry for each benchmark, judging or figure.
"""
PYTHON = """# Names of the Python API

Generated from the code by `python tools/reference.py`; a test holds it fresh. [python-api.md](python-api.md) shows how
they are used. `from evalharness import NAME`; every mistake that a caller can mend is a `UserError`.
"""
LINES = "One line for each answer, as it came; of one benchmark, id and repeat the last line counts.\n"
RECORDS = (records.Result, records.Sample, records.Request, records.Message, records.Response, records.Verdict)


def cli_page() -> str:
    """Every command: its line of usage, what it does, its options under their headings, its examples."""
    return "\n".join([CLI, *(part for name in cli.COMMANDS for part in _command_parts(name))])


def _command_parts(name: str) -> Iterator[str]:
    import typer.main

    made = typer.main.get_command(cli.application(name))
    command = getattr(made, "commands", {}).get(name, made)
    yield f"## evalh {name}\n"
    inner = getattr(command, "commands", None)
    if inner is None:
        yield from _options(f"evalh {name}", command)
        return
    yield f"{_prose(command.help)}\n"
    for word, one in inner.items():
        yield f"### evalh {name} {word}\n"
        yield from _options(f"evalh {name} {word}", one)


def _options(name: str, command: Any) -> Iterator[str]:
    import click

    context = click.Context(command, info_name=name) if isinstance(command, click.Command) else _context(command, name)
    usage = " ".join(command.collect_usage_pieces(context))
    yield f"```text\n{name} {usage}\n```\n"
    yield f"{_prose(command.help)}\n"
    groups: dict[str, list[str]] = {}
    for parameter in command.get_params(context):
        said = parameter.get_help_record(context)
        if said is not None and "--help" not in said[0]:
            heading = "Arguments" if parameter.param_type_name == "argument" else "Options"
            row = f"| `{_cell(said[0])}` | {_cell(said[1])} |"
            groups.setdefault(getattr(parameter, "rich_help_panel", None) or heading, []).append(row)
    for heading, rows in groups.items():
        yield f"| {heading} | |\n|---|---|\n" + "\n".join(rows) + "\n"
    if command.epilog:
        yield "```text\n" + "\n".join(map(str.strip, command.epilog.strip().splitlines())) + "\n```\n"


def _context(command: Any, name: str) -> Any:
    """The context of typer's own kind of command."""
    return command.context_class(command, info_name=name)


def _prose(text: str | None) -> str:
    return re.sub(r"\s*\n(?!\n)\s*", " ", (text or "").strip()) if text else ""


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def folder_page() -> str:
    """Every field of `run.json`, `summary.json` and of a line of `results.jsonl`."""
    parts = [FOLDER, "## run.json\n", _prose(inspect.getdoc(Manifest)) + "\n", *_schema_tables(schema_of(Manifest))]
    parts += ["## summary.json\n", _prose(inspect.getdoc(Summary)) + "\n", *_schema_tables(schema_of(Summary))]
    parts += [
        "## results.jsonl\n",
        "One line for each answer, as it came; the last line of a benchmark, id and repeat counts.\n",
    ]
    for kind in RECORDS:
        parts += [f"### {kind.__name__}\n", _prose(inspect.getdoc(kind)) + "\n", "| field | what |\n|---|---|"]
        keys = records.KEYS_ON_DISK
        parts += ["\n".join(f"| `{keys.get(f.name, f.name)}` | {_cell(str(f.type))} |" for f in fields(kind)) + "\n"]
    return "\n".join(parts)


def _schema_tables(schema: Mapping[str, Any]) -> Iterator[str]:
    """A row for each field, nested ones by their whole place."""
    yield "| field | kind |\n|---|---|\n" + "\n".join(_schema_rows(schema, "")) + "\n"


def _schema_rows(schema: Mapping[str, Any], place: str) -> Iterator[str]:
    for name, said in schema.get("properties", {}).items():
        yield f"| `{place}{name}` | {_kind(said)} |"
        inner = said.get("additionalProperties")
        if isinstance(inner, Mapping) and "properties" in inner:
            yield from _schema_rows(inner, f"{place}{name}.NAME.")
        elif isinstance(said.get("items"), Mapping):
            yield from _schema_rows(said["items"], f"{place}{name}[].")
        else:
            yield from _schema_rows(said, f"{place}{name}.")


def _kind(said: Mapping[str, Any]) -> str:
    if "enum" in said:
        return "one of " + ", ".join("null" if one is None else f"`{one}`" for one in said["enum"])
    kinds = said.get("type", "anything")
    words = [kinds] if isinstance(kinds, str) else kinds
    inner = said.get("additionalProperties")
    by_name = " by name" if isinstance(inner, Mapping) and "object" in words else ""
    return " or ".join(str(word) for word in words) + by_name


def python_page() -> str:
    """Every public name: its signature, its docstring, and the settings that it takes."""
    parts = [PYTHON]
    for name in getattr(evalharness, "__all__"):  # noqa: B009  # its stub has names alone
        found = getattr(evalharness, name)
        parts += [f"## {name}\n", f"```python\n{_signature(name, found)}\n```\n", f"{inspect.getdoc(found) or ''}\n"]
        parts += list(_settings(found))
        if is_dataclass(found):
            rows = [f"| `{one.name}` | `{_cell(str(one.type))}` |" for one in fields(found)]
            parts += ["| field | type |\n|---|---|\n" + "\n".join(rows) + "\n"]
    return "\n".join(parts)


def _signature(name: str, found: Any) -> str:
    if inspect.isclass(found):
        return f"class {name}" + ("(Exception)" if issubclass(found, Exception) else "")
    return f"{name}{inspect.signature(found)}".replace("'", "")


def _settings(found: Any) -> Iterator[str]:
    """The keyword settings of a function whose docstring names a typed dictionary of them."""
    said = str(getattr(found, "__annotations__", {}).get("settings", ""))
    match = re.search(r"Unpack\[(\w+)\]", said)
    if match is None:
        return
    kind = getattr(importlib.import_module("evalharness.api"), match[1])
    rows = [f"| `{key}` | `{_cell(_bare(value))}` |" for key, value in kind.__annotations__.items()]
    yield f"{inspect.getdoc(kind) or ''}\n"
    yield "| setting | type |\n|---|---|\n" + "\n".join(rows) + "\n"


def _bare(hint: Any) -> str:
    return str(getattr(hint, "__forward_arg__", hint))


PAGES: Mapping[str, Callable[[], str]] = {
    "cli.md": cli_page, "run-folder.md": folder_page, "python-reference.md": python_page,
}  # fmt: skip


def main() -> None:
    stale = []
    for name, page in PAGES.items():
        text = page().rstrip() + "\n"
        file = DOCS / name
        if "--check" not in sys.argv[1:]:
            file.write_text(text, encoding="utf-8")
        elif not file.is_file() or file.read_text(encoding="utf-8") != text:
            stale.append(name)
    if stale:
        raise SystemExit(f"docs/{stale[0]} is not what the code says; run python tools/reference.py")


if __name__ == "__main__":
    main()
