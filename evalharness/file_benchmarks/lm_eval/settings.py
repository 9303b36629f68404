"""What a command says of lm-evaluation-harness's task files: which folders they lie in, and where their Python runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from evalharness.file_benchmarks.lm_eval.catalog import include_folders
from evalharness.file_benchmarks.lm_eval.code import TaskCodeSettings, use_task_code
from evalharness.options import RunOptions


def task_files(folders: Sequence[str], options: RunOptions, *, trusted: bool) -> None:
    """For all task files that are opened from here on. UserError for a folder that is not there."""
    include_folders([Path(folder) for folder in folders])
    settings = TaskCodeSettings(sandbox=options.sandbox, packages=options.sandbox_packages, trusted=trusted)
    use_task_code(settings)
