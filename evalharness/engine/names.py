"""What each family's files call the parts of the network."""

from __future__ import annotations

from dataclasses import dataclass

from evalharness.engine.config import Config


@dataclass(frozen=True, slots=True)
class Names:
    """What a family calls the parts of the network; '' for parts that it does not have."""

    embed: str = "model.embed_tokens"
    positions: str = ""
    blocks: str = "model.layers"
    norm: str = "model.norm"
    q: str = "self_attn.q_proj"
    k: str = "self_attn.k_proj"
    v: str = "self_attn.v_proj"
    qkv: str = ""
    out: str = "self_attn.o_proj"
    q_norm: str = "self_attn.q_norm"
    k_norm: str = "self_attn.k_norm"
    sinks: str = "self_attn.sinks"
    delta: str = "linear_attn"
    gate: str = "mlp.gate_proj"
    up: str = "mlp.up_proj"
    gate_up: str = ""
    down: str = "mlp.down_proj"
    before_attention: str = "input_layernorm"
    after_attention: str = ""
    before_mlp: str = "post_attention_layernorm"
    after_mlp: str = ""
    mixture: str = "mlp"  # what stands in the MLP's place in a sparse layer


GPT2 = Names(
    embed="transformer.wte", positions="transformer.wpe", blocks="transformer.h", norm="transformer.ln_f",
    q="", k="", v="", qkv="attn.c_attn", out="attn.c_proj", gate="", up="mlp.c_fc", down="mlp.c_proj",
    before_attention="ln_1", before_mlp="ln_2",
)  # fmt: skip
FOUR_NORMS = Names(
    after_attention="post_attention_layernorm",
    before_mlp="pre_feedforward_layernorm",
    after_mlp="post_feedforward_layernorm",
)
_AFTER_ONLY = Names(
    before_attention="",
    after_attention="post_attention_layernorm",
    before_mlp="",
    after_mlp="post_feedforward_layernorm",
)
_BLOCK_SPARSE = Names(mixture="block_sparse_moe")
_OF_FAMILY = {
    "gpt2": GPT2,
    "phi3": Names(q="", k="", v="", qkv="self_attn.qkv_proj", gate="", up="", gate_up="mlp.gate_up_proj"),
    "mixtral": _BLOCK_SPARSE,
    "granitemoe": _BLOCK_SPARSE,
    "llama4_text": Names(
        gate="feed_forward.gate_proj",
        up="feed_forward.up_proj",
        down="feed_forward.down_proj",
        mixture="feed_forward",
    ),
}


def names_of(config: Config) -> Names:
    """The names of the family's parts."""
    if config.post_norms:
        return FOUR_NORMS if config.pre_norms else _AFTER_ONLY
    return _OF_FAMILY.get(config.family, Names())
