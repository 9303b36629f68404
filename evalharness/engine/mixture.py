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
        weights, chosen = _likeliest(self.gate(x), self.mixture)
        out = _mixed(x, weights, chosen, lambda number, rows: cast(Tensor, self.experts[number](rows)))
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
        return _mixed(x, *_likeliest(self.router.layer(x), self.mixture), self._expert)

    def _expert(self, number: int, x: Tensor) -> Tensor:
        gate, up = F.linear(x, self.input_linear.weight[number]).chunk(2, -1)
        return F.linear(self.activate(gate) * up, self.output_linear.weight[number])


class TransposedExperts(nn.Module):
    """All experts' matrices as [experts, inputs, outputs]: the files of gpt-oss, whose gates and ups alternate, are
    clamped and have biases, and of Llama 4, whose gates come before the ups."""

    def __init__(self, config: Config, mixture: Mixture) -> None:
        super().__init__()
        count, width, inner = mixture.experts, config.width, mixture.inner
        self.limit, self.gain, self.activate = mixture.limit, mixture.gain, ACTIVATE[config.activation]
        self.gate_up_proj = nn.Parameter(torch.empty(count, width, 2 * inner))
        self.down_proj = nn.Parameter(torch.empty(count, inner, width))
        if self.limit is not None:
            self.gate_up_proj_bias = nn.Parameter(torch.empty(count, 2 * inner))
            self.down_proj_bias = nn.Parameter(torch.empty(count, width))

    def forward(self, number: int, x: Tensor) -> Tensor:
        both = x @ self.gate_up_proj[number]
        if self.limit is None:
            gate, up = both.chunk(2, -1)
            return self.activate(gate) * up @ self.down_proj[number]
        both = both + self.gate_up_proj_bias[number]
        gate, up = both[..., ::2].clamp(max=self.limit), both[..., 1::2].clamp(-self.limit, self.limit)
        hidden: Tensor = (up + 1) * gate * torch.sigmoid(gate * self.gain)
        return hidden @ self.down_proj[number] + self.down_proj_bias[number]


class GptOssMixture(nn.Module):
    """gpt-oss: experts with a clamped activation, a router with a bias."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        assert config.mixture is not None
        self.mixture = config.mixture
        self.router = Linear(config.width, config.mixture.experts, bias=True)
        self.experts = TransposedExperts(config, config.mixture)

    def forward(self, x: Tensor) -> Tensor:
        return _mixed(x, *_likeliest(self.router(x), self.mixture), self.experts)


class Llama4Mixture(nn.Module):
    """Llama 4: what an expert reads is scaled, by how likely it is on its own, and not what it makes of it; one expert
    more is for all tokens."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        assert config.mixture is not None
        self.mixture = mixture = config.mixture
        self.router = Linear(config.width, mixture.experts)
        self.experts = TransposedExperts(config, mixture)
        self.shared_expert = Expert(config.width, mixture.shared, ExpertNames(), config.activation)

    def forward(self, x: Tensor) -> Tensor:
        logits, chosen = self.router(x).topk(self.mixture.active, -1)
        weights = torch.sigmoid(logits.float())
        return _mixed(x, weights, chosen, self.experts, at_input=True) + cast(Tensor, self.shared_expert(x))


def mixture_of_experts(config: Config) -> nn.Module:
    """What stands in the MLP's place in a sparse layer of this family."""
    of_family = {"granitemoe": StackedMixture, "gpt_oss": GptOssMixture, "llama4_text": Llama4Mixture}
    return of_family.get(config.family, MixtureOfExperts)(config)


def _likeliest(logits: Tensor, mixture: Mixture) -> tuple[Tensor, Tensor]:
    """Of the likeliest experts by these logits [T, experts] the weights [T, active] in float32, and which they are."""
    weights, chosen = torch.softmax(logits.float(), -1).topk(mixture.active, -1)
    if mixture.normalised:
        weights = weights / weights.sum(-1, keepdim=True)
    return weights, chosen


def _mixed(
    x: Tensor, weights: Tensor, chosen: Tensor, expert: Callable[[int, Tensor], Tensor], *, at_input: bool = False
) -> Tensor:
    """The sum of what the chosen experts [T, active] make of x [T, d], weighted; or of x weighted, `at_input`."""
    active = chosen.shape[-1]
    order = chosen.flatten().argsort(stable=True)  # expert by expert, in each the tokens as they come
    weights, rows = weights.to(x.dtype).flatten()[order, None], order // active
    counts = chosen.flatten().bincount().tolist()
    out = torch.zeros_like(x)
    at = 0
    for number, count in enumerate(counts):
        if count:
            here = slice(at, at + count)
            read = x[rows[here]]
            made = expert(number, read * weights[here]) if at_input else expert(number, read) * weights[here]
            out = out.index_add(0, rows[here], made)
            at += count
    return out
