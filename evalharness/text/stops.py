"""Texts to stop at: where an answer ends."""

from __future__ import annotations

from collections.abc import Sequence


def cut_at_stop(text: str, stops: Sequence[str]) -> str:
    """A text up to the first of the texts to stop at, for whoever may not have looked for them: it is shorter where
    there was one. An empty one stops nothing."""
    return text[: min((at for stop in stops if stop and (at := text.find(stop)) >= 0), default=len(text))]
