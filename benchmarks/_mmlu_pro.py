"""MMLU-Pro's rows, its layout, and how its answers are read (https://github.com/TIGER-AI-Lab/MMLU-Pro)."""

from evalharness.benchmark import Prompt
from evalharness.building_blocks.multiple_choice import lettered_options
from evalharness.data.rows import Row
from evalharness.records import Sample
from evalharness.scoring.answers import letter_after


def sample(row: Row) -> Sample:
    steps = (row.get("cot_content") or "").replace("A: Let's think step by step. ", "")
    return Sample(
        id=str(row["question_id"]), question=row["question"], choices=tuple(text.strip() for text in row["options"]),
        gold_indices=(int(row["answer_index"]),), group=row["category"], answers=(steps,),
    )  # fmt: skip


def header(asked: Sample) -> str:
    return (
        f"The following are multiple choice questions (with answers) about {asked.group}. Think step by step and then "
        'finish your answer with "the answer is (X)" where X is the correct letter choice.\n'
    )


def question(asked: Sample) -> str:
    return "\n".join(
        ["Question:", asked.question, "Options:", *lettered_options(asked), "Answer: Let's think step by step."]
    )


PROMPT = Prompt(description=header, question=question, answer=lambda s: " " + s.answers[0])
score = letter_after(r"answer is \(?([A-J])\)?")
