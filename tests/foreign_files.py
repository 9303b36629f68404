"""Logs of other programs, written and imported."""

import json
from pathlib import Path

from evalharness.runs.store import Run

FILES = Path(__file__).parent / "importers" / "files"


def write_lines(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def write_json(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))
    return path


def imported(evalh, tmp_path, kind, path, *more):
    """The run as made, by (benchmark, id, repeat), and what --json says of it; what was made verifies and exports."""
    said = evalh("import", kind, path, "--name", "theirs", "--json", *more)
    assert said.code in (0, 3), said.err
    run = Run(tmp_path / "runs/theirs")
    assert evalh("verify", "theirs").code == 0
    assert evalh("export", "theirs", "inspect", "--to", "out").code == 0
    return {(r.benchmark, r.sample.id, r.repeat): r for r in run.results()}, said.json


def value_of(said, benchmark, metric="accuracy"):
    return said["benchmarks"][benchmark]["metrics"][metric]["value"]


def evals_log(path, events, report=None, **spec):
    about = {"completion_fns": ["gpt-3.5-turbo"], "eval_name": "caps.dev.v0", "base_eval": "caps", "split": "dev",
             "run_config": {"seed": 20220722}, "run_id": "r", "created_at": "2026-11-29 12:00:00", **spec}  # fmt: skip
    lines = [{"run_id": "r", "event_id": i, **event} for i, event in enumerate(events)]
    tail = [{"final_report": report, "run_id": "r"}] if report is not None else []
    return write_lines(path, [{"spec": about}, *lines, *tail])


def asked(identity, prompt, said, correct, expected, picked=None):
    return [
        {"type": "sampling", "sample_id": identity, "data": {"prompt": prompt, "sampled": [said]}},
        {"type": "match", "sample_id": identity,
         "data": {"correct": correct, "expected": expected, "picked": picked, "sampled": said, "options": [expected]}},
    ]  # fmt: skip
