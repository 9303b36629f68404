"""A benchmark as an environment of verifiers (0.4, https://docs.primeintellect.ai/verifiers): its questions and reward.

verifiers finds a set of questions by the name of a module that stands in no package and lists it in `__all__`:

    from evalharness.rewards.environment import BenchmarkTaskset  # gsm_env.py

    __all__ = ["BenchmarkTaskset"]

and then `vf-eval gsm_env --env.taskset.benchmark gsm8k --env.taskset.data FOLDER`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import verifiers.v1 as vf

from evalharness.rewards.benchmark_reward import of
from evalharness.rewards.questions import COLUMN, dataset

__all__ = ["BenchmarkTaskset"]


class BenchmarkTaskConfig(vf.TaskConfig):  # type: ignore[misc]  # verifiers is an extra that may be missing
    """What of a question counts: one of its benchmark's figures, by default the headline."""

    benchmark: str = ""
    metric: str | None = None


class BenchmarkConfig(vf.TasksetConfig):  # type: ignore[misc]
    """Which questions: `data` and `split` as for `rewards.dataset`."""

    benchmark: str = ""
    data: str | None = None
    split: str = "train"
    metric: str | None = None
    limit: int | None = None


class BenchmarkTaskData(vf.TaskData):  # type: ignore[misc]
    """A question as verifiers keeps it: the prompt, and what its scorer needs."""

    info: str


class BenchmarkTask(vf.Task[BenchmarkTaskData, vf.State, BenchmarkTaskConfig]):  # type: ignore[misc]
    """One question; its reward is what the answer counts in the benchmark, in the same sandbox."""

    @vf.reward  # type: ignore[untyped-decorator]
    async def counted(self, trace: vf.Trace) -> dict[str, float]:
        """What the last reply earns, under the benchmark's name."""
        reward = of(self.config.benchmark, metric=self.config.metric)
        return {reward.__name__: await asyncio.to_thread(reward.rubric, trace.last_reply, self.data.info)}


class BenchmarkTaskset(vf.Taskset[BenchmarkTask, BenchmarkConfig]):  # type: ignore[misc]
    """The questions of a benchmark. UserError and DataError as for `rewards.dataset`."""

    def load(self) -> Iterator[BenchmarkTask]:
        asked = self.config
        task = BenchmarkTaskConfig(benchmark=asked.benchmark, metric=asked.metric)
        for row in dataset(asked.benchmark, data=asked.data, split=asked.split, limit=asked.limit):
            yield BenchmarkTask(BenchmarkTaskData(prompt=row["prompt"], info=row[COLUMN]), task)
