"""Weights in parts, one on each process (FSDP2): gathered block by block for a pass, gone again behind it.

https://arxiv.org/abs/2304.11277; https://docs.pytorch.org/docs/stable/distributed.fsdp.fully_shard.html
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy, fully_shard, register_fsdp_forward_method
from torch.distributed.tensor import DTensor, distribute_tensor

from evalharness.engine.decoder import Decoder, Norm


def shard(decoder: Decoder, device: torch.device, size: int, *, half: bool) -> None:
    """Leave a part of every weight of the decoder on each of `size` processes, on `device` and in float32. All of them
    have to do it together.

    With `half` the matrices of a block are gathered in bfloat16, as autocast multiplies them; norms stay in float32.
    The gradient is the sum over the processes, for every share of a loss is divided by the whole step already.
    """
    mesh = init_device_mesh(device.type, (size,))
    policy = MixedPrecisionPolicy(param_dtype=torch.bfloat16, reduce_dtype=torch.float32, cast_forward_inputs=False)
    for block in decoder.blocks:
        block.float()  # bytes of weights in 4 bits are left as they are
        if half:
            fully_shard([part for part in block.modules() if isinstance(part, Norm)], mesh=mesh)
        fully_shard(block, mesh=mesh, mp_policy=policy if half else MixedPrecisionPolicy())
    decoder.float()
    fully_shard(decoder, mesh=mesh)
    register_fsdp_forward_method(decoder, "hidden")
    for part in decoder.modules():
        if isinstance(part, FSDPModule):
            part.set_gradient_divide_factor(1.0)
            part.set_force_sum_reduction_for_comms(True)  # gloo has no other


def is_sharded(network: nn.Module) -> bool:
    """Whether its weights are in parts."""
    return isinstance(network, FSDPModule)


def let_go(network: nn.Module) -> None:
    """Drop the whole weights that a pass without a gradient has left behind."""
    for part in network.modules():
        if isinstance(part, FSDPModule):
            part.reshard()


def own_part(whole: Tensor, weight: Tensor) -> Tensor:
    """What belongs where `weight` is: this process's part of a whole tensor, or all of it."""
    whole = whole.to(weight.device)
    if not isinstance(weight, DTensor):
        return whole
    return distribute_tensor(whole, weight.device_mesh, weight.placements, src_data_rank=None)


def whole_of(weight: Tensor) -> Tensor:
    """The whole tensor; of one in parts all processes have to ask."""
    return weight.full_tensor() if isinstance(weight, DTensor) else weight
