"""XQuAD: 1,190 of SQuAD's questions in twelve languages, each `xquad/LANG` (Artetxe et al. 2019,
https://arxiv.org/abs/1910.11856; https://github.com/google-deepmind/xquad)."""

from evalharness.benchmark import Benchmark, Family
from evalharness.data.rows import Source
from evalharness.scoring.answers import short_answer
from evalharness.scoring.metrics import mean

from ._squad import sample
from ._xquad import PROMPTS, files_of_language

family = Family(
    tasks=tuple(PROMPTS),
    open=lambda language, data: Benchmark(
        title=f"XQuAD: short answers from a paragraph ({language})",
        paper="https://arxiv.org/abs/1910.11856",
        licence="CC BY-SA 4.0",
        items=1190,
        source=Source(
            "google/xquad", config=f"xquad.{language}", split="validation", files=files_of_language(language)
        ),
        sample=lambda row: sample({"title": "", **row}),
        prompt=PROMPTS[language],
        score=short_answer(both_empty=0.0),
        metrics=(mean("exact_match"), mean("f1")),
        max_tokens=64,
    ),
)
