"""The metric `squad_v2` of the package `evaluate`, which it would fetch from the hub. Its text is part of the fenced
process, as that of `inside` is; nothing of ours is imported.

The figures are those of SQuAD 2.0's evaluate-v2.0.py (https://rajpurkar.github.io/SQuAD-explorer/), in per cent.
"""

from __future__ import annotations

import re
import string
import struct
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)


@dataclass(frozen=True)
class _Judged:
    """An answer: its exact match and F1 (0 to 1), the probability that there is no answer, whether the question has
    one, and whether a text was given."""

    exact: float
    f1: float
    none: float
    has_answer: bool
    written: bool

    def held_to(self, threshold: float) -> tuple[float, float]:
        """Exact match and F1 where an answer less likely than "no answer" by the threshold counts as none."""
        return (self.exact, self.f1) if self.none <= threshold else (float(not self.has_answer),) * 2


def squad_v2(
    said: Sequence[Mapping[str, Any]], right: Sequence[Mapping[str, Any]], *, no_answer_threshold: float = 1.0, **_: Any
) -> dict[str, float]:
    """`exact` and `f1` of all answers, of questions with an answer (`HasAns_`) and without (`NoAns_`), and what the
    best threshold of the no-answer probability would give (`best_`)."""
    judged = [_judged(one, reference) for one, reference in zip(said, right, strict=True)]
    parts = {
        "": judged,
        "HasAns_": [j for j in judged if j.has_answer],
        "NoAns_": [j for j in judged if not j.has_answer],
    }
    found: dict[str, float] = {}
    for prefix, part in parts.items():
        if part:
            held = [one.held_to(no_answer_threshold) for one in part]
            exact, f1 = (100.0 * sum(values) / len(part) for values in zip(*held, strict=True))
            found |= {f"{prefix}exact": exact, f"{prefix}f1": f1, f"{prefix}total": len(part)}
    for name in ("exact", "f1"):
        found[f"best_{name}"], found[f"best_{name}_thresh"] = _best(judged, name)
    return found


def _judged(said: Mapping[str, Any], reference: Mapping[str, Any]) -> _Judged:
    texts, answer = reference["answers"]["text"], said["prediction_text"]
    wanted = [text for text in texts if _normal(text)] or [""]
    (none,) = struct.unpack("f", struct.pack("f", said["no_answer_probability"]))  # kept in 32 bits there
    return _Judged(
        exact=max(float(_normal(text) == _normal(answer)) for text in wanted),
        f1=max(_f1(_normal(text).split(), _normal(answer).split()) for text in wanted),
        none=none, has_answer=bool(texts), written=bool(answer),
    )  # fmt: skip


def _best(judged: Sequence[_Judged], name: str) -> tuple[float, float]:
    """The best figure that a threshold gives, and that threshold: below it answers stand, the likeliest ones first."""
    total = best = float(sum(not one.has_answer for one in judged))
    threshold = 0.0
    for one in sorted(judged, key=lambda one: one.none):
        total += getattr(one, name) if one.has_answer else -float(one.written)
        if total > best:
            best, threshold = total, one.none
    return 100.0 * best / len(judged), threshold


def _normal(text: str) -> str:
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_NO_PUNCTUATION)).split())


def _f1(wanted: Sequence[str], said: Sequence[str]) -> float:
    if not wanted or not said:
        return float(wanted == said)
    shared = (Counter(wanted) & Counter(said)).total()
    return 2 * shared / (len(wanted) + len(said)) if shared else 0.0
