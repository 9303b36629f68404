"""SimpleQA: short questions about facts, graded by a judge as correct, incorrect or not attempted (Wei et al. 2024,
https://arxiv.org/abs/2411.04368; https://github.com/openai/simple-evals, where the fields stand)."""

from evalharness.benchmark import Benchmark, Prompt
from evalharness.data.rows import Source, files_named
from evalharness.records import Sample
from evalharness.scoring.answers import unscored
from evalharness.scoring.judgments import judged_mean

from ._simpleqa import attempted, correct_given_attempted, f_score

benchmark = Benchmark(
    title="SimpleQA: short questions about facts, three grades by a judge",
    paper="https://arxiv.org/abs/2411.04368",
    licence="MIT",
    items=4326,
    source=Source("basicv8vc/SimpleQA", files=files_named({"test": "simple_qa_test_set.csv"}, "(problem, answer)")),
    sample=lambda row: Sample(question=row["problem"], answers=(str(row["answer"]),)),
    prompt=Prompt(question=lambda s: f"Question: {s.question}\nAnswer:", answer=lambda s: " " + s.answers[0]),
    score=unscored,
    metrics=(judged_mean("judge_correct"), attempted, correct_given_attempted, f_score),
    max_tokens=128,
    judge="reference/attempted",
)
