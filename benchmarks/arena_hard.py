"""Arena-Hard: demanding prompts, answers compared in five steps (Li et al. 2024, https://arxiv.org/abs/2406.11939)."""

from collections.abc import Iterator
from pathlib import Path

from evalharness.benchmark import Benchmark, Prompt
from evalharness.judged import judged_mean
from evalharness.records import Sample
from evalharness.scoring import free
from evalharness.sources import Row, Source, Want, jsonl


def rows(path: Path, want: Want) -> Iterator[Row] | None:
    """A JSONL file of prompts, or `question.jsonl` in a folder."""
    file = path if path.is_file() else path / "question.jsonl"
    return jsonl(file) if file.is_file() and file.suffix == ".jsonl" else None


def sample(row: Row) -> Sample:
    """Own prompts need `prompt`; `uid`, `category` and `reference` (an answer to compare with) may stand beside it."""
    prompt = row["prompt"] if "prompt" in row else row["turns"][0]["content"]
    identity = next((row[name] for name in ("uid", "question_id", "id") if name in row), "")
    return Sample(
        id=str(identity),
        question=prompt,
        answers=(row["reference"],) if row.get("reference") else (),
        group=str(row.get("category") or row.get("cluster") or ""),
    )


benchmark = Benchmark(
    name="arena_hard",
    title="Arena-Hard: demanding prompts against a baseline's answers (--against RUN)",
    paper="https://arxiv.org/abs/2406.11939",
    licence="Apache-2.0",
    items=500,
    source=Source(
        hub="lmarena-ai/arena-hard-auto-v0.1",
        revision="2a69efe86cff85c593cfd4c2b4491c128e52c6f1",
        split="train",
        files=rows,
        files_say="a JSONL file of {prompt, uid, category, reference}, or question.jsonl of the original release",
        sample=Path(__file__).with_suffix(".jsonl"),
    ),
    sample=sample,
    prompt=Prompt(question=lambda s: s.question, answer=lambda s: s.answers[0] if s.answers else ""),
    score=free,
    metrics=(judged_mean("win_rate"),),
    modes=("write",),
    max_tokens=4096,
    chat_max_tokens=4096,
    stop=(),
    judge="pairwise/five",
)
