"""The embedded model's exam in MMLU's exact form, for a model that `tools/teach_letters.py` taught.

evalh run perf/tiny_letters.py --model local:FOLDER --template none --mode rank --shots 0    # or --mode write
"""

from dataclasses import replace

from evalharness.plugins import load_benchmark

exam, mmlu = load_benchmark("tiny_exam"), load_benchmark("mmlu")
benchmark = replace(
    exam,
    name="tiny_letters",
    title="The embedded model's exam in MMLU's form: held-out facts, four options, letters",
    prompt=mmlu.prompt,
    score=mmlu.score,
    modes=("rank", "write"),
)
