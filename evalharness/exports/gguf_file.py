"""A checkpoint folder as one GGUF file, which llama.cpp, Ollama and LM Studio load; read back before it counts.

Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md; names and maps of tensors are those of the package
`gguf` (extra `gguf`). What is done to each family's weights is what llama.cpp's own converter does: Llama's heads are
interleaved for its rotary positions, Gemma's norms hold 1 + weight, GPT-2's matrices are transposed.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import safe_open

from evalharness.chat.render import Chat
from evalharness.data.files import parse_json, read_text
from evalharness.engine import checkpoint
from evalharness.engine.config import Config, read_config
from evalharness.engine.positions import frequencies
from evalharness.errors import UserError, nearest, option_name
from evalharness.exports.gguf_vocabulary import Vocabulary, vocabulary
from evalharness.exports.modelfile import loader_puts_bos

FloatArray = npt.NDArray[np.float32]
GGUF_KINDS = ("f16", "q8_0", "bf16", "f32")
GGUF_NAME = "model.gguf"
_ARCHITECTURES = {
    "llama": "LLAMA", "mistral": "LLAMA", "qwen2": "QWEN2", "qwen3": "QWEN3", "gemma": "GEMMA", "gemma2": "GEMMA2",
    "gemma3_text": "GEMMA3", "gpt2": "GPT2", "smollm3": "SMOLLM3",
}  # fmt: skip
_INTERLEAVED = ("llama", "mistral", "smollm3")
_WINDOWED = ("gemma2", "gemma3_text")  # llama.cpp knows their windows; of the others only texts within one
_QUERY_OR_KEY = re.compile(r"\.([qk])_proj\.(weight|bias)$")
_TRANSPOSED = re.compile(r"\.(c_attn|c_proj|c_fc)\.weight$")
_GENERATION = re.compile(r"\{%(-?)\s*(end)?generation\s*(-?)%\}")
_BLOCK = 32  # numbers that share a scale in q8_0
# Rounding of one number relative to the largest of its block; q8_0: half a step of 127, its scale rounded to float16.
_TOLERANCE = {"f32": 2**-24, "f16": 2**-11, "bf16": 2**-8, "q8_0": 0.5 / 127 + 2**-10}
_STEP = 2**-25  # half a step of the smallest numbers of float16


@dataclass(frozen=True, slots=True, kw_only=True)
class GgufFile:
    """A written file: `kind` of its matrices, number of `tensors`, and how far the farthest number in it is from the
    weights, relative to the largest of its tensor."""

    path: Path
    kind: str
    tensors: int
    difference: float


def wanted_kind(export: str) -> str | None:
    """The kind of GGUF that `--export` asks for, None where it asks for nothing. UserError for anything else."""
    if not export:
        return None
    name, _, kind = export.partition(":")
    if name != "gguf" or (kind or GGUF_KINDS[0]) not in GGUF_KINDS:
        known = ["gguf", *(f"gguf:{each}" for each in GGUF_KINDS)]
        raise UserError(
            f"{option_name('export')} wants {', '.join(known)}{nearest(export, known)}; there is {export!r}"
        )
    return kind or GGUF_KINDS[0]


def check_gguf(folder: Path, chat: Chat, tokenizer_file: Path | None = None) -> None:
    """UserError, by name, for what cannot be written as GGUF: a family, settings, a tokenizer; or no package gguf."""
    _package()
    config = read_config(folder)
    _check_family(config)
    _vocabulary(tokenizer_file or folder / "tokenizer.json", config.vocab, chat)


def write_gguf(folder: Path, chat: Chat, kind: str = "f16", target: Path | None = None) -> GgufFile:
    """Write `folder` (config.json, weights, tokenizer.json) to `target`, by default model.gguf in it, and read it back.

    Matrices are stored as `kind`; norms and biases as float32. One tensor at a time is in memory. UserError as
    `check_gguf`, where there is no room, and where the file does not hold the weights.
    """
    gguf = _package()
    config = read_config(folder)
    _check_family(config)
    words = _vocabulary(folder / "tokenizer.json", config.vocab, chat)
    target = target or folder / GGUF_NAME
    aside = target.with_name(target.name + ".part")
    architecture = getattr(gguf.MODEL_ARCH, _ARCHITECTURES[config.family])
    try:
        writer = gguf.GGUFWriter(aside, gguf.MODEL_ARCH_NAMES[architecture])
        stored = _Stored(folder, config, gguf.get_tensor_name_map(architecture, len(config.layers)), kind)
        _facts(writer, config, folder.resolve().name, kind)
        _words(writer, words, chat)
        with closing(writer):
            _write_tensors(writer, stored)
        difference = _read_back(aside, stored)
        aside.replace(target)
    except OSError as error:
        raise UserError(f"{target}: cannot be written ({error.strerror}); make room; {folder} is whole") from error
    finally:
        aside.unlink(missing_ok=True)
    return GgufFile(path=target, kind=kind, tensors=len(stored.names), difference=difference)


def _package() -> Any:
    try:
        import gguf
    except ModuleNotFoundError as error:
        raise UserError('GGUF needs the package gguf: pip install "evalharness[gguf]"') from error
    return gguf


def _check_family(config: Config) -> None:
    if config.family not in _ARCHITECTURES:
        raise UserError(
            f"{config.family} cannot be written as GGUF here; {', '.join(_ARCHITECTURES)} can; llama.cpp's "
            "convert_hf_to_gguf.py takes the exported folder"
        )
    ropes = {layer.rope for layer in config.layers if layer.rope is not None}
    kinds = {rope.kind for rope in ropes} - {"default", "linear", "llama3"}
    odd = [f"{kind} positions" for kind in sorted(kinds)]
    odd += ["positions on a part of each head"] * any(rope.dims != config.head_dim for rope in ropes)
    odd += ["llama3's positions"] * ("llama3" in {r.kind for r in ropes} and config.family not in ("llama", "mistral"))
    large = {"gemma2": 46, "gemma3_text": 62}.get(config.family) == len(config.layers)  # the 27B of both
    scale = (config.width / config.heads if large else config.head_dim) ** -0.5
    odd += ["scores scaled otherwise"] * (abs(config.scale / scale - 1) > 1e-6)
    odd += ["biases of the output"] * (config.out_bias and config.family not in ("llama", "mistral", "gpt2"))
    odd += ["biases"] * (config.qkv_bias and config.family not in ("llama", "mistral", "gpt2", "qwen2"))
    if config.family == "gpt2":
        odd += ["another activation"] * (config.activation != "gelu_tanh")
    elif config.activation != ("gelu_tanh" if config.family.startswith("gemma") else "silu"):
        odd += ["another activation"]
    odd += _odd_layers(config)
    if odd:
        raise UserError(f"{config.family} with {odd[0]} is nothing that llama.cpp computes; leave out --export gguf")


def _odd_layers(config: Config) -> list[str]:
    """Patterns of layers that llama.cpp has in its code, where these are others."""
    windowed = [layer.window is not None for layer in config.layers]
    every = {"gemma2": 2, "gemma3_text": 6}.get(config.family, 0)
    if every and windowed != [bool((i + 1) % every) for i in range(len(windowed))]:
        return ["another order of windows"]
    turned = [layer.rope is not None for layer in config.layers]
    if config.family == "smollm3" and turned != [bool((i + 1) % 4) for i in range(len(turned))]:
        return ["another order of layers without positions"]
    local = {layer.rope.theta for layer in config.layers if layer.window is not None and layer.rope is not None}
    if config.family == "gemma3_text" and local - {10000.0}:
        return ["another base of the positions within windows"]
    return []


def _vocabulary(file: Path, size: int, chat: Chat) -> Vocabulary:
    if not file.is_file():
        raise UserError(f"GGUF wants {file.name} beside the weights; there is none in {file.parent}")
    raw = parse_json(read_text(file), file)
    try:
        return vocabulary(raw, size, chat=chat.source is not None)
    except (KeyError, TypeError, IndexError, ValueError, AttributeError) as error:
        raise UserError(f"{file}: not a tokenizer as the library `tokenizers` writes it: {error!r}") from error


def _facts(writer: Any, config: Config, name: str, kind: str) -> None:
    """The shape of the network, under GGUF's keys."""
    import gguf

    writer.add_type("model")
    writer.add_name(name)
    writer.add_file_type(getattr(gguf.LlamaFileType, {"f32": "ALL_F32"}.get(kind, f"MOSTLY_{kind.upper()}")))
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    windows = {layer.window for layer in config.layers} - {None}
    within = config.context if config.family in _WINDOWED else min([config.context, *(w.size for w in windows if w)])
    writer.add_context_length(within)
    writer.add_vocab_size(config.vocab)
    writer.add_embedding_length(config.width)
    writer.add_block_count(len(config.layers))
    writer.add_feed_forward_length(config.inner)
    writer.add_head_count(config.heads)
    if config.norm == "layer":
        writer.add_layer_norm_eps(config.eps)
        return
    writer.add_head_count_kv(config.kv_heads)
    writer.add_key_length(config.head_dim)
    writer.add_value_length(config.head_dim)
    writer.add_layer_norm_rms_eps(config.eps)
    if config.family in _WINDOWED and windows:
        writer.add_sliding_window(max(w.size for w in windows if w))
    if config.cap:
        writer.add_attn_logit_softcapping(config.cap)
    if config.final_cap:
        writer.add_final_logit_softcapping(config.final_cap)
    ropes = [layer.rope for layer in config.layers if layer.rope is not None]
    if config.family in _WINDOWED:  # what layers within windows have is in llama.cpp's code
        ropes = [layer.rope for layer in config.layers if layer.rope is not None and layer.window is None]
    rope = ropes[0]
    writer.add_rope_dimension_count(rope.dims)
    writer.add_rope_freq_base(rope.theta)
    if rope.kind == "linear":
        writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(rope.factor)


