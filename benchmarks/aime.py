"""AIME: the thirty problems of a year, whose answers are whole numbers from 0 to 999
(https://maa.org/maa-invitational-competitions/). The fields: https://huggingface.co/datasets/math-ai/aime25 and
/HuggingFaceH4/aime_2024."""

from evalharness.benchmark import Benchmark, Family, Prompt
from evalharness.data.rows import Source
from evalharness.records import Sample
from evalharness.scoring.math import boxed, same

_HUB = {
    "2024": "HuggingFaceH4/aime_2024@2fe88a2f1091d5048c0f36abc874fb997b3dd99a",
    "2025": "math-ai/aime25@563bb8404243c5f09de6ec262f2db674fe5bce9b",
}
family = Family(
    tasks=tuple(_HUB),
    open=lambda year, data: Benchmark(
        title=f"AIME {year}: thirty competition problems, answers from 0 to 999",
        paper="https://maa.org/maa-invitational-competitions/",
        licence="problems by the MAA",
        items=30,
        about_form="symbols",
        source=Source(_HUB[year], config="default", split="train" if year == "2024" else "test"),
        sample=lambda row: Sample(id=str(row["id"]), question=row["problem"], answers=(str(int(row["answer"])),)),
        prompt=Prompt(question=lambda s: f"Problem: {s.question}\nAnswer:", answer=lambda s: " " + s.answers[0]),
        max_tokens=4096,
        chat_max_tokens=32768,
        stop=("Problem:",),
        score=boxed,
        same_answer=same,
    ),
)
