"""The page of a training: its losses and figures over the steps, the chosen step marked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup, escape
from starlette.exceptions import HTTPException
from starlette.requests import Request as WebRequest
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from evalharness.errors import UserError
from evalharness.report.numbers import format_number
from evalharness.runs.figures import TaskSummary
from evalharness.runs.journal import loads
from evalharness.runs.store import MANIFEST, Run
from evalharness.training.curves import LOG_FILE, TRAINING_FOLDER, overfitting_from, read_log
from evalharness.training.selection import chosen_step
from evalharness.web.rendering import PageMaker
from evalharness.web.run_library import RunLibrary, run_key

ABOUT = "training.json"
EVALUATIONS = "evaluations"
_WIDTH, _HEIGHT, _LEFT, _EDGE = 720, 220, 56, 14
_POINTS = 1000  # of a line: more are thinned
_SAMPLES = 20

_LARGEST = 1e300  # of a number that is drawn: differences stay finite
_STEPS = 200  # in the table
_MOST_STEPS = 10**12

_Lines = Sequence[Mapping[str, Any]]
Points = Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawnCurve:
    """A chart of one or two lines over the steps."""

    heading: str
    drawing: Markup


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluatedStep:
    """A step at which the model was measured: its validation loss, each figure in the order of the columns, and its
    runs by name and address."""

    step: int
    loss: float | None
    figures: tuple[float | None, ...]
    runs: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FinalRun:
    """A run of the trained model: its address, and for each benchmark its figures."""

    name: str
    link: str
    benchmarks: Mapping[str, TaskSummary]


class TrainingPages:
    """The routes of trainings."""

    def __init__(self, library: RunLibrary, maker: PageMaker) -> None:
        self.library, self.maker, self.links = library, maker, maker.links

    def routes(self) -> list[Route]:
        return [Route("/trainings/{key}", self.training)]

    def training(self, request: WebRequest) -> Response:
        folder = self.library.trainings().get(request.path_params["key"])
        if folder is None:
            raise HTTPException(404, "there is no such training here")
        lines = _log(folder / TRAINING_FOLDER / LOG_FILE)
        about = _about(folder / TRAINING_FOLDER / ABOUT)
        by = str(about.get("selected_on") or "loss")
        chosen, turn = chosen_step(lines, by), overfitting_from(lines)
        samples = [line for line in lines if line.get("samples")][-_SAMPLES:]
        metrics = _metric_names(lines)
        page = self.maker.page(
            "training.html.j2", place="training", name=folder.name, curves=training_curves(lines, chosen),
            metrics=metrics, steps=self._steps(folder, lines, metrics), finals=self._finals(folder),
            chosen=chosen, by="validation loss" if by == "loss" else by, turn=turn, samples=samples,
            last=lines[-1]["step"] if lines else 0, planned=about.get("steps"),
        )  # fmt: skip
        return HTMLResponse(page)

    def _steps(self, folder: Path, lines: _Lines, metrics: Sequence[str]) -> list[EvaluatedStep]:
        """Every step at which something was measured, the last ones where there are very many."""
        evaluations = folder / TRAINING_FOLDER / EVALUATIONS
        runs: dict[str, list[tuple[str, str]]] = {}
        for path in sorted(evaluations.glob("step-*-*/" + MANIFEST)):
            _, step, name = path.parent.name.split("-", 2)
            runs.setdefault(step, []).append((name, self.links.run(run_key(path.parent))))
        measured = [line for line in lines if "validation_loss" in line or line["metrics"]]
        return [
            EvaluatedStep(
                step=line["step"], loss=line.get("validation_loss"),
                figures=tuple(line["metrics"].get(name) for name in metrics),
                runs=tuple(runs.get(str(line["step"]), ())),
            )
            for line in measured[-_STEPS:]
        ]  # fmt: skip

    def _finals(self, folder: Path) -> list[FinalRun]:
        """The runs of the trained model: its answers to the test rows, and what else was asked of it."""
        found = []
        for path in sorted((folder / "runs").glob("*/" + MANIFEST)):
            with suppress(UserError):  # a run that cannot be read says so in the list of runs
                run = Run(path.parent)
                figures = run.summary.benchmarks if run.finished else {}
                found.append(FinalRun(name=run.name, link=self.links.run(run_key(run.path)), benchmarks=figures))
        return found


def _log(file: Path) -> list[Mapping[str, Any]]:
    try:
        lines = read_log(file)
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{file}: cannot be read ({error})") from error
    return [_clean(line) for line in lines if isinstance(line, dict) and _is_step(line.get("step"))]


def _is_step(value: object) -> bool:
    return isinstance(value, int) and 0 <= value < _MOST_STEPS


def _clean(line: Mapping[str, Any]) -> Mapping[str, Any]:
    """A line of the log whose parts are of the kinds that the page reads, whoever wrote it."""
    metrics, samples = line.get("metrics"), line.get("samples")
    return {
        **line,
        **{name: _number(line[name]) for name in ("loss", "validation_loss", "lr") if name in line},
        "metrics": {name: _number(value) for name, value in metrics.items()} if isinstance(metrics, dict) else {},
        "samples": [str(text) for text in samples] if isinstance(samples, list) else [],
    }


def _about(file: Path) -> Mapping[str, Any]:
    try:
        found = loads(file.read_bytes())
    except (OSError, ValueError):  # a training that has only begun has not written it yet
        return {}
    return found if isinstance(found, dict) else {}


def _number(value: object) -> float | None:
    """A number that can be drawn; None for anything else, and for what is beyond all numbers."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= _LARGEST:
        return None
    return float(value)


