"""What is seen of a training: the log, the curves, benchmarks asked on the way, and when to stop."""

from __future__ import annotations

import html
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
from evalharness.errors import UserError
from evalharness.events import SilentObserver
from evalharness.model import Model
from evalharness.records import Message, Request
from evalharness.runs import plan as planning
from evalharness.runs import runner
from evalharness.runs.plan import Plan
from evalharness.runs.summary import lower_is_better
from evalharness.training.trackers import open_tracker


def live(decoder: Decoder, chat: Chat, folder: Path, mark: str) -> Model:
    """The weights as they are now, as a model that answers requests. `mark` tells one moment from another."""
    local = plugins.load_plugin("models", "local")
    origin = local.WeightsOrigin(folder=folder, digest=lambda: f"training/{mark}")
    return cast(
        Model, local.Local(f"training:{folder.name}@{mark}", origin, NativeEngine(decoder), chat.tokenizer, chat)
    )


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
            made = runner.evaluate_tasks(run, tasks, wanted, model, SilentObserver())
            for task, entry in made.summary["benchmarks"].items():
                bare = task.removesuffix("@sample")
                found.update({f"{bare}.{m}": e["value"] for m, e in entry["metrics"].items() if e["value"] is not None})
        return found

    def samples(self, model: Model, tokens: int = 50) -> list[str]:
        """What the model writes to the prompts, greedily."""
        requests = [Request(messages=messages, max_tokens=tokens) for messages in self.prompts]
        return [response.text for _, response in sorted(model.answer(requests))] if requests else []


@dataclass
class Best:
    """The best evaluation so far by one figure; the earlier one on ties. `patience` 0 never stops."""

    by: str = "loss"
    patience: int = 0
    value: float | None = None
    step: int = 0
    since: int = 0

    def better(self, step: int, figures: Mapping[str, float]) -> bool:
        """Note an evaluation; True when it is the best so far. UserError when the figure was not measured."""
        if self.by not in figures:
            known = ", ".join(sorted(figures)) or "nothing"
            raise UserError(f"--best {self.by} is not measured; there is {known}")
        value = figures[self.by]
        benchmark, _, metric = self.by.rpartition(".")
        down = self.by == "loss" or lower_is_better(benchmark, metric)
        if self.value is None or (value < self.value if down else value > self.value):
            self.value, self.step, self.since = value, step, 0
            return True
        self.since += 1
        return False

    @property
    def over(self) -> bool:
        return bool(self.patience) and self.since >= self.patience


class Log:
    """JSON lines of a training; on resuming, what lies behind the saved step is dropped. Trackers get figures too."""

    def __init__(self, file: Path, step: int, trackers: Sequence[str], settings: Mapping[str, Any]) -> None:
        own_folder(file.parent)
        self._trackers = [open_tracker(name, file.parent, settings) for name in trackers]
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


def read_log(file: Path) -> list[dict[str, Any]]:
    """The lines of a log; a torn last one is left out."""
    if not file.is_file():
        return []
    found = []
    for line in file.read_text(encoding="utf-8").splitlines():
        try:
            found.append(json.loads(line))
        except ValueError:  # killed while writing
            break
    return found


def curves(lines: Sequence[Mapping[str, Any]], per_epoch: int, folder: Path) -> None:
    """curves.png and curves.html: losses over epochs with a second axis in tokens, and benchmark figures."""
    import base64
    import io

    from matplotlib.figure import Figure

    steps = [line for line in lines if "loss" in line]
    checks = [line for line in lines if "validation_loss" in line or "metrics" in line]
    names = sorted({name for line in checks for name in line.get("metrics", {})})
    figure = Figure(figsize=(7, 4 if not names else 7), layout="constrained")
    axes = figure.subplots(2 if names else 1, squeeze=False)[:, 0]

    def at(line: Mapping[str, Any]) -> float:
        return float(line["step"]) / max(1, per_epoch)

    axes[0].plot([at(s) for s in steps], [s["loss"] for s in steps], label="training", alpha=0.7)
    seen = [line for line in checks if line.get("validation_loss") is not None]
    axes[0].plot([at(s) for s in seen], [s["validation_loss"] for s in seen], "o-", label="validation")
    axes[0].set(xlabel="epochs", ylabel="loss per trained token")
    axes[0].legend()
    if steps:
        tokens = axes[0].twiny()
        tokens.plot([s["tokens"] for s in steps], [s["loss"] for s in steps], alpha=0)
        tokens.set_xlabel("tokens seen")
    for name in names:
        measured = [line for line in checks if name in line.get("metrics", {})]
        axes[1].plot([at(s) for s in measured], [s["metrics"][name] for s in measured], "o-", label=name)
    if names:
        axes[1].set(xlabel="epochs")
        axes[1].legend()
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png", dpi=110)
    write_whole(folder / "curves.png", drawn.getvalue())
    image = base64.b64encode(drawn.getvalue()).decode()
    samples = "".join(
        f"<h3>step {line['step']}</h3>" + "".join(f"<pre>{html.escape(text)}</pre>" for text in line["samples"])
        for line in checks
        if line.get("samples")
    )
    page = (
        "<!doctype html><meta charset=utf-8><title>Training</title><style>body{font:15px sans-serif;margin:2em auto;"
        "max-width:60em}pre{white-space:pre-wrap;background:#f4f4f4;padding:.5em}</style><h1>Training</h1>"
        f'<img alt="losses and metrics" src="data:image/png;base64,{image}"><h2>What it writes</h2>{samples}'
    )
    write_whole(folder / "curves.html", page)
