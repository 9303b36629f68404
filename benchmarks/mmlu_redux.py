"""MMLU-Redux: 100 questions of each of MMLU's subjects, looked through for mistakes (Gema et al. 2024,
https://arxiv.org/abs/2406.04127). The fields: https://huggingface.co/datasets/edinburgh-dawg/mmlu-redux-2.0."""

from evalharness.benchmark import Benchmark, Family
from evalharness.building_blocks.multiple_choice import lettered
from evalharness.data.rows import Source

from ._mmlu import SUBJECTS
from ._mmlu_redux import FILES, METRICS, header, mean_of_subjects, sample

family = Family(
    tasks=SUBJECTS,
    average=mean_of_subjects,
    open=lambda subject, data: Benchmark(
        title=f"MMLU-Redux: {subject.replace('_', ' ')}, the questions without a mistake",
        paper="https://arxiv.org/abs/2406.04127",
        licence="CC BY 4.0",
        items=100,
        chance=0.25,
        source=Source("edinburgh-dawg/mmlu-redux-2.0", config=subject, files=FILES(subject)),
        sample=sample,
        prompt=lettered(header(subject)),
        metrics=METRICS,
    ),
)
