"""MMLU (Hendrycks et al. 2021, https://arxiv.org/abs/2009.03300; https://github.com/hendrycks/test)."""

from evalharness.benchmark import Benchmark
from evalharness.building_blocks.multiple_choice import from_fields, lettered
from evalharness.data.rows import Source
from evalharness.scoring.metrics import macro, mean

from ._mmlu import BY_CATEGORY, FOLDERS, header

benchmark = Benchmark(
    title="MMLU: 57 subjects, four options",
    paper="https://arxiv.org/abs/2009.03300",
    licence="MIT",
    items=14042,
    chance=0.25,
    source=Source("cais/mmlu@c30699e8356da336a370243923dbaf21066bb9fe", config="all", shot_split="dev", files=FOLDERS),
    sample=from_fields(group="subject"),
    prompt=lettered(header),
    metrics=(mean(), macro(), *BY_CATEGORY),
    shots=5,
    shots_by_group=True,
)
