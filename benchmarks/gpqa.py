"""GPQA: graduate questions that a search engine does not answer (Rein et al. 2023, https://arxiv.org/abs/2311.12022)."""

from evalharness.benchmark import Benchmark, Family
from evalharness.data.rows import Source, files_named
from evalharness.scoring.metrics import macro, mean

from ._gpqa import PROMPT, sample

family = Family(
    tasks=("main", "diamond", "extended"),
    open=lambda task, data: Benchmark(
        title=f"GPQA {task}: biology, physics and chemistry by experts",
        paper="https://arxiv.org/abs/2311.12022",
        licence="CC BY 4.0 (gated: accept its terms, never publish its questions)",
        items={"main": 448, "diamond": 198, "extended": 546}[task],
        chance=0.25,
        source=Source("Idavidrein/gpqa@633f5ee89ab8ad4522a9f850766b73f62147ffdd", config=f"gpqa_{task}", split="train",
                      files=files_named({"train": f"gpqa_{task}.csv"}, "of the published archive")),
        sample=sample,
        prompt=PROMPT,
        metrics=(mean(), macro()),
    ),
)  # fmt: skip
