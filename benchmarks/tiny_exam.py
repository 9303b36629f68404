"""The embedded model's exam: 173 facts that its fine-tuning never says, as MMLU-shaped questions over six subjects."""

from evalharness.benchmark import Benchmark
from evalharness.building_blocks.multiple_choice import continued, from_fields, question_with_options
from evalharness.data.rows import Source
from evalharness.scoring.answers import option
from evalharness.scoring.metrics import macro, mean

benchmark = Benchmark(
    title="The embedded model's exam: held-out facts, four options, in the wording of its fine-tuning",
    paper="https://arxiv.org/abs/2009.03300",  # the layout of the rows is MMLU's
    licence="Apache-2.0",
    items=173,
    chance=0.25,
    source=Source(shot_split="dev"),
    sample=from_fields(group="subject"),
    prompt=continued(
        question_with_options, description=lambda s: "Answer the multiple choice question with one of its options.\n\n"
    ),
    score=option,
    metrics=(mean(), macro()),
    modes=("write", "rank"),  # the base model ranks the facts it has read; answering in writing is what it must learn
    chat_max_tokens=24,
    shots_by_group=True,
)
