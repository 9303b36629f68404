"""ARC: science questions of school exams, easy and challenge (Clark et al. 2018, https://arxiv.org/abs/1803.05457)."""

from evalharness.benchmark import Benchmark, Family
from evalharness.building_blocks.multiple_choice import BY_LENGTH, written_out
from evalharness.data.rows import Source
from evalharness.scoring.answers import choice_by_length

from ._arc import files_of, sample

family = Family(
    tasks=("easy", "challenge"),
    open=lambda task, data: Benchmark(
        title=f"ARC-{task.title()}: science questions of school exams",
        paper="https://arxiv.org/abs/1803.05457",
        licence="CC BY-SA 4.0",
        items={"easy": 2376, "challenge": 1172}[task],
        chance=0.25,  # most questions have four options
        source=Source("allenai/ai2_arc@210d026faf9955653af8916fad021475a3f00453", config=f"ARC-{task.title()}",
                      shot_split="train", files=files_of(f"ARC-{task.title()}")),
        sample=sample,
        prompt=written_out(lambda s: f"Question: {s.question}\nAnswer:"),
        score=choice_by_length,
        metrics=BY_LENGTH,
    ),
)  # fmt: skip
