"""Weights & Biases; https://docs.wandb.ai. Its own variables say where: WANDB_PROJECT, WANDB_MODE, WANDB_API_KEY."""

from __future__ import annotations

import netrc
import os
from urllib.parse import urlsplit

from evalharness.tracking.tracker import Tracked, Tracker


def open_tracker(tracked: Tracked) -> Tracker:
    """A run of W&B. Whoever has not logged in is not asked to in the middle of a command: the run is kept in the folder
    `wandb` of what is tracked, and `wandb sync` sends it later. ModuleNotFoundError without the package."""
    import wandb

    run = wandb.init(
        project=os.environ.get("WANDB_PROJECT", "evalharness"),
        name=tracked.name,
        dir=str(tracked.folder),
        config=dict(tracked.settings),
        mode=None if "WANDB_MODE" in os.environ or _logged_in() else "offline",
    )
    return Tracker(log=lambda figures, step: run.log(dict(figures), step=step), close=run.finish)


def _logged_in() -> bool:
    """Whether there is a key: in the environment, or where `wandb login` keeps it."""
    host = urlsplit(os.environ.get("WANDB_BASE_URL", "https://api.wandb.ai")).hostname or ""
    try:
        return "WANDB_API_KEY" in os.environ or netrc.netrc().authenticators(host) is not None
    except (OSError, netrc.NetrcParseError):
        return False
