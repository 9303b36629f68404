"""The import graph keeps the table of docs/design.md, without circles; names mean one thing; the start stays light."""

import ast
import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

import evalharness

ROOT = Path(__file__).resolve().parents[1]
SPEC = importlib.util.spec_from_file_location("import_graph", ROOT / "tools" / "imports.py")
graph = importlib.util.module_from_spec(SPEC)
sys.modules["import_graph"] = graph
SPEC.loader.exec_module(graph)

HEAVY = {
    "torch", "transformers", "datasets", "openai", "sklearn", "scipy", "starlette", "pandas", "pyarrow", "matplotlib",
    "statsmodels", "numpy", "rich", "pydantic", "jinja2", "aiohttp",
}  # fmt: skip


def imports(path: Path):
    """(module, line, inside a function or TYPE_CHECKING) of every import in a file."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    late = set()
    for node in ast.walk(tree):
        guarded = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or guarded:
            late.update(id(child) for child in ast.walk(node))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno, id(node) in late) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module == "evalharness":
            yield from ((f"evalharness.{alias.name}", node.lineno, id(node) in late) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module, node.lineno, id(node) in late


@pytest.fixture(scope="module")
def tree():
    return graph.read_tree()


def test_packages_import_what_the_table_allows(tree):
    table = graph.allowed()
    assert set(tree.packages) - {"evalharness"} == set(table), "docs/design.md: one row for every package, no other"
    assert graph.forbidden(tree, table) == []


def test_no_circle_between_modules_nor_between_packages(tree):
    assert graph.circles(tree.imports) == []
    assert graph.circles(tree.packages) == []


def test_a_public_name_means_one_thing(tree):
    assert graph.public_names(tree) == {}


def test_functions_and_files_stay_readable(tree):
    assert graph.long_functions(tree) == []
    assert graph.long_files(tree) == []


def test_few_modules_stand_loose(tree):
    loose = [name for name, (path, _) in tree.modules.items() if graph.is_loose(name, path)]
    assert len(loose) <= 12, loose


def test_the_measure_sees_circles_that_run_late_and_names_defined_twice():
    sources = {
        "evalharness.a": "def f():\n    from evalharness import b\n\nname = 1",
        "evalharness.b": "if TYPE_CHECKING:\n    from evalharness.a import f\nname = 2",
        "evalharness.c": "from evalharness import a",
    }
    made = graph.Tree({name: (Path(f"{name}.py"), ast.parse(text)) for name, text in sources.items()})
    assert graph.circles(made.imports) == [["evalharness.a", "evalharness.b"]]
    assert graph.circles(made.packages) == [["a", "b"]]
    assert graph.public_names(made) == {"name": ["evalharness.a", "evalharness.b"]}
    assert graph.ranks(made.imports)["evalharness.c"] > graph.ranks(made.imports)["evalharness.a"]
    assert graph.forbidden(made, {"a": frozenset("b"), "b": frozenset("a")}) == ["c -> a"]


def test_no_public_name_is_a_submodule():
    """`from evalharness import compare` must stay a function, whatever was imported before."""
    code = (
        "import importlib, pkgutil, types, evalharness\n"
        "for m in pkgutil.walk_packages(evalharness.__path__, 'evalharness.'):\n"
        "    if '__main__' not in m.name and not m.name.startswith('evalharness.sandbox.'):\n"
        "        try:\n"
        "            importlib.import_module(m.name)\n"
        "        except ModuleNotFoundError as missing:  # a plug-in of an extra that is not installed here\n"
        "            if missing.name.startswith('evalharness'):\n"
        "                raise\n"
        "print([n for n in evalharness.__all__ if isinstance(getattr(evalharness, n), types.ModuleType)])"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"


def test_type_checkers_are_told_of_every_public_name():
    stub = ast.parse((ROOT / "evalharness" / "__init__.pyi").read_text(encoding="utf-8"))
    told = {a.asname: node.module for node in ast.walk(stub) if isinstance(node, ast.ImportFrom) for a in node.names}
    assert told == {name: f"evalharness.{home}" for name, home in evalharness._HOMES.items()}


def test_the_core_names_no_plugin(tree):
    named = [
        name
        for name, imported in tree.imports.items()
        if graph.package(name) not in ("benchmarks", "judges")
        and any(graph.package(other) in ("benchmarks", "judges") for other in imported)
    ]
    assert named == []


def test_a_plugin_imports_no_other_plugin():
    wrong = []
    for folder in ("benchmarks", "judges"):
        for path in sorted((ROOT / folder).glob("*.py")):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            for node in ast.walk(tree):
                if isinstance(node, ast.ImportFrom) and node.level == 1:
                    names = [node.module] if node.module else [alias.name for alias in node.names]
                    wrong += [f"{path.name}:{node.lineno} imports {n}" for n in names if not n.startswith("_")]
    assert not wrong, "\n".join(wrong)


# Flags are made of records that say what they are.
DECLARATIONS = {
    f"evalharness.{name}"
    for name in ("commands._flags", "commands._names", "errors", "executor", "options", "training.config")
}


def test_commands_import_nothing_but_typer_and_declarations_before_they_run():
    known = DECLARATIONS | sys.stdlib_module_names | {"typer"}
    wrong = []
    for path in sorted((ROOT / "evalharness" / "commands").glob("*.py")):
        for module, line, late in imports(path):
            if not late and not known & {module, module.split(".")[0]}:
                wrong.append(f"{path.name}:{line} imports {module}")
    assert not wrong, "\n".join(wrong)


def test_the_help_page_loads_nothing_heavy():
    code = (
        "import sys; from evalharness.cli import application; application();"
        f"print(sorted({HEAVY - {'rich', 'pydantic'}!r} & set(sys.modules)))"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"
