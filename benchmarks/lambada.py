"""LAMBADA, OpenAI's version: guess the last word (Paperno et al. 2016, https://arxiv.org/abs/1606.06031)."""

from pathlib import Path

from evalharness.benchmark import Benchmark, Prompt
from evalharness.metrics import mean, perplexity
from evalharness.records import Sample
from evalharness.scoring import last_word
from evalharness.sources import Row, Source, files_named


def sample(row: Row) -> Sample:
    before, _, word = row["text"].rpartition(" ")
    return Sample(question=before, choices=(word,), answers=(word,), gold=(0,))


benchmark = Benchmark(
    name="lambada",
    title="LAMBADA (OpenAI): the last word of a passage",
    paper="https://arxiv.org/abs/1606.06031",
    licence="CC BY 4.0",
    items=5153,
    chance=0.0,
    source=Source(
        hub="EleutherAI/lambada_openai",
        config="default",
        revision="900124bf3b8235c6daf21033af9948b3f07346c4",
        split="test",
        files=files_named({"test": "lambada_test.jsonl"}),
        files_say='lambada_test.jsonl ({"text": ...} a line)',
        sample=Path(__file__).with_suffix(".jsonl"),
    ),
    sample=sample,
    prompt=Prompt(
        question=lambda s: s.question, answer=lambda s: " " + s.answers[0], choices=lambda s: (" " + s.answers[0],)
    ),
    score=last_word,
    metrics=(mean(), perplexity()),
    modes=("rank",),
)
