"""How a checkpoint's tokens are drawn beside temperature and top-p, and what its generation_config.json says about it.

https://huggingface.co/docs/transformers/main_classes/text_generation. Imports nothing heavy.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from evalharness.data.files import json_value
from evalharness.errors import UserError

_TOP_K = 50  # what transformers takes where a file that samples does not say


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """`top_k` 0 and `min_p` 0: no bound; `repetition_penalty` 1: none. `temperature` and `top_p` count where a request
    says nothing; None there is greedy."""

    top_k: int = 0
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    temperature: float | None = None
    top_p: float = 1.0

    def differences(self) -> Mapping[str, float]:
        """What is not as it is when nothing was said."""
        plain = asdict(Sampling())
        return {name: value for name, value in asdict(self).items() if value != plain[name]}

    def words(self) -> str:
        return ", ".join(f"{name} {value:g}" for name, value in self.differences().items())


def checkpoint_sampling(folder: Path) -> Sampling:
    """What generation_config.json in a checkpoint's folder asks for: a temperature where it samples, else None.

    UserError for values that make no sense.
    """
    file = folder / "generation_config.json"
    try:
        raw = json_value(file.read_bytes())
    except (OSError, ValueError):  # optional; what it says of end tokens is read leniently too
        return Sampling()
    if not isinstance(raw, dict):
        return Sampling()
    try:
        return _parsed(raw)
    except (TypeError, ValueError) as error:
        raise UserError(f"{file}: {error}; mend it, or leave out what it says of sampling") from error


def _parsed(raw: Mapping[str, Any]) -> Sampling:
    samples = bool(raw.get("do_sample"))

    def number(name: str, otherwise: float, low: float, high: float) -> float:
        value = raw.get(name)
        found = float(otherwise if value is None else value)
        if not low <= found <= high:
            raise ValueError(f"{name} wants a number from {low:g} to {high:g}; there is {value!r:.40}")
        return found

    penalty = number("repetition_penalty", 1.0, 1e-6, 1e6)
    if not samples:
        return Sampling(repetition_penalty=penalty)
    return Sampling(
        top_k=int(number("top_k", _TOP_K, 0, 1 << 31)),
        min_p=number("min_p", 0.0, 0.0, 1.0),
        repetition_penalty=penalty,
        temperature=number("temperature", 1.0, 0.0, math.inf),
        top_p=number("top_p", 1.0, 0.0, 1.0),
    )
