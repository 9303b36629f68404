"""The rows of ARC: of the hub, of AI2's JSONL files, and of CSV files laid out as MMLU's."""

import csv
from collections.abc import Iterator
from pathlib import Path

from evalharness.data.files import jsonl
from evalharness.data.rows import Files, Row, Want
from evalharness.errors import DataError
from evalharness.events import warn
from evalharness.records import Sample
from evalharness.scoring.answers import LETTERS

SHORT = {"ARC-Easy": ("ARC-E", "arc_easy"), "ARC-Challenge": ("ARC-C", "arc_challenge")}


def sample(row: Row) -> Sample:
    """Options are labelled A, B, C, ... or 1, 2, 3, ...; AI2's own files keep them under `question`."""
    stem, choices = row["question"], row.get("choices")
    if isinstance(stem, dict):
        labels, texts = zip(*((c["label"], c["text"]) for c in stem["choices"]), strict=True)
        stem = stem["stem"]
    else:
        labels, texts = choices["label"], choices["text"]  # type: ignore[index]  # a row without choices is a TypeError
    return Sample(
        id=row.get("id") or "",
        question=stem,
        choices=tuple(texts),
        gold_indices=(list(labels).index(row["answerKey"]),),
    )


def files_of(config: str) -> Files:
    """Reads CONFIG-Test.jsonl, or arc_easy_test.csv and the like, at the path or in the folders of that name."""

    def read(path: Path, want: Want) -> Iterator[Row] | None:
        short, stem = SHORT[config]
        if path.is_file():
            wrong_split = want.split == "train" and "train" not in path.stem.lower()
            found = None if wrong_split or path.suffix not in (".csv", ".jsonl") else path
        else:
            folders = (path, path / config, path / short, path / short / want.split, path / want.split)
            names = (f"{config}-{want.split.title()}.jsonl", f"{stem}_{want.split}.csv")
            found = next((f for folder in folders for name in names if (f := folder / name).is_file()), None)
        if found is None:
            return None
        return _csv(found) if found.suffix == ".csv" else jsonl(found)

    return Files(f"{config}-Test.jsonl as AI2 published it, or its rows as question,A,B,C,D,letter (CSV)", read)


def _csv(file: Path) -> Iterator[Row]:
    """question, options, letter or number. The format holds four options: a row that lost its answer is left out."""
    lost = 0
    with file.open(encoding="utf-8", newline="") as lines:
        reader = csv.reader(lines)
        for cells in reader:
            if len(cells) < 4:
                raise DataError(
                    f"{file}:{reader.line_num}: wanted question, options and letter, there are {len(cells)} fields"
                )
            texts = [text for text in cells[1:-1] if text]
            labels = [str(i + 1) for i in range(len(texts))] if cells[-1].isdigit() else list(LETTERS[: len(texts)])
            if cells[-1] not in labels:
                lost += 1
                continue
            yield {"question": cells[0], "choices": {"text": texts, "label": labels}, "answerKey": cells[-1]}
    if lost:
        warn(f"{file}: {lost} questions are left out, their right option is not in the file")