def _words(writer: Any, words: Vocabulary, chat: Chat) -> None:
    """Tokens, control tokens and template. BOS is put in front by whoever loads the file where our prompts have one."""
    tokenizer = chat.tokenizer
    writer.add_tokenizer_model(words.model)
    writer.add_tokenizer_pre(words.pre)
    writer.add_token_list(list(words.tokens))
    writer.add_token_types(list(words.kinds))
    if words.model == "gpt2":
        writer.add_token_merges(list(words.merges))
    else:
        writer.add_token_scores(list(words.scores))
    writer.add_add_space_prefix(words.blank_first)
    writer.add_add_bos_token(loader_puts_bos(chat))
    writer.add_add_eos_token(False)
    ends = sorted(chat.stops - {tokenizer.eos})
    eos = tokenizer.eos if tokenizer.eos is not None else next(iter(ends), None)
    for number, add in (
        (tokenizer.bos, writer.add_bos_token_id), (eos, writer.add_eos_token_id),
        (ends[0] if ends else None, writer.add_eot_token_id), (words.unknown, writer.add_unk_token_id),
    ):  # fmt: skip
        if number is not None:
            add(number)
    if chat.source is not None:
        # llama.cpp's Jinja knows no {% generation %}, which marks and writes nothing.
        plain = _GENERATION.sub(lambda m: f"{{%{m[1]} {'endif' if m[2] else 'if true'} {m[3]}%}}", chat.source)
        writer.add_chat_template(plain)


