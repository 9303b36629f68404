"""Matrix products in float32: four routes (plain, switch, packed, onednn), chosen by measuring this machine.

On some CPUs torch's default float32 library is half as fast as oneDNN, which is in the same wheel. No vendor string is
read: the routes are timed and their errors compared with plain's (docs/performance.md). oneDNN's own operators are
private to torch (TorchInductor's CPU code calls them) and have no gradient: `packed` is for inference, `onednn` is for
training and brings its gradients.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache, partial
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Route = Literal["plain", "switch", "packed", "onednn"]
Matmul = Callable[[Tensor, Tensor, "Tensor | None", bool], Tensor]  # (x, weight, bias, weight is [in, out])


def pack_weight(weight: Tensor) -> Tensor:
    """oneDNN's own layout of a float32 [out, in] matrix (opaque: no storage, cannot be saved)."""
    return torch.ops.mkldnn._reorder_linear_weight(weight, None)  # type: ignore[no-any-return]


# Activations that oneDNN applies while it writes the product: (attribute, algorithm).
_FUSED_ACTIVATIONS = {
    "gelu_tanh": ("gelu", "tanh"),
    "gelu": ("gelu", "none"),
    "silu": ("swish", ""),
    "relu": ("relu", ""),
}


def packed_matmul(x: Tensor, packed: Tensor, bias: Tensor | None, activation: str = "") -> Tensor:
    """activation(x @ weight.T + bias) for a weight from `pack_weight`; activation '' = none.

    It has no gradient and would not say so, hence the guard.
    """
    if torch.is_grad_enabled() and x.requires_grad:
        raise RuntimeError("packed weights have no gradient; train with the plain ones")
    name, how = _FUSED_ACTIVATIONS.get(activation, ("none", ""))
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
        self.matmul: Matmul | None = None  # another route than torch's own

    @property
    def matrix(self) -> Tensor:
        """The weight as [out, in], without a copy."""
        assert self.weight is not None, "the weight is packed"
        return self.weight.T if self.transposed else self.weight

    def pack(self) -> None:
        """Give up the plain weight for oneDNN's layout: for inference only, nothing can be trained or saved then."""
        if self.packed is None:
            self.packed = pack_weight(self.matrix.detach())
            self.weight = None

    def forward(self, x: Tensor) -> Tensor:
        if self.packed is not None:
            return packed_matmul(x, self.packed, self.bias)
        if self.matmul is not None and self.weight is not None:
            return self.matmul(x, self.weight, self.bias, self.transposed)
        return F.linear(x, self.matrix, self.bias)


ACTIVATE: dict[str, Callable[[Tensor], Tensor]] = {
    "gelu_tanh": partial(F.gelu, approximate="tanh"),
    "gelu": F.gelu,
    "silu": F.silu,
    "relu": F.relu,
}


def activated(module: nn.Module, x: Tensor, activation: str) -> Tensor:
    """activation(module(x)), in one operation where the module's weight is packed."""
    if isinstance(module, Linear) and module.packed is not None:
        return packed_matmul(x, module.packed, module.bias, activation)
    return ACTIVATE[activation](module(x))


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


def _suits(x: Tensor, weight: Tensor) -> bool:
    """Whether a product is one of float32 rows [T, in], outside autocast: what the other routes are made for."""
    return x.dim() == 2 and x.dtype == weight.dtype == torch.float32 and not torch.is_autocast_enabled("cpu")


def switched_matmul(x: Tensor, weight: Tensor, bias: Tensor | None, transposed: bool) -> Tensor:
    """x [T, in] times a weight [out, in], or [in, out] where `transposed`, by way of the switch; float32 only."""
    if not _suits(x, weight):
        return F.linear(x, weight.T if transposed else weight, bias)
    return _Switched.apply(x, weight, bias, transposed)  # type: ignore[no-any-return, no-untyped-call]


@contextmanager
def switched(on: bool) -> Iterator[None]:
    """Let torch send float32 products to oneDNN. The setting's name is a permission to round: see `choose_route`."""
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


class _OneDnn(torch.autograd.Function):
    """y = x W^T + b and its gradients by oneDNN's operator, every operand laid out as it wants it."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, transposed: bool) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.transposed, ctx.biased = transposed, bias is not None
        return _onednn(x, weight.T.contiguous() if transposed else weight, bias)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None, None]:
        x, weight = ctx.saved_tensors
        g = gradients[0].contiguous()
        to_x = to_weight = to_bias = None
        if ctx.needs_input_grad[0]:
            to_x = _onednn(g, weight if ctx.transposed else weight.T.contiguous(), None)
        if ctx.needs_input_grad[1]:
            left, right = g.T.contiguous(), x.T.contiguous()
            to_weight = _onednn(right, left, None) if ctx.transposed else _onednn(left, right, None)
        if ctx.biased and ctx.needs_input_grad[2]:
            to_bias = g.sum(0)
        return to_x, to_weight, to_bias, None


def _onednn(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """x [T, in] times a contiguous weight [out, in]."""
    return torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")  # type: ignore[no-any-return]


def onednn_matmul(x: Tensor, weight: Tensor, bias: Tensor | None, transposed: bool) -> Tensor:
    """x [T, in] times a weight [out, in], or [in, out] where `transposed`, by oneDNN's operator; float32 only."""
    if not _suits(x, weight):
        return F.linear(x, weight.T if transposed else weight, bias)
    return _OneDnn.apply(x.contiguous(), weight, bias, transposed)  # type: ignore[no-any-return, no-untyped-call]


