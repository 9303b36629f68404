"""Answers of mixed lengths through the transformers backend: places given on, against sixteen at a time to their ends.

    python perf/refilling.py [--pairs 5] [--prompts 48]

OPT's layout with random weights (4 million). All answers may have 96 tokens and end where the model writes one of some
ids, at random lengths: nobody knows them beforehand. The batches are of prompts of like length, as the engine takes
them. The texts must be equal before a ratio is printed; above 1 the batches to their ends are slower.
"""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from _pairs import machine
from transformers import AutoModelForCausalLM, OPTConfig

from evalharness.engine.base import Engine, EngineSettings, GenerationRequest
from evalharness.engine.loading import open_engine

SIDE_BY_SIDE = 16


def made(folder: Path) -> Engine:
    """A model of random weights, opened on one core."""
    torch.manual_seed(0)
    config = OPTConfig(
        vocab_size=4096, hidden_size=256, ffn_dim=1024, word_embed_proj_dim=256, num_hidden_layers=4,
        num_attention_heads=4, max_position_embeddings=512, pad_token_id=1, bos_token_id=0, eos_token_id=1,
    )  # fmt: skip
    AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    return open_engine(folder, EngineSettings(threads=1, backend="hf"))


def questions(count: int) -> list[GenerationRequest]:
    """Prompts of 20 to 120 tokens, the longest first; each answer has ends of its own, one id in 10 to one in 100."""
    draw = random.Random(0)
    made = [
        GenerationRequest(
            ids=tuple(draw.randrange(2, 4096) for _ in range(draw.randrange(20, 120))),
            max_tokens=96,
            stop_ids=frozenset(draw.sample(range(4096), draw.choice((40, 80, 400)))),
        )
        for _ in range(count)
    ]
    return sorted(made, key=lambda request: -len(request.ids))


def written(engine: Engine, parts: Sequence[Sequence[GenerationRequest]]) -> tuple[list[list[int]], float]:
    """The tokens of all answers in the order of their prompts, and tokens a second of the processor."""
    start = time.process_time()
    found = []
    for part in parts:
        answers = dict(engine.generate(part, bytes))
        found += [answers[i].tokens for i in range(len(part))]
    return found, sum(map(len, found)) / (time.process_time() - start)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--prompts", type=int, default=48)
    given = parser.parse_args()
    asked = questions(given.prompts)
    batches = [asked[at : at + SIDE_BY_SIDE] for at in range(0, len(asked), SIDE_BY_SIDE)]
    with tempfile.TemporaryDirectory() as scratch:
        engine: Any = made(Path(scratch))
        engine.refilled_at = 0.75  # which on a CPU is not done otherwise, for what this script shows
        written(engine, batches[:1])
        ratios, speeds = [], []
        for _ in range(given.pairs):
            (before, slow), (after, fast) = written(engine, batches), written(engine, [asked])
            if before != after:
                raise SystemExit("the answers differ: no ratio")
            ratios.append(fast / slow)
            speeds.append((slow, fast))
    slow, fast = (statistics.median(one) for one in zip(*speeds, strict=True))
    print(machine())
    print(f"tokens a CPU second: {slow:.0f} before, {fast:.0f} refilled; ratio {statistics.median(ratios):.2f} "
          f"({min(ratios):.2f}-{max(ratios):.2f})")  # fmt: skip


if __name__ == "__main__":
    main()
