"""What a command says of lm-evaluation-harness's task files: which folders they lie in, and where their Python runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from evalharness.errors import UserError, option_name
from evalharness.file_benchmarks.lm_eval.catalog import include_folders, open_catalog
from evalharness.file_benchmarks.lm_eval.code import TaskCodeSettings, use_task_code
from evalharness.options import RunOptions


def task_files(folders: Sequence[str], options: RunOptions, *, trusted: bool) -> None:
    """For all task files that are opened from here on. UserError for a folder that is not there."""
    include_folders([Path(folder) for folder in folders])
    settings = TaskCodeSettings(sandbox=options.sandbox, packages=options.sandbox_packages, trusted=trusted)
    use_task_code(settings)


def lm_eval_rows(what: str, search: str, folders: Sequence[Path]) -> list[dict[str, Any]]:
    """A row for each name of lm-evaluation-harness's with these words in it; all names where there are none. UserError
    where something else than benchmarks is wanted."""
    if what != "benchmarks":
        raise UserError(f"{option_name('lm_eval', search)} lists benchmarks; there is {what!r}")
    include_folders(folders)
    catalog = open_catalog()
    words = search.lower().split()
    found = [e for name, e in sorted(catalog.entries.items()) if all(word in name.lower() for word in words)]
    return [
        {
            "name": f"lm_eval/{entry.name}",
            "kind": entry.kind,
            "tasks": 1 if entry.kind == "task" else len(entry.members),
            "file": "" if entry.file is None else str(entry.file.relative_to(entry.root)),
        }
        for entry in found
    ]
