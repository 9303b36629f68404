"""LAMBADA, OpenAI's version: guess the last word (Paperno et al. 2016, https://arxiv.org/abs/1606.06031)."""

from evalharness.benchmark import Benchmark
from evalharness.building_blocks.multiple_choice import cloze, continued
from evalharness.data.rows import Source, files_named
from evalharness.scoring.answers import last_word
from evalharness.scoring.metrics import mean, perplexity

benchmark = Benchmark(
    title="LAMBADA (OpenAI): the last word of a passage",
    paper="https://arxiv.org/abs/1606.06031",
    licence="CC BY 4.0",
    items=5153,
    chance=0.0,
    source=Source(
        "EleutherAI/lambada_openai@900124bf3b8235c6daf21033af9948b3f07346c4",
        config="default",
        files=files_named({"test": "lambada_test.jsonl"}, '({"text": ...} a line)'),
    ),
    sample=cloze("text"),
    prompt=continued(),
    score=last_word,
    metrics=(mean(), perplexity()),
    modes=("rank",),
)
