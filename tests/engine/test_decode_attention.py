"""Reading a cache row by row: equal to attention with padding, whatever the lengths, windows, groups and caps."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from closeness import BAR, apart

from evalharness.engine import decode_attention, slot_cache
from evalharness.engine.attention import explicit_attention
from evalharness.engine.base import GenerationRequest
from evalharness.engine.config import parse_config
from evalharness.engine.decoder import Decoder, initialise
from evalharness.engine.generation import Generator
from evalharness.engine.memory import Memory
from evalharness.engine.windows import Window

RAW = {
    "model_type": "gemma2", "vocab_size": 300, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 4,
    "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16, "max_position_embeddings": 256,
    "sliding_window": 12, "query_pre_attn_scalar": 16, "attn_logit_softcapping": 5.0,
}  # fmt: skip
CAPACITY = 64


@pytest.mark.parametrize("cap", [None, 2.0])
@pytest.mark.parametrize("window", [None, 1, 7])
@pytest.mark.parametrize("heads", [2, 6])
def test_rows_of_any_length_equal_padded_ones(heads: int, window: int | None, cap: float | None) -> None:
    rule = replace(parse_config(RAW), heads=heads, kv_heads=2, cap=cap)
    generator = torch.Generator().manual_seed(heads)
    lengths = [1, 64, 17, 5, 33]
    q = torch.randn(5, heads, 16, generator=generator)
    keys, values = (torch.full((5, 2, CAPACITY, 16), float("nan")) for _ in range(2))
    for row, length in enumerate(lengths):  # what lies behind a row's end is never looked at
        for table in (keys, values):
            table[row, :, :length] = torch.randn(2, length, 16, generator=generator)
    column, end = torch.arange(CAPACITY)[None], torch.tensor(lengths)[:, None]
    seen = (column < end) & (end - column <= (window or CAPACITY))
    with torch.inference_mode():
        out, total = decode_attention.DecodeAttention(rule, lengths, CAPACITY, window and Window(window))(
            q, keys, values, with_sums=True
        )
        want, sums = explicit_attention(
            q[:, :, None], keys.nan_to_num(), values.nan_to_num(), seen[:, None, None], rule
        )
    assert apart(out, want[:, :, 0]) < BAR
    assert apart(total, sums[:, :, 0]) < BAR


def test_answers_are_the_same_where_torch_lacks_the_operators(monkeypatch: pytest.MonkeyPatch) -> None:
    decoder = Decoder(parse_config(RAW))
    initialise(decoder, torch.Generator().manual_seed(0), std=0.3)
    chance = np.random.default_rng(0)
    shared = tuple(int(i) for i in chance.integers(0, 300, 30))
    tails = [tuple(int(i) for i in chance.integers(0, 300, n)) for n in (3, 40, 9, 21)]

    def generated() -> list[list[int]]:
        requests = [GenerationRequest(ids=shared + tail, max_tokens=4 + 7 * i) for i, tail in enumerate(tails)]
        memory = Memory(decoder.config, decoder.device, 4)
        found = dict(Generator(decoder, memory, 3, lambda token: b"x").run(requests))
        return [found[i].tokens for i in range(len(requests))]

    here = generated()
    monkeypatch.setattr(slot_cache, "operators_work", lambda _: False)
    assert here == generated()


def test_an_operator_that_is_gone_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    class Gone:
        def __getattr__(self, name: str) -> object:
            raise AttributeError(name)

    rule = parse_config(RAW)
    assert decode_attention.operators_work(rule)
    decode_attention.operators_work.cache_clear()
    monkeypatch.setattr(torch.ops, "aten", Gone())
    assert not decode_attention.operators_work(rule)
    decode_attention.operators_work.cache_clear()
