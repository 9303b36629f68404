"""Weights and moments that are in parts on disk: each process writes its own, any number of processes reads them.

`torch.distributed.checkpoint` (https://docs.pytorch.org/docs/stable/distributed.checkpoint.html) writes a folder; which
one belongs to a saved training, and what must be in it, stands in that training's `state.pt`.
"""

from __future__ import annotations

import pickle
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from warnings import catch_warnings, simplefilter

from torch import Tensor
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.checkpoint.filesystem import FileSystemReader, FileSystemWriter
from torch.distributed.checkpoint.metadata import Metadata
from torch.distributed.checkpoint.state_dict_loader import load
from torch.distributed.checkpoint.state_dict_saver import save

from evalharness.errors import UserError
from evalharness.training.step import Training

_PREFIX = "state-"
_INDEX = ".metadata"


class _Index(pickle.Unpickler):
    """Reads the index of a folder, which is pickled: only what such an index is made of."""

    _MODULES = ("torch.distributed.checkpoint.metadata", "torch.distributed.checkpoint.filesystem")
    _NAMES = ("torch.Size", "torch.serialization._get_layout", "torch.float32", "torch.strided", "pathlib.PosixPath")

    def find_class(self, module: str, name: str) -> Any:
        if module in self._MODULES or f"{module}.{name}" in self._NAMES:
            return super().find_class(module, name)
        raise pickle.UnpicklingError(f"{module}.{name} has no place in the index of a checkpoint")


class _Reader(FileSystemReader):
    def read_metadata(self, *args: Any, **kwargs: Any) -> Metadata:
        with (Path(self.path) / _INDEX).open("rb") as file:
            found: Metadata = _Index(file).load()
        if found.storage_meta is not None:
            found.storage_meta.load_id = self.load_id
        return found


def parts_folder(step: int) -> str:
    """What the folder of a step's parts is called."""
    return f"{_PREFIX}{step}"


def save_parts(training: Training, folder: Path) -> dict[str, Any]:
    """Write this step's parts into a folder of their own in `folder`; every rank has to ask for it together. What is to
    be kept of it: the folder's name, and the files in it with their sizes. UserError where one cannot be written."""
    place = folder / parts_folder(training.step)
    if training.rank == 0:
        shutil.rmtree(place, ignore_errors=True)  # what an interrupted save has left: nothing has named it
    training.world.any(False)
    try:
        save(dict(_tensors(training)), storage_writer=FileSystemWriter(place))
    except CheckpointException as error:
        reason = next(iter(error.failures.values()))[0]
        raise UserError(
            f"{place} cannot be saved ({getattr(reason, 'strerror', None) or str(reason).splitlines()[0]}); the "
            "previous checkpoint is intact; make room and give the same command"
        ) from error
    sizes = {file.name: file.stat().st_size for file in sorted(place.iterdir())} if training.rank == 0 else {}
    return {"folder": place.name, "files": training.world.of_first(sizes)}


def check_parts(folder: Path, kept: Mapping[str, Any]) -> None:
    """UserError where a file of such a folder is missing or is not whole."""
    place = folder / str(kept["folder"])
    for name, size in kept["files"].items():
        file = place / name
        if not file.is_file() or file.stat().st_size != size:
            what = f"is missing ({len(kept['files'])} files belong to it)" if not file.is_file() else "is not whole"
            raise UserError(
                f"{file}: this part of the saved training {what}; copy it there again, or delete "
                f"{folder / 'state.pt'} to begin anew"
            )


def load_parts(training: Training, folder: Path, kept: Mapping[str, Any]) -> None:
    """Put the weights and moments of such a folder into a training whose counters are restored, sharded or not, on
    however many ranks. UserError where a file is missing or is not whole."""
    check_parts(folder, kept)
    place = folder / str(kept["folder"])
    tensors = dict(_tensors(training))
    try:
        with catch_warnings():
            simplefilter("ignore")  # of one process that reads the parts of several: that is meant
            load(tensors, storage_reader=_Reader(place), no_dist=not training.world.sharded)
    except (CheckpointException, pickle.UnpicklingError, KeyError, OSError, ValueError, RuntimeError) as error:
        said = str(error).splitlines() or [type(error).__name__]
        raise UserError(f"{place}: not a saved training ({said[-1]}); delete it to begin anew") from error


def forget_parts(folder: Path, kept: str | None) -> None:
    """Delete the parts of all steps but those in the folder `kept`."""
    for place in folder.glob(f"{_PREFIX}*"):
        if place.name != kept and place.is_dir():
            shutil.rmtree(place, ignore_errors=True)


def _tensors(training: Training) -> list[tuple[str, Tensor]]:
    """Weights and moments by the names that they have on disk: where they are in parts, this process's part of each."""
    found = []
    for name, weight in training.weights.items():
        found.append((f"weights.{name}", weight.detach()))
        if training.step:
            found += [(f"{moment}.{name}", tensor) for moment, tensor in training.moments(weight).items()]
    return found
