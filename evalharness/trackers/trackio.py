"""trackio, which keeps runs on this machine; https://huggingface.co/docs/trackio. TRACKIO_PROJECT names the project."""

from __future__ import annotations

import os

from evalharness.tracking.tracker import Tracked, Tracker


def open_tracker(tracked: Tracked) -> Tracker:
    """A run of trackio. ModuleNotFoundError without the package."""
    import trackio

    project = os.environ.get("TRACKIO_PROJECT", "evalharness")
    run = trackio.init(project=project, name=tracked.name, config=dict(tracked.settings), embed=False)
    return Tracker(log=lambda figures, step: run.log(dict(figures), step=step), close=run.finish)
