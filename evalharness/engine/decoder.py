"""One decoder for GPT-2, Llama, Mistral, Qwen, Gemma, Phi, SmolLM, OLMo, Granite, gpt-oss; for asking and training.

Everything but attention runs on packed rows [T, d] without padding; attention is passed in (`attention.PackedRows`,
`slot_cache.SlotCache`). Modules carry the names of Hugging Face's files, so `state_dict()` is a checkpoint. The
architectures follow https://github.com/huggingface/transformers (`models/*/modeling_*.py`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from operator import attrgetter
from typing import Protocol, cast

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from evalharness.engine.attention import PackedRows
from evalharness.engine.config import Config, Layer
from evalharness.engine.gated_delta import GatedDelta, GatedNorm
from evalharness.engine.matmul import ACTIVATE, Linear, Matmul, activated, pack_weight, packed_matmul
from evalharness.engine.mixture import mixture_of_experts
from evalharness.engine.names import names_of
from evalharness.engine.positions import rotate, tempering, turning
from evalharness.engine.recurrence import Recur
from evalharness.engine.rotary import Rope, Tempered

_Turns = Mapping[Rope | Tempered, tuple[Tensor, ...]]


class Norm(nn.Module):
    """LayerNorm, or the root-mean-square norm in float32; Gemma's multiplies by 1 + weight before rounding."""

    def __init__(self, size: int, config: Config) -> None:
        super().__init__()
        self.rms, self.eps, self.offset = config.norm == "rms", config.eps, config.unit_offset
        self.weight = nn.Parameter(torch.zeros(size) if self.offset else torch.ones(size))
        self.bias = None if self.rms else nn.Parameter(torch.zeros(size))

    def forward(self, x: Tensor) -> Tensor:
        if not self.rms:
            return F.layer_norm(x, self.weight.shape, self.weight, self.bias, self.eps)
        wide = x.float()
        wide = wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + self.eps)
        if self.offset:
            return (wide * (1.0 + self.weight.float())).to(x.dtype)
        return self.weight * wide.to(x.dtype)


def _place(root: nn.Module, path: str, module: nn.Module) -> None:
    """Put `module` at a dotted path, making plain containers on the way."""
    *holders, last = path.split(".")
    for name in holders:
        if name not in root._modules:
            root.add_module(name, nn.Module())
        root = root._modules[name]  # type: ignore[assignment]  # added above, never None
    root.add_module(last, module)


class Attend(Recur, Protocol):
    """Attention of the texts at hand: q [T, H, D], k and v [T, KV, D], sinks [H] or None -> [T, H, D]."""

    def __call__(self, layer: Layer, q: Tensor, k: Tensor, v: Tensor, sinks: Tensor | None) -> Tensor: ...


