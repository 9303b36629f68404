"""Reads and writes checkpoints in Hugging Face's layout: config.json and *.safetensors, sharded or not.

Format: https://github.com/huggingface/safetensors. Pickled weights (`*.bin`, `*.pth`) run code and are not read.
"""

from __future__ import annotations

import json
import math
import re
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from evalharness.data.files import parse_json, read_text
from evalharness.engine.config import Config, read_config
from evalharness.engine.decoder import Decoder
from evalharness.engine.mxfp4 import FOUR_BIT_BLOCKS, FOUR_BIT_SCALES, dequantised
from evalharness.errors import UserError

INDEX = "model.safetensors.index.json"
# Buffers in old GPT-2 files, heads that guess tokens further ahead, parts of a multimodal checkpoint that read no text.
SKIPPED = re.compile(
    r"(\.attn\.(masked_)?bias$)|(rotary_emb\.inv_freq$)|^mtp\.|^(model\.)?(image_newline$|"
    r"(vision_tower|vision_model|visual|multi_modal_projector|embed_vision|audio_tower|embed_audio)\.)"
)
LAYER = re.compile(r".*?\.\d+\.|.+")  # what the names of a layer's tensors begin with; any other name whole
MULTIMODAL = re.compile(r"^(model\.language_model\.|language_model\.model\.)")


def weight_files(folder: Path) -> dict[str, Path]:
    """Tensor name -> the file that holds it. UserError names a missing shard or an unreadable file."""
    if (folder / INDEX).is_file():
        shards = _shards(folder / INDEX)
        if missing := [shard for shard in shards if not (folder / shard).is_file()]:
            raise UserError(
                f"{folder}: the index names {len(shards)} shards, {', '.join(missing[:3])} is missing; copy it too"
            )
        files = [folder / shard for shard in shards]
    else:
        files = sorted(folder.glob("*.safetensors"))
        if not files:
            pickled = next((p.name for p in (*folder.glob("*.bin"), *folder.glob("*.pth"))), None)
            hint = f"; {pickled} is pickled (it can run code): convert it" if pickled else "; copy them there"
            raise UserError(f"{folder}: wanted *.safetensors beside config.json, there are none{hint}")
        numbered = re.search(r"-of-(\d+)\.safetensors$", files[0].name)
        if numbered and len(files) != int(numbered[1]):
            raise UserError(f"{folder}: wanted {int(numbered[1])} shards, there are {len(files)}; copy the others too")
    return {name: file for file in files for name in header(file)}


def _shards(index: Path) -> list[str]:
    """The files that an index names, each in the index's own folder: that one is looked through and hashed."""
    listed = parse_json(read_text(index), index)
    listed = listed.get("weight_map") if isinstance(listed, dict) else None
    if not isinstance(listed, dict) or not listed:
        raise UserError(f"{index}: not a safetensors index (no weight_map of tensors to files); copy it again")
    for shard in listed.values():
        if not isinstance(shard, str) or not re.fullmatch(r"[^/\\\0]+\.safetensors", shard):
            raise UserError(f"{index}: names the file {shard!r:.80}; wanted *.safetensors files beside the index only")
    return sorted(set(listed.values()))


def header(file: Path) -> Mapping[str, Any]:
    """Names, types and shapes of a safetensors file, its length checked against them."""
    try:
        with safe_open(file, framework="pt") as opened:
            names = list(opened.keys())
        with file.open("rb") as stream:
            size = struct.unpack("<Q", stream.read(8))[0]
            header = json.loads(stream.read(size))
        return {name: header[name] for name in names}
    except (SafetensorError, OSError, ValueError, KeyError, TypeError, RecursionError, struct.error) as error:
        raise UserError(f"{file}: not a whole safetensors file ({error}); copy it again") from error


def tensor_sizes(folder: Path) -> dict[str, int]:
    """Tensor name -> how many numbers it holds; each byte of four-bit blocks holds two."""
    entries = [entry for file in set(weight_files(folder).values()) for entry in header(file).items()]
    return {name: (1 + name.endswith(FOUR_BIT_BLOCKS)) * math.prod(map(int, entry["shape"])) for name, entry in entries}


def stored_dtype(folder: Path) -> torch.dtype:
    """The type most of the weights are stored in."""
    names = {"F32": torch.float32, "BF16": torch.bfloat16, "F16": torch.float16}
    kinds = [entry["dtype"] for file in set(weight_files(folder).values()) for entry in header(file).values()]
    known = [kind for kind in kinds if kind in names]
    return names[max(set(known), key=known.count)] if known else torch.float32


def load_decoder(
    folder: Path,
    *,
    dtype: torch.dtype = torch.float32,
    device: str | torch.device = "cpu",
    config: Config | None = None,
) -> Decoder:
    """The decoder of a checkpoint folder, its weights in `dtype` on `device`.

    UserError for a folder that is not whole, tensors of a wrong shape, names missing or left over, weights that are
    not numbers; UnsupportedError (config.py) for an unknown architecture.
    """
    config = config or read_config(folder)
    files = weight_files(folder)
    ours = {our_name(name, config): name for name in files if not SKIPPED.search(name)}
    scales = {name.removesuffix(FOUR_BIT_BLOCKS) + FOUR_BIT_SCALES for name in ours if name.endswith(FOUR_BIT_BLOCKS)}
    ours = {name.removesuffix(FOUR_BIT_BLOCKS): stored for name, stored in ours.items() if name not in scales}
    if "lm_head.weight" not in ours and not config.tied:  # a head that is missing in the weights means tied
        config = _tied(config)
    if config.tied:
        ours.pop("lm_head.weight", None)
    with torch.device("meta"):
        decoder = Decoder(config)
    wanted = dict(decoder.named_parameters())
    if missing := sorted(wanted.keys() - ours.keys()):
        raise UserError(f"{folder}: {_some(missing)} missing from the weights; is config.json the right one?")
    if extra := sorted(ours.keys() - wanted.keys()):
        raise UserError(f"{folder}: the weights hold {_some(extra)} that {config.family} has no place for")
    stored = _Stored(files)
    for name, parameter in wanted.items():
        tensor = _read(stored, ours[name], LAYER.findall(name)[0])
        _check(tensor, files[ours[name]], ours[name], parameter)
        _set(decoder, name, tensor.to(device=device, dtype=dtype))
    return decoder


