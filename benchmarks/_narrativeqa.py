"""NarrativeQA's rows: of the hub (https://huggingface.co/datasets/deepmind/narrativeqa), and of the authors' files."""

from collections.abc import Iterator
from pathlib import Path

from evalharness.data.fields import take
from evalharness.data.files import csv_rows
from evalharness.data.rows import Files, Row, Want
from evalharness.errors import DataError
from evalharness.records import Sample

SUMMARIES = Path("third_party", "wikipedia", "summaries.csv")


def sample(row: Row) -> Sample:
    """A question behind its story's summary; the group is the kind of story. A question mark that lacks is set."""
    document = take(row, "document", dict)
    question = take(take(row, "question", dict), "text", str).strip()
    return Sample(
        question=question if question.endswith("?") else question + "?",
        answers=tuple(take(answer, "text", str) for answer in take(row, "answers", list)),
        group=take(document, "kind", str),
        extra={"summary": take(take(document, "summary", dict), "text", str).strip()},
    )


def _read(path: Path, want: Want) -> Iterator[Row] | None:
    """The questions of a split in qaps.csv, each with the summary of its story."""
    asked, summaries = path / "qaps.csv", path / SUMMARIES
    return _rows(asked, summaries, want.split or "") if asked.is_file() and summaries.is_file() else None


def _rows(asked: Path, summaries: Path, split: str) -> Iterator[Row]:
    told = {str(row["document_id"]): row["summary"] for row in csv_rows(summaries)}
    kinds = {str(row["document_id"]): row["kind"] for row in csv_rows(asked.parent / "documents.csv")}
    for row in csv_rows(asked):
        story = str(row["document_id"])
        if row["set"] != split:
            continue
        if story not in told or story not in kinds:
            raise DataError(f"{asked}: the story {story} is not in {SUMMARIES.name} and documents.csv")
        yield {
            "document": {"id": story, "kind": kinds[story], "summary": {"text": told[story]}},
            "question": {"text": row["question"]},
            "answers": [{"text": row["answer1"]}, {"text": row["answer2"]}],
        }


FILES = Files(f"the authors' qaps.csv and documents.csv, and {SUMMARIES} below the same folder", _read)