class _Block(nn.Module):
    """One layer: attention and MLP, each behind a norm and added to the stream."""

    def __init__(self, config: Config, layer: Layer) -> None:
        super().__init__()
        self.config, self.layer, self.names = config, layer, names_of(config)
        names = self.names
        if layer.recurrent:
            _place(self, names.delta, GatedDelta(config))
        else:
            self._add_attention()
        if layer.sparse:
            _place(self, names.mixture, mixture_of_experts(config))
        else:
            self._add_linear(names.gate_up, config.width, 2 * config.inner, config.mlp_bias)
            self._add_linear(names.gate, config.width, config.inner, config.mlp_bias)
            self._add_linear(names.up, config.width, config.inner, config.mlp_bias)
            self._add_linear(names.down, config.inner, config.width, config.mlp_bias)
        for path in (names.before_attention, names.after_attention, names.before_mlp, names.after_mlp):
            if path:
                _place(self, path, Norm(config.width, config))

    def _add_linear(self, path: str, inputs: int, outputs: int, bias: bool) -> None:
        if path:
            _place(self, path, Linear(inputs, outputs, bias=bias, transposed=self.config.family == "gpt2"))

    def _add_attention(self) -> None:
        config, names = self.config, self.names
        queries, keys = config.heads * config.head_dim, config.kv_heads * config.head_dim
        self.splits = [queries, keys, keys]
        self._add_linear(names.qkv, config.width, queries + 2 * keys, config.qkv_bias)
        self._add_linear(names.q, config.width, queries * (1 + config.gated), config.qkv_bias)
        self._add_linear(names.k, config.width, keys, config.qkv_bias)
        self._add_linear(names.v, config.width, keys, config.qkv_bias)
        self._add_linear(names.out, queries, config.width, config.out_bias)
        if config.qk_norm:
            _place(self, names.q_norm, Norm(queries if config.whole_norm else config.head_dim, config))
            _place(self, names.k_norm, Norm(keys if config.whole_norm else config.head_dim, config))
        if config.sinks:
            holder, _, last = names.sinks.rpartition(".")
            self.get_submodule(holder).register_parameter(last, nn.Parameter(torch.empty(config.heads)))

    def part(self, path: str) -> nn.Module:
        """The module of that name, looked up at each use: training may have put another (LoRA) in its place."""
        return attrgetter(path)(self)  # type: ignore[no-any-return]

    def forward(self, x: Tensor, attend: Attend, turns: _Turns, rows: Tensor | None = None) -> Tensor:
        """x [T, d] -> [T, d], or [len(rows), d] when only some rows are wanted of the last layer."""
        names, scale = self.names, self.config.residual_scale
        before = self._normed(names.before_attention, x)
        if self.layer.recurrent:
            mixed = self.part(names.delta)(before, attend, self.layer, rows)
        else:
            mixed = self._attention(before, attend, turns, rows)
        x = x if rows is None else x[rows]
        mixed = self._normed(names.after_attention, mixed)
        x = x + (mixed if scale == 1.0 else mixed * scale)
        out = self._normed(names.after_mlp, self._mlp(self._normed(names.before_mlp, x)))
        return x + (out if scale == 1.0 else out * scale)

    def _attention(self, x: Tensor, attend: Attend, turns: _Turns, rows: Tensor | None) -> Tensor:
        """What attention makes of its input, of these rows."""
        names, config = self.names, self.config
        q, k, v, gates = self._queries(x, turns)
        sinks = self.part(names.sinks) if config.sinks else None
        mixed = attend(self.layer, q, k, v, cast("Tensor | None", sinks)).flatten(1)
        if gates is not None:
            mixed = mixed * torch.sigmoid(gates)
        return self.part(names.out)(mixed if rows is None else mixed[rows])  # type: ignore[no-any-return]

    def _normed(self, path: str, x: Tensor) -> Tensor:
        return self.part(path)(x) if path else x

    def _queries(self, x: Tensor, turns: _Turns) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
        """Queries, keys, values by head, and where attention is gated its gates [T, heads * D]."""
        names, dim = self.names, self.config.head_dim
        gates = None
        if names.qkv:
            q, k, v = self.part(names.qkv)(x).split(self.splits, -1)
        else:
            q, k, v = (self.part(path)(x) for path in (names.q, names.k, names.v))
        if self.config.gated:  # each head's queries, then its gates
            q, gates = (part.flatten(1) for part in q.view(len(q), -1, 2 * dim).chunk(2, -1))
        if self.config.qk_norm and self.config.whole_norm:
            q, k = self.part(names.q_norm)(q), self.part(names.k_norm)(k)
        q, k, v = (part.unflatten(-1, (-1, dim)) for part in (q, k, v))
        if self.config.qk_norm and not self.config.whole_norm:
            q, k = self.part(names.q_norm)(q), self.part(names.k_norm)(k)
        if (rope := self.layer.rope) is not None:
            q, k = rotate(q, turns[rope], rope.adjacent), rotate(k, turns[rope], rope.adjacent)
            if self.config.unit_qk:
                q, k = (F.rms_norm(part, (dim,), eps=self.config.eps) for part in (q, k))
        if self.layer.tempered is not None:
            q = q * turns[self.layer.tempered][0]
        return q, k, v, gates

    def _mlp(self, x: Tensor) -> Tensor:
        names, activation = self.names, self.config.activation
        if self.layer.sparse:
            return self.part(names.mixture)(x)  # type: ignore[no-any-return]
        if names.gate_up:
            gate, up = self.part(names.gate_up)(x).chunk(2, -1)
            hidden = ACTIVATE[activation](gate) * up
        elif names.gate:
            hidden = activated(self.part(names.gate), x, activation) * self.part(names.up)(x)
        else:
            hidden = activated(self.part(names.up), x, activation)
        return self.part(names.down)(hidden)  # type: ignore[no-any-return]


