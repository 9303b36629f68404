"""MMLU-Redux's rows, the kinds of mistakes that they are marked with, and the authors' files."""

import ast
import csv
import io
from collections.abc import Iterator, Mapping
from pathlib import Path

from evalharness.benchmark import TextOf
from evalharness.data.fields import place
from evalharness.data.files import read_text
from evalharness.data.rows import Files, Row, Want
from evalharness.records import Estimate, Sample
from evalharness.scoring.classification import mean_of
from evalharness.scoring.metrics import mean, within

from ._mmlu import SUBJECTS

# The authors compare models on the questions without a mistake (section 5); the others count in the second figure,
# against the label that MMLU gives them.
METRICS = (within("accuracy", "accuracy_ok", frozenset({"ok"})), mean("accuracy", "accuracy_all"))


def header(subject: str) -> TextOf:
    """MMLU's first line."""
    said = f"The following are multiple choice questions (with answers) about {subject.replace('_', ' ')}.\n\n"
    return lambda _: said


def sample(row: Row) -> Sample:
    """A question with the label that MMLU gives it; its group is the kind of mistake that it has, or `ok`."""
    choices = ast.literal_eval(row["choices"]) if isinstance(row["choices"], str) else row["choices"]
    gold = place({"answer": int(row["answer"])}, "answer", len(choices))
    kind = str(row["error_type"]).strip().lower().replace(" ", "_")
    return Sample(question=row["question"], choices=tuple(map(str, choices)), gold_indices=(gold,), group=kind)


def FILES(subject: str) -> Files:  # noqa: N802  # called like the constants of the other plug-ins
    """Reads mmlu_SUBJECT.csv of the authors' repository, whose fields stand apart by semicolons (or commas)."""

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
    """The mean over the 57 subjects of each figure; none where a subject was not run."""
    return {
        name: estimate
        for metric in METRICS
        for name, estimate in mean_of({s: [figures.get(s, {}).get(metric.name)] for s in SUBJECTS}, metric.name).items()
    }
