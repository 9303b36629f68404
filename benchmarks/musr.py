"""MuSR: murder mysteries and other long stories to reason about (Sprague et al. 2023, https://arxiv.org/abs/2310.16049).
The fields: https://huggingface.co/datasets/TAUR-Lab/MuSR."""

from evalharness.benchmark import Benchmark, Family
from evalharness.building_blocks.multiple_choice import BY_LENGTH
from evalharness.data.rows import Source
from evalharness.scoring.answers import choice_by_length

from ._musr import ITEMS, PROMPT, sample

family = Family(
    tasks=tuple(ITEMS),
    open=lambda task, data: Benchmark(
        title=f"MuSR: {task.replace('_', ' ')}",
        paper="https://arxiv.org/abs/2310.16049",
        licence="CC BY 4.0",
        items=ITEMS[task][0],
        chance=ITEMS[task][1],
        source=Source("TAUR-Lab/MuSR", config="default", split=task),
        sample=sample,
        prompt=PROMPT,
        score=choice_by_length,
        metrics=BY_LENGTH,
    ),
)