def tied_embedding(table: Tensor, ids: Tensor) -> Tensor:
    """Rows of a table that is the head's matrix too: [n, d] for ids [n].

    The backward pass reaches them last and adds their gradient to the table's, which the head has made by then. Torch
    alone would add two whole tables, one of them zeros but for these rows: a twentieth of a step's time. Autograd does
    not know of this gradient, so where ranks wait for each other's (`torch.distributed`) torch does it all.
    """
    if table.requires_grad and torch.is_grad_enabled() and _several_ranks():
        return F.embedding(ids, table)
    rows = table.detach().index_select(0, ids)
    if table.requires_grad and torch.is_grad_enabled():
        rows.requires_grad_().register_hook(partial(_add_rows, table, ids))  # type: ignore[no-untyped-call]
    return rows


def _several_ranks() -> bool:
    return dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1


def _add_rows(table: Tensor, ids: Tensor, gradient: Tensor) -> None:
    if table.grad is None:
        table.grad = torch.zeros_like(table)
    table.grad.index_add_(0, ids, gradient.to(table.grad.dtype))


class Table(nn.Embedding):
    """Rows by number. `packed` is the same as a tied head's matrix in oneDNN's layout, once it is wanted."""

    packed: Tensor | None = None

    def __init__(self, entries: int, width: int) -> None:
        super().__init__(entries, width, _weight=torch.empty(entries, width))


