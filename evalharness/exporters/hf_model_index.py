"""Figures as the `model-index` of a model card on the Hugging Face hub, by huggingface_hub's own writer.

https://huggingface.co/docs/hub/model-cards#evaluation-results. Any benchmark can stand there, also your own.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from evalharness.data.files import write_whole
from evalharness.errors import UserError
from evalharness.exporters._hub import hub_repository
from evalharness.runs.figures import KeptEstimate
from evalharness.runs.store import Run

SUFFIX = ".yaml"


def write_export(run: Run, path: Path) -> list[Path]:
    """Write all figures that have a value, to stand between the card's two lines of `---`. UserError where none has."""
    import yaml
    from huggingface_hub.repocard_data import eval_results_to_model_index

    found = list(_results(run))
    if not found:
        raise UserError(f"{run.path}: it has no figure with a value; `evalh show {run.name}` says why")
    name = (run.manifest.model.name or run.name).rpartition(":")[2]
    index = {"model-index": eval_results_to_model_index(name.rpartition("/")[2] or name, found)}
    write_whole(path, yaml.safe_dump(index, sort_keys=False, allow_unicode=True))
    return [path]


def _results(run: Run) -> Iterator[Any]:
    """One EvalResult a figure."""
    from huggingface_hub import EvalResult

    for name, entry in run.summary.benchmarks.items():
        facts = run.manifest.benchmarks[name]
        repository = hub_repository(facts.data)
        for metric, figure in entry.metrics.items():
            if figure.value is None:
                continue
            yield EvalResult(
                task_type="text-generation",
                dataset_type=repository or name,
                dataset_name=name,
                dataset_revision=facts.data.revision if repository else None,
                dataset_args={"num_few_shot": facts.shots or 0},
                metric_type=metric,
                metric_name=f"{metric}, {figure.n} questions",
                metric_value=round(figure.value, 6),
                metric_args=_uncertainty(figure),
            )


def _uncertainty(figure: KeptEstimate) -> dict[str, float | int]:
    """What is known of a figure's error: one of values that do not vary has no interval."""
    known = {"low": figure.low, "high": figure.high, "stderr": figure.stderr}
    level = {"level": 0.95} if figure.low is not None and figure.high is not None else {}
    return {**{name: round(value, 6) for name, value in known.items() if value is not None}, **level, "n": figure.n}
