"""LoRA (https://arxiv.org/abs/2106.09685), DoRA (https://arxiv.org/abs/2402.09353) and QLoRA in PEFT's file layout.

Files: adapter_config.json and adapter_model.safetensors, https://huggingface.co/docs/peft/developer_guides/checkpoint
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from evalharness.data.files import write_whole
from evalharness.engine.adapter_config import ADAPTER_CONFIG, ADAPTER_WEIGHTS
from evalharness.engine.decoder import Decoder
from evalharness.engine.matmul import Linear
from evalharness.training.config import Lora
from evalharness.training.qlora import FourBit


class Adapted(nn.Module):
    """y = W x + b + (alpha / r) B (A x); with DoRA every output is rescaled to a learned length."""

    def __init__(self, base: Linear | FourBit, lora: Lora, generator: torch.Generator) -> None:
        super().__init__()
        self.base, self.scale = base, lora.alpha / lora.rank
        weight = base.matrix.detach()
        bound = 1 / math.sqrt(base.inputs)  # kaiming uniform with a = sqrt(5), as PEFT
        a = torch.empty(lora.rank, base.inputs).uniform_(-bound, bound, generator=generator)
        self.lora_A = nn.Parameter(a.to(weight.device))
        self.lora_B = nn.Parameter(torch.zeros(base.outputs, lora.rank, device=weight.device))
        length = torch.linalg.vector_norm(weight.float(), dim=1) if lora.dora else None
        self.magnitude = nn.Parameter(length) if length is not None else None

    def forward(self, x: Tensor) -> Tensor:
        low: Tensor = F.linear(F.linear(x, self.lora_A), self.lora_B) * self.scale
        if self.magnitude is None:
            return self.base(x) + low  # type: ignore[no-any-return]
        merged = self.base.matrix.detach() + self.scale * (self.lora_B @ self.lora_A)
        factor: Tensor = (
            self.magnitude / torch.linalg.vector_norm(merged, dim=1).detach()
        )  # section 4.3: the norm is constant
        plain = self.base(x) if self.base.bias is None else self.base(x) - self.base.bias
        out = factor * (plain + low)
        return out if self.base.bias is None else out + self.base.bias  # type: ignore[no-any-return]

    @torch.no_grad()
    def merged(self) -> Tensor:
        """The weight [out, in] that does the same without an adapter."""
        whole: Tensor = self.base.matrix + self.scale * (self.lora_B @ self.lora_A)
        if self.magnitude is not None:
            whole = (self.magnitude / torch.linalg.vector_norm(whole, dim=1)).unsqueeze(1) * whole
        return whole


Frozen = Callable[[Linear], "Linear | FourBit"]


def attach_lora(decoder: Decoder, lora: Lora, seed: int, frozen: Frozen = lambda linear: linear) -> None:
    """Freeze the decoder and put an adapter on what `frozen` makes of every linear layer of its blocks, in place."""
    lora.check()
    decoder.requires_grad_(False)
    generator = torch.Generator().manual_seed(seed)
    for holder, last, linear in list(_linears(decoder)):
        setattr(holder, last, Adapted(frozen(linear), lora, generator))


def _linears(decoder: Decoder) -> Iterator[tuple[nn.Module, str, Linear]]:
    for block in decoder.blocks:
        for holder in block.modules():
            for name, child in holder.named_children():
                if isinstance(child, Linear):
                    yield holder, name, child


def adapters_by_name(decoder: Decoder) -> dict[str, Adapted]:
    """Name in the files -> adapter."""
    return {name: module for name, module in decoder.named_modules() if isinstance(module, Adapted)}


@torch.no_grad()
def merge(decoder: Decoder) -> None:
    """Put the adapters' work into the weights and take the adapters away; with QLoRA the decoder goes to the CPU."""
    found = adapters_by_name(decoder)
    for name, adapted in found.items():
        base, whole = adapted.base, adapted.merged()
        plain = base.plain() if isinstance(base, FourBit) else base
        assert plain.weight is not None
        plain.weight.copy_(whole.T if plain.transposed else whole)
        holder, _, last = name.rpartition(".")
        setattr(decoder.get_submodule(holder), last, plain)
    if any(isinstance(adapted.base, FourBit) for adapted in found.values()):
        decoder.to("cpu")


def save_adapters(decoder: Decoder, lora: Lora, folder: Path, base: str) -> None:
    """Write the adapters as PEFT does; `base` is the path or hub id of the model they belong to."""
    from safetensors.torch import save as to_bytes

    found = adapters_by_name(decoder)
    tensors = {}
    for name, adapted in found.items():
        prefix = f"base_model.model.{name}"
        tensors[f"{prefix}.lora_A.weight"] = adapted.lora_A.detach().cpu().contiguous()
        tensors[f"{prefix}.lora_B.weight"] = adapted.lora_B.detach().cpu().contiguous()
        if adapted.magnitude is not None:
            tensors[f"{prefix}.lora_magnitude_vector"] = adapted.magnitude.detach().cpu().contiguous()
    config = {
        "peft_type": "LORA", "task_type": "CAUSAL_LM", "base_model_name_or_path": base, "r": lora.rank,
        "lora_alpha": lora.alpha, "lora_dropout": 0.0, "bias": "none", "use_dora": lora.dora, "use_rslora": False,
        "target_modules": sorted({".".join(name.split(".")[-2:]) for name in found}), "inference_mode": True,
        "fan_in_fan_out": decoder.config.family == "gpt2", "modules_to_save": None,
    }  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / ADAPTER_WEIGHTS, to_bytes(tensors, metadata={"format": "pt"}))
    write_whole(folder / ADAPTER_CONFIG, json.dumps(config, indent=2) + "\n")
