"""MMMLU: MMLU's test questions translated by people into 14 languages, each `mmmlu/LANG`
(https://huggingface.co/datasets/openai/MMMLU, where the fields stand)."""

from evalharness.benchmark import Benchmark, Family
from evalharness.building_blocks.multiple_choice import lettered
from evalharness.data.rows import Source
from evalharness.scoring.metrics import macro, mean

from ._languages import MMMLU
from ._mmlu import optioned

family = Family(
    tasks=tuple(MMMLU),
    open=lambda language, data: Benchmark(
        title=f"MMMLU: 57 subjects, four options ({language})",
        paper="https://arxiv.org/abs/2009.03300",
        licence="MIT",
        items=14042,
        chance=0.25,
        source=Source("openai/MMMLU", config=MMMLU[language]),
        sample=optioned("Question", "A", "B", "C", "D", gold="Answer", group="Subject"),
        prompt=lettered(),
        metrics=(mean(), macro()),
    ),
)
