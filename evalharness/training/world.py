"""The processes that train together, as `torchrun` starts them: who this one is, and what they say to each other.

Light to import: torch is loaded where processes are several.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from evalharness.errors import UserError, option_name
from evalharness.training.config import TrainingConfig

if TYPE_CHECKING:
    import torch
    from torch import Tensor

T = TypeVar("T")
_GONE = ("Connection closed by peer", "Connection reset by peer", "Connection refused", "Broken pipe")  # gloo's words
_BUCKET = 25 * 2**20  # bytes of gradients that are summed together: alone, each small one would wait for an answer


class LostProcessError(UserError):
    """Another process of this training ended. What it said itself is the reason."""


@dataclass(frozen=True, slots=True)
class TrainingWorld:
    """This process's rank among `size` processes. `sharded`: each holds a part of every weight, so that a pass through
    the network is made by all of them together."""

    rank: int = 0
    size: int = 1
    sharded: bool = False

    @property
    def here(self) -> int:
        """How many of the processes are on this machine, as torchrun says."""
        return min(self.size, int(os.environ.get("LOCAL_WORLD_SIZE") or self.size))

    def share(self, items: Sequence[T], most: int) -> Iterator[tuple[Sequence[T], bool]]:
        """This rank's share of the items, at most so many at a time, and True. With sharded weights all ranks make as
        many passes: one that has nothing left gets the first item and False, which says that it must not count."""
        mine = items[self.rank :: self.size]
        longest = -(-len(items) // self.size)
        for begin in range(0, longest, max(1, most)):
            piece = mine[begin : begin + max(1, most)]
            if piece:
                yield piece, True
            elif self.sharded:
                yield items[:1], False

    def sum(self, *tensors: Tensor) -> None:
        """Put the sum over all ranks in place of each, small ones together."""
        if self.size < 2:
            return
        import torch
        import torch.distributed as dist

        for some in _buckets(tensors):
            flat = torch.cat([tensor.reshape(-1) for tensor in some]) if len(some) > 1 else some[0]
            dist.all_reduce(flat)
            if len(some) > 1:
                parts = torch.split(flat, [tensor.numel() for tensor in some])
                for tensor, part in zip(some, parts, strict=True):
                    tensor.copy_(part.view_as(tensor))

    def any(self, flag: bool) -> bool:
        """Whether any rank says so; all have to ask, and none goes on before."""
        if self.size < 2:
            return flag
        import torch
        import torch.distributed as dist

        said = torch.tensor(int(flag))
        dist.all_reduce(said, dist.ReduceOp.MAX)
        return bool(said)

    def of_first(self, value: T) -> T:
        """What the first rank has of this."""
        if self.size < 2:
            return value
        import torch
        import torch.distributed as dist

        held = [value]
        dist.broadcast_object_list(held, 0, device=torch.device("cpu"))
        return held[0]

    def of_all(self, value: T) -> list[T]:
        """What each rank has of this, by rank."""
        if self.size < 2:
            return [value]
        import torch.distributed as dist

        held: list[Any] = [None] * self.size
        dist.all_gather_object(held, value)
        return held


def _buckets(tensors: Sequence[Tensor]) -> Iterator[list[Tensor]]:
    """The tensors in their order, as many together as fit a bucket; of one type each."""
    some: list[Tensor] = []
    size = 0
    for tensor in tensors:
        if some and (size + tensor.nbytes > _BUCKET or tensor.dtype != some[0].dtype):
            yield some
            some, size = [], 0
        some.append(tensor)
        size += tensor.nbytes
    if some:
        yield some


def started_processes() -> int:
    """How many processes `torchrun` has started, by its own word in the environment."""
    return int(os.environ.get("WORLD_SIZE") or "1")


def check_shares(count: int, settings: TrainingConfig) -> None:
    """UserError where a step has not as many rows as there are processes."""
    if not settings.batch_tokens and count > max(1, settings.batch):
        raise UserError(
            f"{count} processes cannot share steps of {option_name('batch', settings.batch)}: wanted a row for each; "
            f"raise {option_name('batch')}, or start {settings.batch} at most"
        )


def check_sharding(wanted: bool, count: int) -> None:
    """UserError where weights are to be spread over processes, and there is one."""
    if wanted and count < 2:
        raise UserError(
            f"{option_name('fsdp', True)} spreads the weights over several processes, and there is one; leave it out, "
            f"or say {option_name('nproc', 2)}"
        )


def join(device: torch.device, *, sharded: bool = False) -> TrainingWorld:
    """Join the other processes, where there are any."""
    if started_processes() < 2:
        return TrainingWorld()
    import torch.distributed as dist

    if not dist.is_initialized():
        # Objects and figures go through the processors, gradients of GPUs between GPUs. The others wait while the first
        # one asks whole benchmarks; who died is noticed by its closed connection.
        backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
        dist.init_process_group(backend, timeout=timedelta(days=7))
    return TrainingWorld(rank=dist.get_rank(), size=dist.get_world_size(), sharded=sharded)


def leave() -> None:
    """Part from the other processes: what follows is done by each one alone."""
    import torch.distributed as dist

    if dist.is_available() and dist.is_initialized():
        dist.destroy_process_group()


def is_lost_process(error: BaseException) -> bool:
    """Whether an error says that another process cannot be reached any more."""
    import torch.distributed as dist

    return isinstance(error, dist.DistError) or any(sign in str(error) for sign in _GONE)
