"""HellaSwag: how does it go on? (Zellers et al. 2019, https://arxiv.org/abs/1905.07830)."""

from evalharness.benchmark import Benchmark
from evalharness.building_blocks.multiple_choice import BY_LENGTH, written_out
from evalharness.data.rows import Source
from evalharness.scoring.answers import choice_by_length

from ._hellaswag import FILES, sample

benchmark = Benchmark(
    title="HellaSwag: the most plausible continuation of four",
    paper="https://arxiv.org/abs/1905.07830",
    licence="MIT",
    items=10042,
    chance=0.25,
    source=Source(
        "Rowan/hellaswag@218ec52e09a7e7462a5400043bb9a69a41d06b76", split="validation", shot_split="train", files=FILES
    ),
    sample=sample,
    prompt=written_out(),
    score=choice_by_length,
    metrics=BY_LENGTH,
)
