"""WinoGrande: which of two does the pronoun mean? (Sakaguchi et al. 2019, https://arxiv.org/abs/1907.10641)."""

from pathlib import Path

from evalharness.benchmark import Benchmark, Prompt, nothing
from evalharness.metrics import mean
from evalharness.multiple_choice import shown
from evalharness.records import Sample
from evalharness.scoring import choice
from evalharness.sources import Row, Source, files_named


def sample(row: Row) -> Sample:
    options = (row["option1"], row["option2"])
    return Sample(question=row["sentence"], choices=options, gold=(("1", "2").index(row["answer"]),))


def filled(asked: Sample) -> tuple[str, ...]:
    """The sentence up to the gap, filled with each option; what follows the gap is what is scored."""
    return tuple(asked.question.partition("_")[0] + option for option in asked.choices)


def rest(asked: Sample) -> str:
    return " " + asked.question.partition("_")[2].strip()


benchmark = Benchmark(
    name="winogrande",
    title="WinoGrande (XL): resolve the gap",
    paper="https://arxiv.org/abs/1907.10641",
    licence="Apache-2.0 (code), CC BY (data)",
    items=1267,
    chance=0.5,
    source=Source(
        hub="allenai/winogrande",
        config="winogrande_xl",
        revision="01e74176c63542e6b0bcb004dcdea22d94fb67b5",
        split="validation",
        shot_split="train",
        files=files_named({"validation": "dev.jsonl", "train": "train_xl.jsonl"}),
        files_say="dev.jsonl (and train_xl.jsonl for examples) of winogrande_1.1",
        sample=Path(__file__).with_suffix(".jsonl"),
    ),
    sample=sample,
    prompt=Prompt(
        question=nothing,
        answer=lambda s: filled(s)[s.gold[0]] + rest(s),
        given=filled,
        choices=lambda s: (rest(s),) * 2,
    ),
    written=shown(lambda s: s.question),
    score=choice,
    metrics=(mean(),),
)
