"""AlpacaEval 2 (Dubois et al. 2024, https://arxiv.org/abs/2404.04475; https://github.com/tatsu-lab/alpaca_eval)."""

from evalharness.benchmark import Benchmark, PublishedBoard
from evalharness.data.rows import Source
from evalharness.scoring.answers import unscored

from ._alpaca_eval import FILES, METRICS, cautions, sample

benchmark = Benchmark(
    title="AlpacaEval 2: 805 instructions, answers compared with GPT-4's",
    paper="https://arxiv.org/abs/2404.04475",
    licence="CC BY-NC 4.0",
    items=805,
    source=Source(
        "tatsu-lab/alpaca_eval@2edc6fad8be6b14ea7230aabfd08188da6b8b814",
        hub_file="alpaca_eval_gpt4_baseline.json",
        split="eval",
        files=FILES,
    ),
    sample=sample,
    score=unscored,
    metrics=METRICS,
    warnings=cautions,
    max_tokens=2048,
    chat_max_tokens=2048,
    stop=(),
    judge="pairwise_logprob",
    leaderboard=PublishedBoard(judge_model="gpt-4-1106-preview"),
)
