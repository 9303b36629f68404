"""RULER: finding, following and counting in long texts, made offline from a seed: `ruler/TASK`, or `ruler/TASK_WORDS`
for another length (Hsieh et al. 2024, https://arxiv.org/abs/2404.06654), in words of our own."""

from pathlib import Path

from evalharness.benchmark import Benchmark, Family, Prompt
from evalharness.records import Sample
from evalharness.scoring.metrics import mean

from ._ruler import ITEMS, OTHER_LENGTHS, TITLES, length_of, share_found, source_of
from ._ruler_qa import TITLES as ASKED
from ._ruler_qa import one_found

family = Family(
    tasks=tuple(TITLES),
    optional_tasks=(*ASKED, *OTHER_LENGTHS),  # those that are asked of documents want --data
    open=lambda task, data: Benchmark(
        title=f"RULER: {(TITLES | ASKED)[length_of(task)[0]]}, in {length_of(task)[1]:,} words",
        paper="https://arxiv.org/abs/2404.06654",
        licence="CC BY-SA 4.0" if length_of(task)[0] in ASKED else "Apache-2.0",
        items=ITEMS,
        source=source_of(task, Path(__file__)),
        sample=lambda row: Sample(id=row["id"], question=row["question"], answers=tuple(row["answers"])),
        prompt=Prompt(answer=lambda s: " " + ", ".join(s.answers)),
        max_tokens=128,
        stop=("\n\n",),
        score=one_found if length_of(task)[0] in ASKED else share_found,
        metrics=(mean("string_match"),),
    ),
)
