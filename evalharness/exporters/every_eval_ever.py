"""Records of Every Eval Ever (https://github.com/evaleval/every_eval_ever), schema 0.3.0: figures and every answer."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from evalharness.data.files import write_whole
from evalharness.exporters._hub import hub_repository
from evalharness.records import Result
from evalharness.runs.figures import KeptEstimate, TaskSummary
from evalharness.runs.journal import dumps
from evalharness.runs.manifest import BenchmarkFacts, Manifest
from evalharness.runs.store import Run

SUFFIX = ""
RECORD_VERSION = "0.3.0"
STATUS, SCORE = "evalharness_status", "evalharness_score_"  # in an instance's metadata, which holds texts alone


def write_export(run: Run, path: Path) -> list[Path]:
    """Write a folder as theirs is: `data/BENCHMARK/DEVELOPER/MODEL/` with a record and a file of instances for each
    benchmark. Answers that failed are in it, with their errors; further answers to a question are instances of their
    own."""
    found = []
    for name, entry in run.summary.benchmarks.items():
        about = _aggregate(run.manifest, name, entry)
        content = b"".join(dumps(_instance(one, about, entry.headline)) + b"\n" for one in run.results(name))
        stem = UUID(bytes=hashlib.sha256(content).digest()[:16], version=4)  # the same run has the same name
        place = Path("data", *map(_plain, (name, *_developer(about["model_info"]["id"]))), f"{stem}_samples.jsonl")
        about["detailed_evaluation_results"] = {
            "format": "jsonl", "file_path": place.as_posix(), "hash_algorithm": "sha256",
            "checksum": hashlib.sha256(content).hexdigest(), "total_rows": content.count(b"\n"),
        }  # fmt: skip
        record = (path / place).with_name(f"{stem}.json")
        record.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path / place, content)
        write_whole(record, dumps(about) + b"\n")
        found += [record, path / place]
    return found


def _developer(model: str) -> tuple[str, str]:
    developer, _, name = model.rpartition("/")
    return developer or "unknown", name


def _plain(part: str) -> str:
    return "".join(c if c.isalnum() or c in "@+._-" else "-" for c in part).strip("-.") or "unknown"


def _aggregate(manifest: Manifest, name: str, entry: TaskSummary) -> dict[str, Any]:
    made = _seconds(manifest.created)
    model = str(manifest.model.name)
    facts = manifest.benchmarks[name]
    return {
        "schema_version": RECORD_VERSION,
        "evaluation_id": f"{name}/{model}/{made}",
        "evaluation_timestamp": made,
        "retrieved_timestamp": made,
        "source_metadata": {
            "source_type": "evaluation_run",
            "source_organization_name": "unknown",
            "evaluator_relationship": "other",
        },
        "eval_library": {"name": "evalharness", "version": (manifest.versions or {}).get("evalharness", "unknown")},
        "model_info": {
            "name": model,
            "id": model,
            "additional_details": {"deployment_type": "unknown", "model_availability": "unknown"},
        },
        "evaluation_results": list(_figures(name, entry, facts, manifest)),
    }


def _seconds(created: str | None) -> str:
    """A moment as they write it: seconds since 1970, as a text."""
    try:
        return str(int(datetime.fromisoformat(str(created)).timestamp()))
    except ValueError:
        return "0"


def _figures(name: str, entry: TaskSummary, facts: BenchmarkFacts, manifest: Manifest) -> Iterator[dict[str, Any]]:
    repository = hub_repository(facts.data)
    source: dict[str, Any] = {"dataset_name": name, "source_type": "other"}
    if repository is not None:
        source = {"dataset_name": name, "source_type": "hf_dataset", "hf_repo": repository}
    drawn = manifest.sampling
    asked = {} if drawn is None else {"temperature": drawn.temperature, "top_p": drawn.top_p}
    details = {"mode": str(facts.mode), "shots": str(facts.shots), "prompt_sha256": str(facts.prompt_sha256)}
    for metric, figure in entry.metrics.items():
        if figure.value is None:
            continue
        yield {
            "evaluation_result_id": metric,
            "evaluation_name": name,
            "source_data": source,
            "metric_config": {"metric_name": metric, "lower_is_better": False, **_range(figure)},
            "score_details": {"score": figure.value, "uncertainty": _uncertainty(figure)},
            "generation_config": {"generation_args": asked, "additional_details": details},
        }


def _range(figure: KeptEstimate) -> dict[str, Any]:
    value = figure.value or 0.0
    ends = (0, 1) if 0 <= value <= 1 else ("-Infinity", "Infinity")
    return {"score_type": "continuous", "min_score": ends[0], "max_score": ends[1]}


def _uncertainty(figure: KeptEstimate) -> dict[str, Any]:
    found: dict[str, Any] = {"num_samples": figure.n}
    if figure.stderr is not None:
        found["standard_error"] = {"value": figure.stderr}
    if figure.low is not None and figure.high is not None:
        found["confidence_interval"] = {"lower": figure.low, "upper": figure.high, "confidence_level": 0.95}
    return found


def _picked(result: Result) -> str:
    """The likeliest of the choices."""
    logprobs, choices = result.response.logprobs, result.sample.choices
    best = max(range(len(logprobs)), key=logprobs.__getitem__)
    return choices[best] if len(choices) == len(logprobs) else result.answer or ""


def _instance(result: Result, about: dict[str, Any], headline: str | None) -> dict[str, Any]:
    sample, response = result.sample, result.response
    right = [sample.choices[i] for i in sample.gold_indices] or list(sample.answers)
    written = _picked(result) if response.logprobs else response.text
    worth = result.scores.get(headline or "accuracy", next(iter(result.scores.values()), 0.0))
    asked = result.request.text + "".join(result.request.context_per_choice[:1])
    read = {
        "turn_idx": 0, "source": "output.raw", "extracted_value": result.answer or "",
        "extraction_method": str(result.detail.get("rule", "none")), "is_terminal": True,
    }  # fmt: skip
    identity = sample.id if result.repeat == 0 else f"{sample.id}#{result.repeat}"
    return {
        "schema_version": RECORD_VERSION,
        "evaluation_id": about["evaluation_id"],
        "model_id": about["model_info"]["id"],
        "evaluation_name": result.benchmark,
        "evaluation_result_id": headline or "accuracy",
        "sample_id": identity,
        "sample_hash": hashlib.sha256((sample.question + "".join(right)).encode("utf-8", "replace")).hexdigest(),
        "interaction_type": "single_turn",
        "input": {
            "raw": sample.question, "formatted": asked, "reference": right, "choices": list(sample.choices) or None,
        },
        "output": {"raw": [written], "reasoning_trace": [response.thinking] if response.thinking else None},
        "answer_attribution": [read] if result.answer is not None else [],
        "evaluation": {"score": worth, "is_correct": result.status == "correct"},
        "token_usage": {
            "input_tokens": response.tokens_in, "output_tokens": response.tokens_out,
            "total_tokens": response.tokens_in + response.tokens_out,
        },
        "performance": {"latency_ms": 1000 * response.seconds},
        "error": response.error or None,
        "metadata": {
            **({"group": sample.group} if sample.group else {}),
            STATUS: result.status,
            **{f"{SCORE}{name}": repr(value) for name, value in result.scores.items()},
        },
    }  # fmt: skip
