"""Matrix products: one module, three routes (packed, switch, plain), chosen by measuring this machine.

On some CPUs torch's default float32 library is half as fast as oneDNN, which is in the same wheel. No vendor string is
read: the routes are timed and their errors compared with plain's (docs/performance.md).
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any, Literal, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_Route = Literal["packed", "switch", "plain"]
Name = TypeVar("Name", bound=str)
Product = Callable[[Tensor, Tensor, "Tensor | None", bool], Tensor]  # (x, weight, bias, weight is [in, out])
_WORST_ERROR = 10.0  # times plain's; real bfloat16 rounding is thousands
LEAST_GAIN = 1.05  # less is within the noise of a busy machine
TRIAL_ROWS = 144  # rows multiplied in all per route: 9 trials of 16, at least 5
_CHECKED = 64  # columns of the trial product that are compared with float64


def pack_weight(weight: Tensor) -> Tensor:
    """oneDNN's own layout of a float32 [out, in] matrix (opaque: no storage, cannot be saved)."""
    return torch.ops.mkldnn._reorder_linear_weight(weight, None)  # type: ignore[no-any-return]


# Activations that oneDNN applies while it writes the product: (attribute, algorithm).
_FUSED = {"gelu_tanh": ("gelu", "tanh"), "gelu": ("gelu", "none"), "silu": ("swish", ""), "relu": ("relu", "")}


def packed_product(x: Tensor, packed: Tensor, bias: Tensor | None, activation: str = "") -> Tensor:
    """activation(x @ weight.T + bias) for a weight from `pack`; of the activations in FUSED, '' = none.

    It has no gradient and would not say so, hence the guard.
    """
    if torch.is_grad_enabled() and x.requires_grad:
        raise RuntimeError("packed weights have no gradient; train with the plain ones")
    name, how = _FUSED.get(activation, ("none", ""))
    return torch.ops.mkldnn._linear_pointwise(x, packed, bias, name, [], how)  # type: ignore[no-any-return]


class Linear(nn.Module):
    """y = x W^T + b. `transposed`: the weight is stored [in, out] (GPT-2's files). Plain until `pack` is called."""

    def __init__(self, inputs: int, outputs: int, *, bias: bool = False, transposed: bool = False) -> None:
        super().__init__()
        self.inputs, self.outputs, self.transposed = inputs, outputs, transposed
        shape = (inputs, outputs) if transposed else (outputs, inputs)
        self.weight: nn.Parameter | None = nn.Parameter(torch.empty(shape))
        self.bias = nn.Parameter(torch.zeros(outputs)) if bias else None
        self.packed: Tensor | None = None
        self.product: Product | None = None  # another way than torch's own

    @property
    def matrix(self) -> Tensor:
        """The weight as [out, in], without a copy."""
        assert self.weight is not None, "packed away"
        return self.weight.T if self.transposed else self.weight

    def pack(self) -> None:
        """Give up the plain weight for oneDNN's layout: for asking only, nothing can be trained or saved then."""
        if self.packed is None:
            self.packed = pack_weight(self.matrix.detach())
            self.weight = None

    def forward(self, x: Tensor) -> Tensor:
        if self.packed is not None:
            return packed_product(x, self.packed, self.bias)
        if self.product is not None and self.weight is not None:
            return self.product(x, self.weight, self.bias, self.transposed)
        return F.linear(x, self.matrix, self.bias)


