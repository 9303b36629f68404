"""Free answers beside their references, without any judge: exact match, word F1, ROUGE-L and chrF.

ROUGE-L (https://aclanthology.org/W04-1013) is rouge-score's F-measure, chrF (https://aclanthology.org/W15-3049) is
sacrebleu's sentence chrF as a share of 1; both come with the extra `text` and are left out where it is not installed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib.util import find_spec

from evalharness.records import Request, Response, Sample, Score, Status
from evalharness.scoring.answers import against
from evalharness.scoring.metrics import mean_where

REFERENCE_NAMES = {"exact_match": "exact match", "f1": "word F1", "rouge_l": "ROUGE-L", "chrf": "chrF"}
REFERENCE_METRICS = tuple(mean_where(name) for name in REFERENCE_NAMES)


def beside_references(sample: Sample, request: Request, response: Response) -> Score:
    """The best of the sample's answers counts; no figures where it has none. An answer that was cut at the limit is
    `truncated`, an empty one `unparsed`; both count with what there is of them."""
    said, wanted = response.text.strip(), [answer.strip() for answer in sample.answers]
    status: Status = "truncated" if response.finish == "length" else "scored" if said else "unparsed"
    if not wanted:
        return Score(status=status)
    scores = {**against(said, wanted), "exact_match": float(said in wanted)}
    return Score(status=status, scores=scores | {name: measure(said, wanted) for name, measure in _measures().items()})


@cache
def _measures() -> dict[str, Callable[[str, Sequence[str]], float]]:
    found: dict[str, Callable[[str, Sequence[str]], float]] = {}
    if find_spec("rouge_score"):
        from rouge_score.rouge_scorer import RougeScorer

        rouge = RougeScorer(["rougeL"])
        found["rouge_l"] = lambda said, wanted: max(rouge.score(text, said)["rougeL"].fmeasure for text in wanted)
    if find_spec("sacrebleu"):
        from sacrebleu.metrics.chrf import CHRF

        chrf = CHRF()
        found["chrf"] = lambda said, wanted: chrf.sentence_score(said, wanted).score / 100
    return found


def in_words(counts: Mapping[str, int], figures: Mapping[str, float]) -> str:
    """Counts by status, and the figures that there are."""
    counted = ", ".join(f"{count} {status}" for status, count in counts.items() if count)
    measured = ", ".join(f"{name} {figures[key]:.3f}" for key, name in REFERENCE_NAMES.items() if key in figures)
    return f"{counted}; {measured}" if measured else counted
