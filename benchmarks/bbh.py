"""BIG-Bench Hard, answered directly; `bbh_cot` asks step by step (Suzgun et al. 2022, https://arxiv.org/abs/2210.09261)."""

from evalharness.benchmark import Family

from ._bbh import TASKS, discover, of_task

family = Family(tasks=TASKS, open=lambda task, data: of_task(task, data, steps=False), discover=discover)
