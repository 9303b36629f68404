"""MuSR's rows, and the Open LLM Leaderboard's layout of them: story, question, numbered options, `Answer:`."""

import ast

from evalharness.building_blocks.multiple_choice import written_out
from evalharness.data.rows import Row
from evalharness.records import Sample

ITEMS = {"murder_mysteries": (250, 0.5), "object_placements": (256, 0.25), "team_allocation": (250, 1 / 3)}


def sample(row: Row) -> Sample:
    """The options are a list, or the text of one in Python's spelling."""
    listed = ast.literal_eval(row["choices"]) if isinstance(row["choices"], str) else row["choices"]
    gold = int(row["answer_index"])
    if not isinstance(listed, list) or not 0 <= gold < len(listed):
        raise ValueError(f"answer_index is {row['answer_index']!r}, choices {str(row['choices'])[:60]!r}")
    return Sample(
        question=f"{row['narrative']}\n\n{row['question']}", choices=tuple(map(str, listed)), gold_indices=(gold,)
    )


def _question(asked: Sample) -> str:
    numbered = "".join(f"{i} - {choice}\n" for i, choice in enumerate(asked.choices, 1))
    return f"{asked.question}\n\n{numbered}\nAnswer:"


PROMPT = written_out(_question)
