"""The embedded model's exam: 173 facts that its fine-tuning never says, as MMLU-shaped questions over six subjects."""

from pathlib import Path

from evalharness.benchmark import Benchmark, Prompt
from evalharness.metrics import macro, mean
from evalharness.multiple_choice import options
from evalharness.records import Sample
from evalharness.scoring import option
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
        header=lambda s: "Answer the multiple choice question with one of its options.\n\n",
        question=options,
        answer=lambda s: " " + s.choices[s.gold[0]],
        choices=lambda s: tuple(" " + text for text in s.choices),
    ),
    score=option,
    metrics=(mean(), macro()),
    modes=("write", "rank"),  # the base model ranks the facts it has read; answering in writing is what it must learn
    chat_max_tokens=24,
    shots_by_group=True,
)
