"""Global-MMLU: MMLU in 42 languages, each `global_mmlu/LANG` (Singh et al. 2024, https://arxiv.org/abs/2412.03304).
The fields: https://huggingface.co/datasets/CohereForAI/Global-MMLU."""

from evalharness.benchmark import Benchmark, Family
from evalharness.building_blocks.multiple_choice import lettered
from evalharness.data.rows import Source
from evalharness.scoring.metrics import macro, mean

from ._languages import GLOBAL_MMLU
from ._mmlu import optioned

family = Family(
    tasks=GLOBAL_MMLU,
    open=lambda language, data: Benchmark(
        title=f"Global-MMLU: 57 subjects, four options ({language})",
        paper="https://arxiv.org/abs/2412.03304",
        licence="Apache-2.0",
        items=14042,
        chance=0.25,
        source=Source("CohereForAI/Global-MMLU", config=language, shot_split="dev"),
        sample=optioned("question", "option_a", "option_b", "option_c", "option_d", gold="answer", group="subject"),
        prompt=lettered(),
        metrics=(mean(), macro()),
    ),
)
