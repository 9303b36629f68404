"""Logs of OpenAI Evals (https://github.com/openai/evals, `evals/record.py`): a spec, events and a final report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from evalharness.data.files import numbered_rows
from evalharness.data.rows import Row
from evalharness.errors import DataError
from evalharness.importers._given import (
    as_mapping,
    asked_of,
    graded,
    messages_of,
    published_figures,
    status_of,
    texts_of,
    whole,
    with_accuracy,
)
from evalharness.judging.imported import ImportOptions
from evalharness.records import Message, Request, Response, Result, Sample
from evalharness.runs.imported import ForeignRun, ForeignTask
from evalharness.runs.manifest import SamplingFacts


@dataclass
class LoggedSample:
    """The events of one sample as they come: the first thing that was sampled is its answer."""

    prompt: object = None
    sampled: str | None = None
    expected: object = None
    picked: object = None
    options: object = None
    error: str = ""
    scores: dict[str, float] = field(default_factory=dict)

    def hear(self, kind: str, data: Mapping[str, Any]) -> None:
        """Add an event."""
        if kind in ("sampling", "raw_sample", "match"):
            said = data.get("sampled")
            said = said[0] if isinstance(said, list) and said else said
            if self.sampled is None and isinstance(said, str):
                self.sampled = said
            self.prompt = data.get("prompt", data.get("input")) if self.prompt is None else self.prompt
        for name in ("expected", "picked", "options"):
            setattr(self, name, data.get(name) if getattr(self, name) is None else getattr(self, name))
        if kind in ("raw_sample", "match"):
            self.expected = data.get("ideal") if self.expected is None else self.expected
        if kind == "match" and (worth := graded(data.get("correct"))) is not None:
            self.scores = {"accuracy": worth, **self.scores}
        if kind == "metrics":
            self.scores |= {name: one for name, said in data.items() if (one := graded(said)) is not None}
        if kind == "error":
            self.error = str(data.get("message") or data.get("type") or "error")


def read_run(path: Path, options: ImportOptions) -> ForeignRun:
    """One log. DataError names the line that is none of its; a log without its last line is read as far as it goes."""
    if not path.is_file():
        raise DataError(f"{path}: there is no such file")
    spec: Row = {}
    report: Row = {}
    samples: dict[str, LoggedSample] = {}
    for number, row in numbered_rows(path):
        if "spec" in row:
            spec = as_mapping(row["spec"])
        elif "final_report" in row:
            report = as_mapping(row["final_report"])
        elif isinstance(row.get("type"), str) and row.get("sample_id") is not None:
            events = samples.setdefault(str(row["sample_id"]), LoggedSample())
            events.hear(row["type"], as_mapping(row.get("data")))
        else:
            raise DataError(f"{path}:{number}: wanted a spec, an event with type and sample_id, or a final_report")
    if not spec:
        raise DataError(f"{path}: wanted a log of OpenAI Evals, which begins with its spec")
    name = str(spec.get("eval_name") or spec.get("base_eval") or path.stem)
    results = tuple(_result(name, identity, one) for identity, one in samples.items())
    numbers = {key: one for key, said in report.items() if (one := graded(said)) is not None}
    spreads = [numbers.pop(key) for key in ("boostrap_std", "bootstrap_std") if key in numbers]  # they spell it so
    stderrs = {"accuracy": spreads[0]} if spreads else {}
    settings = as_mapping(spec.get("run_config"))
    asked = texts_of(spec.get("completion_fns"))
    model = options.model or (asked[0] if asked else "unknown")
    task = ForeignTask(
        name=name,
        mode="write",
        results=results,
        figures=tuple(published_figures(results, numbers, stderrs)),
        expected=len(results),
    )
    return ForeignRun(
        model=model,
        tasks=(task,),
        created=str(spec["created_at"]) if isinstance(spec.get("created_at"), str) else None,
        sampling=SamplingFacts(seed=whole(settings.get("seed"))),
        decides=[model, settings.get("command")],
        record={"spec": dict(spec), "final_report": dict(report)},
    )


def _result(task: str, identity: str, said: LoggedSample) -> Result:
    turns = messages_of(said.prompt)
    question = asked_of(turns)
    known = said.sampled is not None or said.picked is not None
    failed = said.error or ("" if known else "the log has no answer to it")
    response = Response(error=failed) if failed else Response(text=said.sampled or str(said.picked), finish="stop")
    scores = with_accuracy(said.scores)
    picked = said.picked if isinstance(said.picked, str) else None
    choices = texts_of(said.options) if isinstance(said.options, list) and len(said.options) > 1 else ()
    return Result(
        benchmark=task,
        sample=Sample(id=identity, question=question or identity, answers=texts_of(said.expected), choices=choices),
        request=Request(messages=turns or (Message("user", question or identity),)),
        response=response,
        status=status_of(scores, response, unread=picked is None and said.expected is not None and bool(said.options)),
        scores={} if failed else scores,
        answer=picked if picked is not None else said.sampled,
    )
