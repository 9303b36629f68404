"""OpenAI Evals: any eval or eval set of a registry folder (https://github.com/openai/evals)."""

from dataclasses import replace
from pathlib import Path

from evalharness.benchmark import Benchmark, Family
from evalharness.data.rows import Files, Source
from evalharness.file_benchmarks import openai_evals as oai
from evalharness.scoring.judgments import judged_mean
from evalharness.scoring.metrics import mean, mean_where

_FILES = Files("a registry folder of OpenAI Evals")
BLANK = Benchmark(
    title="OpenAI Evals",
    paper="https://github.com/openai/evals",
    licence="MIT, or as each eval says",
    items=0,
    sample=oai.eval_sample,
    ask=oai.eval_request,
    score=oai.score_eval,
    metrics=(mean(), mean_where("f1_score")),
)


def _open_task(task: str, data: Path | None) -> Benchmark:
    bundled = replace(BLANK, source=Source(config=task, split="samples", files=_FILES))
    if data is None:
        return bundled
    found = oai.spec(task, data)
    files = replace(_FILES, read=lambda path, want: oai.eval_rows(found, path))
    asked = replace(BLANK, title=found.about or found.name, source=replace(bundled.source, files=files))
    if found.kind != "ModelBasedClassify":
        return asked
    judge, score = oai.judge_of(found, data)
    return replace(asked, judge=judge, metrics=(judged_mean(score),))


family = Family(tasks=(), open=_open_task, discover=oai.discover, members=oai.eval_set_members)
