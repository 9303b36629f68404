"""What decides a run's answers, and the manifest and the folder's name that say it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict

from evalharness.data.kept import to_json
from evalharness.data.typed import record
from evalharness.model import Model
from evalharness.runs.manifest import SCHEMA_VERSION, Identity, Manifest, ModelFacts, OptionFacts, SamplingFacts
from evalharness.runs.plan import Plan, Task
from evalharness.runs.shards import ShardFacts
from evalharness.runs.surroundings import surroundings
from evalharness.scoring.answers import READING_RULES, SCORING_VERSION

# The facts of a task that decide its answers.
DECIDING = ("mode", "shots", "prompt_sha256", "repeats", "sampling", "drawn")


def run_identity(tasks: Sequence[Task], plan: Plan, model: Model) -> Identity:
    """The facts that decide a run's answers: two runs that agree in them may share one folder."""
    facts = {task.name: to_json(task.facts) for task in tasks}
    return Identity(
        model=model.fingerprint,
        sampling=plan_sampling(plan),
        benchmarks={name: {key: said[key] for key in DECIDING if key in said} for name, said in facts.items()},
        data={task.name: task.facts.data.sha256 for task in tasks},
    )


def identity_hash(identity: Identity) -> str:
    """What ends the name of a run's folder."""
    return hashlib.sha256(json.dumps(to_json(identity), sort_keys=True).encode()).hexdigest()[:8]


def plan_sampling(plan: Plan) -> SamplingFacts:
    """How answers are drawn, where a benchmark does not say otherwise (`sampling` among its facts)."""
    temperature, top_p = plan.temperature or 0.0, 1.0 if plan.top_p is None else plan.top_p
    return SamplingFacts(
        temperature=temperature, top_p=top_p, seed=plan.seed, max_tokens=plan.max_tokens, seeds=plan.seeds or None
    )


def make_manifest(name: str, tasks: Sequence[Task], plan: Plan, model: Model) -> Manifest:
    """What `run.json` says."""
    now = surroundings()
    return Manifest(
        schema_version=SCHEMA_VERSION,
        scoring_version=SCORING_VERSION,
        name=name,
        model=record(ModelFacts, {"name": model.name, "fingerprint": model.fingerprint, **model.describe()}),
        benchmarks={task.name: task.facts for task in tasks},
        sampling=plan_sampling(plan),
        options=record(OptionFacts, _options(tasks, plan)),
        identity=run_identity(tasks, plan, model),
        reading_rules=READING_RULES,
        created=now.created,
        versions=now.versions,
        hardware=now.hardware,
        git=now.git,
        command=now.command,
    )


def _options(tasks: Sequence[Task], plan: Plan) -> dict[str, object]:
    said = {**asdict(plan.options), "skip_unanswered": plan.skip_unanswered}
    if plan.shard is None:
        return said
    facts = ShardFacts(shard=plan.shard, answers={task.name: task.size for task in tasks})
    return {**said, "shard": facts.as_json()}


def folder_name(tasks: Sequence[Task], plan: Plan, model: Model) -> str:
    """A name that says what was run, ending in the hash of what decides it."""
    short = identity_hash(run_identity(tasks, plan, model))
    named = "+".join(t.name for t in tasks[:3]) + (f"+{len(tasks) - 3}" if len(tasks) > 3 else "")
    cleaned = "".join(c if c.isalnum() or c in "@+._-" else "-" for c in f"{named}-{model.name.rsplit('/', 1)[-1]}")
    return f"{cleaned[:100].lstrip('.-')}-{short}"  # a path among the names would hide the folder


def scored_otherwise(manifest: Manifest) -> str:
    """How a run's answers were read or scored by older or newer rules than ours; '' where by the same."""
    for what, before, now in (
        ("scored by version", manifest.scoring_version, SCORING_VERSION),
        ("read by rules of version", manifest.reading_rules, READING_RULES),
    ):
        if before != now:
            return f"its answers were {what} {before}, new ones would be by {now}"
    return ""
