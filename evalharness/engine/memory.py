"""What memory there is and what the engine would need of it, before a run and when it runs out."""

from __future__ import annotations

import gc
from dataclasses import dataclass
from pathlib import Path

import torch

from evalharness.engine.config import Config
from evalharness.errors import UserError, option_name

CGROUP = Path("/sys/fs/cgroup")


def is_out_of_memory(error: RuntimeError) -> bool:
    """torch says so in several ways: its own class on a GPU, a plain RuntimeError from the CPU's allocator."""
    text = str(error)
    return isinstance(error, torch.OutOfMemoryError) or "allocate memory" in text or "out of memory" in text


def available(device: torch.device) -> int:
    """Bytes that can still be had: of the GPU, or of the machine within this process's control group."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    free = _meminfo()
    limit, used = (_number(CGROUP / name) for name in ("memory.max", "memory.current"))
    if limit is not None and used is not None:
        free = min(free, limit - used + _cached_files())
    return max(0, free)


def _meminfo() -> int:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:  # not Linux: nothing is planned, running out is handled
        return 1 << 62
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable")), 1 << 62)


def _cached_files() -> int:
    """Bytes of files that the control group counts as used and gives up when asked."""
    try:
        lines = (CGROUP / "memory.stat").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith(("active_file ", "inactive_file ")))


def _number(file: Path) -> int | None:
    try:
        return int(file.read_text())
    except (OSError, ValueError):  # no such group, or "max"
        return None


def gigabytes(count: float) -> str:
    return f"{count / 1e9:.1f} GB"


@dataclass(frozen=True)
class Memory:
    """The needs of one decoder on one device; `itemsize` is that of its weights."""

    config: Config
    device: torch.device
    itemsize: int

    @property
    def per_key(self) -> int:
        """Bytes of keys and values per token."""
        attending = sum(not layer.recurrent for layer in self.config.layers)
        return 2 * attending * self.config.kv_heads * self.config.head_dim * self.itemsize

    @property
    def per_text(self) -> int:
        """Bytes of the states of recurrent layers."""
        delta = self.config.delta
        if delta is None:
            return 0
        memory = 4 * delta.value_heads * delta.key_dim * delta.value_dim  # in float32 whatever the weights' type
        return sum(layer.recurrent for layer in self.config.layers) * memory

    @property
    def per_token(self) -> int:
        """Bytes that one token of a pass takes on its way through a layer (a bound from above)."""
        c = self.config
        mixture = c.mixture
        inner = max(c.inner, mixture.active * mixture.inner + mixture.shared if mixture is not None else 0)
        return self.itemsize * (6 * c.width + 4 * inner + 4 * (c.heads + 2 * c.kv_heads) * c.head_dim)

    def budget(self, wanted: int) -> int:
        """Tokens per pass: `wanted`, or as many as half of what is free can hold."""
        return max(64, min(wanted, available(self.device) // 2 // self.per_token))

    def slots(self, wanted: int, capacity: int) -> int:
        """Rows generated at a time, each with `capacity` tokens of keys and values. UserError where not one fits."""
        each = capacity * self.per_key + self.per_text
        fit = int(available(self.device) * 0.8) // each
        if fit < 1:
            raise UserError(
                f"a prompt and its answer of {capacity} tokens need {gigabytes(each)}, there are "
                f"{gigabytes(available(self.device))}; lower {option_name('context')} or the answer's length"
            )
        return min(wanted, fit)

    def check_prefix(self, tokens: int) -> None:
        """UserError where the keys and values of so many tokens do not fit."""
        need, there = tokens * self.per_key, available(self.device)
        if need > 0.9 * there:
            raise UserError(
                f"a prompt of {tokens} tokens needs {gigabytes(need)} of keys and values, there are "
                f"{gigabytes(there)}; cut prompts with {option_name('context')} {int(0.9 * there) // self.per_key}"
            )

    def exhausted(self, budget: int) -> UserError:
        return UserError(
            f"out of memory with {budget} tokens per pass and {gigabytes(available(self.device))} free; lower "
            f"{option_name('context')}, say {option_name('dtype', 'bfloat16')}, or use a smaller model"
        )

    def release(self) -> None:
        """Give freed blocks back before the next try."""
        gc.collect()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()


def check_weights(size: int, device: torch.device) -> None:
    """UserError where weights of `size` bytes do not fit."""
    there = available(device)
    if size > there:
        raise UserError(
            f"the weights need {gigabytes(size)}, there are {gigabytes(there)}; say "
            f"{option_name('dtype', 'bfloat16')} or "
            "use a smaller model"
        )
