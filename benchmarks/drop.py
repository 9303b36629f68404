"""DROP: questions that need counting, sorting and sums over a paragraph (Dua et al. 2019,
https://arxiv.org/abs/1903.00161)."""

from pathlib import Path

from evalharness.benchmark import Benchmark, Prompt
from evalharness.metrics import mean
from evalharness.sources import Source

from ._drop import files, sample, score

benchmark = Benchmark(
    name="drop",
    title="DROP: discrete reasoning over paragraphs",
    paper="https://arxiv.org/abs/1903.00161",
    licence="CC BY-SA 4.0",
    items=9536,
    source=Source(
        hub="EleutherAI/drop",
        revision="619386fc7ffe6dace3cc6d3483c69b164ebf6bf3",
        split="validation",
        shot_split="train",
        files=files,
        files_say="drop_dataset_dev.json (and drop_dataset_train.json for examples)",
        sample=Path(__file__).with_suffix(".jsonl"),
    ),
    sample=sample,
    prompt=Prompt(question=lambda s: s.question, answer=lambda s: s.answers[0] if s.answers else ""),
    modes=("write",),
    max_tokens=64,
    stop=(".",),
    score=score,
    metrics=(mean("f1"), mean("exact_match")),
)
