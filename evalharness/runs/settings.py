"""What observers are told of a run: the settings that decide its answers and scores, and at its end the figures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from evalharness.data.kept import to_json
from evalharness.events import RunEnded
from evalharness.runs.manifest import Manifest
from evalharness.runs.store import Run

# What a run keeps that is no setting: when and how it was started, what came out, where its files lie.
_NO_SETTINGS = frozenset({
    "format", "schema_version", "name", "created", "command", "usage", "sha256", "ended_by", "identity", "git", "flaky",
    "sequential", "retries", "prices", "path", "described_by", "repeated", "items_published", "workers", "not_judged",
    "skip_unanswered", "yes_run_untrusted_code", "imported", "wants_judge",
})  # fmt: skip


def settings_of(manifest: Manifest) -> dict[str, Any]:
    """The settings of a run by their places, such as `benchmarks.mmlu.shots`; the model's name is `model.model`."""
    said = to_json(manifest)
    return dict(leaves({**said, "model": {**said["model"], "model": said["model"].get("name")}}))


def leaves(value: Mapping[str, Any], place: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """The values of nested objects by their places; an absent one is as one that is null."""
    for key, each in value.items():
        here = (*place, key)
        own = key in _NO_SETTINGS and not (key == "sha256" and "data" in place)
        if own or (key == "rows_sha256" and value.get("sha256") is None):
            continue
        if isinstance(each, Mapping) and each:
            yield from leaves(each, here)
        elif each not in (None, {}, [], ()):
            yield ".".join(here), each


def ended_event(run: Run) -> RunEnded:
    """What is told at the end of a run."""
    tasks, spent = run.summary.benchmarks, run.manifest.usage or {}
    return RunEnded(
        metrics={name: {m: kept.estimate for m, kept in task.metrics.items()} for name, task in tasks.items()},
        counts={name: task.counts for name, task in tasks.items()},
        usage={
            name: {key: n for key, n in to_json(used).items() if isinstance(n, int | float)}
            for name, used in spent.items()
        },
    )
