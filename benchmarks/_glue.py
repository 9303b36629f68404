"""GLUE's files as published (https://gluebenchmark.com/tasks), its scorer of numbers, and its average."""

import csv
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from evalharness.building_blocks.multiple_choice import classified, labelled
from evalharness.data.files import read_text
from evalharness.data.rows import PULLED, Files, Row, Source, Want
from evalharness.errors import DataError
from evalharness.records import Estimate, Request, Response, Sample, Score
from evalharness.scoring.answers import graded_score, label, softmax
from evalharness.scoring.classification import f1, few_numbers, matthews, mean_of, pearson, spearman
from evalharness.scoring.metrics import Metric, mean

FOLDERS = {
    "cola": ("CoLA",), "sst2": ("SST-2",), "mrpc": ("MRPC", "MRPC_msr"), "qqp": ("QQP",), "stsb": ("STS-B",),
    "mnli": ("MNLI",), "mnli_mismatched": ("MNLI",), "qnli": ("QNLI",), "rte": ("RTE",), "wnli": ("WNLI",),
    "ax": ("AX", "diagnostic"),
}  # fmt: skip
NAMES = {
    "train": ("train.tsv", "msr-para-train.tsv", "msr_paraphrase_train.txt"),
    "validation": ("dev.tsv", "msr-para-val.tsv"),
    "validation_matched": ("dev_matched.tsv",),
    "validation_mismatched": ("dev_mismatched.tsv",),
    "test": ("diagnostic-full.tsv", "AX.tsv"),
}
# A task's own names of columns -> the hub's; the hub's numbers of the labels that files spell out.
FIELDS = {
    "#1 String": "sentence1", "#2 String": "sentence2", "Quality": "label", "is_duplicate": "label",
    "gold_label": "label", "score": "label", "Premise": "premise", "Hypothesis": "hypothesis", "Label": "label",
}  # fmt: skip
NUMBERS = {"entailment": 0, "not_entailment": 1, "neutral": 1, "contradiction": 2}
COLA = ["source", "label", "mark", "sentence"]


def split_of(task: str) -> str:
    """The hub's name of the split that is scored: the labels of the test sets are withheld."""
    special = {"mnli": "validation_matched", "mnli_mismatched": "validation_mismatched", "ax": "test"}
    return special.get(task, "validation")


def file_name(task: str) -> str:
    """The published name of the file that is scored."""
    return f"{FOLDERS[task][0]}/{NAMES[split_of(task)][0]}"


def files_of(task: str) -> Files:
    """Reads the task's TSV file: in GLUE's folder, in the task's own folder, or named itself."""

    def read(path: Path, want: Want) -> Iterator[Row] | None:
        file = _find(path, task, want.split)
        return None if file is None else _rows(file, task)

    return Files(f"GLUE's file of {task} ({file_name(task)})", read)


def source_of(task: str, hub: str) -> Source:
    """The task's rows: the hub's config and splits, and its own file."""
    shots = None if task == "ax" else "train"
    config = task.removesuffix("_mismatched")
    return Source(hub, config=config, split=split_of(task), shot_split=shots, files=files_of(task))


def tasks_in(path: Path) -> tuple[str, ...]:
    """The tasks whose scored files, or pulled rows, are in a folder; all ten when there are none, for the error."""
    present = [t for t in FOLDERS if _find(path, t, split_of(t)) is not None or (path / t / PULLED).is_file()]
    return tuple(present or list(FOLDERS)[:-1])


def _find(path: Path, task: str, split: str) -> Path | None:
    if path.is_file():
        return path if path.suffix in (".tsv", ".txt") else None
    folders = [path / name for name in FOLDERS[task]] + [path] * (path.name in FOLDERS[task] or not _whole(path))
    return next((f / name for f in folders for name in NAMES[split] if (f / name).is_file()), None)


def _whole(path: Path) -> bool:
    """A folder that holds the folders of tasks, and so is none of them."""
    return any((path / name).is_dir() for names in FOLDERS.values() for name in names)


def _rows(file: Path, task: str) -> Iterator[Row]:
    lines = read_text(file).split("\n")
    header = COLA if task == "cola" else lines.pop(0).rstrip("\r").split("\t")
    for number, line in enumerate(lines, 1 if task == "cola" else 2):
        if not line.strip():
            continue
        cells = next(csv.reader([line.rstrip("\r")], delimiter="\t", quoting=csv.QUOTE_NONE))
        if len(cells) < len(header):
            wanted = f"{len(header)} fields ({', '.join(header)})"
            raise DataError(f"{file}:{number}: wanted {wanted}, there are {len(cells)}")
        row = {FIELDS.get(name, name): cell for name, cell in zip(header, cells, strict=False)}
        if task.startswith("mnli"):
            row |= {"premise": row.pop("sentence1"), "hypothesis": row.pop("sentence2")}
        if "label" not in row:
            raise DataError(f"{file}: wanted a column of labels, there are {', '.join(header)}; they are withheld here")
        yield {**row, "label": _label(row["label"], file, number)}


