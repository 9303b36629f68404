"""IFEval: instructions whose following a program can check (Zhou et al. 2023, https://arxiv.org/abs/2311.07911)."""

from evalharness.benchmark import Benchmark
from evalharness.building_blocks.instructions import IFEVAL
from evalharness.data.rows import Source, files_named

benchmark = Benchmark(
    title="IFEval: 25 kinds of checkable instructions",
    paper="https://arxiv.org/abs/2311.07911",
    licence="Apache-2.0",
    items=541,
    about_form="the form that the instructions ask for",
    source=Source(
        "google/IFEval@966cd89545d6b6acfd7638bc708b98261ca58e84",
        split="train",
        files=files_named({"train": "input_data.jsonl"}, "(key, prompt, instruction_id_list, kwargs)"),
    ),
    sample=IFEVAL.sample,
    max_tokens=1280,
    chat_max_tokens=2048,
    stop=(),
    score=IFEVAL.score,
    open_scorer=IFEVAL.open_scorer,
    metrics=IFEVAL.metrics,
)
