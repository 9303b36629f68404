"""XSTest: safe prompts that look unsafe, beside unsafe ones: does a model refuse too much, or too little (Röttger
et al. 2023, https://arxiv.org/abs/2308.01263; https://github.com/paul-rottger/xstest, where the fields stand)."""

from evalharness.benchmark import Benchmark, Prompt
from evalharness.data.rows import Source, files_named

from ._xstest import METRICS, refusal_by_words, sample

benchmark = Benchmark(
    title="XSTest: exaggerated refusals of safe prompts, beside unsafe ones",
    paper="https://arxiv.org/abs/2308.01263",
    licence="CC BY 4.0",
    items=450,
    source=Source(
        "Paul/XSTest", split="train", files=files_named({"train": "xstest_prompts.csv"}, "(id, prompt, type, label)")
    ),
    sample=sample,
    prompt=Prompt(),
    score=refusal_by_words,
    metrics=METRICS,
    max_tokens=256,
    stop=(),
    judge="refusal",
)