class _Switched(torch.autograd.Function):
    """y = x W^T + b and its gradients by way of the switch. It is on for these products alone: attention's own small
    ones, which torch writes as products too, become several times slower with it."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, transposed: bool) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.transposed, ctx.biased = transposed, bias is not None
        with switched(True):
            return F.linear(x, weight.T if transposed else weight, bias)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None, None]:
        (x, weight), (g,) = ctx.saved_tensors, gradients
        to_x = to_weight = to_bias = None
        with switched(True):
            if ctx.needs_input_grad[0]:
                to_x = g @ (weight.T if ctx.transposed else weight)
            if ctx.needs_input_grad[1]:
                to_weight = x.T @ g if ctx.transposed else g.T @ x
        if ctx.biased and ctx.needs_input_grad[2]:
            to_bias = g.sum(0)
        return to_x, to_weight, to_bias, None


def suits(x: Tensor, weight: Tensor) -> bool:
    """Whether a product is one of float32 rows [T, in], outside autocast: what the other routes are made for."""
    return x.dim() == 2 and x.dtype == weight.dtype == torch.float32 and not torch.is_autocast_enabled("cpu")


def switched_product(x: Tensor, weight: Tensor, bias: Tensor | None, transposed: bool) -> Tensor:
    """x [T, in] times a weight [out, in], or [in, out] where `transposed`, by way of the switch; float32 only."""
    if not suits(x, weight):
        return F.linear(x, weight.T if transposed else weight, bias)
    return _Switched.apply(x, weight, bias, transposed)  # type: ignore[no-any-return, no-untyped-call]


@contextmanager
def switched(on: bool) -> Iterator[None]:
    """Let torch send float32 products to oneDNN. The name of the setting is a permission to round: see `choose`."""
    if not on:
        yield
        return
    matmul: Any = torch.backends.mkldnn.matmul  # type: ignore[attr-defined]  # set up at run time, untyped
    before = matmul.fp32_precision
    matmul.fp32_precision = "bf16"
    try:
        yield
    finally:
        matmul.fp32_precision = before


@cache
def choose_route(width: int, rows: int) -> _Route:
    """The fastest route for [rows, width] inputs in float32 on this CPU that is as exact as plain.

    A route must not be more than WORST_ERROR times as far from float64 as plain is, and must gain LEAST_GAIN.
    """
    # The private operator does not obey the flag, so it is read here.
    mkldnn: Any = torch.backends.mkldnn
    if not mkldnn.is_available() or not mkldnn.enabled:
        return "plain"
    generator = torch.Generator().manual_seed(0)
    w = torch.randn(2 * width, width, generator=generator) * 0.02
    x = torch.randn(rows, width, generator=generator)
    exact = x.double() @ w[:_CHECKED].double().T

    def switch() -> Tensor:
        with switched(True):
            return F.linear(x, w)

    products: dict[_Route, Callable[[], Tensor]] = {"plain": lambda: F.linear(x, w), "switch": switch}
    errors: dict[_Route, float] = {}
    with torch.inference_mode():
        try:
            packed = pack_weight(w)
            products["packed"] = lambda: packed_product(x, packed, None)
        except (RuntimeError, AttributeError, NotImplementedError):  # this torch has no such operator
            pass
        for name in tuple(products):
            try:
                errors[name] = float((products[name]()[:, :_CHECKED].double() - exact).abs().max())
            except (RuntimeError, AttributeError, NotImplementedError):
                del products[name]
        exact_ones = {n: f for n, f in products.items() if errors[n] <= _WORST_ERROR * errors["plain"]}
        gains = race(exact_ones, max(5, TRIAL_ROWS // rows))
    best = max(gains, key=lambda name: gains[name])
    return best if gains[best] >= LEAST_GAIN else "plain"


def race(products: Mapping[Name, Callable[[], object]], trials: int) -> dict[Name, float]:
    """How many times as fast as the first, the plain one, each product is: the median over rounds in which all run in
    turn, so that a busy moment of the machine decides nothing."""
    # One thread's own time leaves out what a busy machine gives to others.
    clock = time.thread_time if torch.get_num_threads() == 1 else time.perf_counter
    rounds: dict[Name, list[float]] = {name: [] for name in products}
    plain = next(iter(products))
    for _ in range(trials):
        seconds = {}
        for name, product in products.items():
            start = clock()
            product()
            seconds[name] = clock() - start
        for name in products:
            rounds[name].append(seconds[plain] / seconds[name])
    return {name: statistics.median(found) for name, found in rounds.items()}
