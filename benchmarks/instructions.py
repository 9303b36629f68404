"""Your own instruction data, judged against its outputs (layout: https://github.com/tatsu-lab/stanford_alpaca)."""

from evalharness.benchmark import Benchmark
from evalharness.data.rows import Source, files_named
from evalharness.scoring.judgments import judged_mean
from evalharness.scoring.reference import REFERENCE_METRICS, beside_references

from ._instructions import ask, sample

benchmark = Benchmark(
    title="Your own instruction data (--data FILE) against its reference outputs",
    paper="https://github.com/tatsu-lab/stanford_alpaca",
    licence="yours",
    items=0,
    source=Source(
        files=files_named(
            {"test": "alpaca_data.json"}, "or JSON or JSONL rows of {instruction, input, output} or {messages}"
        )
    ),
    sample=sample,
    score=beside_references,
    metrics=(judged_mean("judge_score"), judged_mean("win_rate"), judged_mean("judge_correct"), *REFERENCE_METRICS),
    ask=ask,
    judge="score",
)
