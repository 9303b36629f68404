"""MMLU-Redux's rows, the kinds of mistakes that they are marked with, and the authors' files."""

import ast
import csv
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from evalharness.benchmark import TextOf
from evalharness.data.fields import place
from evalharness.data.files import read_text
from evalharness.data.rows import Files, Row, Want
from evalharness.records import Estimate, Sample
from evalharness.scoring.classification import mean_of

from ._mmlu import SUBJECTS as SUBJECTS

ALL = tuple(f"{subject}_all" for subject in SUBJECTS)


def subject_of(task: str) -> str:
    """The subject of a task, whose questions with a mistake count too where it ends in `_all`."""
    return task.removesuffix("_all")


def kept(task: str) -> Callable[[Sequence[Row], str], tuple[Row, ...]] | None:
    """Keeps the questions without a mistake: on those the authors compare models (section 5)."""
    if task in ALL:
        return None
    return lambda rows, split: tuple(row for row in rows if _mistake(row) == "ok")


def _mistake(row: Row) -> str:
    return str(row["error_type"]).strip().lower().replace(" ", "_")


def header(task: str) -> TextOf:
    """MMLU's first line."""
    name = subject_of(task).replace("_", " ")
    return lambda _: f"The following are multiple choice questions (with answers) about {name}.\n\n"


def sample(row: Row) -> Sample:
    """A question with the label that MMLU gives it; its group is the kind of mistake that it has, or `ok`."""
    choices = ast.literal_eval(row["choices"]) if isinstance(row["choices"], str) else row["choices"]
    gold = place({"answer": int(row["answer"])}, "answer", len(choices))
    texts = tuple(map(str, choices))
    return Sample(question=row["question"], choices=texts, gold_indices=(gold,), group=_mistake(row))


def FILES(task: str) -> Files:  # noqa: N802  # called like the constants of the other plug-ins
    """Reads mmlu_SUBJECT.csv of the authors' repository, whose fields stand apart by semicolons (or commas)."""
    subject = subject_of(task)

    def read(path: Path, want: Want) -> Iterator[Row] | None:
        named = (f for f in (path / f"mmlu_{subject}.csv", path / "mmlu_redux" / f"mmlu_{subject}.csv") if f.is_file())
        file = path if path.is_file() else next(named, None)
        if file is None or file.suffix != ".csv" or want.split != "test":
            return None
        text = read_text(file)
        mark = ";" if text.startswith("question;") else ","
        return (dict(row) for row in csv.DictReader(io.StringIO(text, newline=""), delimiter=mark))

    return Files(f"mmlu_{subject}.csv of https://github.com/aryopg/mmlu-redux", read)


def mean_of_subjects(figures: Mapping[str, Mapping[str, Estimate]]) -> Mapping[str, Estimate]:
    """The mean over the 57 subjects; none where one was not run."""
    return mean_of({subject: [figures.get(subject, {}).get("accuracy")] for subject in SUBJECTS}, "mmlu_redux")