def our_name(name: str, config: Config) -> str:
    """A tensor's name in the decoder, which is Hugging Face's for the family."""
    if config.family == "gpt2":
        return name if name.startswith(("transformer.", "lm_head.")) else f"transformer.{name}"
    return MULTIMODAL.sub("model.", name).removeprefix("language_model.")


def _tied(config: Config) -> Config:
    from dataclasses import replace

    return replace(config, tied=True)


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def read_tensor(file: Path, name: str) -> Tensor:
    """One tensor of a safetensors file. UserError where it cannot be read."""
    try:
        return safe_open(file, framework="pt").get_tensor(name)  # type: ignore[no-any-return, no-untyped-call]
    except SafetensorError as error:
        raise UserError(f"{file}: {name} cannot be read ({error}); copy the file again") from error


class _Stored:
    """The tensors in a checkpoint's files. They point into mappings of these: one for each layer, so that a layer that
    is packed gives its own back."""

    def __init__(self, files: Mapping[str, Path]) -> None:
        self.files = files
        self.opened: dict[tuple[Path, str], Any] = {}

    def get(self, name: str, layer: str) -> Tensor:
        file = self.files[name]
        if (file, layer) not in self.opened:
            self.opened[file, layer] = safe_open(file, framework="pt")
        return self.opened[file, layer].get_tensor(name)  # type: ignore[no-any-return]


def _read(stored: _Stored, name: str, layer: str) -> Tensor:
    """One tensor; four-bit blocks as the numbers that they and their scales stand for."""
    try:
        if not name.endswith(FOUR_BIT_BLOCKS):
            return stored.get(name, layer)
        return dequantised(
            stored.get(name, layer), stored.get(name.removesuffix(FOUR_BIT_BLOCKS) + FOUR_BIT_SCALES, layer)
        )
    except KeyError as error:
        raise UserError(f"{stored.files[name]}: {name} wants {error} beside it, it is missing; copy it too") from error
    except (SafetensorError, ValueError) as error:
        raise UserError(f"{stored.files[name]}: {name} cannot be read ({error}); copy the file again") from error


def _check(tensor: Tensor, file: Path, name: str, like: Tensor) -> None:
    """UserError for a tensor of a wrong shape, or with values that are not numbers."""
    if tensor.shape != like.shape:
        raise UserError(
            f"{file}: {name} has shape {list(tensor.shape)}, config.json asks for {list(like.shape)}; they do not "
            "belong together"
        )
    if not torch.isfinite(tensor.sum(dtype=torch.float32)) and not torch.isfinite(tensor).all():
        bad = int((~torch.isfinite(tensor)).sum())
        raise UserError(f"{file}: {name} holds {bad} values that are not numbers (NaN or infinite); export it again")


def _set(decoder: nn.Module, name: str, tensor: Tensor) -> None:
    holder, _, last = name.rpartition(".")
    setattr(decoder.get_submodule(holder), last, nn.Parameter(tensor))


def state(decoder: Decoder) -> dict[str, Tensor]:
    """The weights under Hugging Face's names; a tied head is left out, as transformers does."""
    return {name: parameter.detach() for name, parameter in decoder.named_parameters()}


def save_decoder(
    decoder: Decoder, folder: Path, *, dtype: torch.dtype | None = None, shard_bytes: int = 5_000_000_000
) -> None:
    """Write config.json and the weights so that transformers, vLLM and `load` read them.

    `dtype` None keeps the weights' own. Files are written aside and renamed, config.json last.
    """
    from safetensors.torch import save as to_bytes

    from evalharness.data.files import write_whole

    tensors = {name: (t if dtype is None else t.to(dtype)).contiguous().cpu() for name, t in state(decoder).items()}
    shards: list[dict[str, Tensor]] = [{}]
    filled = 0
    for name, tensor in tensors.items():
        if filled and filled + tensor.nbytes > shard_bytes:
            shards.append({})
            filled = 0
        shards[-1][name] = tensor
        filled += tensor.nbytes
    folder.mkdir(parents=True, exist_ok=True)
    whole = len(shards) == 1
    listed = {}
    for number, shard in enumerate(shards, 1):
        file = "model.safetensors" if whole else f"model-{number:05}-of-{len(shards):05}.safetensors"
        write_whole(folder / file, to_bytes(shard, metadata={"format": "pt"}))
        listed.update(dict.fromkeys(shard, file))
    if not whole:
        total = {"total_size": sum(t.nbytes for t in tensors.values())}
        write_whole(folder / INDEX, json.dumps({"metadata": total, "weight_map": listed}, indent=2) + "\n")
    raw = dict(decoder.config.raw)
    stored = str(next(iter(tensors.values())).dtype).removeprefix("torch.")
    write_whole(folder / "config.json", json.dumps({**raw, "torch_dtype": stored}, indent=2) + "\n")
