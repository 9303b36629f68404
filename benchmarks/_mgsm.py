"""MGSM's words for question and answer in each language, its files, and its numbers."""

import csv
import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from evalharness.data.files import read_text
from evalharness.data.rows import Files, Row, Want
from evalharness.errors import DataError
from evalharness.records import Request, Response, Sample, Score
from evalharness.scoring.answers import Scorer
from evalharness.scoring.math import number_after_hashes

from ._languages import with_decimal_points

# `Question:` and `Step-by-Step Answer:` as section 2.2 and the authors' examples have them, here without the steps.
ASKS = {
    "en": "Question: {}\nAnswer:", "es": "Pregunta: {}\nRespuesta:", "sw": "Swali: {}\nJibu:",
    "de": "Frage: {}\nAntwort:", "fr": "Question : {}\nRéponse :", "ru": "Задача: {}\nОтвет:",
    "bn": "প্রশ্ন: {}\nউত্তর:", "ja": "問題：{}\n答え：", "te": "ప్రశ్న: {}\nసమాధానం:", "th": "โจทย์: {}\nคำตอบ:",
    "zh": "问题：{}\n答案：",
}  # fmt: skip


def FILES(language: str) -> Files:  # noqa: N802  # called like the constants of the other plug-ins
    """Reads mgsm_LANG.tsv: the question and the number, without a header."""

    def read(path: Path, want: Want) -> Iterator[Row] | None:
        file = path if path.is_file() else path / f"mgsm_{language}.tsv"
        return _rows(file) if want.split == "test" and file.suffix == ".tsv" and file.is_file() else None

    return Files(f"mgsm_{language}.tsv of the authors (question and number, a tab between them)", read)


def _rows(file: Path) -> Iterator[Row]:
    reader = csv.reader(io.StringIO(read_text(file), newline=""), delimiter="\t", quoting=csv.QUOTE_NONE)
    for cells in reader:
        if len(cells) != 2:
            raise DataError(f"{file}:{reader.line_num}: wanted a question and a number, there are {len(cells)} fields")
        yield {"question": cells[0], "answer_number": cells[1].replace(",", "")}


def scorer(language: str) -> Scorer:
    """The number that the answer ends with, read as its language writes numbers."""

    def score(sample: Sample, request: Request, response: Response) -> Score:
        text = with_decimal_points(response.text, language)
        found = number_after_hashes(sample, request, replace(response, text=text))
        return replace(found, scores={"accuracy": found.scores["accuracy"]})

    return score
