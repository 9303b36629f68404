#!/usr/bin/env python3
"""The import graph of the project: `python tools/imports.py [--graph]` prints ranks and counts, and what breaks a rule.

A module's rank is its longest path of imports. Imports inside functions and under TYPE_CHECKING count like all others:
a circle that only runs late is a circle. What a package may import stands in the table of docs/design.md, and nowhere
else; `tests/test_imports.py` holds the rules that this script measures.
"""

from __future__ import annotations

import ast
import re
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SOURCES = ("evalharness", "benchmarks", "judges")
LONGEST_FUNCTION, LONGEST_FILE = 60, 400
# What a plug-in, a command or a command group defines fulfils a contract: one name in many modules.
CONTRACTS = {
    "evalharness.benchmarks": {"benchmark", "family", "sample", "score"},
    "evalharness.judges": {"judge", "variants", "panel"},
    "evalharness.models": {"open_model", "open_prompts", "Options", "FOLDER"},
    "evalharness.executors": {"open_executor"},
    "evalharness.trackers": {"open_tracker"},
    "evalharness.importers": {"read_judgments", "read_run"},
    "evalharness.exporters": {"write_export", "SUFFIX"},
    "evalharness.web.migrations.versions": {"revision", "down_revision", "upgrade", "downgrade"},
    "evalharness.file_benchmarks": {"is_benchmark", "open_file"},
}

Graph = Mapping[str, frozenset[str]]


@dataclass(frozen=True)
class Tree:
    """The modules of the project by dotted name, parsed."""

    modules: Mapping[str, tuple[Path, ast.Module]]

    @cached_property
    def imports(self) -> Graph:
        """Module -> modules of ours that it imports, wherever the import stands."""
        return {name: frozenset(self._imported(name)) - {name} for name in self.modules}

    @cached_property
    def packages(self) -> Graph:
        """Package or loose module -> those of ours that it imports."""
        found: dict[str, set[str]] = defaultdict(set)
        for name, imported in self.imports.items():
            found[package(name)].update(package(other) for other in imported)
        return {name: frozenset(others - {name}) for name, others in found.items()}

    def _imported(self, name: str) -> Iterator[str]:
        path, tree = self.modules[name]
        here = name if path.name == "__init__.py" else name.rpartition(".")[0]
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names if alias.name in self.modules)
            elif isinstance(node, ast.ImportFrom):
                parts = here.split(".")
                above = ".".join(parts[: len(parts) - node.level + 1]) + "." if node.level else ""
                base = (above + (node.module or "")).rstrip(".")
                for alias in node.names:
                    named = f"{base}.{alias.name}"
                    # `from PACKAGE import MODULE` runs the package's `__init__` first.
                    yield from (m for m in (named, base) if m in self.modules)


def read_tree(root: Path = ROOT) -> Tree:
    """Every module below the source folders; `benchmarks/` and `judges/` under the names they install as."""
    found = {}
    for folder in SOURCES:
        for path in sorted((root / folder).rglob("*.py")):
            parts = path.relative_to(root).with_suffix("").parts
            name = ".".join(parts if folder == "evalharness" else ("evalharness", *parts)).removesuffix(".__init__")
            found[name] = path, ast.parse(path.read_text(encoding="utf-8"))
    return Tree(found)


def package(module: str) -> str:
    """`evalharness.engine.memory` -> `engine`; a loose module is its own package; the root is `evalharness`."""
    return (*module.split("."), "")[1] or "evalharness"


def ranks(graph: Graph) -> dict[str, int]:
    """The longest path of imports below each node, 1 for what imports nothing; members of a circle share theirs."""
    found: dict[str, int] = {}

    def rank(node: str, above: tuple[str, ...]) -> int:
        if node not in found:
            below = [rank(other, (*above, node)) for other in graph[node] if other in graph and other not in above]
            found[node] = 1 + max(below, default=0)
        return found[node]

    for node in graph:
        rank(node, ())
    return found


def circles(graph: Graph) -> list[list[str]]:
    """The sets of nodes that import each other, directly or over others."""
    reach = {node: _reach(graph, node) for node in graph}
    sets = {frozenset(o for o in reach[n] if n in reach.get(o, ())) for n in graph if n in reach[n]}
    return sorted(sorted(each) for each in sets)


def _reach(graph: Graph, start: str) -> set[str]:
    seen: set[str] = set()
    left = [start]
    while left:
        for other in graph.get(left.pop(), ()):
            if other not in seen:
                seen.add(other)
                left.append(other)
    return seen


