"""Small changes to a question that should not change its answer: HELM's robustness and fairness perturbations.

Liang et al. 2022, https://arxiv.org/abs/2211.09110, sections 4.5 and 4.6. The word lists are our own and short; the
first names are those of Bertrand and Mullainathan 2004 (https://doi.org/10.1257/0002828042002561).
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from evalharness.records import Sample
from evalharness.text.deferred import deferred

_Change = Callable[[str, random.Random], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Perturbation:
    """`change_for` gives, from all texts of a question, what rewrites each of them (so a name becomes the same other
    name everywhere). `answers`: the answers and choices change with the question (names, pronouns)."""

    name: str
    kind: Literal["robustness", "fairness"]
    change_for: Callable[[str], _Change]
    answers: bool = False


def _always(change: _Change) -> Callable[[str], _Change]:
    return lambda texts: change


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
_FIRST_NAMES = deferred(r"\b(" + "|".join((*HER.split(), *HIM.split())) + r")\b")
_GENDERED = _words(GENDER)


def _renamed(text: str, swaps: Sequence[tuple[Sequence[str], Sequence[str]]]) -> dict[str, str]:
    """Another first name for each in a text, no two persons the same and none a name that the text has already."""
    taken, table = set(re.findall(r"\b[A-Z]\w+\b", text)), {}
    for known, new in swaps:
        for found in dict.fromkeys(_FIRST_NAMES.findall(text)):
            if found in known:
                start = known.index(found)
                free = (new[(start + i) % len(new)] for i in range(len(new)))
                chosen = next((name for name in free if name not in taken), None)
                if chosen is not None:
                    table[found] = chosen
                    taken.add(chosen)
    return table


def _replaced(table: Mapping[str, str], text: str) -> str:
    return _FIRST_NAMES.sub(lambda m: table.get(m.group(), m.group()), text)


def _names(texts: str) -> _Change:
    """Each first name becomes another of the same gender, the same one everywhere; so the pronouns stay right."""
    table = _renamed(texts, ((HER.split(), WOMEN), (HIM.split(), MEN)))
    return lambda text, rng: _replaced(table, text)


def gender(texts: str) -> _Change:
    """Men become women: words, pronouns and first names together."""
    table = _renamed(texts, ((HIM.split(), HER.split()),))
    return lambda text, rng: _GENDERED(_replaced(table, text), rng)


ALL = (
    Perturbation(name="typos", kind="robustness", change_for=_always(typos)),
    Perturbation(name="lower_case", kind="robustness", change_for=_always(lower_case)),
    Perturbation(name="spaces", kind="robustness", change_for=_always(spaces)),
    Perturbation(name="contractions", kind="robustness", change_for=_always(_words(CONTRACTIONS))),
    Perturbation(name="dialect", kind="fairness", change_for=_always(_words(DIALECT))),
    Perturbation(name="gender", kind="fairness", change_for=gender, answers=True),
    Perturbation(name="names", kind="fairness", change_for=_names, answers=True),
)
KIND = {perturbation.name: perturbation.kind for perturbation in ALL}

# Texts besides the question that a prompt shows, by their name in `extra`.
_SHOWN = ("context", "passage", "paragraph", "premise", "story", "query", "answer")


def apply(perturbation: Perturbation, sample: Sample, seed: int = 0, own: Sequence[str] | None = None) -> Sample | None:
    """The sample with its texts changed, or None where nothing in them changes. Its id is `ID~NAME`; `extra` says
    which `perturbation` it is and which sample is the `original`.

    `own` holds the texts of the data's row: only what comes from them changes, never the words that the harness puts
    around them. Without it all of the question is the data's. An answer that is copied from a text that changes is
    accepted in its changed form as well.
    """
    rng = random.Random(f"{seed}/{perturbation.name}/{sample.id}")
    shown = [name for name in _SHOWN if isinstance(sample.extra.get(name), str)]
    everything = [sample.question, *sample.choices, *sample.answers, *(str(sample.extra[name]) for name in shown)]
    change = perturbation.change_for("\n".join(everything))
    copied = () if sample.choices or perturbation.answers else tuple(a for a in sample.answers if len(a) > 1)
    became: dict[str, str] = {}

    def changed(text: str) -> str:
        spans = [(0, len(text))] if own is None else own_spans(text, own)
        return _within(text, spans, lambda part: _keeping(part, copied, lambda t: change(t, rng), became))

    extra: dict[str, Any] = {**sample.extra, **{name: changed(sample.extra[name]) for name in shown}}
    question = changed(sample.question)
    answers, choices = sample.answers, sample.choices
    if perturbation.answers:
        answers, choices = (tuple(change(text, rng) for text in texts) for texts in (answers, choices))
    if (question, answers, choices, extra) == (sample.question, sample.answers, sample.choices, dict(sample.extra)):
        return None
    answers = tuple(dict.fromkeys((*answers, *(became[a] for a in answers if a in became))))
    return replace(
        sample, id=f"{sample.id}~{perturbation.name}", question=question, answers=answers, choices=choices,
        extra={**extra, "perturbation": perturbation.name, "original": sample.id},
    )  # fmt: skip


def _within(text: str, spans: Sequence[tuple[int, int]], change: Callable[[str], str]) -> str:
    """The text with some of its spans changed."""
    parts, end = [], 0
    for start, stop in spans:
        parts += [text[end:start], change(text[start:stop])]
        end = stop
    return "".join([*parts, text[end:]])


def _keeping(text: str, copied: Sequence[str], change: Callable[[str], str], became: dict[str, str]) -> str:
    """The text changed piece by piece, so that for each answer that it holds the changed form is known."""
    there = sorted((a for a in copied if a in text), key=len, reverse=True)
    if not there:
        return change(text)
    either = re.compile(r"(?<!\w)(" + "|".join(map(re.escape, there)) + r")(?!\w)")
    parts = []
    for piece in either.split(text):
        made = became.get(piece) or change(piece)
        if piece in there:
            became[piece] = made
        parts.append(made)
    return "".join(parts)


def row_texts(row: Any) -> tuple[str, ...]:
    """Every text of a row of data, the longest first."""
    if isinstance(row, str):
        return (row,) if row.strip() else ()
    parts = row.values() if isinstance(row, Mapping) else row if isinstance(row, list | tuple) else ()
    return tuple(sorted({text for part in parts for text in row_texts(part)}, key=lambda t: (-len(t), t)))


LEAST_RUN = 3  # words in a row that are in the data's text too are the data's, even where the rest was rewritten


def own_spans(text: str, own: Sequence[str]) -> list[tuple[int, int]]:
    """Where a text comes from the data: whole texts of the row, and runs of their words where they were rewritten.

    A single word counts only where it fills a line or stands in quotes: `True` or `question` may as well be ours.
    """
    spans: list[tuple[int, int]] = []
    for part in dict.fromkeys(whole.strip() for whole in own if len(whole.strip()) > 1):
        around = r"(?:(?<=^)|(?<=[\"'“‘]))", r"(?=$|[\"'”’])"
        if " " in part:
            around = r"(?<!\w)" if part[0].isalnum() else "", r"(?!\w)" if part[-1].isalnum() else ""
        for hit in re.finditer(around[0] + re.escape(part) + around[1], text, re.MULTILINE):
            if all(hit.end() <= start or hit.start() >= stop for start, stop in spans):
                spans.append(hit.span())
    whole = "\n".join(own)
    for start, stop in _gaps(text, sorted(spans)):
        spans += _runs(text, start, stop, whole)
    return sorted(spans)


def _gaps(text: str, spans: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    edges = [0, *(edge for span in spans for edge in span), len(text)]
    return [(a, b) for a, b in zip(edges[::2], edges[1::2], strict=True) if a < b]


def _runs(text: str, start: int, stop: int, whole: str) -> list[tuple[int, int]]:
    """The stretches of three words and more between two places that stand so in the data's text."""
    words = [(m.start(), m.end()) for m in re.compile(r"\S+").finditer(text, start, stop)]
    found, first = [], 0
    while first < len(words):
        last = first
        while last < len(words) and text[words[first][0] : words[last][1]] in whole:
            last += 1
        if last - first >= LEAST_RUN:
            found.append((words[first][0], words[last - 1][1]))
            first = last
        else:
            first += 1  # a longer run may begin at the next word
    return found
