"""GPQA: graduate questions that a search engine does not answer (Rein et al. 2023, https://arxiv.org/abs/2311.12022)."""

from pathlib import Path

from evalharness.benchmark import Benchmark, Family, Prompt
from evalharness.errors import known
from evalharness.metrics import macro, mean
from evalharness.multiple_choice import shuffled
from evalharness.records import Sample
from evalharness.scoring import LETTERS, choice
from evalharness.sources import Row, Source, files_named

ITEMS = {"main": 448, "diamond": 198, "extended": 546}
OPTIONS = ("Incorrect Answer 1", "Incorrect Answer 2", "Incorrect Answer 3", "Correct Answer")


def sample(row: Row) -> Sample:
    texts = tuple((row[o] or " ").strip().replace(" [title]", ". ").replace("  ", " ") for o in OPTIONS)
    asked = Sample(question=row["Question"], choices=texts, gold=(3,), group=row.get("High-level domain") or "")
    return shuffled(asked)


def question(asked: Sample) -> str:
    lines = "".join(f"\n({letter}) {text}" for letter, text in zip(LETTERS, asked.choices, strict=False))
    return f"What is the correct answer to this question:{asked.question}\nChoices:{lines}\nAnswer:"


def open_task(task: str, data: Path | None) -> Benchmark:
    known("task of gpqa", task, ITEMS)
    return Benchmark(
        name=f"gpqa/{task}",
        title=f"GPQA {task}: biology, physics and chemistry by experts",
        paper="https://arxiv.org/abs/2311.12022",
        licence="CC BY 4.0 (gated: accept its terms, never publish its questions)",
        items=ITEMS[task],
        chance=0.25,
        source=Source(
            hub="Idavidrein/gpqa",
            config=f"gpqa_{task}",
            revision="633f5ee89ab8ad4522a9f850766b73f62147ffdd",
            split="train",
            files=files_named({"train": f"gpqa_{task}.csv"}),
            files_say=f"gpqa_{task}.csv of the published archive",
            sample=Path(__file__).with_suffix(".jsonl"),
        ),
        sample=sample,
        prompt=Prompt(
            question=question,
            answer=lambda s: f" ({LETTERS[s.gold[0]]})",
            choices=lambda s: tuple(f" ({letter})" for letter in LETTERS[: len(s.choices)]),
        ),
        score=choice,
        metrics=(mean(), macro()),
    )


family = Family(tasks=tuple(ITEMS), open=open_task)
