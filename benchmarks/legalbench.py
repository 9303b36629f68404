"""LegalBench: the five tasks of it that HELM asks, each `legalbench/TASK` (Guha et al. 2023,
https://arxiv.org/abs/2308.11462; https://github.com/HazyResearch/legalbench)."""

from evalharness.benchmark import Benchmark, Family
from evalharness.data.rows import Source
from evalharness.scoring.metrics import mean

from ._helm import exact_and_f1, laid_out
from ._legalbench import TASKS, files_of, sample

family = Family(
    tasks=tuple(TASKS),
    open=lambda name, data: Benchmark(
        title=f"LegalBench: {TASKS[name].title}",
        paper="https://arxiv.org/abs/2308.11462",
        licence="CC BY 4.0",
        items=TASKS[name].items,
        # the commit stands in HELM's legalbench_scenario.py
        source=Source("nguha/legalbench@e042ea68c19df12b737fe768572f22ead61e8e37", config=name, shot_split="train",
                      files=files_of(name)),
        sample=sample(TASKS[name]),
        prompt=laid_out(TASKS[name].instructions, lambda s: f"{s.question}\n{TASKS[name].answer}:"),
        shots=5,
        max_tokens=30,
        score=exact_and_f1,
        metrics=(mean("exact_match"),),
    ),
)  # fmt: skip
