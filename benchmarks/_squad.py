"""SQuAD's files as published, the hub's rows, and the scorers of both versions (https://rajpurkar.github.io/SQuAD-explorer/).

XQuAD and other files in SQuAD's nesting are read as well (`--data xquad.de.json`). The official normal form drops the
English articles and ASCII punctuation only, in whatever language: that is how XQuAD's own figures are made.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from evalharness.benchmark import Prompt
from evalharness.data.files import parse_json, read_text
from evalharness.data.rows import Files, Row, Want
from evalharness.errors import DataError, option_name
from evalharness.records import Request, Response, Sample, Score
from evalharness.scoring.answers import against, normalized, read_as

PREFIX = {"validation": "dev", "train": "train"}


def files_of(version: str) -> Files:
    """Reads `dev-v1.1.json` (or `dev-v1.1.ANY.json`) in a folder, or the JSON file named itself."""

    def read(path: Path, want: Want) -> Iterator[Row] | None:
        if path.is_file():
            return rows_of_file(path) if path.suffix == ".json" and '"paragraphs"' in read_text(path) else None
        start = f"{PREFIX[want.split]}-{version}"
        named = re.compile(rf"{re.escape(start)}(\.\w+)?\.json")
        found = sorted(f for f in path.iterdir() if named.fullmatch(f.name))
        if len(found) > 1:
            names = ", ".join(f.name for f in found)
            raise DataError(
                f"{path}: wanted one file {start}.json, there are {names}; name one with {option_name('data', 'FILE')}"
            )
        return rows_of_file(found[0]) if found else None

    return Files(f"dev-{version}.json as published", read)


def rows_of_file(file: Path) -> Iterator[Row]:
    """The rows of a file in SQuAD's nesting."""
    whole = parse_json(read_text(file), file)
    try:
        for article in whole["data"]:
            for paragraph in article["paragraphs"]:
                for asked in paragraph["qas"]:
                    answers = {"text": [a["text"] for a in asked.get("answers", ())]}
                    title = article.get("title", "")
                    yield {
                        "id": asked["id"], "title": title, "context": paragraph["context"],
                        "question": asked["question"], "answers": answers,
                    }  # fmt: skip
    except (KeyError, TypeError) as error:
        raise DataError(f"{file}: wanted SQuAD's nesting data > paragraphs > qas, it lacks {error}") from error


def sample(row: Row) -> Sample:
    """A question of version 1.1; the group is left empty, `extra` has the paragraph."""
    return Sample(
        id=row["id"],
        question=row["question"],
        answers=tuple(row["answers"]["text"]),
        extra={"title": row["title"], "context": row["context"]},
    )


def sample2(row: Row) -> Sample:
    """A question of version 2.0, grouped by whether its paragraph answers it."""
    plain = sample(row)
    return Sample(
        id=plain.id, question=plain.question, answers=plain.answers, extra=plain.extra,
        group="HasAns" if plain.answers else "NoAns",
    )  # fmt: skip


def background(asked: Sample) -> str:
    extra = asked.extra
    return f"Title: {extra['title']}\n\nBackground: {extra['context']}\n\nQuestion: {asked.question}\n\nAnswer:"


PROMPT = Prompt(question=background, answer=lambda s: " " + (s.answers[0] if s.answers else "unanswerable"))

# What a model says in place of the empty text that the official script takes for "there is no answer".
NO_ANSWER = re.compile(
    r"((it|question|this question|this|answer) is )?(unanswerable|not answerable)"
    r"|no answer|(there is )?no answer (given|available|possible|in passage|in text|to this question)"
)


def score2(sample: Sample, request: Request, response: Response) -> Score:
    """Version 2.0: as published, but `unanswerable` and its like count as the empty answer where no answer is so."""
    wanted = [a for a in sample.answers if normalized(a)] or [""]
    scores = against(response.text, wanted)
    if not scores["exact_match"] and NO_ANSWER.fullmatch(normalized(response.text)):
        scores = against("", wanted)
    if not response.text.strip() and not scores["exact_match"]:
        return Score(status="wrong", scores=scores, answer="")
    return read_as(scores, response.text)
