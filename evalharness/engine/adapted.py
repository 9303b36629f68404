"""An adapter's tensors, and a decoder with them on it that shares with its base all weights which they leave alone.

Files: adapter_model.safetensors, https://huggingface.co/docs/peft/developer_guides/checkpoint; settings in
`adapter_config.py`.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from torch import Tensor, nn

from evalharness.engine.adapter_config import (
    ADAPTER_CONFIG,
    ADAPTER_WEIGHTS,
    AdapterConfig,
    read_adapter_config,
    refuse_pickled,
)
from evalharness.engine.checkpoint import SKIPPED, our_name, read_tensor, weight_files
from evalharness.engine.decoder import Decoder, Table
from evalharness.engine.families import UnsupportedError
from evalharness.engine.matmul import Linear
from evalharness.errors import UserError
from evalharness.text.patterns import SlowPatternError

_PREFIX = "base_model.model."
# What a tensor's name ends in, behind the name of the module that it belongs to.
_PART = re.compile(r"\A(.+)\.(lora_(?:A|B)\.(?:weight|bias)|lora_magnitude_vector(?:\.weight)?|lora_embedding_[AB])\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class LowRank:
    """What is added to one matrix [out, in]: `scale` times (up [out, r] times down [r, in], and `bias` [out]), and with
    DoRA the lengths [out] that the rows then get. An embedding's down is [r, entries]."""

    down: Tensor
    up: Tensor
    scale: float
    bias: Tensor | None = None
    magnitude: Tensor | None = None
    of_embedding: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapter:
    """An adapter's settings and tensors, by the base's own names of modules and of whole tensors."""

    folder: Path
    config: AdapterConfig
    low_rank: Mapping[str, LowRank] = field(repr=False)
    whole: Mapping[str, Tensor] = field(repr=False)


def read_adapter(folder: Path) -> Adapter:
    """The adapter in a folder. UserError for files that are missing, damaged, or do not belong together.

    UnsupportedError for what PEFT may do and the native decoder does not.
    """
    from safetensors.torch import load_file

    config, file = read_adapter_config(folder), folder / ADAPTER_WEIGHTS
    refuse_pickled(folder)
    try:
        tensors = load_file(file)
    except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{file}: not a whole safetensors file ({error}); copy it again") from error
    parts: dict[str, dict[str, Tensor]] = {}
    whole: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        if not torch.isfinite(tensor).all():
            raise UserError(f"{file}: {name} holds values that are not numbers (NaN or infinite); export it again")
        bare = name.removeprefix(_PREFIX)
        if SKIPPED.search(bare):  # of the half of a model that sees
            continue
        if found := _PART.match(bare):
            parts.setdefault(found[1], {})[found[2]] = tensor
        else:
            whole[bare.replace(".base_layer.", ".")] = tensor
    try:
        low_rank = {module: _low_rank(file, module, found, config) for module, found in parts.items()}
    except SlowPatternError as error:
        raise UserError(f"{folder / ADAPTER_CONFIG}: {error}; write the modules' names instead") from error
    if not low_rank and not whole:
        raise UserError(f"{file}: holds no tensor; export the adapter again")
    return Adapter(folder=folder, config=config, low_rank=low_rank, whole=whole)


def _low_rank(file: Path, module: str, found: Mapping[str, Tensor], config: AdapterConfig) -> LowRank:
    embedding = "lora_embedding_A" in found or "lora_embedding_B" in found
    down, up = (found.get(f"lora_embedding_{x}" if embedding else f"lora_{x}.weight") for x in "AB")
    magnitude = found.get("lora_magnitude_vector", found.get("lora_magnitude_vector.weight"))
    if down is None or up is None or down.dim() != 2 or up.dim() != 2:
        raise UserError(f"{file}: of {module} it holds {', '.join(sorted(found))}; wanted both matrices A and B")
    rank = config.rank_of(module)
    if down.shape[0] != rank or up.shape[1] != rank:
        raise UserError(
            f"{file}: the matrices of {module} have shapes {list(down.shape)} and {list(up.shape)}, {ADAPTER_CONFIG} "
            f"says r = {rank}; they do not belong together"
        )
    if magnitude is not None and embedding:
        raise UnsupportedError(f"DoRA of the embedding {module}")
    return LowRank(
        down=down,
        up=up,
        scale=config.scale(module),
        bias=found.get("lora_B.bias"),
        magnitude=magnitude,
        of_embedding=embedding,
    )


