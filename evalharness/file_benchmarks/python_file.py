"""A benchmark in one Python file of the user's own: it defines `benchmark`, as a plug-in does, and runs as it is."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from evalharness.benchmark import Benchmark
from evalharness.data.files import digest
from evalharness.errors import DataError


def is_benchmark(name: str) -> bool:
    """Whether there is such a file: a suite of runs is never Python."""
    return Path(name).expanduser().is_file()


def open_file(name: str, judge_of: Callable[[str], object]) -> Benchmark:
    """The `benchmark` that a file defines, its sample in the JSONL file of the same name beside it.

    DataError where there is no such file, where it cannot be imported, or defines none.
    """
    file = Path(name).expanduser()
    if not file.is_file():
        raise DataError(f"there is no benchmark file {name}")
    spec = importlib.util.spec_from_file_location(f"_benchmark_{file.stem}", file)
    if spec is None or spec.loader is None:
        raise DataError(f"{name}: cannot be imported as Python")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # a user's file may raise anything
        raise DataError(f"{name}: cannot be imported: {type(error).__name__}: {error}") from error
    found = getattr(module, "benchmark", None)
    if not isinstance(found, Benchmark):
        raise DataError(f"{name}: defines no benchmark: wanted `benchmark = Benchmark(...)`")
    modes = found.modes or (("rank", "write") if found.prompt.choices is not None else ("write",))
    source = replace(found.source, sample=found.source.sample or file.with_suffix(".jsonl"))
    return replace(
        found, name=found.name or file.stem, source=source, modes=modes, code_sha256=found.code_sha256 or digest(file)
    )
