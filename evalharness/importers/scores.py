"""Grades: a plain list from 0 to 100 (https://github.com/rasbt/LLMs-from-scratch, chapter 7), or a table, JSONL or CSV,
with `id` and `score`, and `max` (else 1) and `min` (else 0) of its scale."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean

from evalharness.data.files import csv_rows, json_rows, parse_json, read_text
from evalharness.errors import DataError
from evalharness.judging.imported import (
    ImportedJudgment,
    ImportedJudgments,
    ImportOptions,
    field_of,
    imported_verdict,
    number_of,
    text_of,
)
from evalharness.records import Sample


def read_judgments(path: Path, options: ImportOptions) -> ImportedJudgments:
    """A JSON list of grades from 0 to 100, one per item in order (https://github.com/rasbt/LLMs-from-scratch, ch07).

    Lists that leave out what could not be read have lost their alignment: two of unequal length cannot be paired.
    """
    if path.suffix.lower() in (".csv", ".jsonl"):
        return _table(path, options)
    found, name = parse_json(read_text(path), path), options.model or path.stem
    if not isinstance(found, list) or not found:
        raise DataError(f"{path}: wanted a JSON list of grades from 0 to 100")
    items = []
    for n, grade in enumerate(found):
        value = number_of(grade, f"{path}: item {n + 1}", "grade")
        if value is not None and not 0 <= value <= 100:
            raise DataError(f"{path}: item {n + 1} has the grade {value:g}; wanted 0 to 100")
        given = imported_verdict(
            "grades", "score", None if value is None else value / 100, label=json.dumps(grade)[:20]
        )
        items.append(ImportedJudgment(sample=Sample(id=str(n), question=f"item {n}"), text="", verdicts=(given,)))
    return _imported(items, "grades", [100 * v.value for i in items if (v := i.verdicts[0]).value is not None], name)


def _table(path: Path, options: ImportOptions) -> ImportedJudgments:
    """A row for each answer; a grade that is not there is null. DataError for one off its scale."""
    items, values = [], []
    for n, row in enumerate(csv_rows(path) if path.suffix.lower() == ".csv" else json_rows(path), 1):
        where = f"{path}: row {n}"
        said = field_of(row, "score", where)
        grade = number_of(None if said == "" else said, where, "score")
        low, high = (number_of(row.get(name, usual), where, name) for name, usual in (("min", 0), ("max", 1)))
        if low is None or high is None or low >= high or (grade is not None and not low <= grade <= high):
            raise DataError(f"{where}: its score is {grade}, wanted {low} to {high}; `min` and `max` say another scale")
        value = None if grade is None else (grade - low) / (high - low)
        judge = text_of(row, "judge", where, "scores")
        given = imported_verdict(judge, "score", value, label=str(row["score"]), extra={"seat": judge})
        question = text_of(row, "question", where, f"item {row.get('id', n - 1)}")
        sample = Sample(id=str(row.get("id", n - 1)), question=question)
        items.append(ImportedJudgment(sample=sample, text=text_of(row, "answer", where, ""), verdicts=(given,)))
        values += [] if value is None else [value]
    return _imported(items, "scores", values, options.model or path.stem)


def _imported(items: Sequence[ImportedJudgment], judge: str, grades: Sequence[float], model: str) -> ImportedJudgments:
    """The judgments with their mean, over the grades that are there."""
    return ImportedJudgments(
        benchmark="instructions",
        model=model,
        judge=judge,
        score="judge_score",
        items=tuple(items),
        expected=len(items),
        against="",
        figures={
            "mean": fmean(grades) if grades else None,
            "n": len(grades),
            "without_grade": len(items) - len(grades),
        },
    )
