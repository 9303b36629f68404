"""QLoRA (https://arxiv.org/abs/2305.14314): the frozen weights as 4-bit NormalFloats, their scales quantised again.

Quantised by bitsandbytes (https://github.com/bitsandbytes-foundation/bitsandbytes), the extra `qlora`.
"""

from __future__ import annotations

import logging
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from evalharness.engine.matmul import Linear
from evalharness.errors import UserError, option_name

BYTES = 0.53  # a weight: four bits, and its share of the scales of its block of 64


def library() -> Any:
    """bitsandbytes' functions. UserError where it is not installed."""
    # Where it is imported it warns of products in four bits that it has no fast code for; none are made here.
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
    try:
        from bitsandbytes import functional
    except ImportError as error:
        raise UserError(
            f"{option_name('load_in_4bit')} wants bitsandbytes, which is not installed: pip install "
            "'evalharness[qlora]'"
        ) from error
    return functional


class FourBit(nn.Module):
    """y = W x + b with a frozen W [out, in] in four bits; `dtype` is what it becomes again for a product."""

    def __init__(self, linear: Linear, device: torch.device, dtype: torch.dtype) -> None:
        super().__init__()
        self.inputs, self.outputs, self.transposed = linear.inputs, linear.outputs, linear.transposed
        weight = linear.matrix.detach().to(device, dtype).contiguous()
        codes, self.scales = library().quantize_4bit(weight, quant_type="nf4", compress_statistics=True)
        self.codes = nn.Parameter(codes, requires_grad=False)  # bytes; a parameter, so that it can be spread in parts
        self.bias = linear.bias

    @property
    def matrix(self) -> Tensor:
        """The weight as [out, in], made anew from its codes."""
        return library().dequantize_4bit(self.codes.data, self.scales)  # type: ignore[no-any-return]

    def plain(self) -> Linear:
        """The same layer with all its bits, on the CPU: where memory was short, it is not put on the GPU."""
        linear = Linear(self.inputs, self.outputs, transposed=self.transposed)
        whole = self.matrix.float().cpu()
        linear.weight = nn.Parameter(whole.T.contiguous() if self.transposed else whole)
        linear.bias = self.bias
        return linear

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = _Product.apply(x, self)  # type: ignore[no-untyped-call]
        return y if self.bias is None else y + self.bias


def size(network: nn.Module) -> int:
    """How many weights a network has, those in four bits too."""
    few = sum(m.inputs * m.outputs for m in network.modules() if isinstance(m, FourBit))
    return few + sum(parameter.numel() for parameter in network.parameters() if parameter.is_floating_point())


class _Product(torch.autograd.Function):
    """x W^T and its gradient to x. The weight is made anew for both: kept in between, it would fill the memory."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, layer: FourBit) -> Tensor:
        ctx.layer = layer
        return F.linear(x, layer.matrix.to(x.dtype))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (g,) = gradients
        return g @ ctx.layer.matrix.to(g.dtype), None
