"""What a config.json of a Hugging Face folder (transformers 4 and 5 style) says about a decoder, as one frozen record.

Files leave out whatever equals the default of their configuration class, so the defaults below are part of the format
(https://github.com/huggingface/transformers, `models/*/configuration_*.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from evalharness.data.files import json_value
from evalharness.engine.adapter_config import ADAPTER_CONFIG
from evalharness.engine.families import DEFAULTS, HYBRIDS, MIXTURES, TEXT_HALVES, UnsupportedError
from evalharness.engine.rotary import Rope, Tempered, original_context, read_rope
from evalharness.engine.windows import Window
from evalharness.errors import UserError


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """How one layer attends: to what is in its `window` (None = all), with which rotary positions (None = none).

    `tempered`: how its queries grow with their position. `sparse`: its MLP is a mixture of experts. `recurrent`: the
    gated delta rule (`Config.delta`) stands in attention's place.
    """

    index: int
    window: Window | None
    rope: Rope | None
    sparse: bool = False
    tempered: Tempered | None = None
    recurrent: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Mixture:
    """Experts of which each token takes the `active` likeliest; `normalised`: their weights are made to sum to 1.

    `inner` is the width inside an expert, `shared` that inside the one that all tokens take (0 = there is none).
    `limit` bounds what the two products inside an expert give, with `gain` inside its activation (gpt-oss).
    """

    experts: int
    active: int
    inner: int
    normalised: bool
    shared: int = 0
    limit: float | None = None
    gain: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Delta:
    """The gated delta rule's heads and what a key and a value of one hold; its convolution sees `taps` tokens."""

    key_heads: int
    value_heads: int
    key_dim: int
    value_dim: int
    taps: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """A decoder's shape. `raw` is config.json as read, for writing the checkpoint again.

    `cap` is the soft cap of attention scores, `final_cap` that of the logits; `scale` multiplies the scores.
    `unit_offset`: norms multiply by 1 + weight. `pre_norms`, `post_norms`: norms before and after attention and MLP.
    `whole_norm`: queries and keys are normed as they are and not head by head; `unit_qk`: those that were rotated are
    brought to a mean square of 1. `sinks`: each head has a score to which attention may go for nothing.
    `gated`: what attention gives is multiplied by gates that are made with the queries.
    `residual_scale` multiplies what attention and MLP add to the stream, `logit_scale` the logits. `longer`: what texts
    longer than `context` are read with, where their positions are others.
    """

    family: str
    vocab: int
    width: int
    inner: int
    heads: int
    kv_heads: int
    head_dim: int
    context: int
    layers: tuple[Layer, ...]
    norm: str = "rms"
    eps: float
    unit_offset: bool = False
    activation: str
    qkv_bias: bool = False
    out_bias: bool = False
    mlp_bias: bool = False
    qk_norm: bool = False
    whole_norm: bool = False
    unit_qk: bool = False
    sinks: bool = False
    gated: bool = False
    pre_norms: bool = True
    post_norms: bool = False
    embed_scale: float = 1.0
    residual_scale: float = 1.0
    logit_scale: float = 1.0
    mixture: Mixture | None = None
    delta: Delta | None = None
    scale: float
    cap: float | None = None
    final_cap: float | None = None
    tied: bool
    longer: Config | None = None
    raw: Mapping[str, Any] = field(repr=False, hash=False)


# Keys that change the arithmetic when they are not as here: the native decoder does not implement the other values.
NEUTRAL: dict[str, tuple[Any, ...]] = {
    "add_cross_attention": (False, None), "scale_attn_by_inverse_layer_idx": (False, None),
    "scale_attn_weights": (True, None), "quantization_config": (None,), "use_bidirectional_attention": (False, None),
    "is_encoder_decoder": (False, None), "num_experts": (None, 0), "num_local_experts": (None, 0),
    "clip_qkv": (None,),
}  # fmt: skip
# The most that a file may ask for: beyond it a slip of the pen, or a file made to take all memory before it is found.
MOST = {
    "n_layer": 4096, "num_hidden_layers": 4096, "vocab_size": 1 << 24, "n_embd": 1 << 20, "hidden_size": 1 << 20,
    "n_inner": 1 << 22, "intermediate_size": 1 << 22, "n_head": 1 << 16, "num_attention_heads": 1 << 16,
    "n_positions": 1 << 24, "max_position_embeddings": 1 << 30, "num_experts": 1 << 14, "num_local_experts": 1 << 14,
    "moe_intermediate_size": 1 << 22, "shared_expert_intermediate_size": 1 << 22,
}  # fmt: skip
ACTIVATIONS = {
    "gelu_new": "gelu_tanh", "gelu_pytorch_tanh": "gelu_tanh", "gelu_fast": "gelu_tanh", "gelu": "gelu",
    "silu": "silu", "swish": "silu", "relu": "relu",
}  # fmt: skip


