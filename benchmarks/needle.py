"""A needle in a haystack, made offline from a seed: `needle/WORDS` hides a number in a text of so many words, at eleven
depths (the single needle of RULER, Hsieh et al. 2024, https://arxiv.org/abs/2404.06654, in sentences of our own)."""

from pathlib import Path

from evalharness.benchmark import Benchmark, Family, Prompt
from evalharness.data.rows import Source

from ._needle import DEPTHS, EACH, LONGER, haystacks, holds, sample

family = Family(
    tasks=("500", "4000"),
    optional_tasks=LONGER,
    open=lambda words, data: Benchmark(
        title=f"A number hidden in a text of {int(words):,} words, at eleven depths",
        paper="https://arxiv.org/abs/2404.06654",
        licence="Apache-2.0",
        items=DEPTHS * EACH,
        source=Source(given={"test": lambda: haystacks(int(words))}, described_by=Path(__file__)),
        sample=sample,
        prompt=Prompt(question=lambda s: s.question, answer=lambda s: " " + s.answers[0]),
        max_tokens=32,
        score=holds,
    ),
)
