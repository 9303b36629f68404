"""What there is: plug-ins as rows for `evalh list`, and the way to those of runs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from evalharness import plugins
from evalharness.benchmark import Benchmark
from evalharness.data.rows import Source
from evalharness.errors import UserError
from evalharness.events import warn

_Rows = list[dict[str, Any]]


def inventory_rows(what: str, runs: Path) -> _Rows:
    """One dict per benchmark, judge, model or run."""
    known = {"benchmarks": benchmarks, "judges": judges, "models": models}
    if what == "runs":
        from evalharness.runs.run_rows import run_rows  # a list of benchmarks needs none of what reads runs

        return run_rows(runs)
    if what not in known:
        raise UserError(f"evalh list wants benchmarks, judges, models or runs; there is {what!r}")
    return known[what]()


def first_line(module: object) -> str:
    """What a plug-in says it is, without its source in brackets."""
    paragraph = " ".join((getattr(module, "__doc__", "") or "").strip().partition("\n\n")[0].split())
    return re.sub(r"\s*\([^()]*https?:[^()]*\)", "", paragraph)


def benchmarks() -> _Rows:
    """Every benchmark with its facts; a family is one row, with the facts of its tasks under `each`."""
    found: _Rows = []
    for name in plugins.modules("benchmarks"):
        try:
            family = plugins.load_family(name)
            if family is None:
                found.append(_facts(name, plugins.load_benchmark(name)))
            else:
                title = first_line(plugins.load_plugin("benchmarks", name))
                each = [_facts(f"{name}/{task}", plugins.load_benchmark(f"{name}/{task}")) for task in family.tasks]
                found.append({"name": name, "tasks": len(each) or "by --data", "title": title, "each": each})
        except (UserError, ImportError) as error:
            warn(f"the benchmark {name} cannot be read: {error}")
    return found


def _facts(name: str, benchmark: Benchmark) -> dict[str, Any]:
    """The facts of one benchmark."""
    source = benchmark.source
    return {
        "name": name,
        "title": benchmark.title,
        "items": benchmark.items,
        "metric": benchmark.metrics[0].name,
        "chance": benchmark.chance,
        "modes": "/".join(benchmark.modes),
        "shots": benchmark.shots,
        "licence": benchmark.licence,
        "paper": benchmark.paper,
        "metrics": [metric.name for metric in benchmark.metrics],
        "data": _data_of(source),
    }


def _data_of(source: Source) -> str:
    """The hub's data set with its commit, or that none is pinned: then the manifest says what was loaded."""
    if not source.hub:
        return "made offline" if source.given else "by --data"
    return f"{source.repository} @ {source.revision[:12]}" if source.revision else f"{source.repository}, unpinned"


def judges() -> _Rows:
    """Every judge and what it says it is."""
    return [
        {"name": name, "what": first_line(plugins.load_plugin("judges", name))} for name in plugins.modules("judges")
    ]


def models() -> _Rows:
    """Every kind of model. A kind whose packages are missing is listed with what to install."""
    found: _Rows = []
    for name in plugins.modules("models"):
        try:
            found.append({"name": name, "what": first_line(plugins.load_plugin("models", name))})
        except UserError as error:
            found.append({"name": name, "what": str(error)})
    return found
