"""MMLU's subjects and categories (categories.py of https://github.com/hendrycks/test) and its CSV folders."""

import csv
import io
from collections.abc import Callable, Iterator
from pathlib import Path

from evalharness.data.files import read_text
from evalharness.data.rows import Files, Row, Want
from evalharness.errors import DataError, option_name
from evalharness.records import Sample
from evalharness.scoring.answers import LETTERS
from evalharness.scoring.metrics import within

CATEGORIES: dict[str, frozenset[str]] = {
    name: frozenset(subjects.split())
    for name, subjects in {
        "stem": """abstract_algebra astronomy college_biology college_chemistry college_computer_science
            college_mathematics college_physics computer_security conceptual_physics electrical_engineering
            elementary_mathematics high_school_biology high_school_chemistry high_school_computer_science
            high_school_mathematics high_school_physics high_school_statistics machine_learning""",
        "humanities": """formal_logic high_school_european_history high_school_us_history high_school_world_history
            international_law jurisprudence logical_fallacies moral_disputes moral_scenarios philosophy prehistory
            professional_law world_religions""",
        "social_sciences": """econometrics high_school_geography high_school_government_and_politics
            high_school_macroeconomics high_school_microeconomics high_school_psychology human_sexuality
            professional_psychology public_relations security_studies sociology us_foreign_policy""",
        "other": """anatomy business_ethics clinical_knowledge college_medicine global_facts human_aging
            management marketing medical_genetics miscellaneous nutrition professional_accounting
            professional_medicine virology""",
    }.items()
}
SUBJECTS = tuple(sorted(subject for subjects in CATEGORIES.values() for subject in subjects))
BY_CATEGORY = tuple(within("accuracy", f"accuracy_{name}", subjects) for name, subjects in CATEGORIES.items())


def header(asked: Sample) -> str:
    return f"The following are multiple choice questions (with answers) about {asked.group.replace('_', ' ')}.\n\n"


def _folders(path: Path, want: Want) -> Iterator[Row] | None:
    """The rows of the original release: SPLIT/SUBJECT_SPLIT.csv, no header; question, A, B, C, D, letter."""
    folder = next((f for f in (path / want.split, path / "data" / want.split) if f.is_dir()), None)
    if folder is None or not any(folder.glob(f"*_{want.split}.csv")):
        return None
    return _rows(folder, want)


FOLDERS = Files("the folders dev/ and test/ of the original release (SUBJECT_test.csv)", _folders)


def _rows(folder: Path, want: Want) -> Iterator[Row]:
    for subject in want.groups or SUBJECTS:
        file = folder / f"{subject}_{want.split}.csv"
        if not file.is_file():
            raise DataError(
                f"{folder}: wanted {file.name}, it is missing; add it or leave its subject out with "
                f"{option_name('subjects')}"
            )
        yield from _subject(file, subject)


def _subject(file: Path, subject: str) -> Iterator[Row]:
    reader = csv.reader(io.StringIO(read_text(file), newline=""))
    for cells in reader:
        where = f"{file}:{reader.line_num}"
        if len(cells) != 6:
            raise DataError(f"{where}: wanted 6 fields (question, A, B, C, D, letter), there are {len(cells)}")
        if cells[5] not in tuple(LETTERS[:4]):
            raise DataError(f"{where}: wanted a letter A-D in the last field, there is {cells[5]!r}")
        yield {"question": cells[0], "choices": cells[1:5], "answer": LETTERS.index(cells[5]), "subject": subject}


def optioned(question: str, *options: str, gold: str, group: str) -> Callable[[Row], Sample]:
    """Rows to samples where each option has a field of its own; the right one is a letter, or counted from 0."""
    letters = tuple(LETTERS[: len(options)])

    def sample(row: Row) -> Sample:
        right = row[gold]
        if right not in (*letters, *range(len(options))) or isinstance(right, bool):
            raise ValueError(f"{gold} is {right!r}, wanted one of {', '.join(letters)}")
        choices = tuple(str(row[option]) for option in options)
        place = letters.index(right) if isinstance(right, str) else right
        return Sample(question=row[question].strip(), choices=choices, gold_indices=(place,), group=str(row[group]))

    return sample
