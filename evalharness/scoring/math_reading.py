"""The closed answer that a mathematical solution ends with: in a box, after `answer is`, in the last formula."""

from __future__ import annotations

import re

from evalharness.scoring.corrections import without_struck
from evalharness.scoring.final_answer import ReadAnswer, before_next_question
from evalharness.scoring.latex import boxes, ends_in_box
from evalharness.text.deferred import deferred

_BOXES = deferred(r"\\(?:boxed|fbox)\s{0,3}\{")
_BETWEEN = deferred(r"(?:[\s$,.;]|\\[()\[\],; ]|\b(?:and|or)\b){0,30}\Z")
_SAID = deferred(
    r"\b(?:answers?|result|solution)\b\**(?P<to>[^\n.:=]{0,60}?)(?:\b(?:is|are|equals)\b\s*:?|:)\**[ \t]*",
    re.IGNORECASE,
)
_FORMULA = deferred(
    r"\$\$((?:\\.|[^$\\])+)\$\$|(?<!\\)\$((?:\\.|[^$\\])+)\$|\\\(([^\\]*(?:\\(?![()])[^\\]*)*)\\\)|\\\[([^\\]*(?:\\(?![\[\]])[^\\]*)*)\\\]"
)
LONGEST = 100_000  # characters at the end of a text that are read


def read_closed(text: str) -> ReadAnswer:
    """The closed answer of a text and the rule that read it."""
    text = without_struck(
        before_next_question(text[-LONGEST:], lambda answer: bool(boxes(answer) or _SAID.search(answer)))
    )
    if ends_in_box(text):
        return ReadAnswer(None, "the last box is not closed")
    found = _last_boxes(text)
    if found is not None:
        return ReadAnswer(found, "\\boxed{ANSWER}")
    said = [*_SAID.finditer(text)]
    for match in reversed(said[-20:]):
        rest = text[match.end() : match.end() + 1000]
        if not rest.split("\n", 1)[0].strip("* \t"):
            rest = rest.lstrip("* \t\n")
        answer = _first_formula(rest)
        if answer:
            return ReadAnswer(answer, "answer is ANSWER")
    formulas = [next(filter(None, m.groups()), "") for m in _FORMULA.finditer(text)]
    if formulas and formulas[-1].strip():
        return ReadAnswer(formulas[-1].strip(), "last formula")
    line = text.strip().strip("*").strip()
    short = line and "\n" not in line and len(line) <= 60 and "boxed" not in line and len(line.split()) <= 5
    return ReadAnswer(line, "nothing but an answer") if short else ReadAnswer(None, "no answer is claimed")


def _last_boxes(text: str) -> str | None:
    """The last box, together with those right before it: `\\boxed{3}, \\boxed{5}` is a list."""
    found = boxes(text)
    if not found:
        return None
    together, start = [found[-1]], text.rfind(found[-1])
    for box in reversed(found[-10:-1]):
        opened = list(_BOXES.finditer(text, max(0, start - 40), start))
        before = text[max(0, start - 400) : opened[-1].start()] if opened else ""
        if not opened or not _BETWEEN.sub("", before).endswith(box + "}"):
            break
        together.insert(0, box)
        start = text.rfind(box, 0, opened[-1].start())
    return ", ".join(together)


def _first_formula(rest: str) -> str:
    """The formula that a claim begins with, else its sentence."""
    formula = _FORMULA.match(rest) or _FORMULA.match(rest.lstrip())
    if formula:
        return next(filter(None, formula.groups()), "").strip()
    sentence = re.split(r"\.\s|\.$|\n", rest, maxsplit=1)[0]
    inner = _FORMULA.search(sentence)
    if inner and len(sentence[: inner.start()].split()) <= 6:
        return next(filter(None, inner.groups()), "").strip()
    return sentence.strip().strip("*$").strip()
