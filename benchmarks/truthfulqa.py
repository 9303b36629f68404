"""TruthfulQA, one (mc1) or several (mc2) of the answers are true (Lin et al. 2021, https://arxiv.org/abs/2109.07958)."""

from evalharness.benchmark import Benchmark, Family
from evalharness.data.rows import Source
from evalharness.scoring.answers import choice, truth_mass

from ._truthfulqa import FILES, PROMPT, SOUGHT, sample

HUB = "truthfulqa/truthful_qa@741b8276f2d1982aa3d5b832d3ee81ed3b896490"

family = Family(
    tasks=tuple(SOUGHT),
    open=lambda task, data: Benchmark(
        title=f"TruthfulQA {task}: {SOUGHT[task]}",
        paper="https://arxiv.org/abs/2109.07958",
        licence="Apache-2.0",
        items=817,
        chance=0.226 if task == "mc1" else None,
        source=Source(HUB, config="multiple_choice", split="validation", files=FILES),
        sample=sample(task),
        prompt=PROMPT,
        modes=("rank", "write") if task == "mc1" else ("rank",),
        score=choice if task == "mc1" else truth_mass,
    ),
)
