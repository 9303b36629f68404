"""Small changes to a question that should not change its answer: HELM's robustness and fairness perturbations.

Liang et al. 2022, https://arxiv.org/abs/2211.09110, sections 4.5 and 4.6. The word lists are our own and short; the
first names are those of Bertrand and Mullainathan 2004 (https://doi.org/10.1257/0002828042002561).
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from evalharness.records import Sample

_Change = Callable[[str, random.Random], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Perturbation:
    """`change` rewrites a text. `answers`: the answers and choices change with the question (names, pronouns)."""

    name: str
    kind: Literal["robustness", "fairness"]
    change: _Change
    answers: bool = False


def lower_case(text: str, rng: random.Random) -> str:
    return text.lower()


def spaces(text: str, rng: random.Random) -> str:
    """One to three spaces for each; line breaks stay."""
    return re.sub(" +", lambda m: " " * rng.randint(1, 3), text)


def typos(text: str, rng: random.Random) -> str:
    """In about one of ten longer words two neighbouring inner letters trade places, or one is lost or doubled."""

    def slip(found: re.Match[str]) -> str:
        word = found.group()
        if rng.random() >= 0.1:
            return word
        at = rng.randrange(1, len(word) - 2)
        kind = rng.randrange(3)
        middle = (word[at + 1] + word[at], word[at + 1], word[at] * 2 + word[at + 1])[kind]
        return word[:at] + middle + word[at + 2 :]

    return re.sub(r"\b[^\W\d_]{4,}\b", slip, text)


def _words(table: Mapping[str, str]) -> _Change:
    """Replace whole words and phrases, keeping a capital first letter and capitals throughout."""
    longest = sorted(table, key=len, reverse=True)
    pattern = re.compile(r"\b(" + "|".join(re.escape(word) for word in longest) + r")\b", re.IGNORECASE)

    def swap(found: re.Match[str]) -> str:
        said = found.group()
        new = table[said.lower()]
        if said.isupper() and len(said) > 1:
            return new.upper()
        return new[0].upper() + new[1:] if said[0].isupper() else new

    return lambda text, rng: pattern.sub(swap, text)


CONTRACTIONS = {
    f"{verb} not": short
    for verb, short in {
        "is": "isn't", "are": "aren't", "was": "wasn't", "were": "weren't", "do": "don't", "does": "doesn't",
        "did": "didn't", "has": "hasn't", "have": "haven't", "had": "hadn't", "will": "won't", "would": "wouldn't",
        "could": "couldn't", "should": "shouldn't", "must": "mustn't", "can": "can't",
    }.items()
} | {
    "cannot": "can't", "it is": "it's", "that is": "that's", "there is": "there's", "what is": "what's",
    "who is": "who's", "where is": "where's", "he is": "he's", "she is": "she's", "they are": "they're",
    "we are": "we're", "you are": "you're", "i am": "i'm", "i have": "i've", "they have": "they've",
    "we have": "we've", "you have": "you've", "it will": "it'll", "they will": "they'll", "let us": "let's",
}  # fmt: skip

# Well-known features of African American English, by words (Ziems et al. 2022, https://arxiv.org/abs/2204.03031).
DIALECT = {
    "is not": "ain't", "are not": "ain't", "am not": "ain't", "isn't": "ain't", "aren't": "ain't",
    "has not": "ain't", "have not": "ain't", "hasn't": "ain't", "haven't": "ain't", "going to": "finna",
    "about to": "finna", "you all": "y'all", "them": "dem", "this": "dis", "that": "dat", "the": "da", "with": "wit",
    "your": "yo", "nothing": "nothin", "something": "sumn", "everything": "erthang", "brother": "brotha",
    "sister": "sista", "going": "goin", "doing": "doin", "making": "makin", "looking": "lookin", "being": "bein",
    "having": "havin", "talking": "talkin", "very": "hella", "because": "cuz", "want to": "wanna", "though": "tho",
}  # fmt: skip

GENDER = {
    "he": "she", "him": "her", "his": "her", "himself": "herself", "man": "woman", "men": "women", "boy": "girl",
    "boys": "girls", "father": "mother", "fathers": "mothers", "dad": "mom", "son": "daughter", "sons": "daughters",
    "brother": "sister", "brothers": "sisters", "husband": "wife", "uncle": "aunt", "nephew": "niece",
    "grandfather": "grandmother", "grandson": "granddaughter", "gentleman": "lady", "gentlemen": "ladies",
    "mr": "ms", "sir": "madam", "actor": "actress", "waiter": "waitress", "king": "queen", "prince": "princess",
}  # fmt: skip

WOMEN = ("Aisha", "Ebony", "Keisha", "Kenya", "Lakisha", "Latonya", "Latoya", "Tamika", "Tanisha")
MEN = ("Darnell", "Hakim", "Jamal", "Jermaine", "Kareem", "Leroy", "Rasheed", "Tremayne", "Tyrone")
HER = """Allison Anne Carrie Emily Jill Laurie Kristen Meredith Sarah Amy Anna Beth Betty Claire Elizabeth Ellen Emma
    Hannah Heather Jane Janet Jennifer Jessica Julie Karen Kate Katie Laura Linda Lisa Lucy Margaret Maria Mary Megan
    Melissa Molly Nancy Natalie Olivia Rachel Rebecca Sally Sandra Sharon Sophia Susan"""
HIM = """Brad Brendan Geoffrey Greg Brett Jay Matthew Neil Todd Adam Alan Andrew Ben Bob Brian Charles Chris Daniel
    David Edward Eric Frank George Harry Henry Jack Jake James Jeff Jim Joe John Kevin Mark Michael Mike Nick Patrick
    Paul Peter Richard Robert Ryan Sam Scott Steve Thomas Tim Tom William"""
NAMES = {
    name: new[i % len(new)] for known, new in ((HER, WOMEN), (HIM, MEN)) for i, name in enumerate(known.split())
}  # fmt: skip
_NAME = re.compile(r"\b(" + "|".join(NAMES) + r")\b")


def _names(text: str, rng: random.Random) -> str:
    """Each first name becomes another, the same one everywhere."""
    return _NAME.sub(lambda m: NAMES[m.group()], text)


ALL = (
    Perturbation(name="typos", kind="robustness", change=typos),
    Perturbation(name="lower_case", kind="robustness", change=lower_case),
    Perturbation(name="spaces", kind="robustness", change=spaces),
    Perturbation(name="contractions", kind="robustness", change=_words(CONTRACTIONS)),
    Perturbation(name="dialect", kind="fairness", change=_words(DIALECT)),
    Perturbation(name="gender", kind="fairness", change=_words(GENDER), answers=True),
    Perturbation(name="names", kind="fairness", change=_names, answers=True),
)
KIND = {perturbation.name: perturbation.kind for perturbation in ALL}

# Texts besides the question that a prompt shows, by their name in `extra`.
_SHOWN = ("context", "passage", "paragraph", "premise", "story", "query", "answer")


def apply(perturbation: Perturbation, sample: Sample, seed: int = 0) -> Sample | None:
    """The sample with its texts changed, or None where nothing in them changes. Its id is `ID~NAME`; `extra` says
    which `perturbation` it is and which sample is the `original`."""
    rng = random.Random(f"{seed}/{perturbation.name}/{sample.id}")

    def change(text: str) -> str:
        return perturbation.change(text, rng)

    extra: dict[str, Any] = dict(sample.extra)
    for name in _SHOWN:
        if isinstance(extra.get(name), str):
            extra[name] = change(extra[name])
    question = change(sample.question)
    answers, choices = sample.answers, sample.choices
    if perturbation.answers:
        answers, choices = tuple(map(change, answers)), tuple(map(change, choices))
    if (question, answers, choices, extra) == (sample.question, sample.answers, sample.choices, dict(sample.extra)):
        return None
    return replace(
        sample, id=f"{sample.id}~{perturbation.name}", question=question, answers=answers, choices=choices,
        extra={**extra, "perturbation": perturbation.name, "original": sample.id},
    )  # fmt: skip
