"""Arena-Hard: demanding prompts, answers compared in five steps (Li et al. 2024, https://arxiv.org/abs/2406.11939)."""

from evalharness.benchmark import Benchmark, PublishedBoard
from evalharness.data.rows import Row, Source, files_named
from evalharness.records import Sample
from evalharness.scoring.answers import unscored
from evalharness.scoring.judgments import judged_mean


def sample(row: Row) -> Sample:
    """Own prompts need `prompt`; `uid`, `category` and `reference` (an answer to compare with) may stand beside it."""
    identity = next((row[name] for name in ("uid", "question_id", "id") if name in row), "")
    return Sample(
        id=str(identity),
        question=row["prompt"] if "prompt" in row else row["turns"][0]["content"],
        answers=(row["reference"],) if row.get("reference") else (),
        group=str(row.get("category") or row.get("cluster") or ""),
    )


benchmark = Benchmark(
    title="Arena-Hard: demanding prompts against a baseline's answers (--against RUN)",
    paper="https://arxiv.org/abs/2406.11939",
    licence="Apache-2.0",
    items=500,
    source=Source(
        "lmarena-ai/arena-hard-auto-v0.1@2a69efe86cff85c593cfd4c2b4491c128e52c6f1",
        split="train",
        files=files_named({"train": "question.jsonl"}, "or a JSONL file of {prompt, uid, category, reference}"),
    ),
    sample=sample,
    score=unscored,
    metrics=(judged_mean("win_rate"),),
    max_tokens=4096,
    chat_max_tokens=4096,
    stop=(),
    judge="pairwise/five",
    leaderboard=PublishedBoard(judge_model="gpt-4-1106-preview", baseline="gpt-4-0314"),
)
