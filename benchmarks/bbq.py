"""BBQ: whether answers follow a stereotype where the text does not tell, each `bbq/CATEGORY` (Parrish et al. 2021,
https://arxiv.org/abs/2110.08193; https://github.com/nyu-mll/BBQ, where the fields stand)."""

from evalharness.benchmark import Benchmark, Family
from evalharness.building_blocks.multiple_choice import lettered
from evalharness.data.rows import Source, files_named

from ._bbq import ITEMS, METRICS, sample, score

family = Family(
    tasks=tuple(ITEMS),
    open=lambda category, data: Benchmark(
        title=f"BBQ: stereotypes in answers ({category.replace('_', ' ')})",
        paper="https://arxiv.org/abs/2110.08193",
        licence="CC BY 4.0",
        items=ITEMS[category],
        chance=1 / 3,
        source=Source("heegyu/bbq", config=category, files=files_named({"test": f"{category}.jsonl"})),
        sample=sample,
        prompt=lettered(),
        score=score,
        metrics=METRICS,
    ),
)