def _values(lines: _Lines, name: str) -> Points:
    return [(line["step"], value) for line in lines if (value := _number(line.get(name))) is not None]


def _metric(lines: _Lines, name: str) -> Points:
    found = ((line["step"], _number(line["metrics"].get(name))) for line in lines)
    return [(step, value) for step, value in found if value is not None]


def _metric_names(lines: _Lines) -> list[str]:
    return sorted({name for line in lines for name in line.get("metrics", {})})


def training_curves(lines: _Lines, chosen: int | None) -> list[DrawnCurve]:
    """Losses first, then each figure of a benchmark, the learning rate last."""
    metrics = _metric_names(lines)
    losses = {"training": _values(lines, "loss"), "validation": _values(lines, "validation_loss")}
    charts = {"loss": losses, **{name: {name: _metric(lines, name)} for name in metrics}}
    charts["learning rate"] = {"learning rate": _values(lines, "lr")}
    return [
        DrawnCurve(heading=heading, drawing=_chart(heading, drawn, chosen))
        for heading, drawn in charts.items() if any(drawn.values())
    ]  # fmt: skip


def _end(value: float) -> str:
    """An end of a scale; a small one, such as a learning rate, by its first digits."""
    return format_number(value) if value == 0 or abs(value) >= 0.1 else f"{value:.2g}".replace("-", "−")


def _chart(heading: str, drawn: Mapping[str, Points], chosen: int | None) -> Markup:
    """Lines over the steps; one that is measured now and then has dots too."""
    every = [point for points in drawn.values() for point in points]
    last, low, high = max(x for x, _ in every) or 1, min(y for _, y in every), max(y for _, y in every)

    def at(point: tuple[float, float]) -> tuple[float, float]:
        x, y = point
        across = _LEFT + (_WIDTH - _LEFT - _EDGE) * x / last
        return across, _EDGE + (_HEIGHT - 3 * _EDGE) * (high - y) / ((high - low) or 1.0)

    parts = [f'<text class="tick" x="2" y="{at((0, end))[1] + 4:.1f}">{_end(end)}</text>' for end in {low, high}]
    parts += [f'<text class="tick" x="{_LEFT}" y="{_HEIGHT - 6}">0</text>']
    parts += [f'<text class="tick" x="{_WIDTH - 6}" y="{_HEIGHT - 6}" text-anchor="end">step {last:,}</text>']
    for place, points in enumerate(drawn.values()):
        thinned = points[:: max(1, len(points) // _POINTS)]
        placed = [at(point) for point in thinned]
        word = "second" if place else "first"
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in placed)
        parts.append(f'<polyline class="line {word}" points="{path}"/>')
        if len(placed) <= 60:
            parts += [f'<circle class="dot {word}" cx="{x:.1f}" cy="{y:.1f}" r="3"/>' for x, y in placed]
    if chosen is not None and chosen <= last:
        x = at((chosen, low))[0]
        parts.append(f'<line class="zero" x1="{x:.1f}" x2="{x:.1f}" y1="4" y2="{_HEIGHT - 2 * _EDGE}"/>')
    inside = Markup("".join(parts))  # numbers and our own class names
    return Markup('<svg role="img" aria-label="{}" viewBox="0 0 {} {}">{}</svg>').format(
        escape(f"{heading} over {last:,} steps, between {_end(low)} and {_end(high)}"),
        _WIDTH, _HEIGHT, inside,
    )  # fmt: skip
