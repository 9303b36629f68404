"""Imports go down only; the core never imports a plug-in; plug-ins never import each other; the start stays light."""

import ast
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

# Floor of every module or package of the core, by its first name under `evalharness`.
FLOORS = {
    1: {"errors", "records"},
    2: {
        "scoring", "metrics", "classification", "ratings", "battles", "perturbations", "statistics", "sources", "chat",
        "fields", "files", "chat_formats", "chat_templates",
        "sandbox", "network", "model", "tiny", "math_answers", "verdicts", "judged", "agreement", "length_control",
        "cache",
    },
    3: {
        "benchmark", "described", "code_answers", "multiple_choice", "judge", "models", "plugins", "holistic",
        "instruction_checks"},
    4: {"store", "plan", "runner", "summary", "manifest", "session", "inventory", "tuner", "compare",
        "judging", "suite", "win_rates"},
    5: {"report", "web"},
    6: {"commands", "cli", "__main__", "pytest_plugin"},
}  # fmt: skip
FLOOR = {name: floor for floor, names in FLOORS.items() for name in names}
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


def own(module: str) -> str | None:
    """The first name under `evalharness`, None for anything else."""
    parts = module.split(".")
    return parts[1] if parts[0] == "evalharness" and len(parts) > 1 else None


def test_every_module_of_the_core_has_a_floor():
    core = ROOT / "evalharness"
    names = {p.stem for p in core.glob("*.py")} | {p.parent.name for p in core.glob("*/__init__.py")}
    assert names - {"__init__"} <= set(FLOOR), "give the new module its floor in FLOORS"


def test_imports_go_down_only():
    upward = []
    for path in sorted((ROOT / "evalharness").rglob("*.py")):
        here = path.relative_to(ROOT / "evalharness").parts[0].removesuffix(".py")
        for module, line, _ in imports(path):
            there = own(module)
            if there in FLOOR and here in FLOOR and FLOOR[there] > FLOOR[here]:
                upward.append(f"{path.relative_to(ROOT)}:{line} imports {module}")
    assert not upward, "\n".join(upward)


def test_the_core_names_no_plugin_and_plugins_stay_on_their_floor():
    wrong = []
    for folder in ("evalharness", "benchmarks", "judges"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            for module, line, _ in imports(path):
                top = module.split(".")[0]
                named = top in {"benchmarks", "judges"} or own(module) in {"benchmarks", "judges"}
                high = folder != "evalharness" and FLOOR.get(own(module) or "", 0) > 3
                if named or high:
                    wrong.append(f"{path.relative_to(ROOT)}:{line} imports {module}")
    assert not wrong, "\n".join(wrong)


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


def test_commands_import_nothing_but_typer_and_the_standard_library_before_they_run():
    wrong = []
    for path in sorted((ROOT / "evalharness" / "commands").glob("*.py")):
        for module, line, late in imports(path):
            if not late and module.split(".")[0] not in sys.stdlib_module_names | {"typer"}:
                wrong.append(f"{path.name}:{line} imports {module}")
    assert not wrong, "\n".join(wrong)


def test_the_help_page_loads_nothing_heavy():
    code = (
        "import sys; from evalharness.cli import application; application();"
        f"print(sorted({HEAVY - {'rich', 'pydantic'}!r} & set(sys.modules)))"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"
