"""AlpacaEval 2 (Dubois et al. 2024, https://arxiv.org/abs/2404.04475; https://github.com/tatsu-lab/alpaca_eval)."""

from pathlib import Path

from evalharness.benchmark import Benchmark, Prompt
from evalharness.records import Sample
from evalharness.scoring import free
from evalharness.sources import Row, Source

from ._alpaca_eval import FILES, METRICS, answer, cautions, identity, rows


def sample(row: Row) -> Sample:
    extra = {k: row[k] for k in ("difficulty", "regulariser") if k in row}
    return Sample(
        id=identity(row["instruction"]),
        question=row["instruction"],
        answers=(row["output"],),
        group=row.get("dataset", ""),
        extra=extra,
    )


benchmark = Benchmark(
    name="alpaca_eval",
    title="AlpacaEval 2: 805 instructions, answers compared with GPT-4's",
    paper="https://arxiv.org/abs/2404.04475",
    licence="CC BY-NC 4.0",
    items=805,
    chance=None,
    source=Source(
        hub="tatsu-lab/alpaca_eval",
        hub_file="alpaca_eval_gpt4_baseline.json",
        revision="2edc6fad8be6b14ea7230aabfd08188da6b8b814",
        split="eval",
        files=rows,
        files_say=FILES,
        sample=Path(__file__).with_suffix(".jsonl"),
    ),
    sample=sample,
    prompt=Prompt(question=lambda s: s.question, answer=answer),
    score=free,
    metrics=METRICS,
    cautions=cautions,
    modes=("write",),
    max_tokens=2048,
    chat_max_tokens=2048,
    stop=(),
    judge="pairwise_logprob",
)
