"""Recorded steps on the CPU: torch's tracer stands in for the GPU's recorder, and freezes what a CUDA graph freezes."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.fx.experimental.proxy_tensor import make_fx

from evalharness.engine import slot_cache
from evalharness.engine.base import GenerationRequest
from evalharness.engine.config import parse_config
from evalharness.engine.cuda_graphs import Record, is_recordable
from evalharness.engine.decoder import Decoder, initialise
from evalharness.engine.generation import Generator
from evalharness.engine.memory import Memory
from evalharness.engine.slot_cache import SlotCache

RAW = {
    "model_type": "llama", "vocab_size": 300, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
    "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16, "max_position_embeddings": 512,
}  # fmt: skip


class Tracer:
    """Records the operators of a step with the tensors it found: host values, shapes and addresses are frozen."""

    def __init__(self) -> None:
        self.made = self.replayed = 0

    def __call__(self, step: Callable[[], Tensor]) -> Callable[[], Tensor]:
        self.made += 1
        traced = make_fx(step)()

        def replay() -> Tensor:
            self.replayed += 1
            return traced()  # type: ignore[no-any-return]

        return replay


@pytest.fixture
def generate(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[list[int]]]:
    """Generates rows of very different length behind a shared prefix, three at a time, by the recorder given."""
    decoder = Decoder(parse_config(RAW))
    initialise(decoder, torch.Generator().manual_seed(0), std=0.3)
    chance = np.random.default_rng(0)
    shared = tuple(int(i) for i in chance.integers(0, 300, 30))
    tails = [tuple(int(i) for i in chance.integers(0, 300, n)) for n in (3, 150, 9, 70, 2, 5)]
    counts = (20, 29, 30, 60, 56, 90)
    requests = [GenerationRequest(ids=shared + tail, max_tokens=n) for tail, n in zip(tails, counts, strict=True)]
    monkeypatch.setattr(slot_cache, "operators_work", lambda _: False)  # a GPU pads its rows
    monkeypatch.setitem(slot_cache.COLUMN_STEP, "cpu", 64)

    def run(record: Record | None) -> list[list[int]]:
        memory = Memory(decoder.config, decoder.device, 4)
        found = dict(Generator(decoder, memory, 3, lambda token: b"x", record).run(requests))
        return [found[i].tokens for i in range(len(requests))]

    return run


def test_replayed_steps_generate_the_same_answers(generate: Callable[..., Any]) -> None:
    tracer = Tracer()
    assert generate(tracer) == generate(None)
    # Rows run out on the way: the caches move, and steps are recorded anew.
    assert tracer.made > 3 and tracer.replayed > 5 * tracer.made


def test_a_recording_that_freezes_too_much_spoils_nothing(
    generate: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    caches: list[Tensor] = []
    plain = SlotCache.begin_step

    def begin_step(self: SlotCache, ends: Tensor) -> None:
        caches[:] = [*self.keys, *self.values]
        plain(self, ends)

    replayed = []

    def record(step: Callable[[], Tensor]) -> Callable[[], Tensor]:
        out = step()

        def replay() -> Tensor:
            replayed.append(1)
            for cache in caches:  # keys in the wrong places, as a frozen address would leave them
                cache.fill_(7.0)
            return out  # the logits of the step it was made from, whatever comes

        return replay

    want = generate(None)
    monkeypatch.setattr(SlotCache, "begin_step", begin_step)
    assert generate(record) == want
    assert len(replayed) == 1


def test_what_cannot_be_recorded_is_run_as_it_is(generate: Callable[..., Any]) -> None:
    tried = []

    def record(step: Callable[[], Tensor]) -> Callable[[], Tensor]:
        tried.append(1)
        raise RuntimeError("operation not permitted when stream is capturing")

    assert generate(record) == generate(None)
    assert tried


@pytest.mark.parametrize(
    ("change", "right"),
    [({}, True), ({"model_type": "mistral", "sliding_window": 64}, False), ({"model_type": "qwen3"}, True)],
)
def test_only_steps_without_windows_are_recorded(change: dict[str, Any], right: bool) -> None:
    assert is_recordable(parse_config({**RAW, **change})) is right
