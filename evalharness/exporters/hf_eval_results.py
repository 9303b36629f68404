"""Figures for a model's page on the Hugging Face hub: `.eval_results/*.yaml`, by huggingface_hub's own writer.

https://huggingface.co/docs/hub/eval-results. Only figures of data sets that are on the hub can stand there.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from evalharness.data.files import write_whole
from evalharness.errors import UserError
from evalharness.exporters._hub import hub_repository
from evalharness.runs.store import Run

SUFFIX = ".yaml"


def write_export(run: Run, path: Path) -> list[Path]:
    """Write the headline of every benchmark whose data came from the hub. UserError where none did."""
    import yaml
    from huggingface_hub import eval_result_entries_to_yaml

    entries = list(_entries(run))
    if not entries:
        raise UserError(
            f"{run.path}: none of its benchmarks was asked with data from the hub; the hub shows figures of its own "
            "data sets alone"
        )
    write_whole(path, yaml.safe_dump(eval_result_entries_to_yaml(entries), sort_keys=False, allow_unicode=True))
    return [path]


def _entries(run: Run) -> Iterator[Any]:
    from huggingface_hub import EvalResultEntry

    manifest = run.manifest
    for name, entry in run.summary.benchmarks.items():
        facts, figure = manifest.benchmarks[name], entry.headline_figure
        repository = hub_repository(facts.data)
        if repository is None or figure is None or figure.value is None:
            continue
        asked = f"{entry.headline} from 0 to 1, {figure.n} questions, {facts.shots or 0}-shot, mode {facts.mode}"
        known = figure.low is not None and figure.high is not None
        ends = f", 95 % interval {figure.low:.4f} to {figure.high:.4f}" if known else ""
        yield EvalResultEntry(
            dataset_id=repository,
            task_id=name.partition("/")[2] or "default",
            value=round(figure.value, 6),
            dataset_revision=facts.data.revision,
            date=manifest.created,
            notes=f"{asked}{ends}; evalharness {(manifest.versions or {}).get('evalharness', '')}".rstrip(),
        )
