"""MMLU (Hendrycks et al. 2021, https://arxiv.org/abs/2009.03300; https://github.com/hendrycks/test)."""

from pathlib import Path

from evalharness.benchmark import Benchmark
from evalharness.metrics import macro, mean, within
from evalharness.multiple_choice import lettered
from evalharness.records import Sample
from evalharness.scoring import choice
from evalharness.sources import Row, Source

from ._mmlu import CATEGORIES, csv_folders


def sample(row: Row) -> Sample:
    return Sample(
        question=row["question"], choices=tuple(row["choices"]), gold=(int(row["answer"]),), group=row["subject"]
    )


def header(asked: Sample) -> str:
    return f"The following are multiple choice questions (with answers) about {asked.group.replace('_', ' ')}.\n\n"


benchmark = Benchmark(
    name="mmlu",
    title="MMLU: 57 subjects, four options",
    paper="https://arxiv.org/abs/2009.03300",
    licence="MIT",
    items=14042,
    chance=0.25,
    source=Source(
        hub="cais/mmlu",
        config="all",
        revision="c30699e8356da336a370243923dbaf21066bb9fe",
        split="test",
        shot_split="dev",
        files=csv_folders,
        files_say="the folders dev/ and test/ of the original release (SUBJECT_test.csv)",
        sample=Path(__file__).with_suffix(".jsonl"),
    ),
    sample=sample,
    prompt=lettered(header),
    score=choice,
    metrics=(mean(), macro(), *(within("accuracy", f"accuracy_{name}", groups) for name, groups in CATEGORIES.items())),
    shots=5,
    shots_by_group=True,
)
