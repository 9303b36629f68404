"""The embedded model's exam in MMLU's exact form: four options, the answer a letter. `evalh demo --letters` asks it."""

from dataclasses import replace

from evalharness.building_blocks.multiple_choice import lettered
from evalharness.plugins import load_benchmark
from evalharness.scoring.answers import choice

from ._mmlu import header

benchmark = replace(
    load_benchmark("tiny_exam"),
    title="The embedded model's exam in MMLU's form: held-out facts, four options, letters",
    prompt=lettered(header),
    score=choice,
    modes=("rank", "write"),
)
