"""A mixture of experts in an MLP's place: every token goes through the few experts that its router finds likeliest.

https://arxiv.org/abs/2401.04088 (Mixtral). Tokens are gathered expert by expert, so a token's result does not depend on
what else is read with it.
"""

from __future__ import annotations

from typing import NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from evalharness.engine.config import Config
from evalharness.engine.matmul import Linear, activated


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
        weights, chosen = torch.softmax(self.gate(x).float(), -1).topk(self.mixture.active, -1)
        if self.mixture.normalised:
            weights = weights / weights.sum(-1, keepdim=True)
        order = chosen.flatten().argsort(stable=True)  # expert by expert, in each the tokens as they come
        weights, rows = weights.to(x.dtype).flatten()[order, None], order // self.mixture.active
        counts = chosen.flatten().bincount(minlength=self.mixture.experts).tolist()
        out = torch.zeros_like(x)
        at = 0
        for expert, count in zip(self.experts, counts, strict=True):
            if count:
                here = slice(at, at + count)
                out = out.index_add(0, rows[here], expert(x[rows[here]]) * weights[here])
                at += count
        if self.mixture.shared:
            out = out + F.sigmoid(self.shared_expert_gate(x)) * self.shared_expert(x)
        return out
