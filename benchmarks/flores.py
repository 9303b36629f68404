"""FLORES-200: sentences translated from English and into it, each `flores/FROM-TO` (NLLB Team 2022,
https://arxiv.org/abs/2207.04672). The fields: https://huggingface.co/datasets/facebook/flores."""

from evalharness.benchmark import Benchmark, Family
from evalharness.data.rows import Source

from ._flores import FILES, LANGUAGES, METRICS, PAIRS, prompt, sample, translation

family = Family(
    tasks=tuple(PAIRS),
    open=lambda pair, data: Benchmark(
        title=f"FLORES-200: translation from {LANGUAGES[PAIRS[pair][0]][1]} to {LANGUAGES[PAIRS[pair][1]][1]}",
        paper="https://arxiv.org/abs/2207.04672",
        licence="CC BY-SA 4.0",
        items=1012,
        source=Source("facebook/flores", config=pair, split="devtest", shot_split="dev", files=FILES(PAIRS[pair])),
        sample=sample(PAIRS[pair]),
        prompt=prompt(PAIRS[pair]),
        score=translation,
        metrics=METRICS,
        max_tokens=256,
    ),
)
