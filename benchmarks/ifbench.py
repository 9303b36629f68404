"""IFBench: 58 kinds of checkable instructions that no model was trained on (Pyatkin et al. 2025,
https://arxiv.org/abs/2507.02833; https://github.com/allenai/IFBench)."""

from evalharness.benchmark import Benchmark
from evalharness.data.rows import Source, files_named

from ._ifbench_tasks import IFBENCH

benchmark = Benchmark(
    title="IFBench: 58 further kinds of checkable instructions",
    paper="https://arxiv.org/abs/2507.02833",
    licence="ODC-BY 1.0",
    items=300,
    about_form="the form that the instructions ask for",
    source=Source(
        "allenai/IFBench_test",
        split="train",
        files=files_named({"train": "IFBench_test.jsonl"}, "(key, prompt, instruction_id_list, kwargs)"),
    ),
    sample=IFBENCH.sample,
    max_tokens=2048,
    chat_max_tokens=4096,
    stop=(),
    score=IFBENCH.score,
    open_scorer=IFBENCH.open_scorer,
    metrics=IFBENCH.metrics,
)
