"""LiveCodeBench: problems of programming contests by the day of the contest, `livecodebench/all` or
`livecodebench/FROM_TO` with months (Jain et al. 2024, https://arxiv.org/abs/2403.07974). The fields:
https://huggingface.co/datasets/livecodebench/code_generation_lite."""

from evalharness.benchmark import Benchmark, Family
from evalharness.building_blocks.code import PROGRAM_METRICS, not_opened, open_code_scorer, program_cautions
from evalharness.data.rows import Source

from ._livecodebench import FILES, WINDOWS, ask, months, program, sample, within_window

family = Family(
    tasks=("all",),
    optional_tasks=WINDOWS,
    open=lambda window, data: Benchmark(
        title=f"LiveCodeBench: contest problems in Python ({months(window)})",
        paper="https://arxiv.org/abs/2403.07974",
        licence="CC (per contest site)",
        items=1055 if window == "all" else 0,
        source=Source("livecodebench/code_generation_lite", files=FILES, process=within_window(window), config=None),
        sample=sample,
        ask=ask,
        max_tokens=2048,
        stop=(),
        score=not_opened,
        open_scorer=open_code_scorer(program),
        warnings=program_cautions,
        metrics=PROGRAM_METRICS,
    ),
)
