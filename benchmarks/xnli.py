"""XNLI: whether a sentence follows from another, in fifteen languages, each `xnli/LANG` (Conneau et al. 2018,
https://arxiv.org/abs/1809.05053). The fields: https://huggingface.co/datasets/facebook/xnli."""

from evalharness.benchmark import Benchmark, Family
from evalharness.data.rows import Source

from ._xnli import FILES, WORDS, prompt, sample

family = Family(
    tasks=tuple(WORDS),
    open=lambda language, data: Benchmark(
        title=f"XNLI: does a sentence follow from another ({language})",
        paper="https://arxiv.org/abs/1809.05053",
        licence="CC BY-NC 4.0",
        items=5010,
        chance=1 / 3,
        source=Source("facebook/xnli", config=language, files=FILES(language)),
        sample=sample(language),
        prompt=prompt(language),
    ),
)
