"""A small model and rows to train on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from trainings import TAGS

from evalharness.engine import checkpoint
from evalharness.engine.config import parse_config
from evalharness.engine.decoder import Decoder, initialise


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random Llama of two layers with a byte tokenizer."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    folder = tmp_path_factory.mktemp("base")
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={letter: i for i, letter in enumerate(letters)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(tag, special=True) for tag in TAGS])
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": "</s>", "add_bos_token": False}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    raw = {
        "model_type": "llama", "vocab_size": 264, "hidden_size": 48, "intermediate_size": 96, "num_hidden_layers": 2,
        "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 256, "tie_word_embeddings": True,
        "architectures": ["LlamaForCausalLM"], "eos_token_id": 257,
    }  # fmt: skip
    made = Decoder(parse_config(raw))
    initialise(made, torch.Generator().manual_seed(0), std=0.08)
    checkpoint.save_decoder(made, folder)
    return folder


@pytest.fixture
def data(tmp_path: Path) -> Path:
    letters = "abcdefgh"
    rows = [{"instruction": "say", "input": a + b, "output": "yes"} for a in letters for b in letters]
    file = tmp_path / "data.json"
    file.write_text(json.dumps(rows))
    return file
