"""The text halves of models that see, in files as transformers writes them: read natively, equal to the whole model."""

import pytest
import torch
from closeness import BAR, apart

from evalharness.engine.base import EngineSettings
from evalharness.engine.loading import open_engine

TEXT = {
    "vocab_size": 160, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "max_position_embeddings": 256, "bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 1,
}  # fmt: skip
QWEN_ROPE = {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [2, 1, 1]}
QWEN_EYES = {"depth": 1, "hidden_size": 16, "intermediate_size": 16, "num_heads": 2, "out_hidden_size": 32}
QWEN_TOKENS = {
    "image_token_id": 150, "video_token_id": 151, "vision_start_token_id": 152, "vision_end_token_id": 153,
}  # fmt: skip
EYES = {
    "model_type": "siglip_vision_model", "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1,
    "num_attention_heads": 2, "image_size": 28, "patch_size": 14, "vision_use_head": False,
}  # fmt: skip
PIXTRAL = {
    "model_type": "pixtral", "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1,
    "num_attention_heads": 2, "image_size": 28, "patch_size": 14, "head_dim": 8,
}  # fmt: skip
LLAMA_EYES = {
    "hidden_size": 16, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2, "image_size": 28,
    "patch_size": 14, "vision_output_dim": 16, "projector_input_dim": 16, "projector_output_dim": 16,
}  # fmt: skip
WRAPPERS = {
    "qwen2-vl": ("Qwen2VL", {**TEXT, "rope_parameters": QWEN_ROPE},
                 {"depth": 1, "embed_dim": 16, "hidden_size": 32, "num_heads": 2}, QWEN_TOKENS),
    "qwen2.5-vl": ("Qwen2_5_VL", {**TEXT, "rope_parameters": QWEN_ROPE}, QWEN_EYES, QWEN_TOKENS),
    "qwen3-vl": ("Qwen3VL", {**TEXT, "head_dim": 8, "rope_parameters": QWEN_ROPE},
                 {**QWEN_EYES, "deepstack_visual_indexes": [0]}, QWEN_TOKENS),
    "llava": ("Llava", {**TEXT, "model_type": "llama"}, EYES, {"image_token_index": 150}),
    "llava-onevision": ("LlavaOnevision", {**TEXT, "model_type": "qwen2"}, EYES,
                        {"image_token_index": 150, "video_token_index": 151}),
    "mistral-3": ("Mistral3", {**TEXT, "model_type": "mistral", "head_dim": 8}, PIXTRAL, {"image_token_index": 150}),
    "gemma-3": ("Gemma3", {**TEXT, "head_dim": 8, "sliding_window": 16}, EYES,
                {"image_token_index": 150, "mm_tokens_per_image": 4, "boi_token_index": 151, "eoi_token_index": 152}),
    "llama-4": ("Llama4", {**TEXT, "head_dim": 8, "num_local_experts": 3, "intermediate_size_mlp": 40,
                           "attention_chunk_size": 16}, LLAMA_EYES,
                {"image_token_index": 150, "boi_token_index": 151, "eoi_token_index": 152}),
}  # fmt: skip


EVERYDAY = ("qwen2.5-vl", "llava")


@pytest.mark.parametrize(
    "name", [name if name in EVERYDAY else pytest.param(name, marks=pytest.mark.slow) for name in sorted(WRAPPERS)]
)
def test_text_alone_is_read_natively_and_equals_the_whole_model(name, tmp_path):
    transformers = pytest.importorskip("transformers")
    kind, text, eyes, tokens = WRAPPERS[name]
    torch.manual_seed(0)
    config = getattr(transformers, f"{kind}Config")(text_config=text, vision_config=eyes, **tokens)
    config._attn_implementation = "eager"
    model = getattr(transformers, f"{kind}ForConditionalGeneration")(config).float().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn_like(parameter) * (0.15 if parameter.dim() > 1 else 0.05) + 0.02)
    model.save_pretrained(tmp_path)
    engine = open_engine(tmp_path, EngineSettings(threads=1))
    assert engine.describe()["backend"] == "native"
    ids = torch.randint(2, 150, (2, 40), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        assert apart(engine.decoder(ids), model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits) < BAR
