"""Linear attention by the gated delta rule, in attention's place in most layers of Qwen3-Next and Qwen 3.5.

Each head has a matrix from keys to values. A token lets some of it fade, sets what it answers for the token's key
nearer to the token's value, and reads what it answers for the token's query (https://arxiv.org/abs/2412.06464). Pieces
of tokens are computed at once: what each corrects follows from a triangular system (https://arxiv.org/abs/2406.06484).
"""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from evalharness.engine.config import Config, Layer
from evalharness.engine.matmul import ACTIVATE, Linear
from evalharness.engine.recurrence import Inputs, Recur, State

_PIECE = 64  # tokens whose corrections are one system
_LEAST = 1e-6  # added to a key's squared length


class Convolution(nn.Module):
    """Each channel's weighted sum of the last tokens; the file's shape."""

    def __init__(self, channels: int, taps: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(channels, 1, taps))


class GatedNorm(nn.Module):
    """The root-mean-square norm of each head, times a gate."""

    def __init__(self, size: int, eps: float) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(size))

    def forward(self, x: Tensor, gate: Tensor) -> Tensor:
        wide = x.float()
        wide = wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + self.eps)
        return (self.weight * wide.to(x.dtype) * F.silu(gate.float())).to(x.dtype)


class GatedDelta(nn.Module):
    """x [T, d] -> [T, d], or [len(rows), d]; the texts' order is `attend`'s affair.

    Qwen3-Next's files have two input matrices, in which the parts of a key head stand together; Qwen 3.5's have four.
    """

    def __init__(self, config: Config) -> None:
        super().__init__()
        assert config.delta is not None
        self.delta = delta = config.delta
        self.activate, self.fused = ACTIVATE[config.activation], config.family == "qwen3_next"
        keys, values = delta.key_heads * delta.key_dim, delta.value_heads * delta.value_dim
        self.splits = [keys, keys, values]
        parts = {"qkv": 2 * keys + values, "z": values, "b": delta.value_heads, "a": delta.value_heads}
        if self.fused:
            parts = {"qkvz": 2 * keys + 2 * values, "ba": 2 * delta.value_heads}
        for name, size in parts.items():
            self.add_module(f"in_proj_{name}", Linear(config.width, size))
        self.conv1d = Convolution(2 * keys + values, delta.taps)
        self.dt_bias = nn.Parameter(torch.ones(delta.value_heads))
        self.A_log = nn.Parameter(torch.zeros(delta.value_heads))
        self.norm = GatedNorm(delta.value_dim, config.eps)
        self.out_proj = Linear(values, config.width)

    def forward(self, x: Tensor, attend: Recur, layer: Layer, rows: Tensor | None) -> Tensor:
        mixed, z, b, a = self._parts(x)
        kept = -self.A_log.float().exp() * F.softplus(a.float() + self.dt_bias)
        out = attend.recur(layer, Inputs(mixed, kept, b.float().sigmoid()), self.rule).to(x.dtype)
        z = z.reshape(out.shape)
        if rows is not None:
            out, z = out[rows], z[rows]
        made: Tensor = self.out_proj(self.norm(out, z).flatten(1))
        return made

    def _parts(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Queries, keys and values side by side, the output's gate, what corrections and fading come from."""
        if not self.fused:
            qkv, z, b, a = (self._read(name, x) for name in ("qkv", "z", "b", "a"))
            return qkv, z, b, a
        delta, heads = self.delta, self.delta.key_heads
        each = delta.value_heads // heads
        values = each * delta.value_dim
        by_head = torch.split(
            self._read("qkvz", x).view(len(x), heads, -1), [delta.key_dim, delta.key_dim, values, values], -1
        )
        q, k, v, z = (part.flatten(1) for part in by_head)
        b, a = (part.flatten(1) for part in self._read("ba", x).view(len(x), heads, -1).chunk(2, -1))
        return torch.cat((q, k, v), -1), z, b, a

    def _read(self, name: str, x: Tensor) -> Tensor:
        return cast(Tensor, self.get_submodule(f"in_proj_{name}")(x))

    def rule(self, inputs: Inputs, lengths: Tensor, before: State | None) -> tuple[Tensor, State]:
        """`recurrence.Recurrence`: the convolution, then the delta rule, both from where the state left off."""
        delta, mixed = self.delta, inputs.mixed
        if before is None:
            tail = mixed.new_zeros(len(mixed), delta.taps - 1, mixed.shape[-1])
            shape = (len(mixed), delta.value_heads, delta.key_dim, delta.value_dim)
            before = State(tail, torch.zeros(shape, device=mixed.device))
        whole = torch.cat((before.tail.to(mixed.dtype), mixed), 1)
        last = lengths[:, None] + torch.arange(delta.taps - 1, device=mixed.device)
        tail = whole.gather(1, last[..., None].expand(-1, -1, whole.shape[-1]))
        seen = F.conv1d(whole.transpose(1, 2), self.conv1d.weight, groups=whole.shape[-1])
        q, k, v = torch.split(self.activate(seen).transpose(1, 2).float(), self.splits, -1)
        q, k = (self._unit(part) for part in (q, k))
        v = v.reshape(*v.shape[:2], delta.value_heads, -1).transpose(1, 2)
        kept, corrected = inputs.kept.transpose(1, 2), inputs.corrected.transpose(1, 2)
        out, memory = delta_rule((q * delta.key_dim**-0.5, k, v), kept, corrected, before.memory)
        return out.transpose(1, 2), State(tail, memory)

    def _unit(self, x: Tensor) -> Tensor:
        """Queries or keys [B, L, K heads * size] of length 1, one for each value head: [B, V heads, L, size]."""
        x = x.reshape(*x.shape[:2], self.delta.key_heads, -1)
        x = x * torch.rsqrt(x.pow(2).sum(-1, keepdim=True) + _LEAST)
        return x.repeat_interleave(self.delta.value_heads // self.delta.key_heads, 2).transpose(1, 2)


def delta_rule(
    qkv: tuple[Tensor, Tensor, Tensor], kept: Tensor, corrected: Tensor, memory: Tensor
) -> tuple[Tensor, Tensor]:
    """Outputs [B, H, L, V] and the memory [B, H, K, V] behind them.

    q and k [B, H, L, K], v [B, H, L, V]; `kept` [B, H, L] is the logarithm of what each token leaves of the memory,
    `corrected` [B, H, L] the share of its error that it corrects.
    """
    outputs = []
    for at in range(0, kept.shape[-1], _PIECE):
        here = slice(at, at + _PIECE)
        q, k, v = (part[:, :, here] for part in qkv)
        # What is kept since the piece began. Differences of these sums are what counts: in float32 they would be off by
        # their rounding, which is that of the largest.
        since = kept[..., here].double().cumsum(-1)
        between = (since[..., :, None] - since[..., None, :]).masked_fill(_later(since), float("-inf")).exp().float()
        begun, share = since.exp().float().unsqueeze(-1), corrected[..., here].unsqueeze(-1)
        system = k @ k.transpose(-1, -2) * between * share
        errors = share * (v - begun * (k @ memory))
        corrections = torch.linalg.solve_triangular(system, errors, upper=False, unitriangular=True)
        outputs.append(begun * (q @ memory) + (q @ k.transpose(-1, -2) * between) @ corrections)
        left = (since[..., -1:] - since).exp().float().unsqueeze(-1)
        memory = begun[..., -1:, :] * memory + (k * left).transpose(-1, -2) @ corrections
    return torch.cat(outputs, 2), memory


def _later(x: Tensor) -> Tensor:
    """Which of x [..., L] come later than each: [L, L]."""
    return torch.ones(x.shape[-1], x.shape[-1], dtype=torch.bool, device=x.device).triu(1)
