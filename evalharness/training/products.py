"""float32 matrix products with a gradient on oneDNN, which on some CPUs is twice as fast as torch's default.

The operator is torch's own (TorchInductor's CPU code calls it) but private and without a gradient, so it is used only
after its results and its speed have been compared here with `F.linear`'s (docs/performance.md).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from evalharness.engine.decoder import Decoder
from evalharness.engine.matmul import LEAST_GAIN, Product, race, suits, switched_product

Route = Literal["onednn", "switch", "plain"]
NARROW = 256  # below, laying out operands costs more than the products gain
_WORST_ERROR = 10.0
TRIALS = 7


def _product(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """x [..., in] times a contiguous weight [out, in]."""
    return torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")  # type: ignore[no-any-return]


class _OneDnn(torch.autograd.Function):
    """y = x W^T + b and its gradients, every operand laid out as the operator wants it."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, transposed: bool) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.transposed = transposed
        ctx.biased = bias is not None
        return _product(x, weight.T.contiguous() if transposed else weight, bias)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None, None]:
        x, weight = ctx.saved_tensors
        g = gradients[0].contiguous()
        to_x = to_weight = to_bias = None
        if ctx.needs_input_grad[0]:
            to_x = _product(g, weight if ctx.transposed else weight.T.contiguous(), None)
        if ctx.needs_input_grad[1]:
            left, right = g.T.contiguous(), x.T.contiguous()
            to_weight = _product(right, left, None) if ctx.transposed else _product(left, right, None)
        if ctx.biased and ctx.needs_input_grad[2]:
            to_bias = g.sum(0)
        return to_x, to_weight, to_bias, None


def product(x: Tensor, weight: Tensor, bias: Tensor | None, transposed: bool) -> Tensor:
    """The product as `Linear.product` and `Decoder.product` want it; rows [T, in] only, float32."""
    if not suits(x, weight):
        return F.linear(x, weight.T if transposed else weight, bias)
    return _OneDnn.apply(x.contiguous(), weight, bias, transposed)  # type: ignore[no-any-return, no-untyped-call]


PRODUCTS: Mapping[Route, Product | None] = {"plain": None, "onednn": product, "switch": switched_product}


def install(decoder: Decoder, route: Route) -> None:
    """Put the decoder's products on a route."""
    decoder.use(PRODUCTS[route])


@cache
def choose_training_route(width: int, rows: int = 256) -> Route:
    """The fastest route, forward and backward, for [rows, width] inputs that is as exact as plain."""
    flags: Any = torch.backends.mkldnn
    if width < NARROW or not flags.is_available() or not flags.enabled:
        return "plain"
    generator = torch.Generator().manual_seed(0)
    w = torch.randn(4 * width, width, generator=generator) * 0.02
    x, g = (torch.randn(rows, size, generator=generator) for size in (width, 4 * width))
    exact = tuple(t[:64].double() for t in (x[:64].double() @ w.double().T, g[:64].double() @ w.double()))
    passes: dict[Route, Callable[[], float]] = {}
    bar = _WORST_ERROR * _pass(x, w, g, "plain", exact)
    for route in PRODUCTS:
        one = partial(_pass, x, w, g, route, exact)
        try:
            if one() <= bar:
                passes[route] = one
        except (RuntimeError, AttributeError, NotImplementedError):  # this torch has no such operator
            continue
    gains = race(passes, TRIALS)
    best = max(gains, key=lambda route: gains[route])
    return best if gains[best] >= LEAST_GAIN else "plain"


def _pass(x: Tensor, w: Tensor, g: Tensor, route: Route, exact: tuple[Tensor, ...]) -> float:
    """One pass forward and back; the largest error of a 64-row corner."""
    inputs, weight = x.detach().requires_grad_(), w.detach().requires_grad_()
    made = PRODUCTS[route]
    y = F.linear(inputs, weight) if made is None else made(inputs, weight, None, False)
    y.backward(g)  # type: ignore[no-untyped-call]
    assert inputs.grad is not None
    return max(float((a[:64].detach().double() - b).abs().max()) for a, b in zip((y, inputs.grad), exact, strict=True))
