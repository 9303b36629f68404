"""BIG-Bench Hard, answered step by step (Suzgun et al. 2022, https://arxiv.org/abs/2210.09261)."""

from pathlib import Path

from evalharness.benchmark import Benchmark, Family

from ._bbh import TASKS, discover, of_task


def open_task(task: str, data: Path | None) -> Benchmark:
    return of_task(f"bbh_cot/{task}", data, steps=True)


family = Family(tasks=TASKS, open=open_task, discover=discover)
