"""SuperGLUE: eight harder tasks and two sets of diagnostics (Wang et al. 2019, https://arxiv.org/abs/1905.00537)."""

from evalharness.benchmark import Benchmark, Family

from ._superglue import TASKS, average, source_of, tasks_in

family = Family(
    tasks=tuple(TASKS),
    open=lambda task, data: Benchmark(
        title=f"SuperGLUE: {task}",
        paper="https://arxiv.org/abs/1905.00537",
        licence="per task, see super.gluebenchmark.com",
        source=source_of(task, "aps/super_glue@3de24cf8022e94f4ee4b9d55a6f539891524d646"),
        **TASKS[task],
    ),
    discover=tasks_in,
    average=average,
)
