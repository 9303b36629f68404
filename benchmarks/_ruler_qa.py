"""RULER's two tasks over documents: a question of SQuAD or HotpotQA, its documents among others of the same file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import cycle
from pathlib import Path
from random import Random

from evalharness.data.fields import ROW_ERRORS, row_error, take
from evalharness.data.files import parse_json, read_text
from evalharness.data.rows import Files, Row, Source, Want
from evalharness.errors import DataError
from evalharness.records import Request, Response, Sample, Score
from evalharness.scoring.answers import binary_score, unparsed_score

from ._squad import rows_of_file

QUESTIONS = 50
TITLES = {
    "qa_squad": "a question of SQuAD, its paragraph among others",
    "qa_hotpotqa": "a question of HotpotQA, its pages among others",
}
_NAMES = {"qa_squad": ("dev-v2.0.json", "dev-v1.1.json"), "qa_hotpotqa": ("hotpot_dev_distractor_v1.json",)}
_ADDRESSES = {
    "qa_squad": "https://rajpurkar.github.io/SQuAD-explorer/dataset/dev-v2.0.json",
    "qa_hotpotqa": "http://curtis.ml.cmu.edu/datasets/hotpot/hotpot_dev_distractor_v1.json",
}


def source(task: str, words: int, described_by: Path) -> Source:
    """The authors' file, named by the user, made into questions of so many words."""
    return Source(
        address=_ADDRESSES[task], files=_files(task), process=lambda rows, split: made(task, words, rows),
        described_by=described_by,
    )  # fmt: skip


def _files(task: str) -> Files:
    def read(path: Path, want: Want) -> Iterator[Row] | None:
        files = [path] if path.is_file() else [path / name for name in _NAMES[task]]
        file = next((file for file in files if file.is_file() and file.suffix == ".json"), None)
        if file is None or want.split != "test":
            return None
        return _squad(file) if task == "qa_squad" else _hotpotqa(file)

    return Files(f"{_NAMES[task][0]} as published", read)


def _squad(file: Path) -> Iterator[Row]:
    """The questions that have an answer, each with its paragraph, and with those of its article as `near`."""
    asked = list(rows_of_file(file))
    articles: dict[str, dict[str, None]] = {}
    for row in asked:
        articles.setdefault(row["title"], {})[row["context"]] = None
    for row in asked:
        if answers := list(dict.fromkeys(row["answers"]["text"])):
            yield {
                "id": row["id"], "question": row["question"], "answers": answers, "documents": [row["context"]],
                "near": list(articles[row["title"]]),
            }  # fmt: skip


def _hotpotqa(file: Path) -> Iterator[Row]:
    """The questions with their ten pages, of which two answer them."""
    whole = parse_json(read_text(file), file)
    if not isinstance(whole, list):
        raise DataError(f"{file}: wanted HotpotQA's JSON, a list of questions with their context")
    for number, asked in enumerate(whole, 1):
        try:
            pages = [f"{title}\n{''.join(sentences)}" for title, sentences in take(asked, "context", list)]
            question, answer = take(asked, "question", str), take(asked, "answer", str)
            yield {"id": asked["_id"], "question": question, "answers": [answer], "documents": pages, "near": []}
        except ROW_ERRORS as error:
            raise DataError(f"{file}: question {number}: {row_error(error)}") from error


def made(task: str, words: int, rows: Sequence[Row]) -> tuple[Row, ...]:
    """Up to fifty questions drawn by a seed, each with its documents among so many others that all have `words` words;
    those of the same article first, and all of them again where a file has too few, as the authors do."""
    pool = list(dict.fromkeys(text for row in rows for text in (*row["documents"], *row["near"])))
    chance = Random(f"ruler {task} {words}")
    drawn = sorted(chance.sample(range(len(rows)), min(QUESTIONS, len(rows))))
    return tuple(_question(Random(f"ruler {task} {words} {rows[n]['id']}"), words, rows[n], pool) for n in drawn)


def _question(chance: Random, words: int, row: Row, pool: Sequence[str]) -> Row:
    chosen = list(row["documents"])
    near = [text for text in row["near"] if text not in chosen]
    known = {*chosen, *near}
    others = [text for text in pool if text not in known]
    chance.shuffle(near)
    chance.shuffle(others)
    length = sum(len(text.split()) for text in chosen)
    more = cycle([*near, *others])
    while length < words and (near or others):
        chosen.append(text := next(more))
        length += max(1, len(text.split()))
    chance.shuffle(chosen)
    shown = "\n\n".join(f"Document {number}:\n{text}" for number, text in enumerate(chosen, 1))
    asks = f"Answer from the documents above, in as few words as you can.\nQuestion: {row['question']}\nAnswer:"
    return {"id": row["id"], "question": f"{shown}\n\n{asks}", "answers": row["answers"]}


def one_found(sample: Sample, request: Request, response: Response) -> Score:
    """Whether the text holds one of the answers, whatever their case (string_match_part of the authors)."""
    said = response.text.strip()
    found = any(answer.lower() in said.lower() for answer in sample.answers)
    return binary_score(found, said, "string_match") if said else unparsed_score("string_match")
