"""A mixture of experts in an MLP's place: every token goes through the few experts that its router finds likeliest.

https://arxiv.org/abs/2401.04088 (Mixtral). Tokens are gathered expert by expert, so a token's result does not depend on
what else is read with it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from evalharness.engine.config import Config, Mixture
from evalharness.engine.matmul import ACTIVATE, Linear, activated


class ExpertNames(NamedTuple):
    """What a family calls the matrices of an expert."""

    gate: str = "gate_proj"
    up: str = "up_proj"
    down: str = "down_proj"


EXPERT_NAMES = {"mixtral": ExpertNames("w1", "w3", "w2")}


class Expert(nn.Module):
    """down(activation(gate x) * up x)."""

    def __init__(self, width: int, inner: int, names: ExpertNames, activation: str) -> None:
        super().__init__()
        self.names, self.activation = names, activation
        self.add_module(names.gate, Linear(width, inner))
        self.add_module(names.up, Linear(width, inner))
        self.add_module(names.down, Linear(inner, width))

    def forward(self, x: Tensor) -> Tensor:
        gate, up, down = (self._modules[name] for name in self.names)
        assert gate is not None and up is not None and down is not None
        return cast(Tensor, down(activated(gate, x, self.activation) * up(x)))


class MixtureOfExperts(nn.Module):
    """x [T, d] -> [T, d]: the sum of the chosen experts' outputs, weighted by the router's probabilities."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        assert config.mixture is not None
        self.mixture = mixture = config.mixture
        names = EXPERT_NAMES.get(config.family, ExpertNames())
        self.gate = Linear(config.width, mixture.experts)
        self.experts = nn.ModuleList(
            Expert(config.width, mixture.inner, names, config.activation) for _ in range(mixture.experts)
        )
        if mixture.shared:
            self.shared_expert = Expert(config.width, mixture.shared, names, config.activation)
            self.shared_expert_gate = Linear(config.width, 1)

    def forward(self, x: Tensor) -> Tensor:
        out = _mixed(x, self.gate(x), self.mixture, lambda number, rows: cast(Tensor, self.experts[number](rows)))
        if self.mixture.shared:
            out = out + F.sigmoid(self.shared_expert_gate(x)) * self.shared_expert(x)
        return out


class StackedLinear(nn.Module):
    """The matrices of all experts in one tensor [experts, outputs, inputs], as some families' files have them."""

    def __init__(self, experts: int, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(experts, outputs, inputs))


class Router(nn.Module):
    """What says how likely each expert is for a token."""

    def __init__(self, width: int, experts: int) -> None:
        super().__init__()
        self.layer = Linear(width, experts)


class StackedMixture(nn.Module):
    """The same with the matrices of all experts in one tensor, gate above up: Granite's files."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        assert config.mixture is not None
        self.mixture = mixture = config.mixture
        self.activate = ACTIVATE[config.activation]
        self.router = Router(config.width, mixture.experts)
        self.input_linear = StackedLinear(mixture.experts, config.width, 2 * mixture.inner)
        self.output_linear = StackedLinear(mixture.experts, mixture.inner, config.width)

    def forward(self, x: Tensor) -> Tensor:
        return _mixed(x, self.router.layer(x), self.mixture, self._expert)

    def _expert(self, number: int, x: Tensor) -> Tensor:
        gate, up = F.linear(x, self.input_linear.weight[number]).chunk(2, -1)
        return F.linear(self.activate(gate) * up, self.output_linear.weight[number])


def mixture_of_experts(config: Config) -> nn.Module:
    """What stands in the MLP's place in a sparse layer of this family."""
    return StackedMixture(config) if config.family == "granitemoe" else MixtureOfExperts(config)


def _mixed(x: Tensor, logits: Tensor, mixture: Mixture, expert: Callable[[int, Tensor], Tensor]) -> Tensor:
    """The sum of what the likeliest experts by these logits [T, experts] make of x [T, d]."""
    weights, chosen = torch.softmax(logits.float(), -1).topk(mixture.active, -1)
    if mixture.normalised:
        weights = weights / weights.sum(-1, keepdim=True)
    order = chosen.flatten().argsort(stable=True)  # expert by expert, in each the tokens as they come
    weights, rows = weights.to(x.dtype).flatten()[order, None], order // mixture.active
    counts = chosen.flatten().bincount(minlength=mixture.experts).tolist()
    out = torch.zeros_like(x)
    at = 0
    for number, count in enumerate(counts):
        if count:
            here = slice(at, at + count)
            out = out.index_add(0, rows[here], expert(number, x[rows[here]]) * weights[here])
            at += count
    return out
