"""Random-initialised checkpoints of every family, written by transformers."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

SHAPE = {
    "vocab_size": 160, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 4, "num_attention_heads": 4,
    "num_key_value_heads": 2, "max_position_embeddings": 256, "bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 1,
}  # fmt: skip
LLAMA3_ROPE = {
    "rope_type": "llama3", "rope_theta": 500000.0, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
}  # fmt: skip
# Windows of 16 tokens and strong caps, so that a decoder without them would be far off.
FAMILIES: dict[str, tuple[str, dict[str, Any]]] = {
    "gpt2": ("GPT2Config", {"vocab_size": 160, "n_embd": 32, "n_layer": 4, "n_head": 4, "n_positions": 256,
                            "bos_token_id": 0, "eos_token_id": 1}),
    "llama2": ("LlamaConfig", {"attention_bias": True, "mlp_bias": True}),
    "llama3": ("LlamaConfig", {"rope_parameters": LLAMA3_ROPE}),
    "mistral": ("MistralConfig", {"sliding_window": 16}),
    "qwen2": ("Qwen2Config", {"use_sliding_window": True, "sliding_window": 16, "max_window_layers": 2}),
    "qwen3": ("Qwen3Config", {"head_dim": 16}),
    "gemma": ("GemmaConfig", {"head_dim": 16}),
    "gemma2": ("Gemma2Config", {"head_dim": 16, "sliding_window": 16, "query_pre_attn_scalar": 24,
                                "attn_logit_softcapping": 1.0, "final_logit_softcapping": 3.0}),
    "gemma3": ("Gemma3TextConfig", {"head_dim": 16, "sliding_window": 16, "query_pre_attn_scalar": 24,
                                    "num_hidden_layers": 7}),
    "phi3": ("Phi3Config", {}),
    "phi4-mini": ("Phi3Config", {"tie_word_embeddings": True, "rope_parameters": {
        "rope_type": "default", "rope_theta": 10000.0, "partial_rotary_factor": 0.5}}),
    "phi4-mini-longrope": ("Phi3Config", {"tie_word_embeddings": True, "max_position_embeddings": 1024,
        "original_max_position_embeddings": 256, "rope_parameters": {
            "rope_type": "longrope", "rope_theta": 10000.0, "partial_rotary_factor": 0.5,
            "short_factor": [1.0, 1.3], "long_factor": [2.0, 9.0], "original_max_position_embeddings": 256}}),
    "smollm3": ("SmolLM3Config", {}),
    "yarn": ("LlamaConfig", {"rope_parameters": {"rope_type": "yarn", "rope_theta": 10000.0, "factor": 4.0,
        "original_max_position_embeddings": 64, "beta_fast": 8.0}}),
    "yarn-mscale": ("Qwen3Config", {"head_dim": 16, "rope_parameters": {
        "rope_type": "yarn", "rope_theta": 1000.0, "factor": 8.0, "original_max_position_embeddings": 32,
        "mscale": 1.3, "mscale_all_dim": 0.7, "truncate": False}}),
    "dynamic": ("LlamaConfig", {"rope_parameters": {"rope_type": "dynamic", "rope_theta": 10000.0, "factor": 4.0}}),
    "granite": ("GraniteConfig", {"embedding_multiplier": 3.0, "attention_multiplier": 0.2, "logits_scaling": 2.5,
                                  "residual_multiplier": 0.4, "tie_word_embeddings": True}),
    "olmo2": ("Olmo2Config", {}),
    "olmo3": ("Olmo3Config", {"sliding_window": 16}),
    "mixtral": ("MixtralConfig", {"num_local_experts": 5, "num_experts_per_tok": 2}),
    "qwen2-moe": ("Qwen2MoeConfig", {"num_experts": 6, "num_experts_per_tok": 3, "moe_intermediate_size": 24,
                                     "shared_expert_intermediate_size": 20, "mlp_only_layers": [2]}),
    "qwen3-moe": ("Qwen3MoeConfig", {"num_experts": 8, "num_experts_per_tok": 2, "moe_intermediate_size": 24,
                                     "head_dim": 16, "norm_topk_prob": True, "decoder_sparse_step": 2}),
    "granite-moe": ("GraniteMoeConfig", {"num_local_experts": 5, "num_experts_per_tok": 2, "embedding_multiplier": 3.0,
                                         "attention_multiplier": 0.2, "logits_scaling": 2.5,
                                         "residual_multiplier": 0.4, "tie_word_embeddings": True}),
    "gpt-oss": ("GptOssConfig", {"num_local_experts": 5, "num_experts_per_tok": 2, "head_dim": 16, "sliding_window": 16,
                                 "intermediate_size": 64, "swiglu_limit": 0.3, "rope_parameters": {
                                     "rope_type": "yarn", "rope_theta": 1000.0, "factor": 4.0, "truncate": False,
                                     "original_max_position_embeddings": 64, "beta_fast": 8.0}}),
    "llama4": ("Llama4TextConfig", {"num_local_experts": 5, "num_experts_per_tok": 2, "head_dim": 8,
                                    "interleave_moe_layer_step": 2, "intermediate_size_mlp": 40, "floor_scale": 16,
                                    "attention_chunk_size": 16, "attn_scale": 0.7}),
    "llama4-no-norm": ("Llama4TextConfig", {"num_local_experts": 4, "head_dim": 8, "moe_layers": [0, 3],
                                            "use_qk_norm": False, "attn_temperature_tuning": False,
                                            "attention_chunk_size": 64, "no_rope_layers": [1, 0, 1, 0]}),
    "qwen3-next": ("Qwen3NextConfig", {"num_experts": 6, "num_experts_per_tok": 2, "moe_intermediate_size": 24,
                                       "shared_expert_intermediate_size": 20, "head_dim": 16, "num_hidden_layers": 5,
                                       "linear_num_key_heads": 2, "linear_num_value_heads": 4,
                                       "linear_key_head_dim": 8, "linear_value_head_dim": 12, "mlp_only_layers": [1],
                                       "rms_norm_eps": 1e-3}),
    "qwen3.5": ("Qwen3_5TextConfig", {"head_dim": 16, "linear_num_key_heads": 3, "linear_num_value_heads": 3,
                                      "linear_key_head_dim": 8, "linear_value_head_dim": 6,
                                      "linear_conv_kernel_dim": 3}),
    "olmoe": ("OlmoeConfig", {"num_experts": 6, "num_experts_per_tok": 2}),
}  # fmt: skip


def hf_model(family: str, **changes: Any) -> Any:
    """A transformers model of the family with random weights, moved off their zero and one initialisation."""
    transformers = pytest.importorskip("transformers")
    kind, extra = FAMILIES[family]
    base = {} if family == "gpt2" else SHAPE
    torch.manual_seed(0)
    config = getattr(transformers, kind)(**{**base, **extra, **changes})
    model = transformers.AutoModelForCausalLM.from_config(config, attn_implementation="eager").float().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * (0.15 if parameter.dim() > 1 else 0.05))
        for name, parameter in model.named_parameters():
            if name.endswith("A_log"):  # slow fading: transformers itself rounds fast fading at the fourth digit
                parameter.sub_(4.0)
    return model


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., tuple[Any, Path]]:
    """(transformers model, folder it was written to) of a family, made once."""
    made: dict[str, tuple[Any, Path]] = {}

    def write(family: str) -> tuple[Any, Path]:
        if family not in made:
            folder = tmp_path_factory.mktemp(family)
            model = hf_model(family)
            model.save_pretrained(folder)
            made[family] = (model, folder)
        return made[family]

    return write


SLOW = ("llama4-no-norm",)  # a second form of a family whose first one is looked at every day


@pytest.fixture(
    params=[pytest.param(name, marks=pytest.mark.slow) if name in SLOW else name for name in sorted(FAMILIES)]
)
def family(request: pytest.FixtureRequest) -> str:
    return str(request.param)
