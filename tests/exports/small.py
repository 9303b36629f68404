"""Small checkpoints and tokenizers for the tests of exports."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from evalharness.engine import checkpoint
from evalharness.engine.config import parse_config
from evalharness.engine.decoder import Decoder, initialise

SIZE = 420
CORPUS = [
    "The cat sat on the mat, and the hat is 1234 years old; it's what they'll see.",
    "def add(a, b):\n    return a + b  # 12 + 7 = 19\n\n\nprint(add(2, 3))",
    "Grüße aus Köln! Ça va? 日本語のテキスト and HTTPServer's IDs 2024-11-28.",
]
TEXTS = [
    *CORPUS, "", " ", "the", " the cat", "  two blanks", "tabs\tand\n\nlines\r\n", "I'LL 12345678 it'S",
    "naïve ½ ²³ x²", "\U0001f600 emoji", "a" * 40, "trailing blank ", "Mixed CASE wordsInCamel", "<b>5 < 6</b>",
]  # fmt: skip
CONTROL = ["<s>", "</s>", "<|im_start|>", "<|im_end|>"]
COMMON = {
    "vocab_size": SIZE, "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 4, "num_attention_heads": 4,
    "num_key_value_heads": 2, "max_position_embeddings": 256, "eos_token_id": 1,
}  # fmt: skip
LLAMA3_ROPE = {
    "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
}  # fmt: skip
GEMMA = {**COMMON, "head_dim": 32, "sliding_window": 16, "query_pre_attn_scalar": 32}
FAMILIES: dict[str, dict[str, Any]] = {
    "gpt2": {"model_type": "gpt2", "vocab_size": SIZE, "n_embd": 64, "n_layer": 4, "n_head": 4, "n_positions": 256,
             "eos_token_id": 1},
    "llama, biases": {"model_type": "llama", **COMMON, "attention_bias": True, "mlp_bias": True},
    "llama 3": {"model_type": "llama", **COMMON, "rope_theta": 500000.0, "rope_scaling": LLAMA3_ROPE,
                "tie_word_embeddings": True},
    "llama, stretched": {"model_type": "llama", **COMMON, "rope_scaling": {"type": "linear", "factor": 2.0}},
    "mistral": {"model_type": "mistral", **COMMON, "sliding_window": 128},
    "qwen2": {"model_type": "qwen2", **COMMON},
    "qwen3": {"model_type": "qwen3", **COMMON, "head_dim": 32},
    "gemma": {"model_type": "gemma", **COMMON, "head_dim": 32},
    "gemma2": {"model_type": "gemma2", **GEMMA, "attn_logit_softcapping": 1.0, "final_logit_softcapping": 3.0},
    "gemma3": {"model_type": "gemma3_text", **GEMMA, "num_hidden_layers": 7},
    "smollm3": {"model_type": "smollm3", **COMMON, "bos_token_id": 0, "pad_token_id": 1},
}  # fmt: skip


def byte_level(*splits: Any) -> Tokenizer:
    """A byte-level BPE with the pre-tokenizers `splits` before the bytes; GPT-2's own pattern where there are none."""
    made = Tokenizer(models.BPE())
    last = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=not splits)
    made.pre_tokenizer = pre_tokenizers.Sequence([*splits, last]) if splits else last
    made.decoder = decoders.ByteLevel()
    letters = pre_tokenizers.ByteLevel.alphabet()
    made.train_from_iterator(
        CORPUS * 3, trainers.BpeTrainer(vocab_size=SIZE - 8, initial_alphabet=letters, show_progress=False)
    )
    return shifted(made)


def sentence_pieces(scheme: str) -> Tokenizer:
    """A BPE with bytes to fall back on: `gemma` (no blank in front), `prepend` (Llama 2's), or Metaspace's scheme."""
    made = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>", fuse_unk=True))
    if scheme in ("gemma", "prepend"):
        blanks = [normalizers.Replace(" ", "▁")]
        before = [normalizers.Prepend("▁")] if scheme == "prepend" else []
        made.normalizer = normalizers.Sequence([*before, *blanks])
    else:
        made.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=scheme, split=False)
    made.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    fallback = ["<unk>", *(f"<0x{byte:02X}>" for byte in range(256))]
    words = [word for line in CORPUS for word in line.split()]
    made.train_from_iterator(
        words, trainers.BpeTrainer(vocab_size=SIZE - 8, special_tokens=fallback, show_progress=False)
    )
    raw = json.loads(made.to_str())
    raw["added_tokens"] = [t for t in raw["added_tokens"] if t["content"] == "<unk>"]
    return shifted(Tokenizer.from_str(json.dumps(raw)))


def shifted(made: Tokenizer) -> Tokenizer:
    made.add_special_tokens([AddedToken(text, special=True, normalized=False) for text in CONTROL])
    return made


def checkpoint_folder(folder: Path, raw: dict[str, Any], tokenizer: Tokenizer, dtype: torch.dtype) -> Path:
    """A random checkpoint whose answers change from token to token, its weights rounded to `dtype`."""
    raw = {**raw, "eos_token_id": tokenizer.token_to_id("</s>")}
    made = Decoder(parse_config(raw))
    chance = torch.Generator().manual_seed(1)
    initialise(made, chance, std=0.2)
    with torch.no_grad():
        for name, weight in made.named_parameters():
            if raw["model_type"].startswith("gemma") and "embed" in name:
                weight.mul_(0.1)  # it is multiplied by the root of the width and would drown what the layers say
            if weight.dim() == 1:
                weight.add_(torch.randn(weight.shape, generator=chance) * 0.1)
    checkpoint.save_decoder(made, folder, dtype=dtype)
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {"eos_token": "</s>", "bos_token": "<s>", "tokenizer_class": "PreTrainedTokenizerFast"}
    (folder / "tokenizer_config.json").write_text(json.dumps({**settings, "add_bos_token": False}))
    return folder
