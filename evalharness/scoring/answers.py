"""Scorers of one answer, and how an answer is read out of a text.

A scorer looks at one sample, what was asked and what came back, and returns a Score. It never sees a response with an
error nor what a reasoning model thinks before it answers, and need not look at `finish`: `settle` sees to these.
"""

from __future__ import annotations

import math
import re
import string
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol, runtime_checkable

from evalharness.records import Request, Response, Sample, Score

# What scores are by, in every manifest; it rises when the same answers would score otherwise than before.
# 2: a program that passes the published check alone no longer counts in the headline.
SCORING_VERSION = 2

Scorer = Callable[[Sample, Request, Response], Score]


@runtime_checkable
class Recorded(Protocol):
    """A scorer with facts of its own for the run's manifest, such as the sandbox that it runs programs in."""

    @property
    def record(self) -> Mapping[str, Any]: ...


LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def score_response(scorer: Scorer, sample: Sample, request: Request, response: Response) -> Score:
    """Score an answer, after setting apart what is no answer: errors, refusals by the provider, cut-off texts."""
    if response.error:
        return Score(status="error", detail={"error": response.error})
    if response.finish == "refused":
        return Score(status="refused")
    score = scorer(sample, request, replace(response, text=spoken(response.text)))
    if score.status == "unparsed" and response.finish == "length":
        return replace(score, status="truncated")
    return score


def binary_score(right: bool, answer: str | None = None, name: str = "accuracy") -> Score:
    """A score for an answer that is right or wrong."""
    return Score(status="correct" if right else "wrong", scores={name: float(right)}, answer=answer)


def graded_score(answer: str | None = None, **scores: float) -> Score:
    """A score for an answer whose worth is a matter of degree."""
    return Score(status="scored", scores=scores, answer=answer)


def unscored(sample: Sample, request: Request, response: Response) -> Score:
    """A free answer: what it is worth is for a judge to say."""
    return Score(status="scored")


def unparsed_score(name: str = "accuracy") -> Score:
    """No answer could be read from the text: counted apart, worth nothing in the published convention."""
    return Score(status="unparsed", scores={name: 0.0})


# What a model writes instead of an answer. Deliberately narrow: a refusal must be the whole point of the text.
REFUSAL = re.compile(
    r"^\W*(i'?m sorry|i am sorry|sorry|i apologi[sz]e|as an ai)\b.{0,200}\b(can'?t|cannot|unable|won'?t|not able)\b"
    r"|^\W*i (can'?t|cannot|won'?t|am unable to|am not able to) (help|assist|answer|provide|comply|choose)\b",
    re.IGNORECASE | re.DOTALL,
)

# One letter, perhaps in brackets, quotes, bold or LaTeX; not a contraction, not the first of several.
_ONE = (
    r"[\"'(\[*]*(?:\\(?:text|mathrm|boxed)\{\(?)?([A-Z])\b(?!['’][a-z])"
    r"(?!\)?\s*(?:\b(?:or|and)\b|/|&)\s*\(?[A-Z]\b)(?!\)?\s*,\s*\(?[A-Z]\)?\s*(?:[.,\n]|$))"
)
# From the surest sign to the weakest; the first pattern that matches decides, by its last match.
_LETTER_PATTERNS = tuple(
    re.compile(pattern)
    for pattern in (
        r"\\boxed\{\s*(?:\\text\{)?\s*\(?([A-Z])\)?\s*\}",
        r"(?i:\banswer\b(?:\s+(?:is|would be|should be|must be))?\s*[:=]?\s*\**\s*(?:is\s+)?)"
        r"(?i:(?:option\s+|choice\s+)?" + _ONE + ")",
        r"^\s*[\"'(\[*]*([A-Z])(?:[\"')\]*]+(?!\s*\()|\s*[.:,\n-]|\s*$)",
        r"(?i:\b(?:choice|option)\b(?:\s+is)?\s*[:=]?\s*)" + _ONE,
        r"(?i:\b(?:it is|it['’]s|i(?:['’]d| would)? (?:go with|choose|pick|select))\s+)" + _ONE,
        r"\(([A-Z])\)",
    )
)
# What a reasoning model thinks before it answers, as the open families mark it.
THOUGHT_END = "</think>"


