"""The model card of a trained folder: README.md with the hub's metadata, every figure with its interval.

https://huggingface.co/docs/hub/model-cards; `model-index` as huggingface_hub's `EvalResult` writes it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from evalharness.data.files import write_whole
from evalharness.records import Estimate

CARD_NAME = "README.md"
CARD_MARK = "<!-- written by evalharness; without this line the same command leaves the file alone -->"


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredBenchmark:
    """The figures of one benchmark before (may be empty) and after training, and which questions they are over.

    `repository`, `config`, `split`, `revision` name the data set on the hub; empty where it is none.
    """

    name: str
    after: Mapping[str, Estimate]
    before: Mapping[str, Estimate] = field(default_factory=dict)
    about: str = ""
    repository: str = ""
    config: str | None = None
    split: str | None = None
    revision: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CardFacts:
    """What a card says. `base` and `datasets` are hub ids; what has none stands in `training` in words alone."""

    name: str
    base: str | None = None
    datasets: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    measured: tuple[MeasuredBenchmark, ...] = ()
    training: Mapping[str, object] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    forgotten: tuple[str, ...] = ()  # what general benchmarks lost, gained and kept, in lines


def write_card(facts: CardFacts, folder: Path) -> bool:
    """Write README.md, unless there is one that somebody else wrote; says whether it was written."""
    file = folder / CARD_NAME
    if file.is_file() and CARD_MARK not in file.read_text("utf-8", "replace"):
        return False
    write_whole(file, model_card(facts))
    return True


def model_card(facts: CardFacts) -> str:
    """The card's text."""
    from huggingface_hub import ModelCardData

    results = [result for measured in facts.measured for result in _results(measured)]
    optional: dict[str, Any] = {"base_model": facts.base, "datasets": list(facts.datasets) or None}
    data = ModelCardData(
        library_name="transformers", pipeline_tag="text-generation", tags=["evalharness", *facts.tags],
        model_name=facts.name if results else None, eval_results=results or None,
        **{key: value for key, value in optional.items() if value is not None},
    )  # fmt: skip
    lines = ["---", data.to_yaml().strip(), "---", CARD_MARK, "", f"# {facts.name}", ""]
    lines += [*facts.notes, ""] if facts.notes else []
    if facts.measured:
        lines += ["## Evaluation", "", *_table(facts), ""]
        lines += ["Intervals are 95 %; `evalh run` asks the same questions again.", ""]
    if facts.forgotten:
        lines += ["## General benchmarks beside the base model", "", *(f"* {_cell(said)}" for said in facts.forgotten)]
        lines += ["", "Intervals hold for all of them at once (one-sided error 5 % at either end); `evalh forget`.", ""]
    lines += ["## Training", "", "| | |", "| --- | --- |"]
    lines += [f"| {_cell(name)} | {_cell(value)} |" for name, value in facts.training.items()]
    return "\n".join(lines) + "\n"


def _results(measured: MeasuredBenchmark) -> Iterator[Any]:
    """One EvalResult a metric, its interval among the metric's arguments."""
    from huggingface_hub import EvalResult

    for metric, found in measured.after.items():
        yield EvalResult(
            task_type="text-generation",
            dataset_type=measured.repository or measured.name,
            dataset_name=measured.name,
            dataset_config=measured.config,
            dataset_split=measured.split,
            dataset_revision=measured.revision,
            metric_type=metric,
            metric_name=f"{metric}, {found.n} questions",
            metric_value=round(found.value, 6),
            metric_args=_uncertainty(found),
        )


def _uncertainty(found: Estimate) -> dict[str, float | int]:
    """What is known of a figure's error: a figure of values that do not vary has no interval."""
    ends = {"low": round(found.low, 6), "high": round(found.high, 6), "level": 0.95} if _has_interval(found) else {}
    error = {"stderr": round(found.stderr, 6)} if math.isfinite(found.stderr) else {}
    return {**ends, **error, "n": found.n}


def _has_interval(found: Estimate) -> bool:
    return math.isfinite(found.low) and math.isfinite(found.high)


def _table(facts: CardFacts) -> Iterator[str]:
    yield "| benchmark | metric | before | after | |"
    yield "| --- | --- | --- | --- | --- |"
    for measured in facts.measured:
        for metric, found in measured.after.items():
            first = measured.before.get(metric)
            figures = ("" if first is None else _figure(first), _figure(found))
            yield f"| {' | '.join((_cell(measured.name), _cell(metric), *figures, _cell(measured.about)))} |"


def _figure(found: Estimate) -> str:
    ends = f"{found.low:.3f} ... {found.high:.3f}" if _has_interval(found) else "no interval"
    return f"{found.value:.3f} ({ends})"


def _cell(value: object) -> str:
    """Foreign text in a cell of a Markdown table: one line, nothing in it is markup."""
    text = " ".join(str(value).split())
    return "".join(f"\\{letter}" if letter in "\\`*[]<>|&" else letter for letter in text)
