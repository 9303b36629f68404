"""NarrativeQA: questions about books and films, from their summaries (Kočiský et al. 2017,
https://arxiv.org/abs/1712.07040; https://github.com/google-deepmind/narrativeqa), asked and scored as HELM does."""

from evalharness.benchmark import Benchmark
from evalharness.data.rows import Source
from evalharness.scoring.metrics import mean

from ._helm import exact_and_f1, laid_out
from ._narrativeqa import FILES, sample

benchmark = Benchmark(
    title="NarrativeQA: questions about books and films, from their summaries",
    paper="https://arxiv.org/abs/1712.07040",
    licence="Apache-2.0",
    items=10557,
    source=Source("deepmind/narrativeqa", shot_split="train", files=FILES),
    sample=sample,
    prompt=laid_out("", lambda s: f"Passage: {s.extra['summary']}\nQuestion: {s.question}\nAnswer:"),
    score=exact_and_f1,
    metrics=(mean("f1"), mean("exact_match")),
    max_tokens=100,
)
