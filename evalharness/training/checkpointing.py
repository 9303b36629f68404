"""The state of a training on disk, from which the same command goes on to the same bits."""

from __future__ import annotations

import os
import struct
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, cast

import torch

from evalharness.errors import UserError


def save_state(state: dict[str, Any], file: Path) -> None:
    """Write aside, fsync, rename: a full disk or a kill leaves the previous file whole. UserError when it cannot be."""
    aside = file.with_name(file.name + ".part")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with aside.open("wb") as stream:
            torch.save(state, stream)
            stream.flush()
            os.fsync(stream.fileno())
        aside.replace(file)
    except (OSError, RuntimeError) as error:  # torch's zip writer turns a full disk into a RuntimeError
        aside.unlink(missing_ok=True)
        kept = f"the previous checkpoint {file} is intact" if file.exists() else "no checkpoint was written"
        reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
        raise UserError(f"{file} cannot be saved ({reason}); {kept}; make room and give the same command") from error


def load_state(file: Path) -> dict[str, Any]:
    """What `save_state` wrote. UserError for a file that is none."""
    try:
        return cast("dict[str, Any]", torch.load(file, weights_only=True, map_location="cpu"))
    except (OSError, RuntimeError, ValueError, EOFError, LookupError, UnpicklingError, struct.error) as error:
        raise UserError(f"{file}: not a saved training ({error}); delete it to begin anew") from error
