"""ARC: science questions of school exams, easy and challenge (Clark et al. 2018, https://arxiv.org/abs/1803.05457)."""

from pathlib import Path

from evalharness.benchmark import Benchmark, Family
from evalharness.errors import known
from evalharness.metrics import mean, mean_where
from evalharness.multiple_choice import shown, written_out
from evalharness.records import Sample
from evalharness.scoring import choice_by_length
from evalharness.sources import Source

from ._arc import CONFIGS, files, sample


def question(asked: Sample) -> str:
    return f"Question: {asked.question}\nAnswer:"


def open_task(task: str, data: Path | None) -> Benchmark:
    config, items, chance = CONFIGS[known("task of arc", task, CONFIGS)]
    return Benchmark(
        name=f"arc/{task}",
        title=f"{config}: science questions of school exams",
        paper="https://arxiv.org/abs/1803.05457",
        licence="CC BY-SA 4.0",
        items=items,
        chance=chance,
        source=Source(
            hub="allenai/ai2_arc",
            config=config,
            revision="210d026faf9955653af8916fad021475a3f00453",
            split="test",
            shot_split="train",
            files=files(config),
            files_say=f"{config}-Test.jsonl as AI2 published it, or its rows as question,A,B,C,D,letter (CSV)",
            sample=Path(__file__).with_suffix(".jsonl"),
        ),
        sample=sample,
        prompt=written_out(question),
        written=shown(question),
        score=choice_by_length,
        metrics=(mean(), mean_where("accuracy_norm")),
    )


family = Family(tasks=tuple(CONFIGS), open=open_task)
