"""The embedded model's instruction test: held-out facts, fresh transformations and choices, answered in free text."""

from collections.abc import Sequence

from evalharness.benchmark import Benchmark
from evalharness.data.rows import Row
from evalharness.records import Message, Mode, Request, Response, Sample, Score
from evalharness.scoring.answers import binary_score
from evalharness.scoring.metrics import macro, mean


def sample(row: Row) -> Sample:
    extra = {"instruction": row["instruction"], "input": row["input"]}
    question = "\n".join(filter(None, extra.values()))
    return Sample(question=question, answers=(row["output"],), group=row["kind"], extra=extra)


def _ask(asked: Sample, shots: Sequence[Sample], mode: Mode, chat: bool) -> Request:
    """Instruction and input as two messages, the way Alpaca rows are taught; as lines for a base model."""
    parts = [text for text in asked.extra.values() if text] if chat else [asked.question + "\n"]
    return Request(messages=tuple(Message("user", text) for text in parts), max_tokens=40)


def _score(asked: Sample, request: Request, response: Response) -> Score:
    """Right when the model stopped by itself and its text is the reference, but for surrounding space."""
    written = response.text.strip()
    return binary_score(written == asked.answers[0] and response.finish == "stop", written, name="exact_match")


benchmark = Benchmark(
    title="The embedded model's instruction test: exact match on what its fine-tuning never says",
    paper="https://github.com/tatsu-lab/stanford_alpaca",  # the layout of the rows is Alpaca's
    licence="Apache-2.0",
    items=320,
    sample=sample,
    score=_score,
    max_tokens=40,
    metrics=(mean("exact_match"), macro("exact_match")),
    ask=_ask,
)
