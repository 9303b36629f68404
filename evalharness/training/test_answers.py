"""The tuned model's answers to the test rows, as a run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from evalharness import plugins
from evalharness.data.files import write_whole
from evalharness.events import observed_by, only_warnings
from evalharness.records import message_fields
from evalharness.runs import plan as planning
from evalharness.runs import runner
from evalharness.runs.plan import Plan
from evalharness.runs.store import Run
from evalharness.training.curves import TRAINING_FOLDER
from evalharness.training.prepare import PreparedTraining
from evalharness.training.shapes import TrainingRow


def answer_test_rows(prepared: PreparedTraining) -> Run | None:
    """The tuned model's answers to the test rows, as a run that `evalh judge` takes; None without test rows."""
    job = prepared.job
    if not prepared.split.test:
        return None
    file = job.out / TRAINING_FOLDER / "test.jsonl"
    write_whole(file, "".join(json.dumps(_as_row(row), ensure_ascii=False) + "\n" for row in prepared.split.test))
    model = plugins.load_model(f"local:{job.out}", {"device": job.device, "threads": job.threads})
    wanted = Plan(benchmarks=("instructions",), data=str(file), max_tokens=job.answer_tokens)
    tasks = [planning.prepare_task("instructions", wanted, model)]
    run = runner.open_run(_free(job.out / "runs", "test", model.fingerprint), tasks, wanted, model)
    with observed_by(only_warnings()):
        return runner.evaluate_tasks(run, tasks, wanted, model)


def _free(folder: Path, name: str, fingerprint: str) -> Path:
    """Answers of other weights keep their run."""
    path, number = folder / name, 1
    while (path / "run.json").is_file() and Run(path).manifest.model.fingerprint != fingerprint:
        number += 1
        path = folder / f"{name}-{number}"
    return path


def _as_row(row: TrainingRow) -> dict[str, Any]:
    """Alpaca's fields where they say it all, else the conversation."""
    asked = [message.content for message in row.messages[:-1]]
    plain = not row.template_kwargs and not any(message.extra for message in row.messages[:-1])
    if plain and {message.role for message in row.messages[:-1]} == {"user"} and len(asked) <= 2:
        given = {"input": asked[1]} if len(asked) > 1 else {}
        return {"id": str(row.number), "instruction": asked[0], **given, "output": row.messages[-1].content}
    asking: dict[str, Any] = {"messages": [message_fields(message) for message in row.messages]}
    return {
        "id": str(row.number),
        **asking,
        **({"template_kwargs": row.template_kwargs} if row.template_kwargs else {}),
    }
