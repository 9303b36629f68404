"""MMLU-Pro: up to ten options, solved step by step (Wang et al. 2024, https://arxiv.org/abs/2406.01574)."""

from evalharness.benchmark import Benchmark
from evalharness.data.rows import Source
from evalharness.scoring.metrics import macro, mean

from ._mmlu_pro import PROMPT, sample, score

benchmark = Benchmark(
    title="MMLU-Pro: 14 subjects, up to ten options, chain of thought",
    paper="https://arxiv.org/abs/2406.01574",
    licence="MIT",
    items=12032,
    chance=0.1,
    source=Source("TIGER-Lab/MMLU-Pro@b189ec765aa7ed75c8acfea42df31fdae71f97be", shot_split="validation"),
    sample=sample,
    prompt=PROMPT,
    shots=5,
    shots_by_group=True,
    max_tokens=2048,
    chat_max_tokens=4096,
    stop=("Question:",),
    score=score,
    metrics=(mean(), macro()),
)
