"""The embedded model's exam: 173 facts that its fine-tuning never says, as MMLU-shaped questions over six subjects."""

from pathlib import Path

from evalharness.benchmark import Benchmark, Prompt
from evalharness.metrics import macro, mean
from evalharness.multiple_choice import options
from evalharness.records import Sample
from evalharness.scoring import LETTERS, choice
from evalharness.sources import Row, Source


def sample(row: Row) -> Sample:
    return Sample(
        question=row["question"], choices=tuple(row["choices"]), gold=(int(row["answer"]),), group=row["subject"]
    )


benchmark = Benchmark(
    name="tiny_exam",
    title="The embedded model's exam: held-out facts, four options, in the wording of its fine-tuning",
    paper="https://arxiv.org/abs/2009.03300",  # the layout of the rows is MMLU's
    licence="Apache-2.0",
    items=173,
    chance=0.25,
    source=Source(hub="", revision="", shot_split="dev", sample=Path(__file__).with_suffix(".jsonl")),
    sample=sample,
    prompt=Prompt(
        header=lambda s: "Answer the multiple choice question with one letter.\n\n",
        question=options,
        answer=lambda s: " " + LETTERS[s.gold[0]],
        choices=lambda s: tuple(" " + letter for letter in LETTERS[: len(s.choices)]),
    ),
    score=choice,
    metrics=(mean(), macro()),
    shots_by_group=True,
)
