"""Your own instruction data, judged against its outputs (layout: https://github.com/tatsu-lab/stanford_alpaca)."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from evalharness.benchmark import Benchmark, Prompt
from evalharness.judged import judged_mean
from evalharness.records import Message, Mode, Request, Sample
from evalharness.scoring import free
from evalharness.sources import Row, Source, Want, json_rows


def rows(path: Path, want: Want) -> Iterator[Row] | None:
    """A JSON or JSONL file of {instruction, input, output}."""
    return json_rows(path) if path.is_file() and path.suffix in (".json", ".jsonl") else None


def sample(row: Row) -> Sample:
    parts = [row["instruction"], *([row["input"]] if row.get("input") else [])]
    answers = (row["output"],) if row.get("output") else ()
    return Sample(id=str(row.get("id", "")), question="\n\n".join(parts), answers=answers, extra={"parts": parts})


def ask(asked: Sample, shots: Sequence[Sample], mode: Mode, chat: bool) -> Request:
    """Instruction and input as two messages, the way such rows are taught; as one text for a base model."""
    parts = asked.extra["parts"] if chat else [asked.question + "\n"]
    return Request(messages=tuple(Message("user", text) for text in parts), max_tokens=1024)


benchmark = Benchmark(
    name="instructions",
    title="Your own instruction data (--data FILE) against its reference outputs",
    paper="https://github.com/tatsu-lab/stanford_alpaca",
    licence="yours",
    items=0,
    source=Source(
        hub="",
        revision="",
        files=rows,
        files_say="a JSON or JSONL file of {instruction, input, output}",
        sample=Path(__file__).with_suffix(".jsonl"),
    ),
    sample=sample,
    prompt=Prompt(question=lambda s: s.question, answer=lambda s: s.answers[0] if s.answers else ""),
    score=free,
    metrics=(judged_mean("judge_score"), judged_mean("win_rate"), judged_mean("judge_correct")),
    modes=("write",),
    ask=ask,
    judge="score",
)
