"""Small charts of characters, for a terminal."""

from __future__ import annotations

from collections.abc import Sequence

_LEVELS = "▁▂▃▄▅▆▇█"


def text_interval(
    ends: tuple[float | None, float | None, float | None], axis: tuple[float, float], width: int = 24
) -> str:
    """Low, value and high of a figure as a line of a forest plot, `├──●──┤` on an axis from one end to the other; ''
    where one of them is not known."""
    low, value, high = ends
    first, last = axis
    if low is None or value is None or high is None or last <= first:
        return ""
    a, b, c = (round((width - 1) * min(1.0, max(0.0, (one - first) / (last - first)))) for one in (low, value, high))
    cells = [" "] * width
    cells[a : c + 1] = "─" * (c + 1 - a)
    cells[a], cells[c], cells[b] = "├", "┤", "●"
    return "".join(cells)


def text_share(share: float, width: int = 24) -> str:
    """A share of 1 as a bar of characters, filled up with spaces."""
    full = round(8 * width * min(1.0, max(0.0, share)))
    return ("█" * (full // 8) + ("▏▎▍▌▋▊▉"[full % 8 - 1] if full % 8 else "")).ljust(width)


def text_bars(counts: Sequence[int]) -> str:
    """Counts as a row of bars, the largest full; a count of 0 is a dot."""
    most = max(counts, default=0)
    return "".join("·" if not n else _LEVELS[min(len(_LEVELS) - 1, n * len(_LEVELS) // (most + 1))] for n in counts)
