"""SQuAD 1.1: answers to questions on Wikipedia paragraphs (Rajpurkar et al. 2016, https://arxiv.org/abs/1606.05250)."""

from evalharness.benchmark import Benchmark
from evalharness.data.rows import Source
from evalharness.scoring.answers import short_answer
from evalharness.scoring.metrics import mean

from ._squad import PROMPT, files_of, sample

benchmark = Benchmark(
    title="SQuAD 1.1: short answers from a paragraph (and XQuAD by --data)",
    paper="https://arxiv.org/abs/1606.05250",
    licence="CC BY-SA 4.0",
    items=10570,
    source=Source(
        "rajpurkar/squad@7b6d24c440a36b6815f21b70d25016731768db1f",
        split="validation",
        shot_split="train",
        files=files_of("v1.1"),
    ),
    sample=sample,
    prompt=PROMPT,
    score=short_answer(both_empty=0.0),
    metrics=(mean("exact_match"), mean("f1")),
    max_tokens=64,
    missing_is_wrong=True,
)
