"""The page of a training: its losses and figures over the steps, the chosen step marked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
from evalharness.runs.journal import loads
from evalharness.training.curves import LOG_FILE, TRAINING_FOLDER, overfitting_from, read_log
from evalharness.training.selection import chosen_step
from evalharness.web.rendering import PageMaker
from evalharness.web.run_library import RunLibrary

ABOUT = "training.json"
_WIDTH, _HEIGHT, _LEFT, _EDGE = 720, 220, 56, 14
_POINTS = 1000  # of a line: more are thinned
_SAMPLES = 20

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawnCurve:
    """A chart of one or two lines over the steps."""

    heading: str
    drawing: Markup


class TrainingPages:
    """The routes of trainings."""

    def __init__(self, library: RunLibrary, maker: PageMaker) -> None:
        self.library, self.maker = library, maker

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
        page = self.maker.page(
            "training.html.j2", place="training", name=folder.name, curves=training_curves(lines, chosen),
            chosen=chosen, by="validation loss" if by == "loss" else by, turn=turn, samples=samples,
            last=lines[-1]["step"] if lines else 0, planned=about.get("steps"),
        )  # fmt: skip
        return HTMLResponse(page)


def _log(file: Path) -> list[dict[str, Any]]:
    try:
        lines = read_log(file)
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{file}: cannot be read ({error})") from error
    return [line for line in lines if isinstance(line, dict) and isinstance(line.get("step"), int)]


def _about(file: Path) -> Mapping[str, Any]:
    try:
        found = loads(file.read_bytes())
    except (OSError, ValueError):  # a training that has only begun has not written it yet
        return {}
    return found if isinstance(found, dict) else {}


def _values(lines: Sequence[Mapping[str, Any]], name: str) -> Points:
    return [(line["step"], line[name]) for line in lines if isinstance(line.get(name), int | float)]


def _metric(lines: Sequence[Mapping[str, Any]], name: str) -> Points:
    found = ((line["step"], (line.get("metrics") or {}).get(name)) for line in lines)
    return [(step, value) for step, value in found if isinstance(value, int | float)]


def training_curves(lines: Sequence[Mapping[str, Any]], chosen: int | None) -> list[DrawnCurve]:
    """Losses first, then each figure of a benchmark, the learning rate last."""
    metrics = sorted({name for line in lines for name in line.get("metrics") or {}})
    losses = {"training": _values(lines, "loss"), "validation": _values(lines, "validation_loss")}
    charts = {"loss": losses, **{name: {name: _metric(lines, name)} for name in metrics}}
    charts["learning rate"] = {"learning rate": _values(lines, "lr")}
    return [
        DrawnCurve(heading=heading, drawing=_chart(heading, drawn, chosen))
        for heading, drawn in charts.items() if any(drawn.values())
    ]  # fmt: skip


def _chart(heading: str, drawn: Mapping[str, Points], chosen: int | None) -> Markup:
    """Lines over the steps; one that is measured now and then has dots too."""
    every = [point for points in drawn.values() for point in points]
    last, low, high = max(x for x, _ in every) or 1, min(y for _, y in every), max(y for _, y in every)

    def at(point: tuple[float, float]) -> tuple[float, float]:
        x, y = point
        across = _LEFT + (_WIDTH - _LEFT - _EDGE) * x / last
        return across, _EDGE + (_HEIGHT - 3 * _EDGE) * (high - y) / ((high - low) or 1.0)

    parts = [
        f'<text class="tick" x="2" y="{at((0, end))[1] + 4:.1f}">{format_number(end)}</text>' for end in {low, high}
    ]
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
        escape(f"{heading} over {last:,} steps, between {format_number(low)} and {format_number(high)}"),
        _WIDTH, _HEIGHT, inside,
    )  # fmt: skip
