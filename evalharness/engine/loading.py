"""Loads a checkpoint folder into the engine that can run it: the native decoder, several of it, or transformers."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

import torch

from evalharness.engine import checkpoint
from evalharness.engine.adapted import Adapter, SharedBase, adapted_decoder, read_adapter
from evalharness.engine.base import Engine, EngineSettings, choose_context
from evalharness.engine.config import Config, read_config
from evalharness.engine.decoder import Decoder
from evalharness.engine.families import UnsupportedError
from evalharness.engine.matmul import choose_route
from evalharness.engine.memory import check_weights
from evalharness.engine.native import NativeEngine
from evalharness.engine.replicas import Replicas
from evalharness.errors import UserError, nearest, option_name

if TYPE_CHECKING:
    from evalharness.engine.transformers_backend import TransformersEngine

BACKENDS = ("auto", "native", "hf")
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def open_engine(folder: Path, settings: EngineSettings) -> Engine:
    """Load a checkpoint folder; architectures that the decoder does not know go to transformers."""
    if settings.backend not in BACKENDS:
        raise UserError(
            f"{option_name('backend')} wants auto, native or hf{nearest(settings.backend, BACKENDS)}; got "
            f"{settings.backend!r}"
        )
    torch.set_num_threads(settings.threads or free_threads())
    device = open_device(settings.device)
    if settings.backend == "hf":
        return _open_transformers(folder, settings, device, "--backend hf")
    try:
        config = read_config(folder)
        adapter = None if settings.adapter is None else read_adapter(settings.adapter)
    except UnsupportedError as error:
        if settings.backend == "native":
            raise UserError(
                f"{folder}: the native decoder does not know {error}; say {option_name('backend', 'hf')}"
            ) from error
        return _open_transformers(folder, settings, device, str(error))
    copies = [_open_native((folder, config, adapter), settings, each) for each in _devices(settings.device, device)]
    return copies[0] if len(copies) == 1 else Replicas(copies)


# Bases that adapters stand on now: each is there once, however many adapters share its weights.
_bases: WeakValueDictionary[tuple[object, ...], SharedBase] = WeakValueDictionary()


def _open_native(
    read: tuple[Path, Config, Adapter | None], settings: EngineSettings, device: torch.device
) -> NativeEngine:
    folder, config, adapter = read
    if adapter is None:
        decoder, base = _load(folder, config, settings, device), None
    else:
        base = _shared_base(folder, config, settings, device)
        decoder = adapted_decoder(base, adapter, merge=settings.merge_adapter)
        base = None if settings.merge_adapter else base
    context = choose_context((config.longer or config).context, settings.context)
    probed = device.type == "cpu" and decoder.dtype == torch.float32
    return NativeEngine(
        decoder,
        base=base,
        context=context,
        batch=settings.batch,
        routes={
            "loglikelihood": choose_route(config.width, 128) if probed else "plain",
            "generate": choose_route(config.width, 16) if probed else "plain",
        },
    )


def _load(folder: Path, config: Config, settings: EngineSettings, device: torch.device) -> Decoder:
    dtype = _dtype(settings.dtype, device, folder)
    if dtype != checkpoint.stored_dtype(folder) or device.type != "cpu":
        check_weights(sum(checkpoint.tensor_sizes(folder).values()) * dtype.itemsize, device)
    return checkpoint.load_decoder(folder, dtype=dtype, device=device, config=config).requires_grad_(False)


def _shared_base(folder: Path, config: Config, settings: EngineSettings, device: torch.device) -> SharedBase:
    """The base of an adapter, the one that is there where another adapter stands on it. A merged adapter changes
    weights that others may look at, so it has a base of its own, which is given up then."""
    if settings.merge_adapter:
        return SharedBase(decoder=_load(folder, config, settings, device), folder=folder)
    stamps = [(str(f), f.stat().st_size, f.stat().st_mtime_ns) for f in {*checkpoint.weight_files(folder).values()}]
    key = (folder.resolve(), str(_dtype(settings.dtype, device, folder)), str(device), *sorted(stamps))
    base = _bases.get(key)
    if base is None:
        base = SharedBase(decoder=_load(folder, config, settings, device), folder=folder)
        _bases[key] = base
    return base


def _open_transformers(folder: Path, settings: EngineSettings, device: torch.device, reason: str) -> TransformersEngine:
    from evalharness.engine.transformers_backend import TransformersEngine  # seldom needed, and long to load

    dtype = _dtype(settings.dtype, device, folder)
    made = TransformersEngine(folder, device, dtype, reason=reason, settings=settings)
    if settings.adapter is not None:
        made.put_on(settings.adapter, merge=settings.merge_adapter)
    return made


def why_transformers(engine: Engine) -> str:
    """Why transformers computes and not the native decoder; '' where that does."""
    return "" if isinstance(engine, NativeEngine | Replicas) else str(engine.describe()["why"])


def free_threads() -> int:
    """Cores of this process that nobody else is using now; OMP_NUM_THREADS where it is set.

    More threads than free cores wait for each other: two on a busy machine are slower than one.
    """
    if os.environ.get("OMP_NUM_THREADS", "").isdigit():
        return max(1, int(os.environ["OMP_NUM_THREADS"]))
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    busy = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    return max(1, min(cores, torch.get_num_threads(), round(cores - busy)))


def open_device(name: str) -> torch.device:
    """The device that a user names; `auto` is a GPU where there is one. UserError where there is none of that name."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise UserError(
            f"{option_name('device')} {name!r}: there is no such device; say cpu, cuda or cuda:N"
        ) from error
    there = {"cpu": True, "cuda": True, "mps": torch.backends.mps.is_available(), "xpu": torch.xpu.is_available()}
    if not there.get(device.type):
        raise UserError(f"{option_name('device', name)}: this machine has none; say {option_name('device', 'cpu')}")
    if device.type == "cuda" and (not torch.cuda.is_available() or (device.index or 0) >= torch.cuda.device_count()):
        raise UserError(
            f"{option_name('device', name)}: wanted a GPU, there are {torch.cuda.device_count()}; say "
            f"{option_name('device', 'cpu')}"
        )
    return device


def _devices(wanted: str, first: torch.device) -> list[torch.device]:
    """All GPUs unless the user named one (`cuda:1`)."""
    if first.type != "cuda" or first.index is not None or wanted not in ("auto", "cuda"):
        return [first]
    return [torch.device("cuda", number) for number in range(torch.cuda.device_count())]


def _dtype(name: str, device: torch.device, folder: Path) -> torch.dtype:
    """float32 on a CPU, the checkpoint's own type on a GPU, unless the user says."""
    if name == "auto":
        return torch.float32 if device.type == "cpu" else checkpoint.stored_dtype(folder)
    if name not in DTYPES:
        raise UserError(
            f"{option_name('dtype')} wants float32, bfloat16 or auto{nearest(name, DTYPES)}; there is {name!r}"
        )
    return DTYPES[name]
