"""Whether a model picks one letter of multiple choice far more often than that letter is right."""

from __future__ import annotations

from evalharness.scoring.columns import ScoreColumns

_TIMES = 1.5  # as often picked as it is right, at least
_P = 0.001  # of an exact McNemar test, over all letters together


def letter_bias(columns: ScoreColumns) -> list[str]:
    """What is to be said of the letters picked, over the first answer to each question: nothing as a rule.

    A letter is picked too often where it is picked 1.5 times as often as it is right and more questions had it wrongly
    picked than wrongly left, by more than chance: exact McNemar, one-sided, p < .001 after Bonferroni over the letters.
    A model that is wrong without a liking for a letter leaves and picks each wrongly as often.
    """
    import numpy as np

    first = np.ones(len(columns), bool)
    first[1:] = np.diff(columns.items) != 0
    read = first & (columns.picked >= 0)
    picked, right = columns.picked[read], columns.right[read]
    found = []
    for place in np.unique(picked).tolist():
        here, is_right = picked == place, right == place
        wrongly, left = int(np.sum(here & ~is_right)), int(np.sum(is_right & ~here))
        often, rightly = int(np.sum(here)), int(np.sum(is_right))
        letters = 1 + int(max(picked.max(), right.max()))
        if often >= _TIMES * rightly and _p_value(wrongly, left) * letters < _P:
            found.append((wrongly - left, place, often, rightly))
    if not found:
        return []
    _, place, often, rightly = max(found)
    letter = chr(ord("A") + place)
    return [
        f"it picks {letter} in {often:,} of {len(picked):,} answers, where {letter} is right in {rightly:,}: the "
        "letter decides, more than the options do"
    ]


def _p_value(wrongly: int, left: int) -> float:
    """One-sided exact McNemar: that so many of the questions on which they part are on one side.

    The binomial's tail is an incomplete beta function (https://dlmf.nist.gov/8.17.E5); scipy.stats would take half a
    second to load.
    """
    from scipy.special import betainc

    return float(betainc(wrongly, left + 1, 0.5)) if wrongly else 1.0
