"""Figures over several answers to each question: of one, of the most frequent one, of the best, and of all of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby

from evalharness.records import Estimate, Result
from evalharness.scoring.columns import ScoreColumns
from evalharness.scoring.metrics import Metric, average, mean, over_columns, pass_at, standings

SameAnswer = Callable[[str, str], bool]
_MOST_VOTES = 200_000  # answers that are read again for a vote


def same_words(one: str, other: str) -> bool:
    """Whether two answers are the same words, whatever their case and spaces."""
    return one.casefold().split() == other.casefold().split()


def several_answer_metrics(columns: ScoreColumns, headline: Metric, same: SameAnswer) -> tuple[Metric, ...]:
    """The further figures where questions have k > 1 answers; none where each has one, or the headline is no mean.

    `avg@k` is the mean worth of an answer. Where answers are right or wrong there are also `maj@k`, the share of
    questions whose most frequent answer is right (Wang et al. 2022, https://arxiv.org/abs/2203.11171), `pass@k`, that
    of questions with a right answer among k (Chen et al. 2021, https://arxiv.org/abs/2107.03374), and `pass^k`, that of
    questions all of whose k answers are right (Yao et al. 2024, https://arxiv.org/abs/2406.12045). Programs are not
    voted on. The intervals are over questions.
    """
    score = headline.score
    one_each = score is None or columns.samples == len(columns)
    k = 1 if score is None or one_each else max(map(len, columns.answers(score)), default=0)
    if score is None or k < 2:
        return ()
    found = [mean(score, f"avg@{k}")]
    if all(value in (0.0, 1.0) for values in columns.answers(score) for value in values):
        if not standings(columns) and len(columns) <= _MOST_VOTES:
            found.append(majority_at(k, score, same))
        found += [pass_at(k, score, f"pass@{k}"), all_right_at(k, score)]
    return tuple(found)


def all_right_at(k: int, score: str) -> Metric:
    """The chance that k answers drawn from those to a question are all right: C(c, k) / C(n, k) for c right of n
    (https://arxiv.org/abs/2406.12045). No figure where a question has fewer than k answers."""

    def of(columns: ScoreColumns) -> Estimate | None:
        answers = columns.answers(score)
        if not answers or min(map(len, answers)) < k:
            return None
        return average([math.comb(sum(v == 1.0 for v in one), k) / math.comb(len(one), k) for one in answers])

    return over_columns(f"pass^{k}", of)


def majority_at(k: int, score: str, same: SameAnswer) -> Metric:
    """The share of questions whose most frequent answer is right. `same` says which answers are one."""

    def of(results: Sequence[Result]) -> Estimate | None:
        if all(result.answer is None for result in results):
            return None
        ordered = sorted(results, key=lambda result: result.sample.id)
        questions = (list(found) for _, found in groupby(ordered, key=lambda result: result.sample.id))
        return average([majority_worth(found, score, same) for found in questions])

    return Metric(name=f"maj@{k}", of=of)


@dataclass
class _Votes:
    answer: str
    right: bool
    count: int = 1


def majority_worth(results: Sequence[Result], score: str, same: SameAnswer) -> float:
    """1 where the most frequent answer to a question is right; of several that are as frequent, the share that is.

    The right ones are one answer by the benchmark's own scorer. An answer that could not be read has no vote."""
    votes: list[_Votes] = []
    for result in sorted(results, key=lambda result: result.repeat):
        if result.answer is None:
            continue
        right = result.scores.get(score) == 1.0
        known = next((v for v in votes if v.right == right and (right or same(v.answer, result.answer))), None)
        if known is None:
            votes.append(_Votes(result.answer, right))
        else:
            known.count += 1
    most = max((vote.count for vote in votes), default=0)
    first = [vote.right for vote in votes if vote.count == most]
    return sum(first) / len(first) if first else 0.0
