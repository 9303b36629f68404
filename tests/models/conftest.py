"""Tiny checkpoints with a byte-level tokenizer, written without transformers."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from evalharness.engine import checkpoint
from evalharness.engine.config import parse_config
from evalharness.engine.decoder import Decoder, initialise

TEXT = """The following are multiple choice questions (with answers) about birds.

Which of these birds cannot fly? A. Kiwi B. Swift C. Crow D. Owl Answer: A
The sparrow builds its nest under the roof and feeds its young with insects. Answer: B Answer: C Answer: D
"""
GPT2 = {
    "model_type": "gpt2", "vocab_size": 400, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 128,
    "bos_token_id": 399, "eos_token_id": 399,
}  # fmt: skip
LLAMA = {
    "model_type": "llama", "vocab_size": 400, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2,
    "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 512, "bos_token_id": 398,
    "eos_token_id": 399,
}  # fmt: skip
WINDOWED = {**LLAMA, "model_type": "mistral", "sliding_window": 24}


def write_tokenizer(folder: Path, *, bos: bool = False) -> None:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(
        [TEXT] * 3, trainers.BpeTrainer(vocab_size=360, initial_alphabet=alphabet, show_progress=False)
    )
    raw = json.loads(tokenizer.to_str())
    added = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    raw["added_tokens"] = [{"id": 398, "content": "<s>", **added}, {"id": 399, "content": "</s>", **added}]
    raw["model"]["vocab"].update({"<s>": 398, "</s>": 399})
    (folder / "tokenizer.json").write_text(json.dumps(raw), encoding="utf-8")
    settings = {"bos_token": "<s>", "eos_token": "</s>", "add_bos_token": bos}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))


@pytest.fixture(scope="session")
def make(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """A checkpoint folder of that config.json, random weights strong enough to prefer something."""

    def write(raw: dict[str, Any], *, bos: bool = False) -> Path:
        folder = tmp_path_factory.mktemp(raw["model_type"])
        decoder = Decoder(parse_config(raw))
        initialise(decoder, torch.Generator().manual_seed(3), std=0.3)
        checkpoint.save_decoder(decoder, folder)
        write_tokenizer(folder, bos=bos)
        return folder

    return write


@pytest.fixture(scope="session")
def gpt2(make: Callable[..., Path]) -> Path:
    return make(GPT2)


@pytest.fixture(scope="session")
def llama(make: Callable[..., Path]) -> Path:
    return make(LLAMA, bos=True)


@pytest.fixture(scope="session")
def windowed(make: Callable[..., Path]) -> Path:
    return make(WINDOWED, bos=True)


@pytest.fixture(scope="session")
def by_transformers(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[Any, Path]]:
    """A small random model of transformers and the folder that it wrote, with our tokenizer beside it."""
    transformers = pytest.importorskip("transformers")
    configs = {
        "gpt2": transformers.GPT2Config(
            vocab_size=400, n_embd=32, n_layer=2, n_head=4, n_positions=256, bos_token_id=399, eos_token_id=399
        ),
        "llama": transformers.LlamaConfig(
            vocab_size=400, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
            num_key_value_heads=2, max_position_embeddings=4096, bos_token_id=398, eos_token_id=399,
        ),
    }  # fmt: skip

    def write(kind: str) -> tuple[Any, Path]:
        torch.manual_seed(2)
        model = transformers.AutoModelForCausalLM.from_config(configs[kind]).float().eval()
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(torch.randn_like(parameter) * 0.1)
        folder = tmp_path_factory.mktemp(kind)
        model.save_pretrained(folder)
        write_tokenizer(folder, bos=kind == "llama")
        return model, folder

    return write
