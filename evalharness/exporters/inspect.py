"""Inspect's `.eval` logs, version 2: a zip archive that `inspect_ai.log.read_eval_log` and `inspect view` read.

The log format: https://inspect.aisi.org.uk/eval-logs.html. Members are deflated, which every version of it reads.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from evalharness.data.files import write_whole
from evalharness.errors import UserError
from evalharness.records import Result
from evalharness.runs.figures import TaskSummary
from evalharness.runs.store import Run

SUFFIX = ".eval"
_STOPS = {"stop": "stop", "length": "max_tokens", "refused": "content_filter", "": "unknown"}
_WORTH = {"correct": "C", "wrong": "I", "unparsed": "N", "truncated": "N", "refused": "N"}


def write_export(run: Run, path: Path) -> list[Path]:
    """Write a log; where a run has several benchmarks, one for each, called after it."""
    names = list(run.manifest.benchmarks)
    several = len(names) > 1
    return [
        _write(run, name, path.with_name(f"{path.stem}_{_plain(name)}{SUFFIX}") if several else path) for name in names
    ]


def _plain(name: str) -> str:
    return "".join(c if c.isalnum() or c in "@+.-" else "-" for c in name).strip("-.")


def _write(run: Run, name: str, path: Path) -> Path:
    results = run.results(name)
    samples = [sample_of(run, result) for result in results]
    about = _about(run, name, results)
    start = {"version": 2, "eval": about, "plan": {"name": "plan", "steps": [], "config": {}}}
    figures = _figures(run.summary.benchmarks[name], results)
    created = about["created"]
    stats = {"started_at": created, "completed_at": created, "model_usage": {about["model"]: _usage(results)}}
    header = {**start, "status": "success", "results": figures, "stats": stats}
    wanted = ("id", "epoch", "input", "target", "scores", "metadata")
    summaries = [
        {**{key: one[key] for key in wanted}, "completed": True, "message_count": len(one["messages"])}
        for one in samples
    ]
    members = {"_journal/start.json": start, "_journal/summaries/1.json": summaries}
    members |= {f"samples/{quote(str(one['id']), safe=' ')}_epoch_{one['epoch']}.json": one for one in samples}
    if len(members) != len(samples) + 2:
        raise UserError(f"{run.path}: {name} has two items whose ids name one file in a log; export as lm_eval instead")
    members |= {"summaries.json": summaries, "header.json": header}
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, value in members.items():
            info = zipfile.ZipInfo(member)  # its date is fixed: the same run gives the same bytes
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, json.dumps(value, ensure_ascii=True))
    write_whole(path, packed.getvalue())
    return path


def _about(run: Run, name: str, results: Sequence[Result]) -> dict[str, Any]:
    manifest, facts = run.manifest, run.manifest.benchmarks[name]
    short = hashlib.sha256(f"{run.name}/{name}".encode("utf-8", "surrogatepass")).hexdigest()[:22]
    ids = list(dict.fromkeys(result.sample.id for result in results))
    warmth = None if manifest.sampling is None else manifest.sampling.temperature
    drawn = {} if warmth is None else {"temperature": warmth}
    return {
        "run_id": short, "eval_id": short, "task_id": short, "created": manifest.created or "1970-01-01T00:00:00+00:00",
        "task": name, "task_version": 0, "task_args": {}, "task_attribs": {}, "model_args": {},
        "dataset": {"name": name, "samples": len(ids), "sample_ids": ids, "shuffled": False},
        "model": manifest.model.name or "unknown",
        "model_generate_config": drawn,
        "config": {"epochs": facts.repeats, "limit": facts.limit},
        "packages": {"evalharness": str((manifest.versions or {}).get("evalharness", ""))},
        "scorers": [{"name": one, "metrics": [{"name": "mean"}]} for one in _scorers(results)],
        "metadata": {"run": run.name, "prompt_sha256": facts.prompt_sha256, "shots": facts.shots, "mode": facts.mode},
    }  # fmt: skip


def _scorers(results: Sequence[Result]) -> list[str]:
    return list(dict.fromkeys(name for result in results for name in result.scores))


def _figures(entry: TaskSummary, results: Sequence[Result]) -> dict[str, Any]:
    """Each score with the figures that are its mean; a figure that is no score's mean stands as a score of its own."""
    scores = []
    for name, figure in entry.metrics.items():
        values = {"mean": figure.value, "stderr": figure.stderr}
        metrics = {
            key: {"name": key, "value": value, "params": {}} for key, value in values.items() if value is not None
        }
        scores.append({"name": name, "scorer": name, "params": {}, "metrics": metrics})
    return {"total_samples": len(results), "completed_samples": len(results), "scores": scores}


def _usage(results: Sequence[Result]) -> dict[str, int]:
    read, wrote = (sum(getattr(r.response, name) for r in results) for name in ("tokens_in", "tokens_out"))
    return {"input_tokens": read, "output_tokens": wrote, "total_tokens": read + wrote}


def sample_of(run: Run, result: Result) -> dict[str, Any]:
    """One sample of a log."""
    sample, response, request = result.sample, result.response, result.request
    model = run.manifest.model.name or "unknown"
    said = response.text if not response.logprobs else (result.answer or "")
    asked = [{"role": m.role, "content": m.content, "source": "input"} for m in request.messages]
    answered = {"role": "assistant", "content": said, "source": "generate", "model": model}
    metadata: dict[str, Any] = {"group": sample.group, "status": result.status}
    if response.logprobs:
        metadata |= {"logprobs": list(response.logprobs), "continuations": list(request.choices)}
    return {
        "id": sample.id, "epoch": result.repeat + 1, "input": sample.question,
        "choices": list(sample.choices) or None, "target": _target(result),
        "messages": [*asked, answered],
        "output": {
            "model": model, "completion": said, "usage": _usage([result]),
            "choices": [{"message": answered, "stop_reason": _STOPS[response.finish]}],
            **({"error": response.error} if response.error else {}),
        },
        "scores": {name: _score(result, name, value) for name, value in result.scores.items()},
        "metadata": {key: value for key, value in metadata.items() if value not in ("", [])},
        "store": {}, "events": [], "attachments": {}, "model_usage": {model: _usage([result])},
    }  # fmt: skip


def _target(result: Result) -> str | list[str]:
    """The right choices as letters, as Inspect's own multiple choice has them, or the accepted answers."""
    sample = result.sample
    known = [chr(ord("A") + i) if len(sample.choices) <= 26 else sample.choices[i] for i in sample.gold_indices]
    targets = known if sample.gold_indices else list(sample.answers)
    return targets[0] if len(targets) == 1 else targets or ""


def _score(result: Result, name: str, value: float) -> Mapping[str, Any]:
    """A score: its number, except that the headline of an answer that is right or wrong has their letters."""
    lettered = name == next(iter(result.scores)) and value in (0.0, 1.0) and result.status in _WORTH
    worth = ("C" if value == 1.0 else _WORTH[result.status]) if lettered else value
    return {"value": worth, "answer": result.answer, "explanation": None, "metadata": None}
