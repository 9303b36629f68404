"""MATH level 5: the hardest of MATH's test problems (Hendrycks et al. 2021, https://arxiv.org/abs/2103.03874). The
fields: https://huggingface.co/datasets/lighteval/MATH-Hard."""

from evalharness.benchmark import Benchmark, Prompt
from evalharness.data.rows import Row, Source
from evalharness.records import Sample
from evalharness.scoring.math import boxed, last_box, same
from evalharness.scoring.metrics import macro, mean, mean_where
from evalharness.scoring.symbolic import open_closed_answers

from ._math_level5 import FILES


def sample(row: Row) -> Sample:
    if (answer := last_box(row["solution"])) is None:
        raise ValueError("there is no \\boxed{} in its solution")
    return Sample(question=row["problem"], answers=(answer,), group=row["type"])


benchmark = Benchmark(
    title="MATH level 5: the hardest competition problems with a closed answer",
    paper="https://arxiv.org/abs/2103.03874",
    licence="MIT",
    items=1324,
    about_form="symbols",
    source=Source("lighteval/MATH-Hard", config="default", shot_split="train", files=FILES),
    sample=sample,
    prompt=Prompt(question=lambda s: f"Problem: {s.question}\nAnswer:", answer=lambda s: " " + s.answers[0]),
    max_tokens=1024,
    chat_max_tokens=8192,
    stop=("Problem:",),
    score=boxed,
    same_answer=same,
    open_scorer=open_closed_answers,
    metrics=(mean(), macro(), mean_where("accuracy_symbolic")),
)
