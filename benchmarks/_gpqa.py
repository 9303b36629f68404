"""GPQA's rows, cleaned as lm-evaluation-harness does, and its layout (https://github.com/idavidrein/gpqa)."""

from evalharness.building_blocks.multiple_choice import lettered, lettered_options, shuffled
from evalharness.data.rows import Row
from evalharness.records import Sample

OPTIONS = ("Incorrect Answer 1", "Incorrect Answer 2", "Incorrect Answer 3", "Correct Answer")


def sample(row: Row) -> Sample:
    texts = tuple((row[o] or " ").strip().replace(" [title]", ". ").replace("  ", " ") for o in OPTIONS)
    return shuffled(
        Sample(question=row["Question"], choices=texts, gold_indices=(3,), group=row.get("High-level domain") or "")
    )


def question(asked: Sample) -> str:
    asks = f"What is the correct answer to this question:{asked.question}"
    return "\n".join([asks, "Choices:", *lettered_options(asked, "({})"), "Answer:"])


PROMPT = lettered(question=question, mark="({})")
