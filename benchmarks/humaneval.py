"""HumanEval (Chen et al. 2021, https://arxiv.org/abs/2107.03374; https://github.com/openai/human-eval)."""

from pathlib import Path

from evalharness.benchmark import Benchmark, Prompt
from evalharness.code_answers import not_opened, opened
from evalharness.metrics import mean_where, pass_at
from evalharness.sources import Source

from ._code import jsonl_file
from ._humaneval import STOP, ask, program, sample

benchmark = Benchmark(
    name="humaneval",
    title="HumanEval: Python functions from their docstrings",
    paper="https://arxiv.org/abs/2107.03374",
    licence="MIT",
    items=164,
    source=Source(
        hub="openai/openai_humaneval",
        revision="7dce6050a7d6d172f3cc5c32aa97f52fa1a2e544",
        config="openai_humaneval",
        files=jsonl_file("HumanEval*.jsonl*"),
        files_say="HumanEval.jsonl(.gz) of the authors, or HumanEvalPlus.jsonl(.gz) of EvalPlus",
        sample=Path(__file__).with_suffix(".jsonl"),
    ),
    sample=sample,
    prompt=Prompt(question=lambda s: s.question, answer=lambda s: s.answers[0]),
    ask=ask,
    modes=("write",),
    max_tokens=512,
    stop=STOP,
    score=not_opened,
    open_scorer=opened(program),
    metrics=(pass_at(1), pass_at(10), pass_at(100), mean_where("confirmed", "pass@1_confirmed")),
)
