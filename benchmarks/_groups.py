"""Sets of benchmarks under one name: each of the benchmarks with the set's number of examples and first figure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from evalharness import plugins
from evalharness.benchmark import Benchmark
from evalharness.records import Estimate, Mode
from evalharness.scoring.answers import Scorer
from evalharness.scoring.classification import mean_of
from evalharness.scoring.metrics import mean

from ._bbh import TASKS as BBH_TASKS
from ._helm import exact_and_f1
from ._legalbench import TASKS as LEGAL_TASKS

Figures = Mapping[str, Mapping[str, Estimate]]  # task -> figure -> estimate


@dataclass(frozen=True)
class Member:
    """A benchmark of a set: its name, how many examples are shown (None: as many as it shows by itself), the figure
    that counts, the part it counts in, what guessing scores; the one mode it is asked in, and the scorer of that
    figure, where the set has its own."""

    name: str
    shots: int | None
    figure: str = "accuracy"
    part: str = ""
    chance: float = 0.0
    mode: Mode | None = None
    score: Scorer | None = None


_V2_CHOICES = {
    "boolean_expressions": 2, "causal_judgement": 2, "date_understanding": 6, "disambiguation_qa": 3,
    "formal_fallacies": 2, "geometric_shapes": 11, "hyperbaton": 2, "logical_deduction_five_objects": 5,
    "logical_deduction_seven_objects": 7, "logical_deduction_three_objects": 3, "movie_recommendation": 6,
    "navigate": 2, "object_counting": 19, "penguins_in_a_table": 5, "reasoning_about_colored_objects": 18,
    "ruin_names": 6, "salient_translation_error_detection": 6, "snarks": 2, "sports_understanding": 2,
    "temporal_sequences": 4, "tracking_shuffled_objects_five_objects": 5, "tracking_shuffled_objects_seven_objects": 7,
    "tracking_shuffled_objects_three_objects": 3, "web_of_lies": 2,
}  # fmt: skip
OPEN_LLM_V1 = {
    "arc_challenge": Member("arc/challenge", 25, "accuracy_norm"),
    "hellaswag": Member("hellaswag", 10, "accuracy_norm"),
    "mmlu": Member("mmlu", 5, "accuracy_macro"),
    "truthfulqa_mc2": Member("truthfulqa/mc2", 0),
    "winogrande": Member("winogrande", 5),
    "gsm8k": Member("gsm8k", 5),
}
OPEN_LLM_V2 = {
    "ifeval": Member("ifeval", 0, "prompt_strict", "ifeval"),
    **{f"bbh_{task}": Member(f"bbh/{task}", None, "accuracy", "bbh", 1 / n) for task, n in _V2_CHOICES.items()},
    "math_level5": Member("math_level5", 4, "accuracy", "math"),
    **{f"gpqa_{task}": Member(f"gpqa/{task}", 0, "accuracy", "gpqa", 0.25) for task in ("main", "extended", "diamond")},
    "musr_murder_mysteries": Member("musr/murder_mysteries", 0, "accuracy_norm", "musr", 1 / 2),
    "musr_object_placements": Member("musr/object_placements", 0, "accuracy_norm", "musr", 1 / 5),
    "musr_team_allocation": Member("musr/team_allocation", 0, "accuracy_norm", "musr", 1 / 3),
    "mmlu_pro": Member("mmlu_pro", 5, "accuracy", "mmlu_pro", 0.1),
}
TULU_DEV = {
    "mmlu": Member("mmlu", 0, "accuracy_macro"),
    "truthfulqa_mc2": Member("truthfulqa/mc2", 0),
    **{f"bbh_cot_{task}": Member(f"bbh_cot/{task}", None, part="bbh_cot") for task in BBH_TASKS},
    "drop": Member("drop", 3, "f1"),
    "math500": Member("math500", None),
    "gsm8k": Member("gsm8k", 8),
    "humaneval": Member("humaneval", 0, "pass@1"),
    "ifeval": Member("ifeval", 0, "prompt_loose"),
}
# Scenarios and figures: HELM's run_entries_lite_20240424.conf and schema_lite.yaml; all is asked by writing there.
HELM_LITE = {
    "narrativeqa": Member("narrativeqa", 5, "f1", mode="write"),
    "nq_open": Member("nq_open", 5, "f1", mode="write", score=exact_and_f1),
    "openbookqa": Member("openbookqa", 5, mode="write"),
    "mmlu": Member("mmlu", 5, "accuracy_macro", mode="write"),
    "math500": Member("math500", None, mode="write"),
    "gsm8k": Member("gsm8k", 5, mode="write"),
    **{f"legalbench_{task}": Member(f"legalbench/{task}", 5, "exact_match", "legalbench") for task in LEGAL_TASKS},
    "medqa": Member("medqa", 5, mode="write"),
    **{f"wmt14_{code}": Member(f"wmt14/{code}-en", 1, "bleu_4", "wmt14") for code in ("cs", "de", "fr", "hi", "ru")},
}


def member(one: Member, data: Path | None) -> Benchmark:
    """The benchmark, its figure that counts first."""
    found = plugins.load_benchmark(one.name, data)
    if one.mode is not None:
        found = replace(found, modes=(one.mode,))
    if one.score is not None:
        found = replace(found, score=one.score, metrics=(mean(one.figure),))
    first = [metric for metric in found.metrics if metric.name == one.figure]
    others = tuple(metric for metric in found.metrics if metric.name != one.figure)
    return replace(found, metrics=(*first, *others), shots=found.shots if one.shots is None else one.shots)


def mean_of_headlines(name: str, members: Mapping[str, Member]) -> Callable[[Figures], Mapping[str, Estimate]]:
    """The plain mean over the parts of a set of the figures that count; none where one is missing."""

    def average(figures: Figures) -> Mapping[str, Estimate]:
        parts: dict[str, list[Estimate | None]] = {}
        for task, one in members.items():
            parts.setdefault(one.part or task, []).append(figures.get(task, {}).get(one.figure))
        return mean_of(parts, name)

    return average


def normalized_mean(figures: Figures) -> Mapping[str, Estimate]:
    """The mean over the six parts of the mean over each part's tasks, guessing taken as 0; IFEval's figure is the mean
    of its two strict ones."""
    parts: dict[str, list[Estimate | None]] = {}
    for task, one in OPEN_LLM_V2.items():
        names = ("prompt_strict", "instruction_strict") if one.part == "ifeval" else (one.figure,)
        found = [figures.get(task, {}).get(name) for name in names]
        parts.setdefault(one.part, []).extend(None if f is None else _above(f, one.chance) for f in found)
    return mean_of(parts, "open_llm_v2")


def _above(figure: Estimate, chance: float) -> Estimate:
    """A figure from 0 (guessing, or less) to 1."""
    value, low, high = (max(0.0, (x - chance) / (1 - chance)) for x in (figure.value, figure.low, figure.high))
    return Estimate(value=value, stderr=figure.stderr / (1 - chance), low=low, high=high, n=figure.n)
