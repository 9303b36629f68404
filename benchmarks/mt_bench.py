"""MT-bench: 80 conversations of two turns (Zheng et al. 2023, https://arxiv.org/abs/2306.05685; lm-sys/FastChat)."""

from evalharness.benchmark import Benchmark, Prompt, PublishedBoard
from evalharness.data.rows import Source
from evalharness.scoring.answers import unscored
from evalharness.scoring.judgments import judged_mean
from evalharness.scoring.metrics import Metric

from ._mt_bench import FILES, ask, follow_up, grade, sample, turn

benchmark = Benchmark(
    title="MT-bench: two-turn conversations, graded 1-10 by a judge",
    paper="https://arxiv.org/abs/2306.05685",
    licence="Apache-2.0",
    items=80,
    source=Source(
        "HuggingFaceH4/mt_bench_prompts@e3a795c5e9a82ee40611c416b8a7786c73198991", split="train", files=FILES
    ),
    sample=sample,
    prompt=Prompt(answer=lambda s: "\n\n".join(s.extra.get("references", ()))),
    score=unscored,
    metrics=(
        judged_mean("judge_score"),
        Metric(name="score", of=grade),
        turn("turn1"),
        turn("turn2"),
        judged_mean("win_rate"),
    ),
    ask=ask,
    follow_up=follow_up,
    judge="score/10",
    leaderboard=PublishedBoard(judge_model="gpt-4"),
)
