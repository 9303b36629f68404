"""TruthfulQA's rows (hub, TruthfulQA.csv, mc_task.json) and its prompt."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from evalharness.building_blocks.multiple_choice import shuffled, written_out
from evalharness.data.files import csv_rows, parse_json, read_text
from evalharness.data.rows import Files, Row, Want
from evalharness.records import Sample

SOUGHT = {"mc1": "the one true answer", "mc2": "how much probability the true answers get"}
PRIMER = Path(__file__).with_name("truthfulqa.txt").read_text(encoding="utf-8").removesuffix("\n")


# After six solved questions that show the form, the same for every sample.
PROMPT = written_out(lambda s: f"{PRIMER}\n\nQ: {s.question}\nA:")


def sample(task: str) -> Callable[[Row], Sample]:
    """mc1's right answer always comes first in the data: the choices are shuffled, so that no place gives it away."""

    def made(row: Row) -> Sample:
        targets = row[f"{task}_targets"]
        gold = tuple(i for i, label in enumerate(targets["labels"]) if label)
        return shuffled(Sample(question=row["question"], choices=tuple(targets["choices"]), gold_indices=gold))

    return made


def _read(path: Path, want: Want) -> Iterator[Row] | None:
    """TruthfulQA.csv or mc_task.json, the path itself or in that folder or its `data`."""
    names = ("mc_task.json", "TruthfulQA.csv")
    found = next((f for folder in (path, path / "data") for n in names if (f := folder / n).is_file()), path)
    if not found.is_file() or found.suffix not in (".csv", ".json"):
        return None
    if found.suffix == ".csv":
        return (_from_csv(row) for row in csv_rows(found))
    return (_from_json(row) for row in parse_json(read_text(found), found))


def _from_json(row: Row) -> Row:
    def targets(name: str) -> dict[str, Any]:
        return {"choices": list(row[name]), "labels": list(row[name].values())}

    return {"question": row["question"], "mc1_targets": targets("mc1_targets"), "mc2_targets": targets("mc2_targets")}


def _from_csv(row: Row) -> Row:
    """One true answer of `Best Answer` for mc1, all of `Correct Answers` for mc2, against `Incorrect Answers`."""
    best, right, wrong = (_split(row[f"{which}s" if which != "Best Answer" else which]) for which in
                          ("Best Answer", "Correct Answer", "Incorrect Answer"))  # fmt: skip
    return {
        "question": row["Question"],
        "mc1_targets": {"choices": best[:1] + wrong, "labels": [1] + [0] * len(wrong)},
        "mc2_targets": {"choices": right + wrong, "labels": [1] * len(right) + [0] * len(wrong)},
    }


def _split(answers: str) -> list[str]:
    """Answers stand in one cell, parted by semicolons; each is asked with a full stop."""
    texts = [text.strip() for text in answers.split(";")]
    return [text if text.endswith(".") else text + "." for text in texts if text]


FILES = Files("TruthfulQA.csv or mc_task.json", _read)
