"""HellaSwag: how does it go on? (Zellers et al. 2019, https://arxiv.org/abs/1905.07830)."""

import re
from pathlib import Path

from evalharness.benchmark import Benchmark
from evalharness.metrics import mean, mean_where
from evalharness.multiple_choice import shown, written_out
from evalharness.records import Sample
from evalharness.scoring import choice_by_length
from evalharness.sources import Row, Source, files_named


def clean(text: str) -> str:
    """Without the [marks] that WikiHow's headings left behind, as lm-evaluation-harness reads it."""
    return re.sub(r"\[.*?\]", "", text.strip().replace(" [title]", ". ")).replace("  ", " ")


def sample(row: Row) -> Sample:
    asked = clean(f"{row['activity_label']}: {row['ctx_a']} {row['ctx_b'].capitalize()}")
    return Sample(question=asked, choices=tuple(clean(text) for text in row["endings"]), gold=(int(row["label"]),))


def question(asked: Sample) -> str:
    return asked.question


benchmark = Benchmark(
    name="hellaswag",
    title="HellaSwag: the most plausible continuation of four",
    paper="https://arxiv.org/abs/1905.07830",
    licence="MIT",
    items=10042,
    chance=0.25,
    source=Source(
        hub="Rowan/hellaswag",
        revision="218ec52e09a7e7462a5400043bb9a69a41d06b76",
        split="validation",
        shot_split="train",
        files=files_named({"validation": "hellaswag_val.jsonl", "train": "hellaswag_train.jsonl"}),
        files_say="hellaswag_val.jsonl (and hellaswag_train.jsonl for examples)",
        sample=Path(__file__).with_suffix(".jsonl"),
    ),
    sample=sample,
    prompt=written_out(question),
    written=shown(question),
    score=choice_by_length,
    metrics=(mean(), mean_where("accuracy_norm")),
)
