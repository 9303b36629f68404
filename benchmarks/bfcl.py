"""BFCL's single turns: which functions are called with what, each `bfcl/CATEGORY` (Patil et al. 2025,
https://proceedings.mlr.press/v267/patil25a.html; https://github.com/ShishirPatil/gorilla, where the fields stand)."""

from evalharness.benchmark import Benchmark, Family, Prompt
from evalharness.scoring.metrics import mean

from ._bfcl import IN_TREES, ITEMS, ask, calls_match, sample, source, written

family = Family(
    tasks=tuple(name for name in ITEMS if name not in IN_TREES),
    optional_tasks=IN_TREES,
    open=lambda category, data: Benchmark(
        title=f"BFCL: function calls ({category.replace('_', ' ')})",
        paper="https://proceedings.mlr.press/v267/patil25a.html",
        licence="Apache-2.0",
        items=ITEMS[category],
        source=source(category),
        sample=sample(category),
        prompt=Prompt(answer=written),
        ask=ask,
        score=calls_match,
        metrics=(mean(), mean("accuracy_fenced")),
        about_form="names of functions and arguments",
        max_tokens=512,
        stop=(),
    ),
)
