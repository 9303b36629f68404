"""What there is: plug-ins and runs as rows for `evalh list`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from evalharness import plugins
from evalharness.benchmark import Benchmark
from evalharness.data.rows import Source
from evalharness.errors import UserError
from evalharness.events import warn
from evalharness.runs import store
from evalharness.runs.run_index import listed_runs

_Rows = list[dict[str, Any]]


def inventory_rows(what: str, runs: Path) -> _Rows:
    """One dict per benchmark, judge, model or run."""
    known = {"benchmarks": benchmarks, "judges": judges, "models": models}
    if what == "runs":
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


def run_rows(runs: Path) -> _Rows:
    """Every run under a folder, one row per benchmark in it. One that is broken says so and hides no other."""
    found: _Rows = []
    for run, rows in listed_runs(runs, _readable_rows):
        found += [{**dict.fromkeys(COLUMNS), "name": run.name, "n": "damaged"}] if rows is None else rows
    return found


def _readable_rows(run: store.Run) -> _Rows | None:
    """The rows of a run; None, and a warning, where it is damaged."""
    try:
        return _run_rows(run)
    except UserError as error:
        warn(str(error))
        return None


COLUMNS = ("name", "benchmark", "model", "mode", "n", "score", "low", "high", "created")


def _run_rows(run: store.Run) -> _Rows:
    manifest, summary = run.manifest, run.summary if run.finished else None
    found: _Rows = []
    for name, asked in manifest.benchmarks.items():
        entry = None if summary is None else summary.benchmarks.get(name)
        headline = None if entry is None else entry.headline_figure
        made = (manifest.model.name, asked.mode, "unfinished" if entry is None else entry.n)
        ends = (headline.value, headline.low, headline.high) if headline is not None else (None, None, None)
        known = (*ends, manifest.created)
        found.append(dict(zip(COLUMNS, (run.name, name, *made, *known), strict=True)))
    return found
