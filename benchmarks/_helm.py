"""What HELM Lite's scenarios share: its layout of prompts, and its figures of a written answer (Liang et al. 2022,
https://arxiv.org/abs/2211.09110; https://github.com/stanford-crfm/helm)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from math import exp

from evalharness.benchmark import Prompt, TextOf, first_answer
from evalharness.building_blocks.instruction_texts import load_packages, tree_words
from evalharness.options import RunOptions
from evalharness.records import Request, Response, Sample, Score
from evalharness.scoring.answers import Scorer, graded_score, normalized, read_as


def laid_out(instructions: str, question: TextOf, answer: TextOf = first_answer) -> Prompt:
    """Instructions, a blank line, and blocks that end where the answer begins, with a blank line between them."""
    before = f"{instructions}\n\n" if instructions else ""
    return Prompt(description=lambda s: before, question=question, answer=lambda s: " " + answer(s))


def exact_and_f1(sample: Sample, request: Request, response: Response) -> Score:
    """`exact_match` and `f1` with the best of the answers, in SQuAD's normal form (HELM's quasi_exact_match and
    f1_score). F1 is over the sets of words, where SQuAD counts a word that is said twice as two."""
    said, wanted = normalized(response.text), [normalized(answer) for answer in sample.answers]
    f1 = max((set_f1(said.split(), text.split()) for text in wanted), default=0.0)
    return read_as({"exact_match": float(bool(response.text.strip()) and said in wanted), "f1": f1}, response.text)


def set_f1(said: Sequence[str], wanted: Sequence[str]) -> float:
    """Harmonic mean of precision and recall of two sets of words; 0 where either has none."""
    one, other = set(said), set(wanted)
    shared = len(one & other)
    return 2 * shared / (len(one) + len(other)) if shared else 0.0


def bleu_4(said: Sequence[str], wanted: Sequence[str]) -> float:
    """The share of the said runs of four words that are wanted, each as often as it is wanted, times BLEU's penalty for
    a text that is shorter than wanted (NLTK's sentence_bleu with all weight on four words, as HELM asks for)."""
    runs, right = (Counter(zip(*(islice(words, n, None) for n in range(4)), strict=False)) for words in (said, wanted))
    shared = (runs & right).total()
    if not shared:
        return 0.0
    return shared / runs.total() * min(1.0, exp(1 - len(wanted) / len(said)))


def translation(sample: Sample, request: Request, response: Response) -> Score:
    """BLEU of one translation, words told apart as in the Penn Treebank."""
    said = response.text.strip()
    return graded_score(said, bleu_4=bleu_4(tree_words(said), tree_words(sample.answers[0])))


@contextmanager
def open_translation(_: RunOptions) -> Iterator[Scorer]:
    """The scorer of translations, NLTK loaded: threads that score must not import it at the same time."""
    load_packages("translations are scored")
    yield translation
