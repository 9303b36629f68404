"""MGSM: 250 of GSM8K's problems in eleven languages, each `mgsm/LANG` (Shi et al. 2022,
https://arxiv.org/abs/2210.03057; https://github.com/google-research/url-nlp/tree/main/mgsm)."""

from evalharness.benchmark import Benchmark, Family, Prompt
from evalharness.data.rows import Source
from evalharness.records import Sample
from evalharness.scoring.math import same

from ._mgsm import ASKS, FILES, scorer

family = Family(
    tasks=tuple(ASKS),
    open=lambda language, data: Benchmark(
        title=f"MGSM: word problems of two to eight steps ({language})",
        paper="https://arxiv.org/abs/2210.03057",
        licence="CC BY-SA 4.0",
        items=250,
        source=Source("juletxara/mgsm", config=language, files=FILES(language)),
        sample=lambda row: Sample(question=row["question"], answers=(str(row["answer_number"]),)),
        prompt=Prompt(question=lambda s: ASKS[language].format(s.question), answer=lambda s: " " + s.answers[0]),
        max_tokens=512,
        stop=("\n\n",),
        score=scorer(language),
        same_answer=same,
    ),
)
