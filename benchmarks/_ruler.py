"""RULER's tasks made from a seed: needles, chains of variables, and words that are said more often than others.

The settings are those of the authors' synthetic.yaml (https://github.com/NVIDIA/RULER); their two tasks over SQuAD and
HotpotQA, `qa_squad` and `qa_hotpotqa`, are made of those data sets' files (_ruler_qa.py).
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from random import Random

from evalharness.data.rows import Row, Source
from evalharness.records import Request, Response, Sample, Score
from evalharness.scoring.answers import graded_score, unparsed_score

from . import _ruler_qa
from ._needle import LONGER, sentences_of

ITEMS, WORDS = 50, 1000
TITLES = {
    "niah_single": "one hidden number", "niah_multikey": "one hidden number among three others",
    "niah_haystack": "one hidden number where all sentences hide one", "niah_multivalue": "four numbers of one thing",
    "niah_multiquery": "the numbers of four things", "vt": "which variables have a value, over four hops",
    "cwe": "the ten commonest words of a list", "fwe": "the three commonest made-up words",
}  # fmt: skip
OTHER_LENGTHS = tuple(f"{task}_{words}" for task in (*TITLES, *_ruler_qa.TITLES) for words in LONGER[1:])
_STARTS = (
    "b",
    "d",
    "f",
    "g",
    "h",
    "k",
    "l",
    "m",
    "n",
    "p",
    "r",
    "s",
    "t",
    "v",
    "z",
    "br",
    "dr",
    "gr",
    "kl",
    "pl",
    "st",
)
_ENDS = ("a", "e", "i", "o", "u", "ai", "ea", "io", "ou")
_ASK = "What {} the special magic number{} for {} in the text above?\nAnswer:"


def length_of(task: str) -> tuple[str, int]:
    """`vt_8000` is the task vt in 8000 words; without a number it is the usual length."""
    name, _, words = task.rpartition("_")
    return (name, int(words)) if words.isdigit() else (task, WORDS)


def source_of(task: str, described_by: Path) -> Source:
    """Rows that are made here, or of the file that the user names."""
    name, words = length_of(task)
    if name in _ruler_qa.TITLES:
        return _ruler_qa.source(name, words, described_by)
    return Source(given={"test": lambda: rows(name, words)}, described_by=described_by)


def rows(task: str, words: int) -> tuple[Row, ...]:
    """The questions of one task and length, the same in every run."""
    return tuple(_row(task, words, number) for number in range(ITEMS))


def _row(task: str, words: int, number: int) -> Row:
    chance = Random(f"ruler {task} {words} {number}")
    question, answers = _MAKERS[task](chance, words)
    return {"id": f"{number:03}", "question": question, "answers": answers}


def share_found(sample: Sample, request: Request, response: Response) -> Score:
    """The share of the answers that the text holds, whatever their case (string_match_all of the authors)."""
    said = response.text.lower()
    if not said.strip():
        return unparsed_score("string_match")
    return graded_score(
        response.text.strip(), string_match=sum(a.lower() in said for a in sample.answers) / len(sample.answers)
    )


def _new_words(chance: Random, count: int) -> list[str]:
    """Made-up words, none twice and none part of another."""
    found: set[str] = set()
    while len(found) < count:
        found.add("".join(chance.choice(_STARTS) + chance.choice(_ENDS) for _ in range(3)) + chance.choice("nrst"))
    return sorted(found)


def _number(chance: Random) -> str:
    return str(chance.randrange(1_000_000, 10_000_000))


def _with_needles(chance: Random, hay: list[str], needles: Sequence[str]) -> str:
    """The sentences with the needles at random places, one after the other."""
    for needle in needles:
        hay.insert(chance.randrange(len(hay) + 1), needle)
    return "Special magic numbers stand in the text below. Remember them.\n\n" + " ".join(hay)


def _needle(name: str, number: str) -> str:
    return f"One of the special magic numbers for {name} is {number}."


def _niah(others: int = 0, values: int = 1, asked: int = 1) -> Callable[[Random, int], tuple[str, list[str]]]:
    """`asked` things are asked for, each with so many `values`; `others` are hidden beside them."""

    def make(chance: Random, words: int) -> tuple[str, list[str]]:
        names = _new_words(chance, asked + others)
        chance.shuffle(names)
        hidden = {name: [_number(chance) for _ in range(values)] for name in names}
        needles = [_needle(name, number) for name, numbers in hidden.items() for number in numbers]
        text = _with_needles(chance, list(sentences_of(chance, words)), needles)
        several = asked * values > 1
        wanted = ", ".join(names[:asked])
        question = _ASK.format("are" if several else "is", "s" if several else "", wanted)
        return f"{text}\n\n{question}", [number for name in names[:asked] for number in hidden[name]]

    return make


def _niah_haystack(chance: Random, words: int) -> tuple[str, list[str]]:
    names = _new_words(chance, max(2, words // 10))
    chance.shuffle(names)
    hidden = {name: _number(chance) for name in names}
    text = "Special magic numbers stand in the text below. Remember them.\n\n"
    text += " ".join(_needle(name, number) for name, number in hidden.items())
    name = chance.choice(names)
    return f"{text}\n\n{_ASK.format('is', '', name)}", [hidden[name]]


def _variables(chance: Random, words: int) -> tuple[str, list[str]]:
    """One chain of five variables, each given the value of the one before; in their order among the sentences."""
    names = [name.upper()[:5] for name in _new_words(chance, 40)]
    chain = chance.sample(sorted(set(names)), 5)
    value = str(chance.randrange(10_000, 100_000))
    given = [f"VAR {chain[0]} = {value}.", *(f"VAR {b} = VAR {a}." for a, b in pairwise(chain))]
    hay = list(sentences_of(chance, words))
    for place, line in zip(sorted(chance.sample(range(len(hay)), 5), reverse=True), reversed(given), strict=True):
        hay.insert(place, line)
    asks = f"Question: which variables have the value {value} in the text above?\nAnswer: the five variables are"
    return "Follow the assignments of variables in the text below.\n\n" + " ".join(hay) + f"\n\n{asks}", chain


def _common_words(chance: Random, words: int) -> tuple[str, list[str]]:
    """Ten words thirty times each, the others three times; half of the words are the numbers before them."""
    pool = _new_words(chance, 10 + max(1, (words // 2 - 300) // 3))
    chance.shuffle(pool)
    said = pool[:10] * 30 + pool[10:] * 3
    chance.shuffle(said)
    listed = " ".join(f"{number}. {word}" for number, word in enumerate(said, 1))
    asks = "Question: which are the 10 commonest words of the list above?\nAnswer: the 10 commonest words are"
    return f"Some words of the numbered list below are said more often than others.\n\n{listed}\n\n{asks}", pool[:10]


def _frequent_words(chance: Random, words: int) -> tuple[str, list[str]]:
    """Made-up words as often as 1 / rank squared; the commonest is noise, `....`."""
    pool = ["....", *chance.sample(_new_words(chance, 200), 200)]
    weights = [1 / rank**2 for rank in range(1, len(pool) + 1)]
    often = [max(1, round(words * weight / sum(weights))) for weight in weights]
    said = [word for word, times in zip(pool, often, strict=True) for _ in range(times)][:words]
    chance.shuffle(said)
    asks = "Question: leaving `....` out, which are the three commonest words above?\nAnswer: the three words are"
    return f"Count the words of the coded text below.\n\n{' '.join(said)}\n\n{asks}", pool[1:4]


_MAKERS: dict[str, Callable[[Random, int], tuple[str, list[str]]]] = {
    "niah_single": _niah(), "niah_multikey": _niah(others=3), "niah_haystack": _niah_haystack,
    "niah_multivalue": _niah(values=4), "niah_multiquery": _niah(asked=4), "vt": _variables, "cwe": _common_words,
    "fwe": _frequent_words,
}  # fmt: skip
