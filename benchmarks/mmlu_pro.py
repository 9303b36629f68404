"""MMLU-Pro: up to ten options, solved step by step (Wang et al. 2024, https://arxiv.org/abs/2406.01574;
https://github.com/TIGER-AI-Lab/MMLU-Pro)."""

from pathlib import Path

from evalharness.benchmark import Benchmark, Prompt
from evalharness.metrics import macro, mean
from evalharness.multiple_choice import lettered_options
from evalharness.records import Sample
from evalharness.scoring import letter_after
from evalharness.sources import Row, Source


def sample(row: Row) -> Sample:
    steps = (row.get("cot_content") or "").replace("A: Let's think step by step. ", "")
    return Sample(
        id=str(row["question_id"]), question=row["question"], choices=tuple(text.strip() for text in row["options"]),
        gold=(int(row["answer_index"]),), group=row["category"], answers=(steps,),
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


benchmark = Benchmark(
    name="mmlu_pro",
    title="MMLU-Pro: 14 subjects, up to ten options, chain of thought",
    paper="https://arxiv.org/abs/2406.01574",
    licence="MIT",
    items=12032,
    chance=0.1,
    source=Source(
        hub="TIGER-Lab/MMLU-Pro",
        revision="b189ec765aa7ed75c8acfea42df31fdae71f97be",
        split="test",
        shot_split="validation",
        sample=Path(__file__).with_suffix(".jsonl"),
    ),
    sample=sample,
    prompt=Prompt(header=header, question=question, answer=lambda s: " " + s.answers[0]),
    modes=("write",),
    shots=5,
    shots_by_group=True,
    max_tokens=2048,
    chat_max_tokens=4096,
    stop=("Question:",),
    score=letter_after(r"answer is \(?([A-J])\)?"),
    metrics=(mean(), macro()),
)
