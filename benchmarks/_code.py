"""Files and fields of the benchmarks whose answers are programs."""

import ast
import builtins
import sys
from collections.abc import Iterable
from pathlib import Path

from evalharness.data.files import jsonl
from evalharness.data.rows import Row, SourceReader, Want
from evalharness.text.syntax import parsed_module


def text_fields(row: Row, *names: str) -> None:
    """ValueError where a field is no text, KeyError where it is absent."""
    for name in names:
        if not isinstance(row[name], str) or (name == "entry_point" and not row[name].isidentifier()):
            raise ValueError(f"{row.get('task_id', '')}: {name} is not what it should be: {str(row[name])[:80]!r}")


def jsonl_file(pattern: str) -> SourceReader:
    """The rows of an authors' JSONL file, named itself or the only one of its pattern in a folder."""

    def read(path: Path, want: Want) -> Iterable[Row] | None:
        found = [path] if path.is_file() else sorted(path.glob(pattern))
        return list(jsonl(found[0])) if found and ".jsonl" in found[0].name else None

    return read


def parsed(code: str) -> ast.Module:
    """The syntax tree of a text, empty where it is no Python."""
    return parsed_module(code) or ast.Module(body=[], type_ignores=[])


def names(code: str) -> tuple[set[str], set[str]]:
    """(names that a text uses, names that it binds itself), both at any depth; empty where it is no Python."""
    tree = parsed(code)
    used = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}
    bound = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
            bound.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            bound |= {(a.asname or a.name).split(".")[0] for a in node.names}
        elif isinstance(node, ast.arg):
            bound.add(node.arg)
    return used, bound


def top_level(code: str) -> set[str]:
    """The functions and classes that a text defines at its top level."""
    return {n.name for n in parsed(code).body if isinstance(n, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef)}


def needs(test: str) -> tuple[set[str], set[str]]:
    """(names that a test wants from the program, modules of the standard library that it wants imported)."""
    used, bound = names(test)
    free = used - bound - set(dir(builtins))
    modules = {name for name in free if name in sys.stdlib_module_names}
    return free - modules, modules
