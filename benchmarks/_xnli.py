"""XNLI's rows and files, and lm-evaluation-harness's words for `right`, `yes`, `also` and `no` in each language."""

import csv
import io
from collections.abc import Callable, Iterator
from pathlib import Path

from evalharness.benchmark import Prompt, plain_question
from evalharness.building_blocks.multiple_choice import shown
from evalharness.data.fields import place
from evalharness.data.files import read_text
from evalharness.data.rows import Files, Row, Want
from evalharness.errors import DataError
from evalharness.records import Sample

WORDS = {
    "en": ("right", "Yes", "Also", "No"), "es": ("correcto", "Sí", "Asi que", "No"),
    "sw": ("sahihi", "Ndiyo", "Hivyo", "Hapana"), "ar": ("صحيح", "نعم", "لذا", "رقم"),
    "bg": ("правилно", "да", "така", "не"), "de": ("richtig", "Ja", "Auch", "Nein"),
    "el": ("σωστός", "Ναί", "Έτσι", "όχι"), "fr": ("correct", "Oui", "Aussi", "Non"),
    "hi": ("सही", "हाँ", "इसलिए", "नहीं"), "ru": ("правильно", "Да", "Так", "Нет"),
    "th": ("ถูกต้อง", "ใช่", "ดังนั้น", "ไม่"), "tr": ("doğru", "Evet", "Böylece", "Hayır"),
    "ur": ("صحیح", "جی ہاں", "اس لئے", "نہیں"), "vi": ("đúng", "Vâng", "Vì vậy", "Không"),
    "zh": ("正确", "是的", "所以", "不是的"),
}  # fmt: skip
_LABELS = ("entailment", "neutral", "contradiction")
_FIELDS = {"sentence1": "premise", "sentence2": "hypothesis"}


def sample(language: str) -> Callable[[Row], Sample]:
    """The choices are the language's words for entailment, neutral and contradiction."""

    def made(row: Row) -> Sample:
        return Sample(
            question=str(row["premise"]), choices=WORDS[language][1:], gold_indices=(place(row, "label", 3),),
            extra={"hypothesis": str(row["hypothesis"])},
        )  # fmt: skip

    return made


def prompt(language: str) -> Prompt:
    """What follows the premise is ranked: `, right? Yes, ` and the hypothesis. A model that writes is shown the
    premise, the hypothesis behind `right?`, and the three words behind letters."""
    right = WORDS[language][0]

    def continuation(sample: Sample, word: str) -> str:
        return f", {right}? {word}, {sample.extra['hypothesis']}"

    return Prompt(
        question=plain_question,
        answer=lambda s: continuation(s, s.choices[s.gold_indices[0]]),
        choices=lambda s: tuple(continuation(s, word) for word in s.choices),
        written=shown(lambda s: f"{s.question}\n{s.extra['hypothesis']} {right}?"),
    )


def FILES(language: str) -> Files:  # noqa: N802  # called like the constants of the other plug-ins
    """Reads xnli.test.tsv and xnli.dev.tsv of XNLI-1.0, which hold all languages."""

    def read(path: Path, want: Want) -> Iterator[Row] | None:
        name = {"test": "xnli.test.tsv", "validation": "xnli.dev.tsv"}.get(want.split, "")
        file = path if path.is_file() else path / name
        return _rows(file, language) if name and file.is_file() and file.suffix == ".tsv" else None

    return Files("xnli.test.tsv of the authors (language, gold_label, sentence1, sentence2)", read)


def _rows(file: Path, language: str) -> Iterator[Row]:
    table = csv.DictReader(io.StringIO(read_text(file), newline=""), delimiter="\t", quoting=csv.QUOTE_NONE)
    for row in table:
        if row["language"] != language:
            continue
        if row["gold_label"] not in _LABELS:
            wanted = ", ".join(_LABELS)
            raise DataError(f"{file}:{table.line_num}: wanted one of {wanted}, there is {row['gold_label']!r}")
        yield {hub: row[own] for own, hub in _FIELDS.items()} | {"label": _LABELS.index(row["gold_label"])}
