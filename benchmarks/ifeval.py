"""IFEval: instructions whose following a program can check (Zhou et al. 2023, https://arxiv.org/abs/2311.07911)."""

from evalharness.benchmark import Benchmark
from evalharness.building_blocks import instructions as checks
from evalharness.data.rows import Row, Source, files_named
from evalharness.records import Sample
from evalharness.scoring.metrics import mean, ratio


def sample(row: Row) -> Sample:
    given = checks.given(row["instruction_id_list"], row["kwargs"])
    return Sample(id=str(row["key"]), question=row["prompt"], extra=given)


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
    sample=sample,
    max_tokens=1280,
    chat_max_tokens=2048,
    stop=(),
    score=checks.instructions,
    open_scorer=checks.open_instruction_scorer,
    metrics=(
        mean("prompt_strict"),
        ratio("followed_strict", "instructions", "instruction_strict"),
        mean("prompt_loose"),
        ratio("followed_loose", "instructions", "instruction_loose"),
    ),
)
