"""OpenbookQA: science questions that want a fact and a thought (Mihaylov et al. 2018, https://arxiv.org/abs/1809.02789).
The fields: https://huggingface.co/datasets/allenai/openbookqa."""

from evalharness.benchmark import Benchmark
from evalharness.building_blocks.multiple_choice import BY_LENGTH, written_out
from evalharness.data.rows import Source
from evalharness.scoring.answers import choice_by_length

from ._openbookqa import FILES, sample

benchmark = Benchmark(
    title="OpenbookQA: elementary science that wants a fact and a thought",
    paper="https://arxiv.org/abs/1809.02789",
    licence="not stated by its authors",
    items=500,
    chance=0.25,
    source=Source("allenai/openbookqa", config="main", shot_split="train", files=FILES),
    sample=sample,
    prompt=written_out(),
    score=choice_by_length,
    metrics=BY_LENGTH,
)
