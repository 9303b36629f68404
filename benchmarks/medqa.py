"""MedQA: questions of the United States' medical examinations, four options (Jin et al. 2020,
https://arxiv.org/abs/2009.13081; https://github.com/jind11/MedQA, where the fields stand), asked as HELM does."""

from evalharness.benchmark import Benchmark
from evalharness.building_blocks.multiple_choice import lettered, question_with_options
from evalharness.data.rows import Source, files_named

from ._openbookqa import medical

benchmark = Benchmark(
    title="MedQA: questions of medical examinations, four options",
    paper="https://arxiv.org/abs/2009.13081",
    licence="MIT",
    items=1273,
    chance=0.25,
    source=Source("GBaker/MedQA-USMLE-4-options", shot_split="train", files=files_named(
        {"test": "phrases_no_exclude_test.jsonl", "train": "phrases_no_exclude_train.jsonl"}, "of US/4_options")),
    sample=medical,
    prompt=lettered(
        lambda s: "The following are multiple choice questions (with answers) about medicine.\n\n",
        lambda s: f"Question: {question_with_options(s)}\nAnswer:",
    ),
)  # fmt: skip