def public_names(tree: Tree) -> dict[str, list[str]]:
    """Public top-level name -> the public modules that define it, where there are two and no contract asks for it."""
    found: dict[str, list[str]] = defaultdict(list)
    for module, (_, parsed) in tree.modules.items():
        parent, _, leaf = module.rpartition(".")
        if leaf.startswith("_") or parent == "evalharness.commands":
            continue
        for name in _defined(parsed):
            if not name.startswith("_") and name not in CONTRACTS.get(parent, ()):
                found[name].append(module)
    return {name: modules for name, modules in sorted(found.items()) if len(modules) > 1}


def _defined(parsed: ast.Module) -> Iterator[str]:
    for node in parsed.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Assign):
            yield from (n.id for target in node.targets for n in ast.walk(target) if isinstance(n, ast.Name))
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            yield node.target.id


def long_functions(tree: Tree) -> list[str]:
    """Functions of more lines than a reader takes in at once."""
    return [
        f"{module}.{node.name} ({(node.end_lineno or 0) - node.lineno + 1})"
        for module, (_, parsed) in tree.modules.items()
        for node in ast.walk(parsed)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or 0) - node.lineno + 1 > LONGEST_FUNCTION
    ]


def long_files(tree: Tree) -> list[str]:
    """Files over about 400 lines."""
    sizes = {name: path.read_text(encoding="utf-8").count("\n") for name, (path, _) in tree.modules.items()}
    return [f"{name} ({size})" for name, size in sizes.items() if size > LONGEST_FILE]


def allowed(root: Path = ROOT) -> dict[str, frozenset[str]]:
    """Package -> what it may import, from the table in docs/design.md (`| `name` | imports |`; `*` is everything)."""
    text = (root / "docs" / "design.md").read_text(encoding="utf-8")
    table = text.partition("<!-- imports -->")[2].partition("<!-- /imports -->")[0]
    rows = re.findall(r"^\|([^|]+)\|([^|]*)\|", table, flags=re.MULTILINE)
    said = {name: imports for names, imports in rows for name in re.findall(r"`([^`]+)`", names)}
    return {
        name: frozenset(said if imports.strip() == "*" else re.findall(r"`([^`]+)`", imports))
        for name, imports in said.items()
    }


def forbidden(tree: Tree, table: Mapping[str, frozenset[str]]) -> list[str]:
    """`engine -> report` for every import between packages that the table does not allow, or lacks the package of."""
    return sorted(
        f"{name} -> {other}"
        for name, imported in tree.packages.items()
        for other in imported
        if other not in table.get(name, ()) and other != "evalharness"
    )


def report(tree: Tree, graph: bool) -> None:
    """Print the graph, ranks and counts."""
    by_rank: dict[int, list[str]] = defaultdict(list)
    for name, rank in sorted(ranks(tree.packages).items()):
        by_rank[rank].append(name)
    for rank, names in sorted(by_rank.items()):
        print(f"rank {rank}: {', '.join(names)}")
    if graph:
        for name, others in sorted(tree.packages.items()):
            print(f"{name} -> {', '.join(sorted(others)) or 'nothing'}")
    counts: dict[str, list[str] | list[list[str]]] = {
        "loose modules": [name for name, (path, _) in tree.modules.items() if is_loose(name, path)],
        "packages": [name for name, (path, _) in tree.modules.items() if path.name == "__init__.py"][1:],
        "circles of modules": circles(tree.imports),
        "circles of packages": circles(tree.packages),
        "imports that the table forbids": forbidden(tree, allowed()),
        "names defined twice": [f"{name} ({len(modules)})" for name, modules in public_names(tree).items()],
        "functions over 60 lines": long_functions(tree),
        "files over 400 lines": long_files(tree),
    }
    print(f"ranks: {max(ranks(tree.imports).values())} of modules, {max(by_rank)} of packages")
    for what, found in counts.items():
        listed = ": " + "; ".join(map(str, found)) if found and what not in ("loose modules", "packages") else ""
        print(f"{what}: {len(found)}{listed}")


def is_loose(name: str, path: Path) -> bool:
    """Whether a module stands beside the packages, not in one.

    `__main__` is none: like `__init__` it is a name that Python asks for (`python -m evalharness`), and nothing
    imports it.
    """
    beside = name.startswith("evalharness.") and name.count(".") == 1
    return beside and path.name not in ("__init__.py", "__main__.py")


if __name__ == "__main__":
    report(read_tree(), "--graph" in sys.argv[1:])
