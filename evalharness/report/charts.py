"""Small charts as inline SVG: no script, no style attributes (the page's content policy forbids both)."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup, escape

from evalharness.comparison.decide import TaskComparison
from evalharness.comparison.flips import Slice
from evalharness.comparison.history import HistoryPoint
from evalharness.report import words

WIDTH, HEIGHT, EDGE = 220, 26, 6


def reach(tasks: Sequence[TaskComparison]) -> float:
    """How far the common axis of interval bars goes to either side: all intervals, and twice the margins."""
    ends = [abs(end) for task in tasks for end in (task.low, task.high) if end is not None]
    return float(min(1.0, max([*ends, *(2 * task.margin for task in tasks)]) * 1.05))


def interval_bar(task: TaskComparison, axis: float) -> Markup:
    """The interval of a difference as a bar with its estimate, beside zero and the two margins."""
    label = f"{words.points(task.difference)} points, interval {words.format_interval(task)}"
    parts = [_line(_x(0, axis), "zero")]
    parts += [_line(_x(side * task.margin, axis), "margin") for side in (-1, 1)]
    if task.difference is not None and task.low is not None and task.high is not None:
        low, high, at = (_x(share, axis) for share in (task.low, task.high, task.difference))
        word = {"worse": "worse", "better": "better", "same": "better"}.get(task.verdict, "open")
        middle = HEIGHT / 2
        parts.append(
            f'<line class="bar {word}" x1="{low:.1f}" x2="{high:.1f}" y1="{middle}" y2="{middle}"/>'
            f'<circle class="dot {word}" cx="{at:.1f}" cy="{middle}" r="4"/>'
        )
    return _svg(label, parts)


def scale(axis: float) -> Markup:
    """The labels of the common axis."""
    ticks = [(-axis, "start"), (0.0, "middle"), (axis, "end")]
    texts = [
        f'<text class="tick" x="{_x(value, axis):.1f}" y="16" text-anchor="{anchor}">{words.points(value)}</text>'
        for value, anchor in ticks
    ]
    return _svg("axis, points", texts)


def share(low: float, value: float, high: float) -> Markup:
    """A score between 0 and 1 with its interval."""
    at = [EDGE + (WIDTH - 2 * EDGE) * min(1.0, max(0.0, v)) for v in (low, value, high)]
    middle = HEIGHT / 2
    parts = [
        f'<line class="margin" x1="{EDGE}" x2="{WIDTH - EDGE}" y1="{middle}" y2="{middle}"/>',
        f'<line class="bar open" x1="{at[0]:.1f}" x2="{at[2]:.1f}" y1="{middle}" y2="{middle}"/>',
        f'<circle class="dot open" cx="{at[1]:.1f}" cy="{middle}" r="4"/>',
    ]
    return _svg(f"{value:.3f} between {low:.3f} and {high:.3f}", parts)


def flip_bars(one: Slice, most: int) -> Markup:
    """What broke (to the left) and got fixed (to the right) in a slice."""
    half = WIDTH / 2 - EDGE
    broke, fixed = (half * number / max(1, most) for number in (one.broke, one.fixed))
    middle = WIDTH / 2
    parts = [
        f'<rect class="fill worse" x="{middle - broke:.1f}" y="6" width="{broke:.1f}" height="14"/>',
        f'<rect class="fill better" x="{middle:.1f}" y="6" width="{fixed:.1f}" height="14"/>',
        _line(middle, "zero"),
    ]
    return _svg(f"{one.broke} broke, {one.fixed} fixed", parts)


_TALL, _STEP = 160, 22  # of a trend: pixels of height, and from run to run


def trend(points: Sequence[HistoryPoint]) -> Markup:
    """A figure over time, a dot with its interval for each run; a dashed line where a new series begins, a coloured dot
    where the figure surely changed."""
    known = [p.figure for p in points if p.figure.value is not None]
    ends = [end for figure in known for end in (figure.low, figure.value, figure.high) if end is not None]
    bottom, top = min(ends, default=0.0), max(ends, default=1.0)
    width = 60 + _STEP * max(1, len(points))

    def y(value: float) -> float:
        return 12 + (_TALL - 24) * (top - value) / ((top - bottom) or 1.0)

    parts = [f'<text class="tick" x="2" y="{y(end) + 4:.1f}">{end:.3f}</text>' for end in dict.fromkeys((top, bottom))]
    for position, point in enumerate(points):
        x, figure = 60 + _STEP * position, point.figure
        if point.reason:
            parts.append(f'<line class="margin" x1="{x - 11}" x2="{x - 11}" y1="4" y2="{_TALL - 4}"/>')
        if figure.value is None:
            continue
        word = "open" if point.change is None else "better" if point.change.difference > 0 else "worse"
        low, high = (figure.value if end is None else end for end in (figure.low, figure.high))
        parts.append(
            f'<line class="bar {word}" x1="{x}" x2="{x}" y1="{y(low):.1f}" y2="{y(high):.1f}"/>'
            f'<circle class="dot {word}" cx="{x}" cy="{y(figure.value):.1f}" r="4"/>'
        )
    return _svg(f"{len(points)} runs, from {bottom:.3f} to {top:.3f}", parts, (width, _TALL))


def _x(value: float, axis: float) -> float:
    return WIDTH / 2 + (WIDTH / 2 - EDGE) * max(-1.0, min(1.0, value / axis))


def _line(x: float, name: str) -> str:
    return f'<line class="{name}" x1="{x:.1f}" x2="{x:.1f}" y1="1" y2="{HEIGHT - 1}"/>'


def _svg(label: str, parts: Sequence[str], size: tuple[int, int] = (WIDTH, HEIGHT)) -> Markup:
    """`parts` hold numbers and our own class names only."""
    inside = Markup("".join(parts))
    return Markup('<svg role="img" aria-label="{}" viewBox="0 0 {} {}" width="{}" height="{}">{}</svg>').format(
        escape(label), *size, *size, inside
    )
