"""What a finished training says in its model card: figures of its own runs, settings, the data's fingerprint."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from pathlib import Path

from evalharness import plugins
from evalharness.data.rows import Source
from evalharness.engine.checkpoint import weight_files
from evalharness.engine.fingerprint import files_digest
from evalharness.errors import UserError
from evalharness.exports.model_card import CardFacts, MeasuredBenchmark
from evalharness.records import Estimate
from evalharness.runs.store import Run
from evalharness.training.config import TrainingConfig
from evalharness.training.prepare import PreparedTraining

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,99}/[A-Za-z0-9][\w.-]{0,99}")
_COMMIT = re.compile(r"[0-9a-f]{40}")


def card_facts(prepared: PreparedTraining, evaluations: Path, kept: int, answers: Run | None) -> CardFacts:
    """The facts of a card. `evaluations` holds the runs of `--eval`, `kept` is the step that was exported.

    Nothing of this machine is said: of files and folders their names alone.
    """
    job, config = prepared.job, prepared.job.settings
    base, data = (hub_id(job.model), hub_id(job.data))
    kind = config.loss
    trained = "adapters merged into the weights" if config.lora else "all weights"
    said: dict[str, object] = {
        "base model": base or Path(job.model).name,
        "base weights, sha256": files_digest(sorted(set(weight_files(prepared.source).values()))),
        "data": f"{data or Path(prepared.data.origin).name}, {len(prepared.data.rows)} rows ({prepared.data.shape})",
        "data, sha256": prepared.data.sha256,
        **({"general data mixed in, sha256": prepared.general.sha256} if prepared.general else {}),
        "rows": ", ".join(f"{count} {name}" for name, count in prepared.seen.rows.items()),
        "rows that hold a benchmark's question": len(prepared.seen.overlaps),
        "prompt format": f"{prepared.chat.name} (sha256 {prepared.chat.hash[:16]})",
        "learned": f"{kind}, {trained}, {'answers only' if job.mask_prompt else 'every token'}",
        "weights of step": f"{kept}, " + ("the last" if job.keep == "last" else f"best by {job.best}"),
        "settings other than the usual": _settings(config) or "none",
    }
    return CardFacts(
        name=job.out.resolve().name, base=base, datasets=(data,) if data else (),
        tags=(kind, *(["lora"] if config.lora else [])), training=said,
        measured=tuple(_measured(evaluations, kept, answers)),
        notes=(f"Fine-tuned with evalharness from {base or Path(job.model).name}.",),
    )  # fmt: skip


def hub_id(named: str) -> str | None:
    """The hub's name of a model or data set that was named `OWNER/NAME[:...]` and is no folder here."""
    name = named.removeprefix("local:").partition(":")[0].partition("@")[0]
    return name if _HUB_ID.fullmatch(name) and not Path(name).exists() else None


def _settings(config: TrainingConfig) -> str:
    usual = TrainingConfig(loss=config.loss).resolved()  # the loss stands under "learned"
    other = {
        f.name: getattr(config, f.name) for f in fields(config) if getattr(config, f.name) != getattr(usual, f.name)
    }
    if config.lora is not None:
        other["lora"] = f"rank {config.lora.rank}, alpha {config.lora.alpha:g}"
    return ", ".join(f"{name} {value}" for name, value in other.items())


def _measured(evaluations: Path, kept: int, answers: Run | None) -> Iterator[MeasuredBenchmark]:
    before = {name: found for run in _runs(evaluations, 0) for name, found in _figures(run).items()}
    for run in _runs(evaluations, kept):
        for name, found in _figures(run).items():
            yield _benchmark(name, found, before.get(name, {}) if kept else {}, run)
    if answers is not None:
        for found in _figures(answers).values():
            yield MeasuredBenchmark(name="held-out rows of the training data", after=found)


def _runs(evaluations: Path, step: int) -> Sequence[Run]:
    return [Run(path) for path in sorted(evaluations.glob(f"step-{step}-*")) if (path / "summary.json").is_file()]


def _figures(run: Run) -> dict[str, dict[str, Estimate]]:
    """Benchmark -> metric -> figure; those over no question are left out."""
    return {
        name: {metric: kept.estimate for metric, kept in found.metrics.items() if kept.value is not None and kept.n}
        for name, found in run.summary.benchmarks.items()
    }


def _benchmark(name: str, after: Mapping[str, Estimate], before: Mapping[str, Estimate], run: Run) -> MeasuredBenchmark:
    asked = run.manifest.benchmarks[name]
    # A bundled sample is not the benchmark: its figure must not stand beside the published ones.
    source = Source() if name.endswith("@sample") else _source(name)
    revision = asked.data.revision or ""
    about = f"{asked.items} of {asked.items_published} questions, {asked.shots} examples, "
    about += {"rank": "by log-probability", "letters": "by the first token"}.get(asked.mode or "", "written")
    return MeasuredBenchmark(
        name=name, after=after, before=before, about=about, repository=source.repository, config=source.config,
        split=source.split if source.hub else None, revision=revision if _COMMIT.fullmatch(revision) else None,
    )  # fmt: skip


def _source(name: str) -> Source:
    try:
        return plugins.load_benchmark(name).source
    except UserError:  # one that a file describes, elsewhere by now
        return Source()
