"""Figures for people, each drawn twice: as SVG for pages (no script, no style) and in characters for a terminal.

A forest plot of intervals, a calibration plot, a flip matrix, a difficulty curve, the parts of a variance. Numbers in,
drawings out; what is drawn of a run, a comparison or a ladder is chosen in `report.drawn_figures`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from markupsafe import Markup, escape

from evalharness.report.escape import line
from evalharness.report.numbers import format_number
from evalharness.report.text_charts import text_interval, text_share
from evalharness.scoring.calibration import ReliabilityBin

# Pixels: a figure, which is no wider than a phone so that its words are never made smaller; a name with what is drawn
# under it; what is kept free.
_WIDTH, _ROW, _EDGE = 380, 36, 16
_SIDE, _BESIDE = 300, 220  # of a square plot; of one with names beside it
_SHORT, _NAME, _LINE = 22, 26, 54  # characters beside a plot, in a terminal, and in a row of their own
_TICKS = (0.0, 0.5, 1.0)  # of an axis of shares
_APART = 14  # pixels between two names
_COLOURS = ("first", "second", "third", "fourth", "fifth")  # of what is neither good nor bad
_TONES = ("open", "better", "worse", *_COLOURS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """A drawing under its title, with what a reader must know of it: for a page, and line by line for a terminal."""

    title: str
    note: str
    svg: Markup
    text: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ForestRow:
    """A figure with its interval; `tone` is better, worse or open, `mark` what stands behind it."""

    name: str
    low: float
    value: float
    high: float
    tone: str = "open"
    mark: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """A line through points (x, y), both from 0 to 1."""

    name: str
    points: tuple[tuple[float, float], ...]


def text_figures(figures: Sequence[Drawing]) -> str:
    """Figures in characters, one under the other."""
    return "\n".join("\n".join([f"{line(one.title, 200)} ({one.note})", *one.text, ""]) for one in figures)


def forest_plot(title: str, rows: Sequence[ForestRow], *, zero: bool = False, scale: float = 1.0) -> Drawing:
    """Intervals under each other on one axis of round numbers; `zero` has it hold 0 and marks that. Labels are values
    times `scale`."""
    ends = [scale * end for row in rows for end in (row.low, row.value, row.high)] + [0.0] * zero
    ticks, labels = _axis(min(ends, default=0.0), max(ends, default=1.0))

    def x(value: float) -> float:
        return _EDGE + (_WIDTH - 2 * _EDGE) * (value - ticks[0]) / (ticks[-1] - ticks[0])

    parts = []
    for place, row in enumerate(rows):
        middle = _ROW * place + 26
        low, value, high = (x(scale * end) for end in (row.low, row.value, row.high))
        parts += [_stroke("grid", (x(tick), middle - 7), (x(tick), middle + 7)) for tick in ticks]
        parts += [_stroke("zero", (x(0.0), middle - 7), (x(0.0), middle + 7))] * zero
        parts += [
            _words((0, middle - 12), _cut(f"{row.name} {row.mark}".strip(), _LINE)),
            _stroke(f"bar {_tone(row.tone)}", (low, middle), (high, middle)),
            f'<circle class="dot {_tone(row.tone)}" cx="{value:.1f}" cy="{middle}" r="4"/>',
        ]
    height = _ROW * len(rows) + 20
    parts += [_words((x(tick), height - 4), label, "middle") for tick, label in zip(ticks, labels, strict=True)]
    span = ticks[0] / scale, ticks[-1] / scale
    lines = [
        f"{_cut(row.name):<{_NAME}} {text_interval((row.low, row.value, row.high), span, 40)} "
        f"{format_number(scale * row.value)} ({format_number(scale * row.low)} … {format_number(scale * row.high)})"
        f"{' ' * bool(row.mark)}{row.mark}"
        for row in rows
    ]
    note = f"the value and its interval, on an axis from {labels[0]} to {labels[-1]}"
    return Drawing(title=title, note=note, svg=_svg("; ".join(lines), parts, (_WIDTH, height)), text=tuple(lines))


def calibration_plot(title: str, bins: Sequence[ReliabilityBin]) -> Drawing:
    """How often the model is right where it is so sure: on the diagonal it knows what it knows, below it it is too sure
    of itself."""

    def at(value: float) -> float:
        return _EDGE + 20 + (_SIDE - 2 * _EDGE - 20) * min(1.0, max(0.0, value))

    def up(value: float) -> float:
        return _SIDE - at(value)

    parts = [
        *_grid([at(v) for v in _TICKS], [up(v) for v in _TICKS]),
        _stroke("margin", (at(0), up(0)), (at(1), up(1))),
    ]
    parts += [_words((at(v), _SIDE - 2), f"{v:g}", "middle") for v in _TICKS]
    parts += [_words((0, up(v) + 4), f"{v:g}") for v in (0.5, 1.0)]
    for one in bins:
        tone = "worse" if one.high < one.confidence else "better" if one.low > one.confidence else "open"
        parts += [
            _stroke(f"bar {tone}", (at(one.confidence), up(one.low)), (at(one.confidence), up(one.high))),
            f'<circle class="dot {tone}" cx="{at(one.confidence):.1f}" cy="{up(one.accuracy):.1f}" r="4"/>',
        ]
    lines = tuple(
        f"sure {one.confidence:.2f}  right {one.accuracy:.2f} ({one.low:.2f} … {one.high:.2f})  "
        f"{text_share(one.accuracy, 30)} n {one.n:,}"
        for one in bins
    )
    note = "across: the probability of the choice ranked first; up: how often it is right; the diagonal is calibrated"
    return Drawing(title=title, note=note, svg=_svg("; ".join(lines), parts, (_SIDE, _SIDE)), text=lines)


def flip_matrix(title: str, cells: tuple[tuple[int, int], tuple[int, int]]) -> Drawing:
    """BASE right or wrong (rows) by NEW right or wrong (columns), each square as large as its share."""
    (kept, broke), (fixed, failed) = cells
    total = max(1, kept + broke + fixed + failed)
    size, left, top = 112, 110, 22
    named = (("right in both", kept, "first"), ("broke", broke, "worse"), ("fixed", fixed, "better"),
             ("wrong in both", failed, "second"))  # fmt: skip
    parts = [
        _words((left + size * place + size / 2, 16), f"NEW {word}", "middle")
        for place, word in enumerate(("right", "wrong"))
    ]
    parts += [
        _words((0, top + size * place + size / 2), f"BASE {word}") for place, word in enumerate(("right", "wrong"))
    ]
    for place, (name, count, tone) in enumerate(named):
        x, y = left + size * (place % 2), top + size * (place // 2)
        inner = (size - 16) * (count / total) ** 0.5  # the area is the share
        parts += [
            f'<rect class="fill {tone}" x="{x + (size - inner) / 2:.1f}" y="{y + (size - 12 - inner) / 2:.1f}" '
            f'width="{inner:.1f}" height="{inner:.1f}" opacity="0.45"/>',
            _words((x + size / 2, y + size / 2 - 2), f"{count:,}", "middle", "said"),
            _words((x + size / 2, y + size - 2), name, "middle", "said"),
        ]
    lines = tuple(f"{name:<14} {text_share(count / total, 30)} {count:,}" for name, count, _ in named)
    svg = _svg("; ".join(lines), parts, (left + 2 * size, top + 2 * size + 4))
    return Drawing(title=title, note="the area of each square is its share of the items", svg=svg, text=lines)


def difficulty_curves(title: str, curves: Sequence[Curve]) -> Drawing:
    """How often each model is right, by the share of the other models that are."""

    side = max(_BESIDE, _APART * (len(curves) + 3))

    def at(value: float) -> float:
        return _EDGE + 20 + (_BESIDE - 2 * _EDGE - 20) * value

    def up(value: float) -> float:
        return side - 20 - _EDGE - (side - 2 * _EDGE - 20) * value

    parts = _grid([at(v) for v in _TICKS], [up(v) for v in _TICKS])
    parts += [_words((at(v), side - 2), f"{v:g}", "middle") for v in _TICKS]
    parts += [_words((0, up(v) + 4), f"{v:g}") for v in (0.5, 1.0)]
    ends = [up(curve.points[-1][1]) if curve.points else up(0.0) for curve in curves]
    for place, (curve, middle) in enumerate(zip(curves, _spread(ends, side - 24), strict=True)):
        points = [(at(x), up(y)) for x, y in curve.points]
        tone = _COLOURS[place % len(_COLOURS)]
        parts += [_stroke(f"line {tone}", one, two) for one, two in pairwise(points)]
        parts += [f'<circle class="dot {tone}" cx="{x:.1f}" cy="{y:.1f}" r="3"/>' for x, y in points]
        if points:
            parts += [
                _stroke("margin", points[-1], (_BESIDE + 2, middle)),
                _words((_BESIDE + 6, middle + 4), _cut(curve.name, _SHORT)),
            ]
    lines = tuple(
        f"{_cut(curve.name):<{_NAME}} {' '.join(f'{x:.2f}:{y:.2f}' for x, y in curve.points)}" for curve in curves
    )
    svg = _svg("; ".join(lines), parts, (_WIDTH, side))
    note = "across: the share of the other models that have an item right; up: how often this one has"
    return Drawing(title=title, note=note, svg=svg, text=lines)


def variance_parts(title: str, parts: Sequence[tuple[str, float]]) -> Drawing:
    """Standard errors of a figure by source, in points, as shares of the whole variance."""
    whole = sum(error**2 for _, error in parts) or 1.0
    drawn = []
    for place, (name, error) in enumerate(parts):
        top, width, colour = _ROW * place, (_WIDTH - _EDGE) * error**2 / whole, _COLOURS[place % len(_COLOURS)]
        said = f"{100 * error:.2f} points, {100 * error**2 / whole:.0f} %"
        drawn += [
            _words((0, top + 12), f"{_cut(name)}: {said}"),
            f'<rect class="fill {colour}" x="0" y="{top + 17}" width="{width:.1f}" height="12"/>',
        ]
    lines = tuple(
        f"{_cut(name):<{_NAME}} {text_share(error**2 / whole, 30)} {100 * error:.2f} points, "
        f"{100 * error**2 / whole:.0f} %"
        for name, error in parts
    )
    svg = _svg("; ".join(lines), drawn, (_WIDTH, _ROW * len(parts)))
    return Drawing(title=title, note="standard errors, and their shares of the variance", svg=svg, text=lines)


def _axis(first: float, last: float) -> tuple[list[float], list[str]]:
    """Three to seven round numbers that hold all between two values, and how they are written."""
    if last - first <= 1e-9 * max(abs(first), abs(last)):
        first, last = first - max(0.5, abs(first) / 2), last + max(0.5, abs(last) / 2)
    power = math.floor(math.log10((last - first) / 4))
    step = next(times * 10.0**power for times in (1, 2, 5, 10) if times * 10.0**power * 4 >= last - first)
    ticks = [step * place for place in range(math.floor(first / step), math.ceil(last / step) + 1)]
    digits = max(0, -math.floor(math.log10(step)))
    return ticks, [f"{tick:.{digits}f}" for tick in ticks]


def _grid(across: Sequence[float], up: Sequence[float]) -> list[str]:
    """Faint lines at the labels of both axes; the first of each is the axis."""
    upright = [_stroke("grid", (x, up[0]), (x, up[-1])) for x in across]
    return [*upright, *(_stroke("grid", (across[0], y), (across[-1], y)) for y in up)]


def _tone(word: str) -> str:
    return word if word in _TONES else "open"


def _cut(text: str, most: int = _NAME) -> str:
    said = line(text, 200)
    return said if len(said) <= most else f"{said[: most - 1]}…"


def _spread(wanted: Sequence[float], most: float) -> list[float]:
    """Heights for names, near those wanted and far enough apart to be read, none below `most` (counted from above)."""
    found = list(wanted)
    order = sorted(range(len(found)), key=lambda place: found[place])
    for before, place in pairwise(order):
        found[place] = max(found[place], found[before] + _APART)
    below = most
    for place in reversed(order):
        found[place] = min(found[place], below)
        below = found[place] - _APART
    return found


def _stroke(name: str, start: tuple[float, float], end: tuple[float, float]) -> str:
    return f'<line class="{name}" x1="{start[0]:.1f}" y1="{start[1]:.1f}" x2="{end[0]:.1f}" y2="{end[1]:.1f}"/>'


def _words(at: tuple[float, float], text: str, anchor: str = "start", kind: str = "tick") -> str:
    return f'<text class="{kind}" x="{at[0]:.1f}" y="{at[1]:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _svg(label: str, parts: Sequence[str], size: tuple[float, float]) -> Markup:
    """`parts` hold numbers, our own class names and escaped words only."""
    head = Markup('<svg class="figure" role="img" aria-label="{}" viewBox="0 0 {} {}" width="{}" height="{}">')
    return head.format(label, *size, *size) + Markup("".join(parts)) + Markup("</svg>")
