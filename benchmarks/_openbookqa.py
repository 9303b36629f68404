"""OpenbookQA's rows, of the hub and of AI2's files, and MedQA's."""

from collections.abc import Mapping

from evalharness.data.fields import take, texts
from evalharness.data.rows import Row, files_named
from evalharness.records import Sample
from evalharness.scoring.answers import LETTERS

FILES = files_named({"test": "test.jsonl", "train": "train.jsonl"}, "of OpenBookQA-V1-Sep2018/Data/Main")


def sample(row: Row) -> Sample:
    """The hub's rows have `question_stem` and lists of `choices`; AI2's own files keep both under `question`."""
    if "question_stem" in row:
        stem, offered = take(row, "question_stem", str), take(row, "choices", dict)
        labels, options = texts(offered, "label"), texts(offered, "text")
    else:
        asked = take(row, "question", dict)
        stem, found = take(asked, "stem", str), take(asked, "choices", list)
        labels, options = ([take(choice, name, str) for choice in found] for name in ("label", "text"))
    return Sample(
        id=str(row["id"]), question=stem, choices=tuple(options), gold_indices=(_gold(row["answerKey"], labels),)
    )


def _gold(key: object, labels: list[str]) -> int:
    if key not in labels:
        raise ValueError(f"its answer is {key!r:.60}, wanted one of {', '.join(labels)}")
    return labels.index(str(key))


def medical(row: Row) -> Sample:
    """MedQA: `options` are under their letters; some end in a quotation mark and line breaks that belong to no text."""
    options: Mapping[str, str] = take(row, "options", dict)
    labels = sorted(options)
    if labels != list(LETTERS[: len(labels)]):
        raise ValueError(f"its options are under {', '.join(labels)}, wanted A, B, C, ...")
    return Sample(
        question=take(row, "question", str),
        choices=tuple(take(options, label, str).rstrip('"').rstrip() for label in labels),
        gold_indices=(_gold(row["answer_idx"], labels),),
    )
