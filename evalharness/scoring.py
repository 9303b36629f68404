"""Scorers of one answer, and how an answer is read out of a text.

A scorer looks at one sample, what was asked and what came back, and returns a Score. It never sees a response with an
error, and need not look at `finish`: an answer that is `unparsed` and was cut off becomes `truncated` in `settle`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

from evalharness.records import Request, Response, Sample, Score

Scorer = Callable[[Sample, Request, Response], Score]

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def settle(scorer: Scorer, sample: Sample, request: Request, response: Response) -> Score:
    """Score an answer, after setting apart what is no answer: errors, refusals by the provider, cut-off texts."""
    if response.error:
        return Score(status="error", detail={"error": response.error})
    if response.finish == "refused":
        return Score(status="refused")
    score = scorer(sample, request, response)
    if score.status == "unparsed" and response.finish == "length":
        return replace(score, status="truncated")
    return score


def judged(right: bool, answer: str | None = None, name: str = "accuracy") -> Score:
    """A score for an answer that is right or wrong."""
    return Score(status="correct" if right else "wrong", scores={name: float(right)}, answer=answer)


def graded(answer: str | None = None, **scores: float) -> Score:
    """A score for an answer whose worth is a matter of degree."""
    return Score(status="scored", scores=scores, answer=answer)


def unparsed(name: str = "accuracy") -> Score:
    """No answer could be read from the text: counted apart, worth nothing in the published convention."""
    return Score(status="unparsed", scores={name: 0.0})


# What a model writes instead of an answer. Deliberately narrow: a refusal must be the whole point of the text.
REFUSAL = re.compile(
    r"^\W*(i'?m sorry|i am sorry|sorry|i apologi[sz]e|as an ai)\b.{0,200}\b(can'?t|cannot|unable|won'?t|not able)\b"
    r"|^\W*i (can'?t|cannot|won'?t|am unable to|am not able to) (help|assist|answer|provide|comply|choose)\b",
    re.IGNORECASE | re.DOTALL,
)

# From the surest sign to the weakest; the first pattern that matches decides, by its last match.
_LETTER_PATTERNS = tuple(
    re.compile(pattern, flags)
    for pattern, flags in (
        (r"\\boxed\{\s*(?:\\text\{)?\s*\(?([A-Z])\)?", 0),
        (
            r"\banswer\b(?:\s+(?:is|would be|should be))?\s*[:=]?\s*\**\s*(?:is\s+)?"
            r"(?:option\s+|choice\s+)?[\"'(\[*]*([A-Z])\b(?!['’][a-z])",
            re.IGNORECASE,
        ),
        (r"^\s*[\"'(\[*]*([A-Z])[\"')\]*]*\s*(?:[.:,)\n-]|$)", 0),
        (r"\b(?:choice|option)\s+[\"'(\[*]*([A-Z])\b", re.IGNORECASE),
        (r"\(([A-Z])\)", 0),
    )
)


def letter(text: str, count: int) -> str | None:
    """The letter (A is the first of `count` choices) that a text answers with, or None when it cannot be read.

    Two different letters found by the same rule on one line leave the answer unread.
    """
    allowed = LETTERS[:count]
    stripped = text.strip().strip("*").strip()
    if len(stripped) == 1 and stripped.upper() in allowed:
        return stripped.upper()
    for pattern in _LETTER_PATTERNS:
        found = [m for m in pattern.finditer(text) if m.group(1).upper() in allowed and m.group(1) != "a"]
        if found:
            last = found[-1]
            line_start = text.rfind("\n", 0, last.start(1)) + 1
            same_line = {m.group(1).upper() for m in found if m.start(1) >= line_start}
            return last.group(1).upper() if len(same_line) == 1 else None
    return None


def best(logprobs: tuple[float, ...]) -> int:
    """Position of the largest value, the first on ties (as numpy's argmax)."""
    return max(range(len(logprobs)), key=lambda i: (logprobs[i], -i))


def choice(sample: Sample, request: Request, response: Response) -> Score:
    """Multiple choice: the choice ranked first, or the letter that the model wrote."""
    if request.choices:
        picked = best(response.logprobs)
        return judged(picked in sample.gold, LETTERS[picked] if picked < len(LETTERS) else str(picked))
    written = letter(response.text, len(sample.choices))
    if written is not None:
        return judged(LETTERS.index(written) in sample.gold, written)
    if REFUSAL.search(response.text):
        return Score(status="refused", scores={"accuracy": 0.0})
    return unparsed()
