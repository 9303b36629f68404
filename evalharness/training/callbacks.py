"""What is seen of a training: the log, the curves, benchmarks asked on the way, and when to stop."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from evalharness import plugins
from evalharness.chat.render import Chat
from evalharness.data.files import OWN_FILE, own_folder, write_whole
from evalharness.engine.decoder import Decoder
from evalharness.engine.native import NativeEngine
from evalharness.events import observed_by, only_warnings
from evalharness.model import Model
from evalharness.records import Message, Request
from evalharness.runs import plan as planning
from evalharness.runs import runner
from evalharness.runs.plan import Plan
from evalharness.tracking.tracker import Tracked, begin_tracker
from evalharness.training.curves import read_log


def live(decoder: Decoder, chat: Chat, folder: Path, mark: str) -> Model:
    """The weights as they are now, as a model that answers requests. `mark` tells one moment from another."""
    local = plugins.load_plugin("models", "local")
    origin = local.WeightsOrigin(
        name=f"training:{folder.name}@{mark}", folder=folder, digest=lambda: f"training/{mark}"
    )
    return cast(Model, local.Local(origin, NativeEngine(decoder), chat.tokenizer, chat))


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchmarkChecks:
    """Which benchmarks are asked while training, on what data, and how many questions of each."""

    names: tuple[str, ...] = ()
    data: Mapping[str, str | None] = field(default_factory=dict)
    limit: int | None = 200
    prompts: tuple[tuple[Message, ...], ...] = ()  # for samples of what the model writes

    def metrics(self, model: Model, runs: Path, mark: str) -> dict[str, float]:
        """`BENCHMARK.METRIC` -> value, from a whole run kept under `runs`."""
        found: dict[str, float] = {}
        for name in self.names:
            wanted = Plan(benchmarks=plugins.task_names(name), data=self.data.get(name), limit=self.limit)
            tasks = [planning.prepare_task(task, wanted, model) for task in wanted.benchmarks]
            run = runner.open_run(runs / f"{mark}-{name.replace('/', '-')}", tasks, wanted, model)
            with observed_by(only_warnings()):
                made = runner.evaluate_tasks(run, tasks, wanted, model)
            for task, entry in made.summary.benchmarks.items():
                bare = task.removesuffix("@sample")
                found.update({f"{bare}.{m}": e.value for m, e in entry.metrics.items() if e.value is not None})
        return found

    def samples(self, model: Model, tokens: int = 50) -> list[str]:
        """What the model writes to the prompts, greedily."""
        requests = [Request(messages=messages, max_tokens=tokens) for messages in self.prompts]
        return [response.text for _, response in sorted(model.answer(requests))] if requests else []


class Log:
    """JSON lines of a training; on resuming, what lies behind the saved step is dropped. Trackers get figures too."""

    def __init__(self, file: Path, step: int, trackers: Sequence[str], settings: Mapping[str, Any]) -> None:
        own_folder(file.parent)
        tracked = Tracked(name=file.parent.parent.name, folder=file.parent, settings=settings)
        self._trackers = [begin_tracker(name, tracked) for name in trackers]
        kept = [line for line in read_log(file) if line["step"] <= step] if step else []
        if file.exists():
            write_whole(file, "".join(json.dumps(line) + "\n" for line in kept), OWN_FILE)
        self.lines = kept
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, OWN_FILE)
        self._stream = os.fdopen(descriptor, "a", encoding="utf-8")

    def write(self, line: Mapping[str, Any]) -> None:
        self.lines.append(dict(line))
        self._stream.write(json.dumps(line) + "\n")
        self._stream.flush()
        measured = {**line, **line.get("metrics", {})}
        figures = {k: v for k, v in measured.items() if isinstance(v, int | float) and k != "step"}
        for tracker in self._trackers:
            tracker.log(figures, line["step"])

    def close(self) -> None:
        self._stream.close()
        for tracker in self._trackers:
            tracker.close()


class NoLog(Log):
    """The log of a rank that is not the first: that one writes for all."""

    def __init__(self) -> None:
        self.lines = []

    def write(self, line: Mapping[str, Any]) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""
