"""Belebele: questions about passages of FLORES in 122 language variants, each `belebele/CODE` (Bandarkar et al. 2023,
https://arxiv.org/abs/2308.16884). The fields: https://huggingface.co/datasets/facebook/belebele."""

from evalharness.benchmark import Benchmark, Family
from evalharness.data.rows import Source

from ._belebele import PROMPT, sample
from ._languages import BELEBELE

family = Family(
    tasks=BELEBELE,
    open=lambda code, data: Benchmark(
        title=f"Belebele: questions about a passage ({code})",
        paper="https://arxiv.org/abs/2308.16884",
        licence="CC BY-SA 4.0",
        items=900,
        chance=0.25,
        source=Source("facebook/belebele", config=code),
        sample=sample,
        prompt=PROMPT,
    ),
)
