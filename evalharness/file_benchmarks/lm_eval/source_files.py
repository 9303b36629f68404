"""Python files as texts, none of it run: which names a module may define, what a function returns, what is imported."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from evalharness.errors import UserError

LM_EVAL = "lm_eval"


def may_define(file: Path, name: str) -> bool:
    """Whether a module binds a name at its top level, or may: by a star import, or in a way that only running tells."""
    for node in ast.walk(_parsed(file)):
        if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
            bound = [node.name]
        elif isinstance(node, ast.Import | ast.ImportFrom):
            bound = [alias.asname or alias.name for alias in node.names]
        elif isinstance(node, ast.Name):
            bound = [node.id] if isinstance(node.ctx, ast.Store) or node.id == "globals" else []
        else:
            continue
        if {name, "*", "globals"} & set(bound):
            return True
    return False


def returned_keys(file: Path, name: str) -> tuple[str, ...]:
    """The texts that are keys of mappings in a function of a file, or in those of the file that it names."""
    functions = {node.name: node for node in _parsed(file).body if isinstance(node, ast.FunctionDef)}
    wanted, own = [name], dict[str, ast.FunctionDef]()
    while wanted:
        name = wanted.pop()
        if name in functions and name not in own:
            own[name] = functions[name]
            wanted += [one.id for one in ast.walk(own[name]) if isinstance(one, ast.Name)]
    keys = [key for node in own.values() for one in ast.walk(node) if isinstance(one, ast.Dict) for key in one.keys]
    texts = [key.value for key in keys if isinstance(key, ast.Constant) and isinstance(key.value, str)]
    return tuple(dict.fromkeys(texts))


def _parsed(file: Path) -> ast.Module:
    about = file.stat()
    return _parsed_once(file, about.st_mtime_ns, about.st_size)


@cache
def _parsed_once(file: Path, changed: int, size: int) -> ast.Module:
    try:
        return ast.parse(file.read_bytes())
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise UserError(f"{file}:{getattr(error, 'lineno', 1) or 1}: no valid Python ({error})") from error


def reached_from(files: Iterable[Path], root: Path) -> tuple[tuple[Path, ...], set[str]]:
    """The files that modules come from, through what they import of their own folders, and the other modules that they
    import, by their top names, the standard library left out."""
    found: dict[Path, None] = {}
    wanted, others = list(files), set()
    while wanted:
        file = wanted.pop()
        if file in found:
            continue
        found[file] = None
        for level, name in _imports(file):
            base = file.parent if level else root
            for _ in range(level - 1):
                base = base.parent
            inner = name.removeprefix(f"{LM_EVAL}.tasks.") if name.startswith(f"{LM_EVAL}.tasks.") else name
            own = [base / (inner.replace(".", "/") + ".py"), base / inner.replace(".", "/") / "__init__.py"]
            wanted += [path.resolve() for path in own if inner and path.is_file()]
            if not level:
                others.add(name.partition(".")[0])
    return tuple(sorted(found)), {name for name in others if name not in sys.stdlib_module_names}


def _imports(file: Path) -> Iterator[tuple[int, str]]:
    """(dots before it, dotted name) of every import of a file, in functions too."""
    for node in ast.walk(_parsed(file)):
        if isinstance(node, ast.Import):
            yield from ((0, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            yield node.level, base
            yield from ((node.level, f"{base}.{alias.name}".lstrip(".")) for alias in node.names)
