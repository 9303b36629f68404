"""RULER: finding, following and counting in long texts, made offline from a seed: `ruler/TASK`, or `ruler/TASK_WORDS`
for another length (Hsieh et al. 2024, https://arxiv.org/abs/2404.06654), in words of our own."""

from pathlib import Path

from evalharness.benchmark import Benchmark, Family, Prompt
from evalharness.data.rows import Source
from evalharness.records import Sample
from evalharness.scoring.metrics import mean

from ._ruler import ITEMS, OTHER_LENGTHS, TITLES, length_of, rows, share_found

family = Family(
    tasks=tuple(TITLES),
    optional_tasks=OTHER_LENGTHS,
    open=lambda task, data: Benchmark(
        title=f"RULER: {TITLES[length_of(task)[0]]}, in {length_of(task)[1]:,} words",
        paper="https://arxiv.org/abs/2404.06654",
        licence="Apache-2.0",
        items=ITEMS,
        source=Source(given={"test": lambda: rows(*length_of(task))}, described_by=Path(__file__)),
        sample=lambda row: Sample(id=row["id"], question=row["question"], answers=tuple(row["answers"])),
        prompt=Prompt(answer=lambda s: " " + ", ".join(s.answers)),
        max_tokens=128,
        stop=("\n\n",),
        score=share_found,
        metrics=(mean("string_match"),),
    ),
)
