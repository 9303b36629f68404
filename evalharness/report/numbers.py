"""Numbers as people read them: a real minus sign, a dash where there is none."""

from __future__ import annotations

import math
from collections.abc import Mapping


def format_number(value: float | None, digits: int = 3) -> str:
    """A figure with fixed digits, a real minus sign, and a dash where there is none."""
    if value is None or value != value or value in (float("inf"), float("-inf")):
        return "–"
    return f"{value:.{digits}f}".replace("-", "−")


def seconds(value: float | None) -> str:
    """A duration as a person reads it."""
    if value is None:
        return "–"
    if value < 60:
        return f"{value:.1f} s"
    minutes, rest = divmod(round(value), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} m" if hours else f"{minutes} m {rest:02d} s"


def format_tokens(value: float | None) -> str:
    """A number of tokens, rounded above ten thousand."""
    if not value:
        return "–"
    if value < 10_000:
        return f"{value:,}"
    return f"{value / 1e6:.1f} M" if value >= 1e6 else f"{value / 1e3:.0f} k"


def money(value: float | None) -> str:
    """US dollars with their sign; a dash when the price is unknown."""
    return "–" if value is None else f"${dollars(value)}"


def dollars(value: float) -> str:
    """An amount to the cent, and one below a cent to its first two digits: 0.68, 0.0012, 0.0000034."""
    if value >= 0.01 or value <= 0:
        return f"{value:.2f}"
    return f"{value:.{1 - math.floor(math.log10(value))}f}"


def programs(found: Mapping[str, int]) -> str:
    """`90 confirmed, 2 unconfirmable, 1 suspect, 71 failed`: all of them, for a zero says something too."""
    return ", ".join(f"{number:,} {standing}" for standing, number in found.items())
