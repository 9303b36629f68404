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
from evalharness.scoring.final_answer import final_answer
from evalharness.scoring.letters import ALPHABET, read_letter
from evalharness.text.deferred import deferred

# What scores are by, in every manifest; it rises when the same answers would score otherwise than before.
# 2: a program that passes the published check alone no longer counts in the headline.
SCORING_VERSION = 2

Scorer = Callable[[Sample, Request, Response], Score]


@runtime_checkable
class Recorded(Protocol):
    """A scorer with facts of its own for the run's manifest, such as the sandbox that it runs programs in."""

    @property
    def record(self) -> Mapping[str, Any]: ...


LETTERS = ALPHABET
# The version of the rules by which answers are read out of texts; larger with every change that can move a score. Runs
# without one in their manifest were read by the rules of version 1.
READING_RULES = 5


def score_response(scorer: Scorer, sample: Sample, request: Request, response: Response) -> Score:
    """Score an answer, after setting apart what is no answer: errors, refusals by the provider, cut-off texts."""
    if response.error:
        return Score(status="error", detail={"error": response.error})
    if response.finish == "refused":
        return Score(status="refused")
    final = final_answer(response.text)
    read_in = response if final.text == response.text else replace(response, text=final.text)
    score = scorer(sample, request, read_in)
    read = {"rule": "the whole text"} if score.answer is not None and score.answer.strip() == final.text.strip() else {}
    stripped = {"stripped": list(final.stripped)} if final.stripped else {}
    if read or stripped:
        score = replace(score, detail={**read, **score.detail, **stripped})
    if (final.cut or _only_thought(response, final.text)) and score.status != "error":
        # Nothing was answered: not even where an empty answer would be right.
        return replace(score, status="truncated", scores=dict.fromkeys(score.scores, 0.0), answer=None)
    if score.status == "unparsed" and response.finish == "length" and not request.by_first_token:
        return replace(score, status="truncated")
    return score


def _only_thought(response: Response, answer: str) -> bool:
    """Whether the model was cut off while it thought, where its thinking came apart from its answer."""
    if not response.thinking or answer.strip():
        return False
    return response.finish == "length" or final_answer(response.thinking).cut


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


def none_read(text: str, name: str = "accuracy") -> Score:
    """The score of a text in which no answer could be read: a refusal, or unparsed."""
    return Score(status="refused", scores={name: 0.0}) if REFUSAL.search(text) else unparsed_score(name)


# What a model writes instead of an answer. Deliberately narrow: a refusal must be the whole point of the text.
REFUSAL = deferred(
    r"^\W*(i'?m sorry|i am sorry|sorry|i apologi[sz]e|as an ai)\b.{0,200}\b(can'?t|cannot|unable|won'?t|not able)\b"
    r"|^\W*i (can'?t|cannot|won'?t|am unable to|am not able to) (help|assist|answer|provide|comply|choose)\b",
    re.IGNORECASE | re.DOTALL,
)


def spoken(text: str) -> str:
    """The answer without the thinking before it; nothing when the thinking never ended."""
    return final_answer(text).text


def letter(text: str, count: int) -> str | None:
    """The letter (A is the first of `count` choices) that a text answers with, or None when it answers with none of
    them, or with several."""
    found = read_letter(text, count).answer
    return found if found is not None and found in LETTERS[:count] else None


def best(logprobs: tuple[float, ...]) -> int:
    """Position of the largest value, the first on ties (as numpy's argmax)."""
    return max(range(len(logprobs)), key=lambda i: (logprobs[i], -i))


def option(sample: Sample, request: Request, response: Response) -> Score:
    """The option ranked first; of a written answer, the option that it is, or else whatever letter it names."""
    written = response.text.strip()
    if request.choices or request.by_first_token or written not in sample.choices:
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


def first_letter(sample: Sample, response: Response) -> Score:
    """Multiple choice by the likeliest first tokens of an answer: the letter that has most of their probability.

    A letter that is not among them has none that is known; `at_most` bounds it, by the least likely token that was told
    and by what all of them leave. Any letter that was told is likelier than that, so which one is picked is certain.
    `likelihood` is the share of all probability that the letters have together.
    """
    if not response.top_logprobs:
        return Score(status="error", detail={"error": "no log-probabilities of the first token came with the answer"})
    letters, told = LETTERS[: len(sample.choices)], [math.exp(min(0.0, value)) for _, value in response.top_logprobs]
    held: dict[str, float] = {}
    for (token, _), likely in zip(response.top_logprobs, told, strict=True):
        if (name := token.strip(_AROUND_LETTER)) in letters and len(name) == 1:
            held[name] = held.get(name, 0.0) + likely
    unknown = min(*told, max(0.0, 1.0 - math.fsum(told)), 1.0)
    detail: dict[str, Any] = {
        "rule": "the letter with the likeliest first token", "first_token": held,
        "likelihood": math.fsum(held.values()), "at_most": {name: unknown for name in letters if name not in held},
    }  # fmt: skip
    if not held:
        return replace(unparsed_score(), detail={**detail, "rule": "no letter is among the likeliest first tokens"})
    picked = max(held, key=lambda name: (held[name], -letters.index(name)))
    return replace(binary_score(letters.index(picked) in sample.gold_indices, picked), detail=detail)


_AROUND_LETTER = " \t\n().:*\u2581\u0120"  # what tokens have beside a letter: marks, and how vocabularies write spaces


def choice(sample: Sample, request: Request, response: Response) -> Score:
    """Multiple choice: the choice ranked first, the letter that the model wrote, or would have begun with.

    More choices than there are letters are answered by their text.
    """
    if request.by_first_token:
        return first_letter(sample, response)
    if request.choices:
        picked = best(response.logprobs)
        score = binary_score(picked in sample.gold_indices, LETTERS[picked] if picked < len(LETTERS) else str(picked))
        return replace(score, detail={"rule": "the choice ranked first"})
    if len(sample.choices) > len(LETTERS):
        place = same_text(response.text, sample.choices)
        return (
            label(sample, request, response)
            if place is None
            else binary_score(place in sample.gold_indices, sample.choices[place])
        )
    said = read_letter(response.text, len(sample.choices))
    if said.answer is None:
        return none_read(response.text)
    score = binary_score(LETTERS.index(said.answer) in sample.gold_indices, said.answer)
    return replace(score, detail={"rule": said.rule})


def normalized(text: str, punctuation: str = "") -> str:
    """SQuAD's normal form: lower case, ASCII punctuation replaced by `punctuation`, no articles, single spaces.

    The steps and their order are those of evaluate-v2.0.py (https://rajpurkar.github.io/SQuAD-explorer/).
    """
    kept = "".join(punctuation if c in PUNCTUATION else c for c in text.lower())
    return " ".join(ARTICLE.sub(" ", kept).split())


PUNCTUATION = frozenset(string.punctuation)
ARTICLE = deferred(r"\b(a|an|the)\b")


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
    bare = rf"[\s\"'*(\[]{{0,20}}\b({either})\b(?!-)"
    for pattern in (rf"\banswer\b(?:\s{{1,5}}is)?\s{{0,5}}:?{bare}", rf"\A\s*{bare}"):
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
        rule = "the choice ranked first" if request.choices else "label in the text"
        return replace(binary_score(sample.choices.index(said) in sample.gold_indices, said), detail={"rule": rule})
    return none_read(response.text)


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
        right = LETTERS.index(found.group(1)) in sample.gold_indices
        return replace(binary_score(right, found.group(1)), detail={"rule": f"first match of {pattern}"})

    return score
