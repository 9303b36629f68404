"""MT-bench: 80 conversations of two turns (Zheng et al. 2023, https://arxiv.org/abs/2306.05685; lm-sys/FastChat)."""

from pathlib import Path

from evalharness.benchmark import Benchmark, Prompt
from evalharness.judged import judged_mean
from evalharness.metrics import Metric
from evalharness.scoring import free
from evalharness.sources import Source

from ._mt_bench import ask, follow_up, grade, rows, sample, turn

benchmark = Benchmark(
    name="mt_bench",
    title="MT-bench: two-turn conversations, graded 1-10 by a judge",
    paper="https://arxiv.org/abs/2306.05685",
    licence="Apache-2.0",
    items=80,
    source=Source(
        hub="HuggingFaceH4/mt_bench_prompts",
        revision="e3a795c5e9a82ee40611c416b8a7786c73198991",
        split="train",
        files=rows,
        files_say="question.jsonl and reference_answer/gpt-4.jsonl of the original release",
        sample=Path(__file__).with_suffix(".jsonl"),
    ),
    sample=sample,
    prompt=Prompt(question=lambda s: s.question, answer=lambda s: "\n\n".join(s.extra.get("references", ()))),
    score=free,
    metrics=(
        judged_mean("judge_score"),
        Metric(name="score", of=grade),
        turn("turn1"),
        turn("turn2"),
        judged_mean("win_rate"),
    ),
    modes=("write",),
    ask=ask,
    follow_up=follow_up,
    judge="score/10",
)
