"""BIG-bench: any JSON task of it, or a folder of subtasks (Srivastava et al. 2022, https://arxiv.org/abs/2206.04615)."""

from pathlib import Path

from evalharness.benchmark import Benchmark, Family, Prompt
from evalharness.building_blocks.multiple_choice import shown
from evalharness.data.rows import Source

from . import _bigbench as big


def _open_task(task: str, data: Path | None) -> Benchmark:
    facts = big.facts(task, data)
    return Benchmark(
        title=f"BIG-bench: {facts.title}",
        paper="https://arxiv.org/abs/2206.04615",
        licence="Apache-2.0",
        items=facts.items,
        chance=facts.chance,
        source=Source(config=task, split="examples", shot_split="examples", files=big.files(task)),
        sample=big.sample,
        prompt=Prompt(
            description=big.prefix,
            question=big.question,
            answer=big.answer,
            choices=lambda s: s.choices,
            shot_separator=facts.between,
            written=shown(big.question, big.prefix) if "rank" in facts.modes else None,
        ),
        modes=facts.modes,
        shots_order=big.others,
        max_tokens=128,
        stop=facts.stop,
        score=big.score,
        about_form=facts.about_form,
        metrics=big.METRICS,
    )


family = Family(tasks=(), open=_open_task, discover=big.discover, average=big.aggregate)
