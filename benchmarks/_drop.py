"""DROP's rows and its F1, derived again from the paper's evaluation (https://arxiv.org/abs/1903.00161, section 5)."""

import re
import string
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from evalharness.data.files import parse_json, read_text
from evalharness.data.rows import Files, Row, Want
from evalharness.records import Request, Response, Sample, Score
from evalharness.scoring.answers import ARTICLE, read_as

NAMES = {"validation": "drop_dataset_dev.json", "train": "drop_dataset_train.json"}


def sample(row: Row) -> Sample:
    """`extra.spans` holds one list of spans per accepted answer; a date or number is a list of one."""
    validated = row.get("validated_answers") or []
    if isinstance(validated, Mapping):  # the hub keeps a table as one list per column
        validated = [dict(zip(validated, cells, strict=True)) for cells in zip(*validated.values(), strict=True)]
    spans = list(dict.fromkeys(_spans(answer) for answer in [row["answer"], *validated]))
    spans = [found for found in spans if found and found[0].strip()]
    return Sample(
        id=row["query_id"],
        question=f"{row['passage']} {row['question']}",
        answers=tuple(",".join(found) for found in spans),
        extra={"spans": [list(found) for found in spans]},
    )


def _spans(answer: Mapping[str, Any]) -> tuple[str, ...]:
    if str(answer["number"]):
        return (str(answer["number"]),)
    if answer["spans"]:
        return tuple(answer["spans"])
    date = answer["date"]
    return (" ".join((date["day"], date["month"], date["year"])).strip(),)


def _read(path: Path, want: Want) -> Iterator[Row] | None:
    """The paragraphs of drop_dataset_dev.json, each with its questions; the path itself or in that folder."""
    found = path / NAMES[want.split]
    if path.is_file() and path.suffix == ".json" and want.split == "validation":
        found = path
    if not found.is_file():
        return None
    sections = parse_json(read_text(found), found)
    return ({**qa, "passage": section["passage"]} for section in sections.values() for qa in section["qa_pairs"])


FILES = Files(f"{NAMES['validation']} (and {NAMES['train']} for examples)", _read)


def score(asked: Sample, request: Request, response: Response) -> Score:
    """Exact match and F1 of the text, read as one span, with the best of the accepted answers."""
    figures = [figures_of(response.text, spans) for spans in asked.extra["spans"]]
    exact = max((e for e, _ in figures), default=0.0)
    return read_as({"exact_match": exact, "f1": max((f for _, f in figures), default=0.0)}, response.text)


def figures_of(answer: str, gold: Sequence[str]) -> tuple[float, float]:
    """(exact match, F1) of one span and an accepted list of spans.

    The paper pairs spans one to one; a single span is paired with the gold span that it matches best, and the others
    are worth 0. F1 is rounded to two digits, as published.
    """
    said, wanted = normal(answer), [normal(span) for span in gold]
    best = max(bag_f1(set(said.split()), set(span.split())) for span in wanted)
    return float(wanted == [said]), round(best / len(wanted), 2)


def bag_f1(said: set[str], wanted: set[str]) -> float:
    """Harmonic mean of precision and recall of two sets of words; 0 where the wanted numbers are all missing."""
    numbers = {word for word in wanted if is_number(word)}
    if numbers and not numbers & said:
        return 0.0
    shared = len(said & wanted)
    precision, recall = (shared / len(words) if words else 1.0 for words in (said, wanted))
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def is_number(word: str) -> bool:
    """Whether Python reads it as a float, as the published evaluation asks."""
    try:
        float(word)
    except ValueError:
        return False
    return True


def normal(text: str) -> str:
    """Lower case, split at blanks and hyphens; no punctuation (but in numbers) and articles; numbers as floats."""
    words = (_word(word) for word in re.split(r" |-", text.lower()))
    return " ".join(word for word in words if word)


def _word(word: str) -> str:
    if not is_number(word):
        word = "".join(c for c in word if c not in string.punctuation)
    if is_number(word):
        word = str(float(word))
    return " ".join(ARTICLE.sub(" ", word).split())
