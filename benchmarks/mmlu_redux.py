"""MMLU-Redux: 100 questions of each of MMLU's subjects, those without a mistake, or all: `mmlu_redux/SUBJECT_all` (Gema
et al. 2024, https://arxiv.org/abs/2406.04127; the fields: https://huggingface.co/datasets/edinburgh-dawg/mmlu-redux-2.0)."""

from evalharness.benchmark import Benchmark, Family
from evalharness.building_blocks.multiple_choice import lettered
from evalharness.data.rows import Source

from ._mmlu_redux import ALL, FILES, SUBJECTS, header, kept, mean_of_subjects, sample, subject_of

family = Family(
    tasks=SUBJECTS,
    optional_tasks=ALL,
    average=mean_of_subjects,
    open=lambda task, data: Benchmark(
        title=f"MMLU-Redux: {task.replace('_', ' ')}",
        paper="https://arxiv.org/abs/2406.04127",
        licence="CC BY 4.0",
        items=100,
        chance=0.25,
        source=Source("edinburgh-dawg/mmlu-redux-2.0", config=subject_of(task), files=FILES(task), process=kept(task)),
        sample=sample,
        prompt=lettered(header(task)),
    ),
)
