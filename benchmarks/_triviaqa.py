"""TriviaQA's files as published (https://nlp.cs.washington.edu/triviaqa/), the hub's rows, and its normal form."""

from collections.abc import Iterator, Mapping
from itertools import count
from pathlib import Path
from typing import Any

from evalharness.data.fields import ROW_ERRORS, row_error, take, texts
from evalharness.data.files import each, parse_json, read_text
from evalharness.data.rows import Files, Row, Want
from evalharness.errors import DataError
from evalharness.records import Sample
from evalharness.scoring.answers import normalized

WORDS = 800  # of the first evidence page: what the authors' reader was given


def normal(text: str) -> str:
    """The official normal form: underscores, punctuation and typographic quotes become spaces, articles go."""
    return normalized("".join(" " if c in "‘’´`_" else c for c in text), punctuation=" ")


def files_of(*names: str, say: str) -> Files:
    """Reads the official JSON files `qa/NAME-dev.json` with their evidence, or one file named itself.

    Of a file of the verified subset, questions that were not verified are left out, as the official script does. A
    JSONL file of {context, aliases} is read too.
    """

    def read(path: Path, want: Want) -> Iterator[Row] | None:
        part = {"validation": "dev", "train": "train"}[want.split]
        if path.is_file():
            found = [path] if path.suffix in (".json", ".jsonl") else []
        else:
            folder = path / "qa" if (path / "qa").is_dir() else path
            found = [f for f in (folder / f"{name}-{part}.json" for name in names) if f.is_file()]
        return _all(found) if found else None

    return Files(say, read)


def _all(files: list[Path]) -> Iterator[Row]:
    """A question that two domains ask is two rows; the second has the domain in its id."""
    seen: set[str] = set()
    for file in files:
        for row in _plain(file) if file.suffix == ".jsonl" else _official(file):
            identity = str(row["question_id"])
            identity = f"{identity}--{row['domain']}" if identity in seen else identity
            seen.add(identity)
            yield {**row, "id": identity}


def _plain(file: Path) -> Iterator[Row]:
    number = count()

    def plain(row: Row) -> Iterator[Row]:
        question = row.get("question") or take(row, "context", str).removeprefix("Question: ").removesuffix("\nAnswer:")
        answer = row["answer"] if isinstance(row.get("answer"), Mapping) else {"aliases": texts(row, "aliases")}
        identity = row.get("question_id", str(next(number)))
        yield {**row, "question": question, "answer": answer, "question_id": identity, "domain": ""}

    return each(file, plain)


def _official(file: Path) -> Iterator[Row]:
    whole = parse_json(read_text(file), file)
    if not isinstance(whole, dict) or not isinstance(whole.get("Data"), list):
        raise DataError(f"{file}: wanted TriviaQA's JSON, an object with a list of questions `Data`")
    for number, asked in enumerate(whole["Data"], 1):
        try:
            if whole.get("VerifiedEval") and not asked["QuestionPartOfVerifiedEval"]:
                continue
            row = _row(file, asked)
        except ROW_ERRORS as error:
            raise DataError(f"{file}: question {number} of Data: {row_error(error)}") from error
        yield {**row, "domain": whole.get("Domain", "")}


def _row(file: Path, asked: Any) -> Row:
    answer = take(asked, "Answer", dict)
    human = texts(answer, "HumanAnswers", least=0) if "HumanAnswers" in answer else []
    return {
        "question_id": take(asked, "QuestionId", str),
        "question": take(asked, "Question", str),
        "entity_pages": {"wiki_context": list(_pages(file, asked))},
        "answer": {
            "aliases": texts(answer, "Aliases"),
            "normalized_aliases": [*texts(answer, "NormalizedAliases", least=0), *human],
        },
    }


def _pages(file: Path, asked: Row) -> Iterator[str]:
    evidence = file.parent.parent / "evidence"
    for page in take(asked, "EntityPages", list) if "EntityPages" in asked else ():
        path = evidence / "wikipedia" / take(page, "Filename", str)
        if path.is_file():
            yield read_text(path)


def sample(row: Row) -> Sample:
    """A question; `answers` begins with the alias that a shot shows, all of them count."""
    answer = take(row, "answer", dict)
    answers = dict.fromkeys([*texts(answer, "aliases"), *answer.get("normalized_aliases", ())])
    return Sample(id=row.get("id", ""), question=row["question"], answers=tuple(answers))


def with_evidence(row: Row) -> Sample:
    """A question with the first words of its first Wikipedia page."""
    plain = sample(row)
    pages = row["entity_pages"]["wiki_context"]
    if not pages:
        raise ValueError(f"there is no evidence page for {row['question_id']}")
    page = " ".join(pages[0].split()[:WORDS])
    return Sample(id=row["question_id"], question=plain.question, answers=plain.answers, extra={"context": page})
