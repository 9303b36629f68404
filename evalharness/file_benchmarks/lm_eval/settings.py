"""What a command says of lm-evaluation-harness's task files: which folders they lie in, where their Python runs, how
examples are shown. Kept apart from what reads the files, which a run of other benchmarks never loads."""

from __future__ import annotations

from collections.abc import Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path

from evalharness.errors import UserError, option_name


@dataclass(frozen=True, kw_only=True)
class TaskCodeSettings:
    """Where the Python of task files runs. `packages` as `--sandbox-packages` names them; empty: those that the code
    imports. `seconds` is the time that one call may take."""

    sandbox: str = "auto"
    packages: tuple[str, ...] = ()
    trusted: bool = False
    seconds: float = 120.0


_task_code: ContextVar[TaskCodeSettings | None] = ContextVar("task_code", default=None)
_folders: ContextVar[tuple[Path, ...]] = ContextVar("lm_eval_folders", default=())
_as_turns: ContextVar[bool] = ContextVar("lm_eval_examples_as_turns", default=True)


def use_task_code(settings: TaskCodeSettings) -> None:
    """How the Python of the task files that are opened from here on is run."""
    _task_code.set(settings)


def task_code_settings() -> TaskCodeSettings:
    """What `use_task_code` said last."""
    return _task_code.get() or TaskCodeSettings()


def include_folders(folders: Sequence[Path]) -> None:
    """Folders of task files beside those of an installed lm_eval (`--include-path`). UserError for one that is not
    there."""
    for folder in folders:
        if not folder.expanduser().is_dir():
            raise UserError(f"{option_name('include_path', folder)}: there is no such folder")
    _folders.set(tuple(folder.expanduser().resolve() for folder in folders))


def included_folders() -> tuple[Path, ...]:
    """What `include_folders` said last."""
    return _folders.get()


def show_examples(*, as_turns: bool) -> None:
    """Whether a chat model reads the examples of the tasks that are opened from here on as turns of their own, which is
    the default with a chat template in lm-evaluation-harness, or all in one user turn."""
    _as_turns.set(as_turns)


def examples_are_turns() -> bool:
    """What `show_examples` said last."""
    return _as_turns.get()
