"""IFEval: instructions whose following a program can check (Zhou et al. 2023, https://arxiv.org/abs/2311.07911)."""

from pathlib import Path

from evalharness import instruction_checks as checks
from evalharness.benchmark import Benchmark, Prompt, nothing
from evalharness.metrics import mean, ratio
from evalharness.records import Sample
from evalharness.sources import Row, Source, files_named


def sample(row: Row) -> Sample:
    names, arguments = row["instruction_id_list"], row["kwargs"]
    unknown = sorted(set(names) - set(checks.CHECKS))
    if unknown or len(names) != len(arguments):
        raise ValueError(
            f"unknown instruction {unknown[0]}" if unknown else "as many kwargs as instructions are wanted"
        )
    given = [{k: v for k, v in each.items() if v is not None} for each in arguments]
    return Sample(id=str(row["key"]), question=row["prompt"], extra={"instructions": list(names), "arguments": given})


benchmark = Benchmark(
    name="ifeval",
    title="IFEval: 25 kinds of checkable instructions",
    paper="https://arxiv.org/abs/2311.07911",
    licence="Apache-2.0",
    items=541,
    source=Source(
        hub="google/IFEval",
        revision="966cd89545d6b6acfd7638bc708b98261ca58e84",
        split="train",
        files=files_named({"train": "input_data.jsonl"}),
        files_say="input_data.jsonl (key, prompt, instruction_id_list, kwargs)",
        sample=Path(__file__).with_suffix(".jsonl"),
    ),
    sample=sample,
    prompt=Prompt(question=lambda s: s.question, answer=nothing),
    modes=("write",),
    max_tokens=1280,
    chat_max_tokens=2048,
    stop=(),
    score=checks.instructions,
    open_scorer=checks.opened,
    metrics=(
        mean("prompt_strict"),
        ratio("followed_strict", "instructions", "instruction_strict"),
        mean("prompt_loose"),
        ratio("followed_loose", "instructions", "instruction_loose"),
    ),
)
