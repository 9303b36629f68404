"""TensorBoard: event files in the folder `tensorboard`; https://www.tensorflow.org/tensorboard."""

from __future__ import annotations

from typing import Any

from evalharness.tracking.tracker import Figures, Tracked, Tracker


def open_tracker(tracked: Tracked) -> Tracker:
    """A writer of event files beside what is tracked. ModuleNotFoundError without tensorboard or torch."""
    from torch.utils.tensorboard import SummaryWriter

    writer: Any = SummaryWriter(str(tracked.folder / "tensorboard"))

    def log(figures: Figures, step: int) -> None:
        for name, value in figures.items():
            writer.add_scalar(name, value, step)

    return Tracker(log=log, close=writer.close)