def spoken(text: str) -> str:
    """The answer without the thinking before it; nothing when the thinking never ended."""
    if THOUGHT_END in text:
        return text.rpartition(THOUGHT_END)[2].lstrip()
    return "" if text.lstrip().startswith("<think>") else text


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


def option(sample: Sample, request: Request, response: Response) -> Score:
    """The option ranked first; of a written answer, the option that it is, or else whatever letter it names."""
    written = response.text.strip()
    if request.choices or written not in sample.choices:
        return choice(sample, request, response)
    return binary_score(sample.choices.index(written) in sample.gold_indices, written)


def softmax(logprobs: Sequence[float]) -> tuple[float, ...]:
    """Log-probabilities of the choices as probabilities among them."""
    top = max(logprobs)
    weights = [math.exp(value - top) if top > -math.inf else 1.0 for value in logprobs]
    return tuple(weight / sum(weights) for weight in weights)


def same_text(text: str, choices: Sequence[str]) -> int | None:
    """The place of the choice that was written out, whatever the case and with or without a full stop."""
    said, *plain = (each.strip().strip(".").casefold() for each in (text, *choices))
    return plain.index(said) if said in plain else None


def choice(sample: Sample, request: Request, response: Response) -> Score:
    """Multiple choice: the choice ranked first, or the letter that the model wrote.

    More choices than there are letters are answered by their text.
    """
    if request.choices:
        picked = best(response.logprobs)
        return binary_score(picked in sample.gold_indices, LETTERS[picked] if picked < len(LETTERS) else str(picked))
    if len(sample.choices) > len(LETTERS):
        place = same_text(response.text, sample.choices)
        return (
            label(sample, request, response)
            if place is None
            else binary_score(place in sample.gold_indices, sample.choices[place])
        )
    written = letter(response.text, len(sample.choices))
    if written is not None:
        return binary_score(LETTERS.index(written) in sample.gold_indices, written)
    if REFUSAL.search(response.text):
        return Score(status="refused", scores={"accuracy": 0.0})
    return unparsed_score()


def normalized(text: str, punctuation: str = "") -> str:
    """SQuAD's normal form: lower case, ASCII punctuation replaced by `punctuation`, no articles, single spaces.

    The steps and their order are those of evaluate-v2.0.py (https://rajpurkar.github.io/SQuAD-explorer/).
    """
    kept = "".join(punctuation if c in PUNCTUATION else c for c in text.lower())
    return " ".join(ARTICLE.sub(" ", kept).split())


PUNCTUATION = frozenset(string.punctuation)
ARTICLE = re.compile(r"\b(a|an|the)\b")


def token_f1(answer: Sequence[str], reference: Sequence[str], both_empty: float = 1.0) -> float:
    """Harmonic mean of precision and recall over words counted with repetition; `both_empty` when neither has any."""
    if not answer and not reference:
        return both_empty
    shared = (Counter(answer) & Counter(reference)).total()
    if shared == 0:
        return 0.0
    precision, recall = shared / len(answer), shared / len(reference)
    return 2 * precision * recall / (precision + recall)


def against(
    answer: str, references: Iterable[str], normal: Callable[[str], str] = normalized, both_empty: float = 1.0
) -> dict[str, float]:
    """`exact_match` and `f1` of an answer, each the best over the references; 0 where there are none."""
    said = normal(answer)
    wanted = [normal(reference) for reference in references]
    return {
        "exact_match": float(said in wanted),
        "f1": max((token_f1(said.split(), w.split(), both_empty) for w in wanted), default=0.0),
    }


