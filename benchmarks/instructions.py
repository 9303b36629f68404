"""Your own instruction data, judged against its outputs (layout: https://github.com/tatsu-lab/stanford_alpaca)."""

from collections.abc import Sequence

from evalharness.benchmark import Benchmark
from evalharness.judged import judged_mean
from evalharness.records import Message, Mode, Request, Sample
from evalharness.scoring import free
from evalharness.sources import Row, Source, files_named


def sample(row: Row) -> Sample:
    parts = [row["instruction"], *([row["input"]] if row.get("input") else [])]
    answers = (row["output"],) if row.get("output") else ()
    return Sample(id=str(row.get("id", "")), question="\n\n".join(parts), answers=answers, extra={"parts": parts})


def ask(asked: Sample, shots: Sequence[Sample], mode: Mode, chat: bool) -> Request:
    """Instruction and input as two messages, the way such rows are taught; as one text for a base model."""
    parts = asked.extra["parts"] if chat else [asked.question + "\n"]
    return Request(messages=tuple(Message("user", text) for text in parts), max_tokens=1024)


benchmark = Benchmark(
    title="Your own instruction data (--data FILE) against its reference outputs",
    paper="https://github.com/tatsu-lab/stanford_alpaca",
    licence="yours",
    items=0,
    source=Source(
        files=files_named({"test": "alpaca_data.json"}, "or a JSON or JSONL file of {instruction, input, output}")
    ),
    sample=sample,
    score=free,
    metrics=(judged_mean("judge_score"), judged_mean("win_rate"), judged_mean("judge_correct")),
    ask=ask,
    judge="score",
)
