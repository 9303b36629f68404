"""A file of items to ask again: what `evalh compare --save-flips` writes and `evalh run --items` reads."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from evalharness import plugins
from evalharness.data.files import inside, numbered_rows, write_whole
from evalharness.errors import UserError, option_name
from evalharness.runs.journal import dumps
from evalharness.runs.plan import Plan


def save_items(path: Path, items: Iterable[tuple[str, str, str]]) -> None:
    """Write (benchmark, id, change) lines that `evalh run --items` reads."""
    lines = [dumps({"benchmark": b, "id": i, "change": c}) for b, i, c in items]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, b"".join(line + b"\n" for line in lines))
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror})") from error


def load_items(path: Path) -> dict[str, frozenset[str]]:
    """Benchmark -> ids, from a file that `--save-flips` wrote. UserError when a line names no item."""
    if not path.is_file():
        raise UserError(
            f"{option_name('items', path)}: there is no such file; `evalh compare --save-flips FILE` writes one"
        )
    found: dict[str, set[str]] = {}
    for number, row in numbered_rows(path):
        benchmark, identity = row.get("benchmark"), row.get("id")
        if not isinstance(benchmark, str) or not isinstance(identity, str):
            raise UserError(f"{path}:{number}: wanted an object with `benchmark` and `id`; there is {', '.join(row)}")
        found.setdefault(benchmark, set()).add(identity)
    return {name: frozenset(ids) for name, ids in found.items()}


def benchmarks_of(items: Path | None, named: Sequence[str] | None) -> list[str]:
    """The benchmarks named, else those that the items are of. UserError when there is neither."""
    if named:
        return list(named)
    if items is None:
        raise UserError(
            f"name a benchmark, a suite.yaml, or {option_name('items', 'FILE')}; `evalh list benchmarks` shows what "
            "there is"
        )
    names = [name.removesuffix("@sample") for name in load_items(items)]
    for name in names:
        if plugins.is_file(name):
            inside(Path(), Path(name), items)
    return names


def only_items(plan: Plan, items: Path | None) -> Plan:
    """The plan, asking only the items in the file."""
    if items is None:
        return plan
    found = {name.removesuffix("@sample"): ids for name, ids in load_items(items).items()}
    for name in plan.benchmarks:  # earlier versions knew a file's benchmark by its path
        if name not in found and (file := plugins.file_of(name)) in found:
            found[name] = found[file]
    missing = [name for name in plan.benchmarks if name not in found]
    if missing:
        raise UserError(f"{option_name('items', items)}: it has no item of {missing[0]}; there is {', '.join(found)}")
    return replace(plan, own={name: {**plan.own.get(name, {}), "items": found[name]} for name in plan.benchmarks})
