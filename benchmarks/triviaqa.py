"""TriviaQA without evidence: trivia, many aliases of each answer (Joshi et al. 2017, https://arxiv.org/abs/1705.03551)."""

from evalharness.benchmark import Benchmark, Prompt
from evalharness.data.rows import Source
from evalharness.scoring.answers import short_answer
from evalharness.scoring.metrics import mean

from ._triviaqa import files_of, normal, sample

benchmark = Benchmark(
    title="TriviaQA, closed book (the verified subset by --data)",
    paper="https://arxiv.org/abs/1705.03551",
    licence="Apache-2.0",
    items=17944,
    source=Source(
        "mandarjoshi/trivia_qa@0f7faf33a3908546c6fd5b73a660e0f8ff173c2f",
        config="rc.nocontext",
        split="validation",
        shot_split="train",
        files=files_of("web", "wikipedia", say="qa/web-dev.json and qa/wikipedia-dev.json as published"),
    ),
    sample=sample,
    prompt=Prompt(question=lambda s: f"Question: {s.question}?\nAnswer:", answer=lambda s: " " + s.answers[0]),
    score=short_answer(normal, both_empty=0.0),
    metrics=(mean("exact_match"), mean("f1")),
    max_tokens=32,
    stop=("\n", ".", ","),
)
