"""SQuAD 2.0: the paragraph may not hold the answer (Rajpurkar, Jia and Liang 2018, https://arxiv.org/abs/1806.03822)."""

from evalharness.benchmark import Benchmark
from evalharness.data.rows import Source
from evalharness.scoring.metrics import mean, within

from ._squad import PROMPT, files_of, sample2, score2

HALVES = [(score, half) for half in ("HasAns", "NoAns") for score in ("exact_match", "f1")]

benchmark = Benchmark(
    title="SQuAD 2.0: short answers from a paragraph, or none",
    paper="https://arxiv.org/abs/1806.03822",
    licence="CC BY-SA 4.0",
    items=11873,
    source=Source(
        "rajpurkar/squad_v2@3ffb306f725f7d2ce8394bc1873b24868140c412",
        config="squad_v2",
        split="validation",
        shot_split="train",
        files=files_of("v2.0"),
    ),
    sample=sample2,
    prompt=PROMPT,
    score=score2,
    metrics=(
        mean("exact_match"),
        mean("f1"),
        *(within(score, f"{half}_{score}", frozenset({half})) for score, half in HALVES),
    ),
    max_tokens=64,
)