def read_config(folder: Path) -> Config:
    """The decoder described by `folder/config.json`.

    Raises UserError where there is no such file or it is not what it must be, UnsupportedError for an architecture that
    the native decoder does not know.
    """
    file = folder / "config.json"
    if not folder.is_dir():
        raise UserError(f"{folder}: there is no such folder; name one with config.json and *.safetensors")
    if not file.is_file():
        if (folder / ADAPTER_CONFIG).is_file():
            raise UserError(f"{folder}: holds an adapter alone, a whole model is wanted here; name the adapter's base")
        raise UserError(f"{folder}: wanted config.json beside the weights, it is missing; is this a checkpoint folder?")
    try:
        raw = json_value(file.read_bytes())
    except ValueError as error:
        raise UserError(f"{file}: not valid JSON: {error}; copy it again") from error
    if not isinstance(raw, dict):
        raise UserError(f"{file}: wanted an object, there is {type(raw).__name__}; copy it again")
    try:
        return parse_config(raw)
    except (TypeError, KeyError, ValueError, AttributeError, IndexError, ArithmeticError) as error:
        raise UserError(f"{file}: a field is missing or of the wrong kind: {error!r}; copy it again") from error


def parse_config(raw: Mapping[str, Any]) -> Config:
    """The decoder that a config.json's content describes."""
    text = raw.get("text_config") if isinstance(raw.get("text_config"), Mapping) else raw
    family = str(text.get("model_type", ""))  # type: ignore[union-attr]  # a Mapping by the line above
    if raw.get("model_type") == "gemma3" and family in ("", "gemma3_text"):
        family = "gemma3_text"
    defaults, family = TEXT_HALVES.get(family, (family, family))
    if defaults not in DEFAULTS:
        raise UnsupportedError(f"model_type {family or raw.get('model_type')!r}")
    assert isinstance(text, Mapping)
    for key, neutral in NEUTRAL.items():
        mixes = family in MIXTURES and key in ("num_experts", "num_local_experts")
        if key == "quantization_config" and (how := raw.get(key) or text.get(key)):
            if family == "gpt_oss" and _method(how) == "mxfp4":  # which are read as what they stand for
                raw = text = {name: value for name, value in raw.items() if name != key}
                continue
            raise UnsupportedError(f"weights that are quantised ({_method(how)})")
        if not mixes and text.get(key, neutral[0]) not in neutral:
            raise UnsupportedError(f"{family} with {key} = {text[key]!r}")
    values = {**DEFAULTS[defaults], **{k: v for k, v in text.items() if v is not None or k in ("sliding_window",)}}
    if large := [key for key, most in MOST.items() if key in values and values[key] and int(values[key]) > most]:
        raise ValueError(f"{large[0]} is {values[large[0]]!r:.40}, more than {MOST[large[0]]:,}")
    parsed = _gpt2(values, raw) if family == "gpt2" else _with_longer(_llama_like(family, values, raw), values)
    sizes = (parsed.vocab, parsed.width, parsed.inner, parsed.heads, parsed.kv_heads, parsed.head_dim, parsed.context)
    if min(sizes) < 1 or not parsed.layers or parsed.heads % parsed.kv_heads:
        raise ValueError("sizes must be positive and query heads a multiple of key heads")
    return parsed


def _method(quantisation: object) -> str:
    """How weights are quantised, as a configuration says it."""
    return str(quantisation.get("quant_method", "?") if isinstance(quantisation, Mapping) else quantisation)[:40]


def _activation(name: str) -> str:
    if name not in ACTIVATIONS:
        raise UnsupportedError(f"activation {name!r}")
    return ACTIVATIONS[name]


