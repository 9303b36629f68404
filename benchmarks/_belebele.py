"""Belebele's rows, and lm-evaluation-harness's layout of them (`P:`, `Q:`, options behind letters and colons)."""

from evalharness.building_blocks.multiple_choice import lettered, lettered_options
from evalharness.data.rows import Row
from evalharness.records import Sample


def sample(row: Row) -> Sample:
    """Questions of one passage have one link; the passage is kept beside the question."""
    choices = tuple(str(row[f"mc_answer{i}"]) for i in range(1, 5))
    gold = int(row["correct_answer_num"]) - 1
    if not 0 <= gold < 4:
        raise ValueError(f"correct_answer_num is {row['correct_answer_num']!r}")
    question = f"P: {row['flores_passage']}\nQ: {row['question'].strip()}"
    return Sample(question=question, choices=choices, gold_indices=(gold,))


def _question(asked: Sample) -> str:
    return "\n".join([asked.question, *lettered_options(asked, "{}:"), "Answer:"])


PROMPT = lettered(question=_question)
