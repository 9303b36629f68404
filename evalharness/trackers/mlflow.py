"""MLflow; https://mlflow.org/docs/latest. Its own variables say where: MLFLOW_TRACKING_URI, MLFLOW_EXPERIMENT_NAME."""

from __future__ import annotations

import re

from evalharness.tracking.tracker import Figures, Tracked, Tracker

PER_CALL, LONGEST_VALUE = 100, 500  # parameters in one call, characters of one: what every MLflow server takes


def open_tracker(tracked: Tracked) -> Tracker:
    """A run of MLflow, inside the one that is active where there is one. ModuleNotFoundError without the package."""
    import mlflow

    mlflow.start_run(run_name=tracked.name, nested=mlflow.active_run() is not None)
    settings = {_named(name): str(value)[:LONGEST_VALUE] for name, value in tracked.settings.items()}
    names = list(settings)
    for first in range(0, len(names), PER_CALL):
        mlflow.log_params({name: settings[name] for name in names[first : first + PER_CALL]})

    def log(figures: Figures, step: int) -> None:
        mlflow.log_metrics({_named(name): value for name, value in figures.items()}, step=step)

    return Tracker(log=log, close=mlflow.end_run)


def _named(name: str) -> str:
    """A name of the characters that MLflow takes."""
    return re.sub(r"[^\w./ -]", "_", name)
