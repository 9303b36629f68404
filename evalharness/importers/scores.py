"""A plain list of grades from 0 to 100 (https://github.com/rasbt/LLMs-from-scratch, chapter 7)."""

from __future__ import annotations

import json
from pathlib import Path
from statistics import fmean

from evalharness.data.files import parse_json, read_text
from evalharness.errors import DataError
from evalharness.judging.imported import (
    ImportedJudgment,
    ImportedJudgments,
    ImportOptions,
    imported_verdict,
    number_of,
)
from evalharness.records import Sample


def read_judgments(path: Path, options: ImportOptions) -> ImportedJudgments:
    """A JSON list of grades from 0 to 100, one per item in order (https://github.com/rasbt/LLMs-from-scratch, ch07).

    Lists that leave out what could not be read have lost their alignment: two of unequal length cannot be paired.
    """
    found = parse_json(read_text(path), path)
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
    grades = [100 * v.value for i in items if (v := i.verdicts[0]).value is not None]
    return ImportedJudgments(
        benchmark="instructions",
        model=options.model or path.stem,
        judge="grades",
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
