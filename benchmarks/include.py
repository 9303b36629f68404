"""INCLUDE: questions of local exams in 44 languages, each `include/LANG` (Romanou et al. 2024,
https://arxiv.org/abs/2411.19799). The fields: https://huggingface.co/datasets/CohereForAI/include-base-44."""

from evalharness.benchmark import Benchmark, Family
from evalharness.building_blocks.multiple_choice import lettered
from evalharness.data.rows import Source
from evalharness.scoring.metrics import macro, mean

from ._languages import INCLUDE
from ._mmlu import optioned

family = Family(
    tasks=tuple(INCLUDE),
    open=lambda language, data: Benchmark(
        title=f"INCLUDE: questions of local exams ({INCLUDE[language]})",
        paper="https://arxiv.org/abs/2411.19799",
        licence="Apache-2.0",
        items=0,
        chance=0.25,
        source=Source("CohereForAI/include-base-44", config=INCLUDE[language]),
        sample=optioned("question", "option_a", "option_b", "option_c", "option_d", gold="answer", group="subject"),
        prompt=lettered(),
        metrics=(mean(), macro()),
    ),
)