class Decoder(nn.Module):
    """The whole network. Weights are uninitialised until loaded (`load_decoder`) or `initialise`d."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config, self.names = config, names_of(config)
        _place(self, self.names.embed, Table(config.vocab, config.width))
        if self.names.positions:
            _place(self, self.names.positions, Table(config.context, config.width))
        _place(self, self.names.blocks, nn.ModuleList(_Block(config, layer) for layer in config.layers))
        _place(self, self.names.norm, Norm(config.width, config))
        self.lm_head: nn.Module | None = None if config.tied else Linear(config.width, config.vocab)
        self.matmul: Matmul | None = None  # how the tied head's product is made, and all other matrices'
        self.recompute = False  # training: layers are computed again for the gradient instead of kept

    @property
    def embed(self) -> Table:
        return attrgetter(self.names.embed)(self)  # type: ignore[no-any-return]

    @property
    def blocks(self) -> Sequence[_Block]:
        return attrgetter(self.names.blocks)(self)  # type: ignore[no-any-return]

    @property
    def dtype(self) -> torch.dtype:
        return self.embed.weight.dtype

    @property
    def device(self) -> torch.device:
        return self.embed.weight.device

    def hidden(
        self, ids: Tensor, positions: Tensor, attend: Attend, rows: Tensor | None = None, noise: Tensor | None = None
    ) -> Tensor:
        """ids and positions [T] -> normed states [T, d]; with `rows`, of those tokens only. `noise` [T, d] is added to
        the embeddings."""
        x = self.embed(ids) if self.lm_head is not None else tied_embedding(self.embed.weight, ids)
        if self.config.embed_scale != 1.0:
            x = x * torch.tensor(self.config.embed_scale, dtype=x.dtype)
        if noise is not None:
            x = x + noise.to(x.dtype)
        if self.names.positions:
            x = x + attrgetter(self.names.positions)(self)(positions)
        turns = self._turns(positions, x.dtype)
        last = len(self.blocks) - 1
        for i, block in enumerate(self.blocks):
            wanted = rows if i == last else None
            if self.recompute and torch.is_grad_enabled():
                x = checkpoint(block, x, attend, turns, wanted, use_reentrant=False)
            else:
                x = block(x, attend, turns, wanted)
        return attrgetter(self.names.norm)(self)(x)  # type: ignore[no-any-return]

    def head(self, hidden: Tensor) -> Tensor:
        """States [n, d] -> logits [n, vocabulary] in float32."""
        if self.lm_head is not None:
            logits = self.lm_head(hidden)
        elif self.embed.packed is not None:
            logits = packed_matmul(hidden, self.embed.packed, None)
        elif self.matmul is not None:
            logits = self.matmul(hidden, self.embed.weight, None, False)
        else:
            logits = F.linear(hidden, self.embed.weight)
        logits = logits.float()
        if self.config.logit_scale != 1.0:
            logits = logits * self.config.logit_scale
        cap = self.config.final_cap
        return logits if cap is None else cap * torch.tanh(logits / cap)

    def forward(self, ids: Tensor) -> Tensor:
        """ids [B, S] -> logits [B, S, vocabulary]; every row starts at position 0."""
        batch, length = ids.shape
        positions = torch.arange(length, device=ids.device).repeat(batch)
        attend = PackedRows(self.config, [length] * batch, positions)
        return self.head(self.hidden(ids.reshape(-1), positions, attend)).view(batch, length, -1)

    def use_matmul(self, matmul: Matmul | None) -> None:
        """Have all matrix products made by that function; None = torch's own."""
        self.matmul = matmul
        for module in self.modules():
            if isinstance(module, Linear):
                module.matmul = matmul

    def pack(self, *, head: bool) -> None:
        """Put the matrices in oneDNN's packed layout. Nothing can be trained or saved afterwards.

        Packing the head pays for generation, which reads it at every step, not for log-likelihoods.
        """
        for block in self.blocks:
            for module in block.modules():
                if isinstance(module, Linear):
                    module.pack()
            for parameter in block.parameters():  # norms and biases hold a layer's whole file in memory
                parameter.data = parameter.data.clone()
        if head and self.lm_head is not None:
            for module in self.lm_head.modules():
                if isinstance(module, Linear):
                    module.pack()
        elif head and self.embed.packed is None:
            self.embed.packed = pack_weight(self.embed.weight.detach())

    def sharing(self, config: Config) -> Decoder:
        """A decoder of another configuration on the very modules of this one."""
        with torch.device("meta"):
            made = Decoder(config)
        for name, module in list(made.named_modules()):
            if next(module.children(), None) is None:
                holder, _, last = name.rpartition(".")
                made.get_submodule(holder)._modules[last] = self.get_submodule(name)
            else:  # a container may hold weights of its own
                module._parameters = self.get_submodule(name)._parameters
        return made

    @property
    def size(self) -> int:
        """How many weights it has, packed ones too."""
        packed = sum(m.inputs * m.outputs for m in self.modules() if isinstance(m, Linear) and m.weight is None)
        return packed + sum(parameter.numel() for parameter in self.parameters())

    def _turns(self, positions: Tensor, dtype: torch.dtype) -> _Turns:
        """cos and sin [T, 1, dims / 2] for every kind of rotary positions in use, factors [T, 1, 1] of queries."""
        layers = self.config.layers
        turns: dict[Rope | Tempered, tuple[Tensor, ...]] = {}
        for rope in {layer.rope for layer in layers if layer.rope is not None}:
            turns[rope] = turning(rope, positions, dtype)
        for tempered in {layer.tempered for layer in layers if layer.tempered is not None}:
            turns[tempered] = (tempering(tempered, positions, dtype),)
        return turns


def initialise(decoder: Decoder, generator: torch.Generator, std: float = 0.02) -> None:
    """Random weights as the families' own code draws them: normal matrices, unit norms, no biases.

    Projections back into the stream are smaller by the square root of twice the depth (GPT-2's rule).
    """
    small = std / math.sqrt(2 * len(decoder.blocks))
    with torch.no_grad():
        for name, parameter in decoder.named_parameters():
            if parameter.dim() > 1:
                back = name.endswith(("c_proj.weight", "o_proj.weight", "down_proj.weight", "output_linear.weight"))
                parameter.normal_(0.0, small if back else std, generator=generator)
            elif name.endswith((".bias", ".sinks")):
                parameter.zero_()
            else:
                holder = decoder.get_submodule(name.rpartition(".")[0])
                parameter.fill_(0.0 if decoder.config.unit_offset and not isinstance(holder, GatedNorm) else 1.0)