class AdaptedLinear(nn.Module):
    """y = W x + b + up (down x) + low_bias; with DoRA everything but b is multiplied by `factor` [out]. For inference.

    `up` holds the adapter's scale.
    """

    def __init__(self, base: Linear, down: Tensor, up: Tensor, bias: Tensor | None, factor: Tensor | None) -> None:
        super().__init__()
        self.base = base
        self.down, self.up = nn.Parameter(down, requires_grad=False), nn.Parameter(up, requires_grad=False)
        self.low_bias = None if bias is None else nn.Parameter(bias, requires_grad=False)
        self.factor = None if factor is None else nn.Parameter(factor, requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        low = F.linear(F.linear(x, self.down), self.up, self.low_bias)
        y: Tensor = self.base(x)
        if self.factor is None:
            return y + low
        if self.base.bias is None:
            return self.factor * (y + low)
        return self.factor * (y - self.base.bias + low) + self.base.bias


@dataclass(frozen=True, kw_only=True)
class SharedBase:
    """A base model's decoder whose modules several adapted decoders have in common, and the folder it came from."""

    decoder: Decoder
    folder: Path

    def matrix(self, name: str, linear: Linear) -> Tensor:
        """The weight [out, in] of a linear module, from the file where it has been packed."""
        if linear.weight is not None:
            return linear.matrix.detach()
        files = weight_files(self.folder)
        stored = next(each for each in files if our_name(each, self.decoder.config) == f"{name}.weight")
        read = read_tensor(files[stored], stored).to(self.decoder.device, self.decoder.dtype)
        return read.T if linear.transposed else read


def adapted_decoder(base: SharedBase, adapter: Adapter, *, merge: bool = False) -> Decoder:
    """A decoder that computes what PEFT does of this base and adapter; the base is left as it is.

    With `merge` the adapter's products are put into copies of the matrices that it changes. UserError where the
    adapter is not of this base.
    """
    config = base.decoder.config
    low_rank = {our_name(f"{name}.", config)[:-1]: low for name, low in adapter.low_rank.items()}
    whole = {our_name(name, config): tensor for name, tensor in adapter.whole.items()}
    embed, head = base.decoder.names.embed, "lm_head"
    touched = {name.rpartition(".")[0] for name in whole} | low_rank.keys()
    table = whole.get(f"{embed}.weight")
    config = replace(
        config,
        tied=config.tied and not touched & {embed, head},
        vocab=config.vocab if table is None else len(table),
    )
    with torch.device("meta"):
        made = Decoder(config)
    modules = _leaves(base.decoder)
    if config.tied != base.decoder.config.tied:
        modules[head] = _head(base.decoder)
    for name, tensor in whole.items():
        path, _, last = name.rpartition(".")
        modules[path] = _replaced(adapter, base, modules.get(path), (path, last), tensor)
    for name, low in low_rank.items():
        modules[name] = _with_low_rank(adapter, base, modules.get(name), name, _scaled(low, base.decoder))
        if merge and isinstance(adapted := modules[name], AdaptedLinear):
            modules[name] = _merged(adapted, base.matrix(name, adapted.base))
    for name, module in modules.items():
        holder, _, last = name.rpartition(".")
        made.get_submodule(holder)._modules[last] = module
    _check_vocabulary(made, adapter)
    return made.requires_grad_(False)


def _leaves(decoder: Decoder) -> dict[str, nn.Module]:
    return {name: each for name, each in decoder.named_modules() if next(each.children(), None) is None}


def _head(decoder: Decoder) -> Linear:
    """A tied head as a module of its own, on the embedding's weights."""
    head = Linear(decoder.config.width, decoder.config.vocab)
    head.weight = nn.Parameter(decoder.embed.weight.detach(), requires_grad=False)  # the same numbers in memory
    return head


def _scaled(low: LowRank, like: Decoder) -> LowRank:
    """The adapter's tensors in the decoder's type, the scale within `up` and the bias."""

    def cast(tensor: Tensor | None, factor: float = 1.0) -> Tensor | None:
        return None if tensor is None else (tensor.float() * factor).to(like.device, like.dtype)

    down, up = cast(low.down), cast(low.up, low.scale)
    assert down is not None and up is not None
    return replace(low, down=down, up=up, scale=1.0, bias=cast(low.bias, low.scale), magnitude=cast(low.magnitude))


def _with_low_rank(adapter: Adapter, base: SharedBase, module: nn.Module | None, name: str, low: LowRank) -> nn.Module:
    """The module with the adapter on it. UserError where the base has no such module, or one of another size."""
    if isinstance(module, Table) and low.of_embedding:
        _fits(adapter, name, (low.down.shape[1], low.up.shape[0]), tuple(module.weight.shape))
        table = Table(*module.weight.shape)
        table.weight = nn.Parameter(module.weight.detach() + (low.up @ low.down).T, requires_grad=False)
        return table
    if not isinstance(module, Linear) or low.of_embedding:
        raise _foreign(adapter, base, name)
    _fits(adapter, name, (low.up.shape[0], low.down.shape[1]), (module.outputs, module.inputs))
    factor = None
    if low.magnitude is not None:  # the length is a constant once the training is over
        _fits(adapter, name, (low.magnitude.numel(),), (module.outputs,))
        lengths = torch.linalg.vector_norm(base.matrix(name, module) + low.up @ low.down, dim=1)
        factor = low.magnitude.flatten() / lengths
    return AdaptedLinear(module, low.down, low.up, low.bias, factor)


def _replaced(
    adapter: Adapter, base: SharedBase, module: nn.Module | None, at: tuple[str, str], tensor: Tensor
) -> nn.Module:
    """The module with this tensor in the place of its own."""
    path, name = at
    own = getattr(module, name, None)
    if isinstance(module, Linear) and name == "weight" and own is None:  # packed
        own = base.matrix(path, module)
    if module is None or not isinstance(own, Tensor):
        raise _foreign(adapter, base, ".".join(at))
    there, wanted = tuple(tensor.shape), tuple(own.shape)
    longer = path in (base.decoder.names.embed, "lm_head") and there[:1] > wanted[:1]  # tokens were added
    _fits(adapter, ".".join(at), there, (*there[:1], *wanted[1:]) if longer else wanted)
    changed = copy.copy(module)  # its other tensors are the base's
    changed._parameters = {**module._parameters, name: nn.Parameter(tensor.to(own.device, own.dtype), False)}
    if isinstance(changed, Linear) and name == "weight":
        changed.packed, changed.outputs = None, tensor.numel() // changed.inputs
    if isinstance(changed, Table):
        changed.packed = None
    return changed


def _merged(adapted: AdaptedLinear, matrix: Tensor) -> Linear:
    """One matrix that does the same."""
    base = adapted.base
    whole = matrix + adapted.up @ adapted.down
    bias = None if base.bias is None else base.bias.detach()
    if adapted.factor is not None:
        whole = adapted.factor[:, None] * whole
    if adapted.low_bias is not None:
        more = adapted.low_bias if adapted.factor is None else adapted.factor * adapted.low_bias
        bias = more if bias is None else bias + more
    made = Linear(base.inputs, base.outputs, transposed=base.transposed)
    made.weight = nn.Parameter(whole.T.contiguous() if base.transposed else whole, requires_grad=False)
    made.bias = None if bias is None else nn.Parameter(bias, requires_grad=False)
    return made


def _fits(adapter: Adapter, name: str, there: tuple[int, ...], wanted: tuple[int, ...]) -> None:
    if there != wanted:
        raise UserError(
            f"{adapter.folder}: the adapter is made for {name} of shape {list(there)}, the base model has "
            f"{list(wanted)}; it belongs to another base ({adapter.config.base or 'none is named'})"
        )


def _foreign(adapter: Adapter, base: SharedBase, name: str) -> UserError:
    return UserError(
        f"{adapter.folder}: the adapter changes {name}, which the base model {base.folder} "
        f"({base.decoder.config.family}) has no place for; it belongs to another base "
        f"({adapter.config.base or 'none is named'})"
    )


def _check_vocabulary(decoder: Decoder, adapter: Adapter) -> None:
    """The embedding and the head have as many rows."""
    if decoder.lm_head is not None:
        head = decoder.lm_head.base if isinstance(decoder.lm_head, AdaptedLinear) else decoder.lm_head
        assert isinstance(head, Linear)
        _fits(adapter, "lm_head", (head.outputs,), (decoder.config.vocab,))