# What `Decoder.use_matmul` takes; packed weights are put in by `Decoder.pack`.
MATMULS: Mapping[Route, Matmul | None] = {"plain": None, "switch": switched_matmul, "onednn": onednn_matmul}

WORST_ERROR = 10.0  # times plain's; real bfloat16 rounding is thousands
LEAST_GAIN = 1.05  # less is within the noise of a busy machine
CHECKED_COLUMNS = 64  # columns of a result that are compared with float64
NARROW = 256  # below this width, laying out operands for a backward pass costs more than the products gain
_UNAVAILABLE = (RuntimeError, AttributeError, NotImplementedError)  # this torch has no such operator
_Pass = Callable[[], tuple[Tensor, ...]]


@cache
def choose_route(width: int, rows: int, *, training: bool = False) -> Route:
    """The fastest route for [rows, width] inputs in float32 on this CPU that is as exact as plain.

    With `training`, the backward pass counts too. A route must not be more than WORST_ERROR times as far from float64
    as plain is, and must gain LEAST_GAIN.
    """
    # The private operators do not obey the flag, so it is read here.
    mkldnn: Any = torch.backends.mkldnn
    if not mkldnn.is_available() or not mkldnn.enabled or (training and width < NARROW):
        return "plain"
    if training:
        return _fastest_exact(*_training_passes(width, rows), rounds=7)
    with torch.inference_mode():
        return _fastest_exact(*_inference_passes(width, rows), rounds=max(5, 144 // rows))  # few rows are over soon


def _inference_passes(width: int, rows: int) -> tuple[dict[Route, _Pass], tuple[Tensor, ...]]:
    """What each route computes, and the columns of it that are checked, in float64."""
    generator = torch.Generator().manual_seed(0)
    w = torch.randn(2 * width, width, generator=generator) * 0.02
    x = torch.randn(rows, width, generator=generator)
    packed = cache(lambda: pack_weight(w))
    passes: dict[Route, _Pass] = {
        "plain": lambda: (F.linear(x, w),),
        "switch": lambda: (switched_matmul(x, w, None, False),),
        "packed": lambda: (packed_matmul(x, packed(), None),),
    }
    return passes, (x.double() @ w[:CHECKED_COLUMNS].double().T,)


def _training_passes(width: int, rows: int) -> tuple[dict[Route, _Pass], tuple[Tensor, ...]]:
    """The same of a pass forward and back: the output and the gradient of the input."""
    generator = torch.Generator().manual_seed(0)
    w = torch.randn(4 * width, width, generator=generator) * 0.02
    x, g = (torch.randn(rows, size, generator=generator) for size in (width, 4 * width))

    def forward_and_back(matmul: Matmul | None) -> tuple[Tensor, ...]:
        inputs, weight = x.detach().requires_grad_(), w.detach().requires_grad_()
        y = F.linear(inputs, weight) if matmul is None else matmul(inputs, weight, None, False)
        y.backward(g)  # type: ignore[no-untyped-call]
        assert inputs.grad is not None
        return y.detach(), inputs.grad

    exact = (x.double() @ w[:CHECKED_COLUMNS].double().T, g.double() @ w[:, :CHECKED_COLUMNS].double())
    return {route: partial(forward_and_back, matmul) for route, matmul in MATMULS.items()}, exact


def _fastest_exact(passes: Mapping[Route, _Pass], exact: Sequence[Tensor], rounds: int) -> Route:
    """The route that gains most on plain, among those that are exact enough."""
    errors: dict[Route, float] = {}
    for route, one in passes.items():
        try:
            got = one()
        except _UNAVAILABLE:
            continue
        errors[route] = max(float((a[:, :CHECKED_COLUMNS] - b).abs().max()) for a, b in zip(got, exact, strict=True))
    gains = _race({r: passes[r] for r, error in errors.items() if error <= WORST_ERROR * errors["plain"]}, rounds)
    best = max(gains, key=lambda route: gains[route])
    return best if gains[best] >= LEAST_GAIN else "plain"


def _race(passes: Mapping[Route, _Pass], rounds: int) -> dict[Route, float]:
    """How many times as fast as plain each route is: the median over rounds in which all run in turn, so that a busy
    moment of the machine decides nothing."""
    # One thread's own time leaves out what a busy machine gives to others.
    clock = time.thread_time if torch.get_num_threads() == 1 else time.perf_counter
    gains: dict[Route, list[float]] = {route: [] for route in passes}
    for _ in range(rounds):
        seconds = {}
        for route, one in passes.items():
            start = clock()
            one()
            seconds[route] = clock() - start
        for route in passes:
            gains[route].append(seconds["plain"] / seconds[route])
    return {route: statistics.median(found) for route, found in gains.items()}
