"""The decoder that is trained: loaded, with adapters, in parts where several processes share its weights."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from evalharness.engine import checkpoint
from evalharness.engine.decoder import Decoder
from evalharness.engine.memory import available, gigabytes
from evalharness.errors import UserError, option_name
from evalharness.training import lora
from evalharness.training.config import Lora, TrainingConfig
from evalharness.training.qlora import BYTES, FourBit
from evalharness.training.sharding import shard
from evalharness.training.step import Training
from evalharness.training.world import TrainingWorld


def load_trainable(source: Path, settings: TrainingConfig, device: torch.device, world: TrainingWorld) -> Decoder:
    """The weights of a checkpoint folder in float32 on `device`, and adapters on them where they are wanted; in parts
    where the world is sharded. UserError where memory is too short for training."""
    processes = world.here if device.type == "cpu" else 1
    parts = world.size if world.sharded else 1
    _check_memory(checkpoint.tensor_sizes(source), settings.lora, available(device) * parts // processes)
    if not world.sharded:
        return _loaded(source, settings, device)
    # On the CPU a tensor stays in its file until its block is cut, which leaves a part of it on the device.
    decoder = _loaded(source, settings, torch.device("cpu"), mapped=True)
    dora = settings.lora is not None and settings.lora.dora  # its lengths are no matrices
    shard(decoder, device, world.size, half=settings.dtype == "bfloat16" and not dora)
    return decoder


def _loaded(source: Path, settings: TrainingConfig, device: torch.device, *, mapped: bool = False) -> Decoder:
    kind = settings.lora
    if kind is None or not kind.four_bit:
        dtype = checkpoint.stored_dtype(source) if mapped else torch.float32
        decoder = checkpoint.load_decoder(source, device=device, dtype=dtype)
        if kind is not None:
            lora.attach_lora(decoder, kind, settings.seed)
        return decoder
    # In the type that it is stored in, a tensor stays in its file until it is quantised.
    decoder = checkpoint.load_decoder(source, dtype=checkpoint.stored_dtype(source))
    dtype = torch.bfloat16 if settings.dtype == "bfloat16" else torch.float32
    lora.attach_lora(decoder, kind, settings.seed, lambda linear: FourBit(linear, device, dtype))
    return decoder.to(device=device, dtype=torch.float32)


def whole_copy(source: Path, training: Training) -> Decoder:
    """The decoder of a training whose weights are in parts, as it is now, with all of them: on the device where that
    has room for it, else on the CPU. Every rank has to ask for it together, and gets one."""
    device = training.decoder.device
    if available(device) < 5 * sum(checkpoint.tensor_sizes(source).values()):
        device = torch.device("cpu")
    decoder = _loaded(source, training.settings, device)
    load_weights(decoder, training.whole_weights())
    decoder.use_matmul(training.decoder.matmul if device.type == "cpu" else None)
    return decoder


@torch.no_grad()
def load_weights(decoder: Decoder, weights: Mapping[str, Tensor]) -> None:
    """Put these weights in, by name."""
    for name, weight in weights.items():
        decoder.get_parameter(name).copy_(weight)


def _check_memory(sizes: Mapping[str, int], kind: Lora | None, there: float) -> None:
    """UserError where `there` bytes do not hold weights and, without adapters, their gradients and two moments."""
    count = sum(sizes.values())
    in_blocks = sum(size for name, size in sizes.items() if re.search(r"\.\d+\.", name))
    four_bit = int(in_blocks * BYTES) + (count - in_blocks) * 4
    need = count * 16 if kind is None else four_bit if kind.four_bit else count * 4
    if need <= there:
        return
    adapters = option_name("lora", 16)
    small = f"{adapters} {option_name('load_in_4bit', True)}"
    fitting = adapters if count * 5 <= there else small if four_bit * 1.2 <= there else ""
    raise UserError(
        f"training {count / 1e6:.0f}M weights needs {gigabytes(need)} for "
        f"{'weights, gradients and AdamW' if kind is None else 'the weights'}, there are {gigabytes(there)}"
        f"{f'; {fitting} would fit' if fitting else ''}; a model of {there // 16 / 1e6:.0f}M weights would fit whole"
    )
