"""HumanEval (Chen et al. 2021, https://arxiv.org/abs/2107.03374; https://github.com/openai/human-eval)."""

from evalharness.benchmark import Benchmark
from evalharness.building_blocks.code import PROGRAM_METRICS, not_opened, open_code_scorer, program_cautions
from evalharness.data.rows import Source

from ._humaneval import FILES, STOP, ask, program, sample

benchmark = Benchmark(
    title="HumanEval: Python functions from their docstrings",
    paper="https://arxiv.org/abs/2107.03374",
    licence="MIT",
    items=164,
    source=Source(
        "openai/openai_humaneval@7dce6050a7d6d172f3cc5c32aa97f52fa1a2e544", config="openai_humaneval", files=FILES
    ),
    sample=sample,
    ask=ask,
    max_tokens=512,
    stop=STOP,
    score=not_opened,
    open_scorer=open_code_scorer(program),
    warnings=program_cautions,
    metrics=PROGRAM_METRICS,
)
