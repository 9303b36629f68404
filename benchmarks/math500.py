"""MATH-500: competition mathematics (Hendrycks et al. 2021, https://arxiv.org/abs/2103.03874; the 500 questions of
Lightman et al. 2023, https://arxiv.org/abs/2305.20050)."""

from evalharness.benchmark import Benchmark, Prompt
from evalharness.data.rows import Row, Source, files_named
from evalharness.records import Sample
from evalharness.scoring.math import boxed, last_box, same
from evalharness.scoring.metrics import macro, mean, mean_where
from evalharness.scoring.symbolic import open_closed_answers


def sample(row: Row) -> Sample:
    answer = row.get("answer") or last_box(row["solution"])
    if answer is None:
        raise ValueError("neither an answer nor a \\boxed{} in the solution")
    return Sample(id=row.get("unique_id") or "", question=row["problem"], answers=(answer,), group=row["subject"])


benchmark = Benchmark(
    title="MATH-500: competition problems with a closed answer",
    paper="https://arxiv.org/abs/2305.20050",
    licence="MIT",
    items=500,
    about_form="symbols",
    source=Source(
        "HuggingFaceH4/MATH-500@6e4ed1a2a79af7d8630a6b768ec859cb5af4d3be",
        files=files_named({"test": "test.jsonl"}, "(problem, solution, answer, subject, level)"),
    ),
    sample=sample,
    prompt=Prompt(question=lambda s: f"Problem: {s.question}\nAnswer:", answer=lambda s: " " + s.answers[0]),
    max_tokens=1024,
    chat_max_tokens=4096,
    stop=("Problem:",),
    score=boxed,
    same_answer=same,
    open_scorer=open_closed_answers,
    metrics=(mean(), macro(), mean_where("accuracy_symbolic")),
)
