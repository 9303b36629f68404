"""TriviaQA with evidence: the question and its Wikipedia page (Joshi et al. 2017, https://arxiv.org/abs/1705.03551)."""

from evalharness.benchmark import Benchmark, Prompt
from evalharness.data.rows import Source
from evalharness.records import Sample
from evalharness.scoring.answers import short_answer
from evalharness.scoring.metrics import mean

from ._triviaqa import files_of, normal, with_evidence


def question(asked: Sample) -> str:
    return f"Background: {asked.extra['context']}\n\nQuestion: {asked.question}\n\nAnswer:"


benchmark = Benchmark(
    title="TriviaQA, reading the question's Wikipedia page",
    paper="https://arxiv.org/abs/1705.03551",
    licence="Apache-2.0",
    items=7993,
    source=Source(
        "mandarjoshi/trivia_qa@0f7faf33a3908546c6fd5b73a660e0f8ff173c2f",
        config="rc.wikipedia",
        split="validation",
        shot_split="train",
        files=files_of("wikipedia", say="qa/wikipedia-dev.json and evidence/ as published"),
    ),
    sample=with_evidence,
    prompt=Prompt(question=question, answer=lambda s: " " + s.answers[0]),
    score=short_answer(normal, both_empty=0.0),
    metrics=(mean("exact_match"), mean("f1")),
    max_tokens=32,
)
