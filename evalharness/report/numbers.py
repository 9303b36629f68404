"""Numbers as people read them: a real minus sign, a dash where there is none."""

from __future__ import annotations


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
    """US dollars; a dash when the price is unknown."""
    return "–" if value is None else f"${value:.2f}" if value >= 0.01 or value == 0 else f"${value:.4f}"