def _gpt2(values: Mapping[str, Any], raw: Mapping[str, Any]) -> Config:
    width, heads = int(values["n_embd"]), int(values["n_head"])
    return Config(
        family="gpt2",
        vocab=int(values["vocab_size"]),
        width=width,
        inner=int(values["n_inner"] or 4 * width),
        heads=heads,
        kv_heads=heads,
        head_dim=width // heads,
        context=int(values["n_positions"]),
        layers=tuple(Layer(index=i, window=None, rope=None) for i in range(int(values["n_layer"]))),
        norm="layer",
        eps=float(values["layer_norm_epsilon"]),
        activation=_activation(values["activation_function"]),
        qkv_bias=True,
        out_bias=True,
        mlp_bias=True,
        scale=(width // heads) ** -0.5,
        tied=bool(values["tie_word_embeddings"]),
        raw=raw,
    )


def _llama_like(family: str, values: Mapping[str, Any], raw: Mapping[str, Any]) -> Config:
    width, heads = int(values["hidden_size"]), int(values["num_attention_heads"])
    head_dim = int(values["head_dim"] or width // heads)
    gemma = family.startswith("gemma")
    bias = bool(values["attention_bias"])
    # Gemma 1's files say "gelu" and mean the tanh approximation.
    act = "gelu_pytorch_tanh" if family == "gemma" else values.get("hidden_activation") or values["hidden_act"]
    hybrid = family in HYBRIDS
    olmo, granite = family.startswith("olmo"), family.startswith("granite")
    return Config(
        family=family,
        vocab=int(values["vocab_size"]),
        width=width,
        inner=int(values.get("intermediate_size_mlp") or values["intermediate_size"]),
        heads=heads,
        kv_heads=int(values["num_key_value_heads"] or heads),
        head_dim=head_dim,
        context=original_context(values),
        layers=_layers(family, values, head_dim),
        mixture=_mixture(family, values) if family in MIXTURES else None,
        eps=float(values["rms_norm_eps"]),
        unit_offset=gemma or hybrid,
        activation=_activation(act),
        qkv_bias=family == "qwen2" or bool(values.get("qkv_bias", bias)),
        out_bias=bias and family not in ("qwen2", "qwen2_moe"),
        mlp_bias=bool(values["mlp_bias"]),
        delta=_delta(values) if hybrid else None,
        gated=hybrid,
        qk_norm=olmo or hybrid or family in ("qwen3", "qwen3_moe", "gemma3_text"),
        whole_norm=olmo,
        unit_qk=bool(values.get("use_qk_norm", False)),
        sinks=family == "gpt_oss",
        pre_norms=family not in ("olmo2", "olmo3"),
        post_norms=family in ("gemma2", "gemma3_text", "olmo2", "olmo3"),
        embed_scale=width**0.5 if gemma else float(values.get("embedding_multiplier", 1.0)),
        residual_scale=float(values.get("residual_multiplier", 1.0)),
        logit_scale=1 / float(values.get("logits_scaling", 1.0)),
        scale=float(values["attention_multiplier"])
        if granite
        else float(values["query_pre_attn_scalar"] or head_dim) ** -0.5,
        cap=values["attn_logit_softcapping"],
        final_cap=values["final_logit_softcapping"],
        tied=bool(values["tie_word_embeddings"]),
        raw=raw,
    )


def _mixture(family: str, values: Mapping[str, Any]) -> Mixture:
    """transformers 5 writes `num_local_experts` where files of 4 have `num_experts`."""
    inner = int(values.get("moe_intermediate_size") or values["intermediate_size"])
    limit, gain = values.get("swiglu_limit"), values.get("swiglu_alpha")
    experts = int(values.get("num_local_experts") or values["num_experts"])
    made = Mixture(
        experts=experts,
        active=int(values["num_experts_per_tok"]),
        inner=inner,
        normalised=bool(values.get("norm_topk_prob", False)),
        shared=inner if family == "llama4_text" else int(values.get("shared_expert_intermediate_size") or 0),
        limit=None if limit is None else float(limit),
        gain=1.0 if gain is None else float(gain),
    )
    if not 1 <= made.active <= experts or made.inner < 1:
        raise ValueError(f"each token takes {made.active} of {experts} experts of width {made.inner}")
    return made


def _delta(values: Mapping[str, Any]) -> Delta:
    made = Delta(
        key_heads=int(values["linear_num_key_heads"]),
        value_heads=int(values["linear_num_value_heads"]),
        key_dim=int(values["linear_key_head_dim"]),
        value_dim=int(values["linear_value_head_dim"]),
        taps=int(values["linear_conv_kernel_dim"]),
    )
    if min(made.key_heads, made.value_heads, made.key_dim, made.value_dim, made.taps) < 1:
        raise ValueError("sizes of linear attention must be positive")
    if made.value_heads % made.key_heads:
        raise ValueError(f"{made.value_heads} value heads are no multiple of {made.key_heads} key heads")
    return made


def _with_longer(config: Config, values: Mapping[str, Any]) -> Config:
    """With longrope all frequencies change beyond the original context, for the whole text."""
    whole = int(values["max_position_embeddings"])
    if whole <= config.context:
        return config
    ropes = {layer.rope: layer.rope and replace(layer.rope, stretch=layer.rope.long) for layer in config.layers}
    layers = tuple(replace(layer, rope=ropes[layer.rope]) for layer in config.layers)
    return replace(config, longer=replace(config, context=whole, layers=layers))


def _layers(family: str, values: Mapping[str, Any], head_dim: int) -> tuple[Layer, ...]:
    count = int(values["num_hidden_layers"])
    rotates = [True] * count
    if family in ("smollm3", "llama4_text"):
        every = int(values["no_rope_layer_interval"])
        rotates = [bool(r) for r in values["no_rope_layers"] or [(i + 1) % every for i in range(count)]]
    windowed = _windowed(family, values, rotates)
    if len(windowed) < count or len(rotates) < count:
        raise ValueError("layer_types or no_rope_layers is shorter than num_hidden_layers")
    chunked = family == "llama4_text"
    size = values["attention_chunk_size" if chunked else "sliding_window"]
    window = Window(int(size), chunked) if any(windowed) else None
    if window is not None and window.size < 1:
        raise ValueError(f"a window of {window.size} tokens")
    ropes = {local: read_rope(family, values, head_dim, local) for local in (False, True)}
    sparse = _sparse(family, values, count)
    recurrent = _recurrent(values, count) if family in HYBRIDS else [False] * count
    tempered = None
    if values.get("attn_temperature_tuning"):
        tempered = Tempered(float(values["floor_scale"]), float(values["attn_scale"]))
    return tuple(
        Layer(
            index=i,
            window=window if windowed[i] else None,
            rope=ropes[windowed[i]] if rotates[i] else None,
            sparse=sparse[i],
            tempered=None if rotates[i] else tempered,
            recurrent=recurrent[i],
        )
        for i in range(count)
    )


def _recurrent(values: Mapping[str, Any], count: int) -> list[bool]:
    """Which layers have the gated delta rule in attention's place."""
    every, kinds = int(values["full_attention_interval"]), values["layer_types"]
    kinds = kinds or ["linear_attention" if (i + 1) % every else "full_attention" for i in range(count)]
    if unknown := set(kinds) - {"full_attention", "linear_attention"}:
        raise UnsupportedError(f"layer type {sorted(unknown)[0]!r}")
    if len(kinds) < count:
        raise ValueError("layer_types is shorter than num_hidden_layers")
    return [kind == "linear_attention" for kind in kinds]


def _sparse(family: str, values: Mapping[str, Any], count: int) -> list[bool]:
    """Which layers have a mixture of experts in their MLP's place."""
    if family not in MIXTURES:
        return [False] * count
    if values.get("moe_layers") is not None:
        return [i in values["moe_layers"] for i in range(count)]
    every = int(values.get("interleave_moe_layer_step") or values.get("decoder_sparse_step") or 1)
    dense = values.get("mlp_only_layers") or ()
    return [i not in dense and (i + 1) % every == 0 for i in range(count)]


def _windowed(family: str, values: Mapping[str, Any], rotates: Sequence[bool]) -> list[bool]:
    """Which layers see a window only, where these have rotary positions."""
    count = int(values["num_hidden_layers"])
    if family == "llama4_text":
        kinds = values["layer_types"] or ["chunked_attention" if r else "full_attention" for r in rotates]
        if unknown := set(kinds) - {"full_attention", "chunked_attention"}:
            raise UnsupportedError(f"layer type {sorted(unknown)[0]!r}")
        return [kind == "chunked_attention" and values["attention_chunk_size"] is not None for kind in kinds]
    if values["sliding_window"] is None or values["use_sliding_window"] is False:
        return [False] * count
    kinds, whole = values["layer_types"], ("mistral", "mixtral", "phi3", "qwen3_moe")
    if kinds is not None and family not in whole:
        if unknown := set(kinds) - {"full_attention", "sliding_attention"}:
            raise UnsupportedError(f"layer type {sorted(unknown)[0]!r}")
        return [kind == "sliding_attention" for kind in kinds]
    if family in whole:
        return [True] * count
    if family in ("gemma2", "gemma3_text", "olmo3", "gpt_oss"):
        return [bool((i + 1) % int(values["sliding_window_pattern"])) for i in range(count)]
    if family in ("qwen2", "qwen2_moe", "qwen3"):
        return [i >= int(values["max_window_layers"]) for i in range(count)]
    return [not r for r in rotates] if family == "smollm3" else [False] * count