def short_answer(normal: Callable[[str], str] = normalized, both_empty: float = 1.0) -> Scorer:
    """A scorer of short texts by exact match and word F1 with the sample's answers, the best of them counting."""

    def score(sample: Sample, request: Request, response: Response) -> Score:
        return read_as(against(response.text, sample.answers, normal, both_empty), response.text)

    return score


def read_as(scores: Mapping[str, float], text: str) -> Score:
    """A score by exact match: correct, or else unparsed where nothing was written, or refused, or wrong."""
    answer = text.strip()
    if scores["exact_match"]:
        return Score(status="correct", scores=scores, answer=answer)
    if not answer:
        return Score(status="unparsed", scores=scores)
    return Score(status="refused" if REFUSAL.search(text) else "wrong", scores=scores, answer=answer)


def which_label(text: str, labels: Sequence[str]) -> str | None:
    """The label (`yes`, `True`, ...) that a text answers with, or None: what follows `answer is`, else what the text
    begins with, else the only label that it mentions. Case does not count."""
    known = {label.lower(): label for label in labels}
    either = "|".join(re.escape(label) for label in sorted(known, key=len, reverse=True))
    bare = rf"[\s\"'*(\[]*\b({either})\b(?!-)"
    for pattern in (rf"\banswer\b(?:\s+is)?\s*:?{bare}", rf"\A{bare}"):
        found = {known[m.lower()] for m in re.findall(pattern, text, re.IGNORECASE)}
        if found:
            return found.pop() if len(found) == 1 else None
    mentioned = {known[m.lower()] for m in re.findall(rf"(?<!-)\b({either})\b(?!-)", text, re.IGNORECASE)}
    return mentioned.pop() if len(mentioned) == 1 else None


def label(sample: Sample, request: Request, response: Response) -> Score:
    """Classification: the sample's `choices` are its labels; the one ranked first, or the one that was written.

    `answer` is the label, so that figures over a run (F1, Matthews) can be had from it.
    """
    said = sample.choices[best(response.logprobs)] if request.choices else which_label(response.text, sample.choices)
    if said is not None:
        return binary_score(sample.choices.index(said) in sample.gold_indices, said)
    if REFUSAL.search(response.text):
        return Score(status="refused", scores={"accuracy": 0.0})
    return unparsed_score()


def choice_by_length(sample: Sample, request: Request, response: Response) -> Score:
    """`choice`, and `accuracy_norm` beside it: the choice with the largest log-probability per character of its text.

    lm-evaluation-harness's `acc` and `acc_norm`; the leading space of a choice is not counted.
    """
    score = choice(sample, request, response)
    if not request.choices:
        return score
    lengths = [max(1, len(text)) for text in sample.choices]
    picked = best(tuple(p / n for p, n in zip(response.logprobs, lengths, strict=True)))
    return replace(score, scores={**score.scores, "accuracy_norm": float(picked in sample.gold_indices)})


def truth_mass(sample: Sample, request: Request, response: Response) -> Score:
    """The share of probability that the right choices have together, all choices taken as the whole (mc2)."""
    top = max(response.logprobs)
    weights = [math.exp(p - top) for p in response.logprobs]
    return graded_score(accuracy=sum(weights[i] for i in sample.gold_indices) / sum(weights))


def last_word(sample: Sample, request: Request, response: Response) -> Score:
    """Whether greedy decoding would have written the one choice there is, and its log-probability."""
    if not response.greedy:
        return Score(status="error", detail={"error": "the model does not say whether a token was the likeliest"})
    score = binary_score(response.greedy[0])
    return replace(score, scores={**score.scores, "logprob": response.logprobs[0]})


def letter_after(pattern: str) -> Scorer:
    """Multiple choice by the first match of the authors' pattern (group 1 is the letter), else as `choice` reads it."""
    said = re.compile(pattern)

    def score(sample: Sample, request: Request, response: Response) -> Score:
        found = said.search(response.text)
        if found is None or found.group(1) not in LETTERS[: len(sample.choices)]:
            return choice(sample, request, response)
        return binary_score(LETTERS.index(found.group(1)) in sample.gold_indices, found.group(1))

    return score
