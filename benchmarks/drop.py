"""DROP: questions that need counting, sorting and sums over a paragraph (Dua et al. 2019,
https://arxiv.org/abs/1903.00161)."""

from evalharness.benchmark import Benchmark
from evalharness.data.rows import Source
from evalharness.scoring.metrics import mean

from ._drop import FILES, sample, score

benchmark = Benchmark(
    title="DROP: discrete reasoning over paragraphs",
    paper="https://arxiv.org/abs/1903.00161",
    licence="CC BY-SA 4.0",
    items=9536,
    source=Source(
        "EleutherAI/drop@619386fc7ffe6dace3cc6d3483c69b164ebf6bf3", split="validation", shot_split="train", files=FILES
    ),
    sample=sample,
    max_tokens=64,
    stop=(".",),
    score=score,
    metrics=(mean("f1"), mean("exact_match")),
)
