"""NQ-open: questions that people typed into a search engine (Lee et al. 2019, https://arxiv.org/abs/1906.00300)."""

import unicodedata

from evalharness.benchmark import Benchmark, Prompt
from evalharness.data.fields import texts
from evalharness.data.rows import Source, files_named
from evalharness.records import Sample
from evalharness.scoring.answers import normalized, short_answer
from evalharness.scoring.metrics import mean

benchmark = Benchmark(
    title="NQ-open: real questions, short answers, no passage",
    paper="https://arxiv.org/abs/1906.00300",
    licence="CC BY-SA 3.0",
    items=3610,
    source=Source(
        "google-research-datasets/nq_open@5dd9790a83002ad084ddeb7c420dc716852c6f28",
        config="nq_open",
        split="validation",
        shot_split="train",
        files=files_named({"validation": "NQ-open.dev.jsonl", "train": "NQ-open.train.jsonl"}),
    ),
    sample=lambda row: Sample(question=row["question"], answers=tuple(texts(row, "answer"))),
    prompt=Prompt(
        description=lambda s: "Answer these questions:\n\n",
        question=lambda s: f"Q: {s.question}?\nA:",
        answer=lambda s: " " + s.answers[0],
        shot_separator="\n",
    ),
    score=short_answer(lambda text: normalized(unicodedata.normalize("NFD", text))),
    metrics=(mean("exact_match"),),
    max_tokens=32,
    stop=("\n", ".", ","),
)
