"""GLUE: ten tasks of classification and similarity, and the diagnostics (Wang et al., https://arxiv.org/abs/1804.07461)."""

from evalharness.benchmark import Benchmark, Family

from ._glue import TASKS, average, source_of, tasks_in

family = Family(
    tasks=tuple(TASKS)[:-1],
    optional_tasks=("ax",),
    open=lambda task, data: Benchmark(
        title=f"GLUE: {task}",
        paper="https://arxiv.org/abs/1804.07461",
        licence="per task, see gluebenchmark.com",
        source=source_of(task, "nyu-mll/glue@bcdcba79d07bc864c1c254ccfcedcce55bcc9a8c"),
        **TASKS[task],
    ),
    discover=tasks_in,
    average=average,
)
