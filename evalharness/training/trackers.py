"""Experiment trackers that a training's figures go to, where they are installed.

https://www.tensorflow.org/tensorboard, https://docs.wandb.ai, https://mlflow.org/docs/latest
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evalharness.errors import UserError, option_name

Figures = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Tracker:
    """`log(figures, step)` takes what was measured at a step, `close()` writes what is still held back."""

    log: Callable[[Figures, int], object]
    close: Callable[[], object]


def open_tracker(name: str, folder: Path, settings: Mapping[str, Any]) -> Tracker:
    """The tracker called `name`, its files in `folder`. UserError when it is unknown, not installed or cannot start."""
    if name not in TRACKERS:
        raise UserError(f"{option_name('log_to')} wants {', '.join(TRACKERS)}; there is {name!r}")
    try:
        return TRACKERS[name](folder, settings)
    except ImportError as error:
        raise UserError(f"{option_name('log_to', name)}: the package is not installed; pip install {name}") from error
    except Exception as error:  # whatever a third party raises about its server, its login or its settings
        raise UserError(
            f"{option_name('log_to', name)}: it cannot start ({' '.join(str(error).split())[:200]})"
        ) from error


def _tensorboard(folder: Path, settings: Mapping[str, Any]) -> Tracker:
    from torch.utils.tensorboard import SummaryWriter

    writer: Any = SummaryWriter(str(folder / "tensorboard"))

    def log(figures: Figures, step: int) -> None:
        for name, value in figures.items():
            writer.add_scalar(name, value, step)

    return Tracker(log, writer.close)


def _wandb(folder: Path, settings: Mapping[str, Any]) -> Tracker:
    import wandb

    # Whoever has not logged in is not asked to in the middle of a command; `wandb sync` sends the folder later.
    mode = None if wandb.api.api_key else "offline"
    run = wandb.init(project="evalharness", dir=str(folder), config=dict(settings), mode=mode)
    return Tracker(lambda figures, step: run.log(dict(figures), step=step), run.finish)


def _mlflow(folder: Path, settings: Mapping[str, Any]) -> Tracker:
    import mlflow

    mlflow.start_run(run_name=folder.parent.name)
    mlflow.log_params(dict(settings))
    return Tracker(lambda figures, step: mlflow.log_metrics(dict(figures), step=step), mlflow.end_run)


TRACKERS: Mapping[str, Callable[[Path, Mapping[str, Any]], Tracker]] = {
    "tensorboard": _tensorboard, "wandb": _wandb, "mlflow": _mlflow,
}  # fmt: skip
