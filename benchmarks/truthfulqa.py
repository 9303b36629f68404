"""TruthfulQA, multiple choice with one (mc1) or several (mc2) true answers (Lin et al. 2021,
https://arxiv.org/abs/2109.07958; https://github.com/sylinrl/TruthfulQA)."""

from pathlib import Path

from evalharness.benchmark import Benchmark, Family
from evalharness.errors import known
from evalharness.metrics import mean
from evalharness.multiple_choice import shown, written_out
from evalharness.scoring import choice, truth_mass
from evalharness.sources import Source

from ._truthfulqa import files, question, sample


def open_task(task: str, data: Path | None) -> Benchmark:
    one = known("task of truthfulqa", task, ("mc1", "mc2")) == "mc1"
    return Benchmark(
        name=f"truthfulqa/{task}",
        title=f"TruthfulQA {task}: {'the one true answer' if one else 'how much probability the true answers get'}",
        paper="https://arxiv.org/abs/2109.07958",
        licence="Apache-2.0",
        items=817,
        chance=0.226 if one else None,
        source=Source(
            hub="truthfulqa/truthful_qa",
            config="multiple_choice",
            revision="741b8276f2d1982aa3d5b832d3ee81ed3b896490",
            split="validation",
            files=files,
            files_say="TruthfulQA.csv or mc_task.json",
            sample=Path(__file__).with_suffix(".jsonl"),
        ),
        sample=sample(task),
        prompt=written_out(question),
        written=shown(question) if one else None,
        modes=("rank", "write") if one else ("rank",),
        score=choice if one else truth_mass,
        metrics=(mean(),),
    )


family = Family(tasks=("mc1", "mc2"), open=open_task)
