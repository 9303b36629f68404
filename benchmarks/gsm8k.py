"""GSM8K: grade school word problems (Cobbe et al. 2021, https://arxiv.org/abs/2110.14168;
https://github.com/openai/grade-school-math)."""

from evalharness.benchmark import Benchmark, Prompt
from evalharness.data.rows import Files, Source
from evalharness.records import Sample
from evalharness.scoring.math import number_after_hashes, same
from evalharness.scoring.metrics import mean

benchmark = Benchmark(
    title="GSM8K: word problems of two to eight steps",
    paper="https://arxiv.org/abs/2110.14168",
    licence="MIT",
    items=1319,
    source=Source(
        "openai/gsm8k@740312add88f781978c0658806c59bc2815b9866",
        config="main",
        shot_split="train",
        files=Files("test.jsonl and train.jsonl of grade-school-math"),  # they are in the hub's layout as they are
    ),
    sample=lambda row: Sample(question=row["question"], answers=(row["answer"],)),
    prompt=Prompt(question=lambda s: f"Question: {s.question}\nAnswer:", answer=lambda s: " " + s.answers[0]),
    shots=5,
    max_tokens=512,
    stop=("Question:", "</s>", "<|im_end|>"),
    score=number_after_hashes,
    same_answer=same,
    metrics=(mean(), mean("accuracy_strict")),
)
