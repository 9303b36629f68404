"""OpenAI Evals: any eval or eval set of a registry folder (https://github.com/openai/evals)."""

from dataclasses import replace
from pathlib import Path

from evalharness.benchmark import Benchmark, Family
from evalharness.described import openai_evals as oai
from evalharness.judged import judged_mean
from evalharness.metrics import mean, mean_where
from evalharness.sources import Files, Source

FILES = Files("a registry folder of OpenAI Evals")
BLANK = Benchmark(
    title="OpenAI Evals",
    paper="https://github.com/openai/evals",
    licence="MIT, or as each eval says",
    items=0,
    sample=oai.sample,
    ask=oai.ask,
    score=oai.score,
    metrics=(mean(), mean_where("f1_score")),
)


def open_task(task: str, data: Path | None) -> Benchmark:
    bundled = replace(BLANK, source=Source(config=task, split="samples", files=FILES))
    if data is None:
        return bundled
    found = oai.spec(task, data)
    files = replace(FILES, read=lambda path, want: oai.rows(found, path))
    asked = replace(BLANK, title=found.about or found.name, source=replace(bundled.source, files=files))
    if found.kind != "ModelBasedClassify":
        return asked
    judge, score = oai.judge_of(found, data)
    return replace(asked, judge=judge, metrics=(judged_mean(score),))


family = Family(tasks=(), open=open_task, discover=oai.discover, members=oai.members)