class _Stored:
    """The weights of a folder as GGUF has them, read one at a time. `names`: GGUF's name -> the folder's."""

    def __init__(self, folder: Path, config: Config, known: Any, kind: str) -> None:
        self.config, self.kind = config, kind
        self.files = checkpoint.weight_files(folder)
        self.names: dict[str, str] = {}
        for name in self.files:
            ours = checkpoint.our_name(name, config)
            if checkpoint.SKIPPED.search(name) or (config.tied and ours == "lm_head.weight"):
                continue
            theirs = known.get_name(ours, try_suffixes=(".weight", ".bias"))
            if theirs is None:
                raise UserError(f"{folder}: GGUF has no place for {name} of {config.family}")
            self.names[theirs] = name
        self.factors = _frequency_factors(config)

    def shapes(self) -> Iterator[tuple[str, tuple[int, ...]]]:
        """GGUF's name and shape of every tensor."""
        for theirs, name in self.names.items():
            shape = tuple(checkpoint.header(self.files[name])[name]["shape"])
            yield theirs, shape[::-1] if self._transposed(name) else shape
        if self.factors is not None:
            yield "rope_freqs.weight", self.factors.shape

    def read(self, theirs: str) -> FloatArray:
        """A tensor by GGUF's name, float32."""
        if theirs == "rope_freqs.weight" and self.factors is not None:
            return self.factors
        name = self.names[theirs]
        with safe_open(self.files[name], framework="pt") as opened:
            values: FloatArray = opened.get_tensor(name).float().numpy()
        if self._transposed(name):
            return np.ascontiguousarray(values.T)
        if self.config.unit_offset and name.endswith("norm.weight"):
            return values + np.float32(1)
        part = _QUERY_OR_KEY.search(name)
        if part is not None and self.config.family in _INTERLEAVED:
            heads = self.config.heads if part[1] == "q" else self.config.kv_heads
            halves = values.reshape(heads, 2, values.shape[0] // heads // 2, *values.shape[1:])
            return np.ascontiguousarray(halves.swapaxes(1, 2).reshape(values.shape))
        return values

    def stored_as(self, theirs: str, shape: Sequence[int]) -> Any:
        """The GGML type of a tensor: vectors and position tables keep float32, rows of no whole blocks float16."""
        import gguf

        kinds = gguf.GGMLQuantizationType
        if len(shape) < 2 or theirs.startswith("position_embd"):
            return kinds.F32
        return kinds.F16 if self.kind == "q8_0" and shape[-1] % _BLOCK else getattr(kinds, self.kind.upper())

    def _transposed(self, name: str) -> bool:
        return self.config.family == "gpt2" and _TRANSPOSED.search(name) is not None


def _frequency_factors(config: Config) -> FloatArray | None:
    """What llama.cpp divides the frequencies by where long contexts rescale them as Llama 3 does, [head_dim / 2]."""
    import torch

    rope = config.layers[0].rope
    if rope is None or rope.kind != "llama3":
        return None
    device = torch.device("cpu")
    plain, scaled = frequencies(replace(rope, kind="default"), device), frequencies(rope, device)
    factors: FloatArray = (plain / scaled).float().numpy()
    return factors


def _write_tensors(writer: Any, stored: _Stored) -> None:
    import gguf

    kinds = {}
    for theirs, shape in stored.shapes():
        kinds[theirs] = kind = stored.stored_as(theirs, shape)
        as_bytes = gguf.quant_shape_to_byte_shape(shape, kind)
        size = math.prod(as_bytes)
        writer.add_tensor_info(theirs, as_bytes, np.dtype(np.uint8), size, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    for theirs, kind in kinds.items():
        with np.errstate(over="ignore"):  # what does not fit is found when it is read back
            made = gguf.quants.quantize(stored.read(theirs), kind)
        writer.write_tensor_data(np.ascontiguousarray(made).view(np.uint8))


def _read_back(file: Path, stored: _Stored) -> float:
    """The largest difference between the file's numbers and the weights, relative to the largest of their tensor.

    UserError where a number is farther from its weight than rounding takes it.
    """
    import gguf

    read = {tensor.name: tensor for tensor in gguf.GGUFReader(file).tensors}
    worst = 0.0
    for theirs, shape in stored.shapes():
        kind = stored.stored_as(theirs, shape)
        tensor = read.get(theirs)
        if tensor is None or tensor.tensor_type != kind:
            raise UserError(f"{file}: {theirs} is not there as {kind.name}; please report it")
        made, meant = gguf.quants.dequantize(tensor.data, kind).ravel(), stored.read(theirs).ravel()
        starts = np.arange(0, meant.size, _BLOCK)
        largest = np.maximum.reduceat(np.abs(meant), starts)
        apart = np.maximum.reduceat(np.abs(made - meant), starts)
        step = {"F16": _STEP, "Q8_0": 127 * _STEP}.get(kind.name, 0.0)
        if made.shape != meant.shape or not (apart <= _TOLERANCE[kind.name.lower()] * largest + step).all():
            raise UserError(
                f"{file}: {theirs} does not hold the weights: they do not fit into {kind.name}; take another kind"
            )
        worst = max(worst, float(apart.max()) / (float(largest.max()) or 1.0))
    return worst