def _label(text: str, file: Path, number: int) -> float | int:
    if text in NUMBERS:
        return NUMBERS[text]
    try:
        return float(text) if "." in text else int(text)
    except ValueError:
        raise DataError(f"{file}:{number}: wanted a label, there is {text!r}") from None


def nli(row: Row) -> str:
    said = row["hypothesis"].strip()
    return f"{row['premise']}\nQuestion: {said}{'' if said.endswith('.') else '.'} True, False or Neither?"


def similar(row: Row) -> Sample:
    asked = "Question: From 0 (unrelated) to 5 (the same), how similar in meaning are the two sentences?"
    text, score = f"Sentence 1: {row['sentence1']}\nSentence 2: {row['sentence2']}\n{asked}", float(row["label"])
    return Sample(question=text, choices=tuple("012345"), gold_indices=(round(score),), answers=(f"{score:g}",))


# A shot shows the right number, which is no whole one.
SIMILAR = replace(labelled(), answer=lambda s: " " + s.answers[0])


def similarity(sample: Sample, request: Request, response: Response) -> Score:
    """A number from 0 to 5: the mean of the ranked numbers by their probability, or the first number written.

    `closeness` is 1 minus the distance to the right number, in fifths.
    """
    if request.choices:
        value = sum(i * p for i, p in enumerate(softmax(response.logprobs)))
    else:
        found = re.search(r"(?<![\w./])([0-5](?:\.\d+)?)(?:\s*/\s*5)?(?![\w/]|\.\d)", response.text)
        if found is None or float(found.group(1)) > 5:
            return Score(status="unparsed", scores={"closeness": 0.0})
        value = float(found.group(1))
    return graded_score(f"{value:.6g}", closeness=1 - abs(value - float(sample.answers[0])) / 5)


NO_YES, YES_NO, THREE = ("no", "yes"), ("yes", "no"), ("True", "Neither", "False")
ACCURACY, PAIRS = (mean(),), (mean(), f1("yes"))
ENTAILED = "{sentence1}\nQuestion: {sentence2} True or False?"
PARAPHRASE = "Sentence 1: {sentence1}\nSentence 2: {sentence2}\nQuestion: Do both sentences mean the same thing?"
DUPLICATE = "Question 1: {question1}\nQuestion 2: {question2}\nQuestion: Do both questions ask the same thing?"


def _task(
    text: str | Callable[[Row], str], labels: tuple[str, ...], figures: tuple[Metric, ...], items: int
) -> dict[str, Any]:
    """A task's own fields of its benchmark; the labels stand in the order of the hub's numbers."""
    chance = 1 / len(labels) if figures[0].name == "accuracy" else 0.0
    usual = {"sample": classified(text, labels), "prompt": labelled(), "score": label}
    return {**usual, "metrics": figures, "items": items, "chance": chance}


STSB = {
    "sample": similar, "prompt": SIMILAR, "score": similarity,
    "metrics": (pearson(), spearman()), "items": 1500, "chance": 0.0,
    "warnings": lambda results: few_numbers(len({r.sample.id for r in results})),
}  # fmt: skip
TASKS: dict[str, dict[str, Any]] = {
    "cola": {
        **_task("{sentence}\nQuestion: Does this sentence make sense?", NO_YES, (matthews(),), 1043),
        "about_form": "whether a sentence is acceptable as it stands",
    },
    "sst2": _task(
        "{sentence}\nQuestion: Is this sentence positive or negative?", ("negative", "positive"), ACCURACY, 872
    ),
    "mrpc": _task(PARAPHRASE, NO_YES, PAIRS, 408),
    "qqp": _task(DUPLICATE, NO_YES, PAIRS, 40430),
    "stsb": STSB,
    "mnli": _task(nli, THREE, ACCURACY, 9815),
    "mnli_mismatched": _task(nli, THREE, ACCURACY, 9832),
    "qnli": _task("{question}\n{sentence}\nQuestion: Does this response answer the question?", YES_NO, ACCURACY, 5463),
    "rte": _task(ENTAILED, ("True", "False"), ACCURACY, 277),
    "wnli": _task(ENTAILED, ("False", "True"), ACCURACY, 71),
    "ax": _task(nli, THREE, (matthews(),), 1104),
}
OFFICIAL = {
    "cola": ("mcc",), "sst2": ("accuracy",), "mrpc": ("accuracy", "f1"), "qqp": ("accuracy", "f1"),
    "stsb": ("pearson", "spearman"), "qnli": ("accuracy",), "rte": ("accuracy",), "wnli": ("accuracy",),
}  # fmt: skip


def average(tasks: Mapping[str, Mapping[str, Estimate]]) -> Mapping[str, Estimate]:
    """GLUE's score: the mean over nine tasks; MNLI's is the mean of its two halves, the diagnostics count nothing."""
    halves = [tasks.get(half, {}).get("accuracy") for half in ("mnli", "mnli_mismatched")]
    found = {task: [tasks.get(task, {}).get(name) for name in names] for task, names in OFFICIAL.items()}
    return mean_of({**found, "mnli": halves}, "glue_score")
