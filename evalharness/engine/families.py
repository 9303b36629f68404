"""What the configuration files of each family leave out, because it equals the default of their class.

https://github.com/huggingface/transformers, `models/*/configuration_*.py`. It is part of the format.
"""

from __future__ import annotations

from typing import Any


class UnsupportedError(Exception):
    """The native decoder does not know this architecture; the message says which part of it."""


_COMMON: dict[str, Any] = {
    "num_key_value_heads": None, "head_dim": None, "hidden_act": "silu", "rms_norm_eps": 1e-6, "rope_theta": 10000.0,
    "attention_bias": False, "mlp_bias": False, "tie_word_embeddings": False, "sliding_window": None,
    "layer_types": None, "use_sliding_window": None, "max_window_layers": 28, "partial_rotary_factor": 1.0,
    "query_pre_attn_scalar": None, "attn_logit_softcapping": None, "final_logit_softcapping": None,
}  # fmt: skip
_GEMMA: dict[str, Any] = {
    **_COMMON, "hidden_act": "gelu_pytorch_tanh", "head_dim": 256, "tie_word_embeddings": True, "vocab_size": 256000,
    "max_position_embeddings": 8192,
}  # fmt: skip
_DELTA: dict[str, Any] = {
    "linear_conv_kernel_dim": 4, "linear_key_head_dim": 128, "linear_value_head_dim": 128, "linear_num_key_heads": 16,
    "linear_num_value_heads": 32, "full_attention_interval": 4, "partial_rotary_factor": 0.25, "head_dim": 256,
    "max_position_embeddings": 32768,
}  # fmt: skip
# What each family's files leave out. `num_key_value_heads` None means as many as query heads.
DEFAULTS: dict[str, dict[str, Any]] = {
    "gpt2": {
        "vocab_size": 50257, "n_positions": 1024, "n_embd": 768, "n_layer": 12, "n_head": 12, "n_inner": None,
        "activation_function": "gelu_new", "layer_norm_epsilon": 1e-5, "tie_word_embeddings": True,
        "scale_attn_weights": True,
    },
    "llama": {
        **_COMMON, "vocab_size": 32000, "hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32,
        "num_attention_heads": 32, "max_position_embeddings": 2048,
    },
    "mistral": {
        **_COMMON, "vocab_size": 32000, "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32,
        "num_attention_heads": 32, "num_key_value_heads": 8, "max_position_embeddings": 131072, "sliding_window": 4096,
    },
    "qwen2": {
        **_COMMON, "vocab_size": 151936, "hidden_size": 4096, "intermediate_size": 22016, "num_hidden_layers": 32,
        "num_attention_heads": 32, "num_key_value_heads": 32, "max_position_embeddings": 32768,
        "use_sliding_window": False, "sliding_window": 4096,
    },
    "qwen3": {
        **_COMMON, "vocab_size": 151936, "hidden_size": 4096, "intermediate_size": 22016, "num_hidden_layers": 32,
        "num_attention_heads": 32, "num_key_value_heads": 32, "head_dim": 128, "max_position_embeddings": 32768,
        "use_sliding_window": False, "sliding_window": 4096,
    },
    "gemma": {
        **_GEMMA, "hidden_size": 3072, "intermediate_size": 24576, "num_hidden_layers": 28, "num_attention_heads": 16,
        "num_key_value_heads": 16,
    },
    "gemma2": {
        **_GEMMA, "hidden_size": 2304, "intermediate_size": 9216, "num_hidden_layers": 26, "num_attention_heads": 8,
        "num_key_value_heads": 4, "sliding_window": 4096, "query_pre_attn_scalar": 256,
        "attn_logit_softcapping": 50.0, "final_logit_softcapping": 30.0, "sliding_window_pattern": 2,
    },
    "gemma3_text": {
        **_GEMMA, "vocab_size": 262208, "hidden_size": 2304, "intermediate_size": 9216, "num_hidden_layers": 26,
        "num_attention_heads": 8, "num_key_value_heads": 4, "sliding_window": 4096, "query_pre_attn_scalar": 256,
        "max_position_embeddings": 131072, "rope_theta": 1_000_000.0, "rope_local_base_freq": 10_000.0,
        "sliding_window_pattern": 6,
    },
    "phi3": {
        **_COMMON, "vocab_size": 32064, "hidden_size": 3072, "intermediate_size": 8192, "num_hidden_layers": 32,
        "num_attention_heads": 32, "rms_norm_eps": 1e-5, "max_position_embeddings": 4096,
    },
    "smollm3": {
        **_COMMON, "vocab_size": 128256, "hidden_size": 2048, "intermediate_size": 11008, "num_hidden_layers": 36,
        "num_attention_heads": 16, "num_key_value_heads": 4, "max_position_embeddings": 32768,
        "rope_theta": 2_000_000.0, "tie_word_embeddings": True, "no_rope_layers": None, "no_rope_layer_interval": 4,
        "use_sliding_window": False,
    },
    "mixtral": {
        **_COMMON, "vocab_size": 32000, "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32,
        "num_attention_heads": 32, "num_key_value_heads": 8, "max_position_embeddings": 131072, "rms_norm_eps": 1e-5,
        "rope_theta": 1_000_000.0, "num_local_experts": 8, "num_experts_per_tok": 2, "norm_topk_prob": True,
    },
    "qwen2_moe": {
        **_COMMON, "vocab_size": 151936, "hidden_size": 2048, "intermediate_size": 5632, "num_hidden_layers": 24,
        "num_attention_heads": 16, "num_key_value_heads": 16, "max_position_embeddings": 32768,
        "use_sliding_window": False, "sliding_window": 4096, "qkv_bias": True, "num_experts": 60,
        "num_experts_per_tok": 4, "moe_intermediate_size": 1408, "shared_expert_intermediate_size": 5632,
    },
    "qwen3_moe": {
        **_COMMON, "vocab_size": 151936, "hidden_size": 2048, "intermediate_size": 6144, "num_hidden_layers": 24,
        "num_attention_heads": 32, "num_key_value_heads": 4, "max_position_embeddings": 32768,
        "use_sliding_window": False, "sliding_window": 4096, "num_experts": 128, "num_experts_per_tok": 8,
        "moe_intermediate_size": 768,
    },
    "olmoe": {
        **_COMMON, "vocab_size": 50304, "hidden_size": 2048, "intermediate_size": 2048, "num_hidden_layers": 16,
        "num_attention_heads": 16, "max_position_embeddings": 4096, "rms_norm_eps": 1e-5, "num_experts": 64,
        "num_experts_per_tok": 8,
    },
    "olmo2": {
        **_COMMON, "vocab_size": 50304, "hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32,
        "num_attention_heads": 32, "max_position_embeddings": 2048, "rms_norm_eps": 1e-5,
    },
    "olmo3": {
        **_COMMON, "vocab_size": 50304, "hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32,
        "num_attention_heads": 32, "max_position_embeddings": 2048, "rms_norm_eps": 1e-5, "rope_theta": 500_000.0,
        "sliding_window": 4096, "sliding_window_pattern": 4,
    },
    "granite": {
        **_COMMON, "vocab_size": 32000, "hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32,
        "num_attention_heads": 32, "max_position_embeddings": 2048, "embedding_multiplier": 1.0,
        "attention_multiplier": 1.0, "residual_multiplier": 1.0, "logits_scaling": 1.0,
    },
    "granitemoe": {
        **_COMMON, "vocab_size": 32000, "hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32,
        "num_attention_heads": 32, "max_position_embeddings": 2048, "embedding_multiplier": 1.0,
        "attention_multiplier": 1.0, "residual_multiplier": 1.0, "logits_scaling": 1.0, "num_local_experts": 8,
        "num_experts_per_tok": 2, "norm_topk_prob": True,
    },
    "gpt_oss": {
        **_COMMON, "vocab_size": 201088, "hidden_size": 2880, "intermediate_size": 2880, "num_hidden_layers": 36,
        "num_attention_heads": 64, "num_key_value_heads": 8, "head_dim": 64, "max_position_embeddings": 131072,
        "rms_norm_eps": 1e-5, "rope_theta": 150_000.0, "sliding_window": 128, "sliding_window_pattern": 2,
        "attention_bias": True, "num_local_experts": 128, "num_experts_per_tok": 4, "norm_topk_prob": True,
        "swiglu_limit": 7.0, "swiglu_alpha": 1.702, "rope_scaling": {
            "rope_type": "yarn", "factor": 32.0, "beta_fast": 32.0, "beta_slow": 1.0, "truncate": False,
            "original_max_position_embeddings": 4096},
    },
    "llama4_text": {
        **_COMMON, "vocab_size": 202048, "hidden_size": 5120, "intermediate_size": 8192, "num_hidden_layers": 48,
        "intermediate_size_mlp": 16384, "num_attention_heads": 40, "num_key_value_heads": 8, "head_dim": 128,
        "max_position_embeddings": 131072, "rms_norm_eps": 1e-5, "rope_theta": 500_000.0, "num_local_experts": 16,
        "num_experts_per_tok": 1, "interleave_moe_layer_step": 1, "moe_layers": None, "use_qk_norm": True,
        "no_rope_layers": None, "no_rope_layer_interval": 4, "attention_chunk_size": 8192,
        "attn_temperature_tuning": True, "floor_scale": 8192, "attn_scale": 0.1,
    },
    "qwen3_next": {
        **_COMMON, **_DELTA, "vocab_size": 151936, "hidden_size": 2048, "intermediate_size": 5632,
        "num_hidden_layers": 48, "num_attention_heads": 16, "num_key_value_heads": 2, "num_experts": 512,
        "num_experts_per_tok": 10, "moe_intermediate_size": 512, "shared_expert_intermediate_size": 512,
        "norm_topk_prob": True,
    },
    "qwen3_5_text": {
        **_COMMON, **_DELTA, "vocab_size": 248320, "hidden_size": 4096, "intermediate_size": 12288,
        "num_hidden_layers": 32, "num_attention_heads": 16, "num_key_value_heads": 4,
    },
    "qwen2_vl_text": {
        **_COMMON, "vocab_size": 152064, "hidden_size": 8192, "intermediate_size": 29568, "num_hidden_layers": 80,
        "num_attention_heads": 64, "num_key_value_heads": 8, "max_position_embeddings": 32768, "rms_norm_eps": 1e-5,
        "rope_theta": 1_000_000.0, "use_sliding_window": False, "sliding_window": 4096, "max_window_layers": 80,
    },
    "qwen3_vl_text": {
        **_COMMON, "vocab_size": 151936, "hidden_size": 4096, "intermediate_size": 22016, "num_hidden_layers": 32,
        "num_attention_heads": 32, "num_key_value_heads": 32, "head_dim": 128, "max_position_embeddings": 128000,
        "rope_theta": 500_000.0,
    },
}  # fmt: skip
# The text halves of models that see, and the family whose arithmetic they have as long as they read text alone: then
# the three coordinates of their positions (mrope) are one and the same. Name: whose defaults, whose arithmetic.
TEXT_HALVES = {
    "qwen2_vl": ("qwen2_vl_text", "qwen2"), "qwen2_vl_text": ("qwen2_vl_text", "qwen2"),
    "qwen2_5_vl": ("qwen2_vl_text", "qwen2"), "qwen2_5_vl_text": ("qwen2_vl_text", "qwen2"),
    "qwen3_vl_text": ("qwen3_vl_text", "qwen3"),
}  # fmt: skip
MIXTURES = ("mixtral", "qwen2_moe", "qwen3_moe", "olmoe", "granitemoe", "gpt_oss", "llama4_text", "qwen3_next")
HYBRIDS = ("qwen3_next", "qwen3_5_text")  # most of their layers have the gated delta rule in attention's place
