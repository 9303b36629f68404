"""XCOPA: cause or effect of what a sentence says, in eleven languages, each `xcopa/LANG` (Ponti et al. 2020,
https://arxiv.org/abs/2005.00333; https://github.com/cambridgeltl/xcopa, where the fields stand)."""

from evalharness.benchmark import Benchmark, Family
from evalharness.data.rows import Source, files_named

from ._xcopa import CONNECTORS, prompt, sample

family = Family(
    tasks=tuple(CONNECTORS),
    open=lambda language, data: Benchmark(
        title=f"XCOPA: cause or effect of two ({language})",
        paper="https://arxiv.org/abs/2005.00333",
        licence="CC BY 4.0",
        items=500,
        chance=0.5,
        source=Source(
            "cambridgeltl/xcopa", config=language, files=files_named({"test": f"{language}/test.{language}.jsonl"})
        ),
        sample=sample,
        prompt=prompt(language),
    ),
)
