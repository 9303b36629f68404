"""Small networks and examples for the tests of training."""

from __future__ import annotations

import random

import torch

from evalharness.engine.config import parse_config
from evalharness.engine.decoder import Decoder, initialise
from evalharness.training.encoding import EncodedExample

LLAMA = {
    "model_type": "llama", "vocab_size": 300, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
    "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 128, "tie_word_embeddings": True,
    "architectures": ["LlamaForCausalLM"], "bos_token_id": 256, "eos_token_id": 257,
}  # fmt: skip
GPT2 = {
    "model_type": "gpt2", "vocab_size": 300, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 128,
    "architectures": ["GPT2LMHeadModel"], "bos_token_id": 256, "eos_token_id": 257,
}  # fmt: skip


def decoder(raw: dict = LLAMA, seed: int = 0) -> Decoder:
    made = Decoder(parse_config(raw))
    initialise(made, torch.Generator().manual_seed(seed), std=0.2)
    return made


def examples(count: int, seed: int = 0, longest: int = 30) -> tuple[EncodedExample, ...]:
    chance = random.Random(seed)
    made = []
    for row in range(1, count + 1):
        length = chance.randint(4, longest)
        prompt = chance.randint(1, length - 2)
        ids = tuple(chance.randrange(300) for _ in range(length))
        made.append(EncodedExample(row=row, ids=ids, trained=(False,) * prompt + (True,) * (length - prompt)))
    return tuple(made)


def pairs(count: int, seed: int = 0, prompt: int = 0) -> tuple[tuple[EncodedExample, ...], tuple[EncodedExample, ...]]:
    """Better and worse answers to the same prompts, of `prompt` tokens each or of several lengths."""
    chance = random.Random(seed)
    made: tuple[list[EncodedExample], list[EncodedExample]] = ([], [])
    for row in range(1, count + 1):
        asked = tuple(chance.randrange(300) for _ in range(prompt or chance.randint(2, 12)))
        for side in made:
            said = tuple(chance.randrange(300) for _ in range(chance.randint(1, 14)))
            trained = (False,) * len(asked) + (True,) * len(said)
            side.append(EncodedExample(row=row, ids=asked + said, trained=trained))
    return tuple(made[0]), tuple(made[1])


def moved(raw: dict = LLAMA, seed: int = 0, far: float = 0.02) -> Decoder:
    """`decoder(raw, seed)` some way on."""
    made, chance = decoder(raw, seed), torch.Generator().manual_seed(seed + 1)
    with torch.no_grad():
        for weight in made.parameters():
            weight.add_(torch.randn(weight.shape, generator=chance) * far)
    return made
