"""WinoGrande: which of two does the pronoun mean? (Sakaguchi et al. 2019, https://arxiv.org/abs/1907.10641)."""

from evalharness.benchmark import Benchmark
from evalharness.building_blocks.multiple_choice import from_fields, gap_filled
from evalharness.data.rows import Source, files_named

benchmark = Benchmark(
    title="WinoGrande (XL): resolve the gap",
    paper="https://arxiv.org/abs/1907.10641",
    licence="Apache-2.0 (code), CC BY (data)",
    items=1267,
    chance=0.5,
    source=Source(
        "allenai/winogrande@01e74176c63542e6b0bcb004dcdea22d94fb67b5",
        config="winogrande_xl",
        split="validation",
        shot_split="train",
        files=files_named({"validation": "dev.jsonl", "train": "train_xl.jsonl"}, "of winogrande_1.1"),
    ),
    sample=from_fields(question="sentence", choices=("option1", "option2"), first=1),
    prompt=gap_filled(),
)
