"""Mutation testing: would a test fail if a line of ours were wrong? Seeded changes, one at a time, against the tests.

`python perf/mutants.py [--modules evalharness/stats,PATH] [--count 40] [--seed 0] [--files 8] [--workers 1]`
prints, per module, how many mutants there were, how many of them a test noticed, and those that none did, with file and
line: what a test is missing, or what perf/mutants_survivors.md says why nobody can notice. A mutant with which a test
takes far more processor time than without is killed too, and listed: most never end, but a busy machine may be why.
First all tests are run as the code is: one that fails is named and left out. Tests are those of the files that import
the module directly or through one step (in the folder that mirrors its own: through any), or that give commands there;
those that are marked slow or measure time are left out.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator, Sequence
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tools"))

import imports

ROOT = Path(__file__).resolve().parents[1]

MEASURED = (
    "evalharness/stats", "evalharness/scoring", "evalharness/comparison", "evalharness/judging",
    "evalharness/engine/prefix_sharing.py",
)  # fmt: skip
ALSO = {  # tests that get to a module through commands alone, from another folder than its own or another test's help
    "evalharness.comparison.draws": ("tests/runs/test_drawn.py",),
    "evalharness.comparison.early_stop": ("tests/runs/test_drawn.py",),
    "evalharness.judging.asking": ("tests/judging/test_side_by_side.py",),
    "evalharness.judging.imported": ("tests/importers/test_importers.py", "tests/importers/test_more_formats.py"),
}
UNSTEADY = ("tests/scoring/test_linear_time.py",)  # it measures time, which a busy machine has others of
HEAVY = (
    "numpy", "scipy.stats", "scipy.optimize", "scipy.special", "statsmodels.api", "sklearn.metrics", "torch", "typer",
    "rich.console", "jsonschema", "pydantic", "aiohttp", "jinja2", "tiktoken", "orjson",
)  # fmt: skip


def modules(wanted: Sequence[str], tree: imports.Tree) -> list[tuple[str, str]]:
    """(module, path) of every module in the folders and files named."""
    found = []
    for name, (path, _) in tree.modules.items():
        place = path.relative_to(ROOT).as_posix()
        if path.name != "__init__.py" and any(
            place == one or place.startswith(one.rstrip("/") + "/") for one in wanted
        ):
            found.append((name, place))
    if not found:
        sys.exit(f"no module of {', '.join(wanted)}; wanted paths such as evalharness/stats")
    return found


def imported_by_tests(tree: imports.Tree) -> dict[str, set[str]]:
    """Test file -> modules of ours that it imports."""
    found = {}
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        held: set[str] = set()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                held.update(alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                held.update(f"{node.module}.{alias.name}" for alias in node.names)
                held.add(node.module)
        found[path.relative_to(ROOT).as_posix()] = held & tree.modules.keys()
    return found


def test_files(module: str, tree: imports.Tree, tests: dict[str, set[str]], most: int) -> list[str]:
    """The test files of a module, at most so many, the likeliest to notice a change first: named after it, direct
    importers, those of the folder that mirrors its own (that import it through one step, through several, or give
    commands), and those elsewhere that import it through one step."""
    leaf, package = module.rpartition(".")[2], imports.package(module)
    within = {module}  # what reaches it without leaving its package
    while more := {m for m in tree.imports if imports.package(m) == package and tree.imports[m] & within} - within:
        within |= more

    def rank(file: str) -> int | None:
        mirrored = file.startswith(f"tests/{package}/")
        commands = mirrored and "evalh(" in (ROOT / file).read_text(encoding="utf-8")
        direct = module in tests[file]
        if file in ALSO.get(module, ()) or (file.endswith(f"/test_{leaf}.py") and (mirrored or direct)):
            return 0
        one_step = any(module in tree.imports[other] for other in tests[file])
        if direct:
            return 2 - mirrored
        if mirrored:
            return 3 if one_step else 4 if tests[file] & within else 5 if commands else None
        return 6 if one_step else None

    ranked = {file: rank(file) for file in tests if file not in UNSTEADY}
    return sorted((f for f, r in ranked.items() if r is not None), key=lambda f: (ranked[f], f))[:most]


def copied(folder: Path) -> Path:
    """A copy of the tree to run in, so that nothing changes under the tests while they run."""
    copy = folder / "tree"
    ignored = shutil.ignore_patterns(".*", "__pycache__", "*.egg-info")
    shutil.copytree(
        ROOT,
        copy,
        ignore=lambda place, names: (
            (set(names) & {"runs", "build", "dist"} if Path(place) == ROOT else set()) | ignored(place, names)
        ),
    )
    return copy


def warm(copy: Path) -> None:
    """Load what is slow to load and none of ours, so that every fork has it; ours will be that of the copy."""
    os.environ.update(
        PYTHONPATH=str(copy), OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", PYTHONDONTWRITEBYTECODE="1",
        HF_HUB_OFFLINE="1", HF_DATASETS_OFFLINE="1", TOKENIZERS_PARALLELISM="false",
    )  # fmt: skip
    sys.dont_write_bytecode = True
    os.chdir(copy)
    sys.path[:] = [str(copy), *(each for each in sys.path if Path(each or ".").resolve() != ROOT)]
    for name in HEAVY:
        try:
            __import__(name)
        except ImportError:
            print(f"without {name}, which is not installed", file=sys.stderr)
    for name in ("benchmarks", "judges"):  # where they are installed, they may be those of another tree
        spec = spec_from_file_location(f"evalharness.{name}", copy / name / "__init__.py",
                                       submodule_search_locations=[str(copy / name)])  # fmt: skip
        assert spec is not None and spec.loader is not None
        module = module_from_spec(spec)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)


def measured(wishes: Sequence[Any], workers: int, folder: Path) -> Iterator[dict[str, Any]]:
    """What became of the mutants of each module, as soon as it is known."""
    import _mutant_runs

    running: dict[int, Path] = {}
    left = list(enumerate(wishes))
    while left or running:
        while left and len(running) < workers:
            number, wish = left.pop(0)
            own = folder / str(number)
            own.mkdir()
            process = os.fork()
            if process == 0:
                os.environ["PYTEST_DEBUG_TEMPROOT"] = str(own)
                for descriptor, name in ((0, "/dev/null"), (1, own / "out"), (2, own / "err")):
                    os.dup2(os.open(name, os.O_RDWR | os.O_CREAT, 0o600), descriptor)
                try:
                    _mutant_runs.measure(wish, own / "outcome.json")
                except BaseException:
                    traceback.print_exc()
                finally:
                    os._exit(0)
            running[process] = own
        process, _ = os.wait()
        own = running.pop(process)
        outcome = own / "outcome.json"
        if outcome.is_file():
            yield json.loads(outcome.read_text())
        else:
            said = "".join((own / name).read_text()[-2000:] for name in ("out", "err"))
            yield {"module": str(own), "error": said, "seconds": 0.0}
        shutil.rmtree(own, ignore_errors=True)


def report(outcome: dict[str, Any], place: str) -> tuple[int, int]:
    """Print one module's line and its survivors; (mutants, killed)."""
    if "error" in outcome:
        print(f"{place}: not measured: {outcome['error']}", flush=True)
        return 0, 0
    import _mutant_runs

    found = outcome["mutants"]
    alive = [one for one in found if one["ended"] == _mutant_runs.SURVIVED]
    late = [one for one in found if one["ended"] == _mutant_runs.LATE]
    killed = sum(one["ended"] in (_mutant_runs.KILLED, _mutant_runs.LATE) for one in found)
    broken = [one for one in found if one["ended"] == _mutant_runs.BROKEN]
    share = f"{killed / len(found):.0%}" if found else "-"
    print(f"{place}: {len(found)} mutants, {killed} killed ({share}), {outcome['tests']} tests, "
          f"{outcome['seconds']:.0f} s of processor time", flush=True)  # fmt: skip
    for name in outcome["failed"]:
        print(f"  without {name}, which fails here as the code is")
    for one in (*alive, *late, *broken):
        why = "no test gets there" if not one["tests"] else f"{one['tests']} tests pass"
        why = why if one in alive else "killed: it takes too long" if one in late else "broken off"
        print(f"  {place}:{one['line']}: {one['says']}  ({one['operator']}; {why})")
    return len(found), killed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--modules", default=",".join(MEASURED), help="folders and files, separated by commas")
    parser.add_argument("--count", type=int, default=40, help="mutants of each module")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--files", type=int, default=8, help="test files of each module, the likeliest first")
    parser.add_argument("--workers", type=int, default=1)
    said = parser.parse_args()
    tree = imports.read_tree(ROOT)
    chosen = modules(said.modules.split(","), tree)
    tests = imported_by_tests(tree)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="evalh-mutants-") as name:
        folder = Path(name)
        copy = copied(folder)
        warm(copy)
        import _mutant_runs

        places = dict(chosen)
        wishes = [
            _mutant_runs.Wish(
                module, copy / place, tuple(test_files(module, tree, tests, said.files)), said.count, said.seed
            )
            for module, place in chosen
        ]
        counts, seconds = [], 0.0
        for outcome in measured(wishes, said.workers, folder):
            counts.append(report(outcome, places.get(outcome["module"], outcome["module"])))
            seconds += outcome["seconds"]
        os.chdir(ROOT)
    made, killed = (sum(each) for each in zip(*counts, strict=True))
    took = f"{seconds / 60:.1f} minutes of processor time, {(time.monotonic() - began) / 60:.1f} minutes"
    print(f"all: {made} mutants, {killed} killed ({killed / max(1, made):.1%}), {took}")


if __name__ == "__main__":
    main()
