"""OpenAI Evals: any eval or eval set of a registry folder (https://github.com/openai/evals)."""

from dataclasses import replace
from pathlib import Path

from evalharness.benchmark import Benchmark, Family, Prompt, nothing
from evalharness.described import openai_evals as oai
from evalharness.judged import judged_mean
from evalharness.metrics import mean, mean_where
from evalharness.sources import Row, Source, Want

BLANK = Benchmark(
    name="openai_evals",
    title="OpenAI Evals",
    paper="https://github.com/openai/evals",
    licence="MIT, or as each eval says",
    items=0,
    source=Source(hub="", revision="", split="samples", files_say="a registry folder of OpenAI Evals",
                  sample=Path(__file__).with_suffix(".jsonl")),
    sample=oai.sample,
    prompt=Prompt(question=lambda s: s.question, answer=lambda s: s.answers[0] if s.answers else nothing(s)),
    modes=("write",),
    ask=oai.ask,
    score=oai.score,
    metrics=(mean(), mean_where("f1_score")),
)  # fmt: skip


def open_task(task: str, data: Path | None) -> Benchmark:
    if data is None:
        return replace(BLANK, name=f"openai_evals/{task}", source=replace(BLANK.source, config=task))
    found = oai.spec(task, data)

    def files(path: Path, want: Want) -> list[Row]:
        return list(oai.rows(found, path))

    source = replace(BLANK.source, config=task, files=files)
    asked = replace(BLANK, name=f"openai_evals/{task}", title=found.about or found.name, source=source)
    if found.kind != "ModelBasedClassify":
        return asked
    judge, score = oai.judge_of(found, data)
    return replace(asked, judge=judge, metrics=(judged_mean(score),))


family = Family(tasks=(), open=open_task, discover=oai.discover, members=oai.members)
