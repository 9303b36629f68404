"""SuperGLUE's files as published (https://super.gluebenchmark.com/tasks), its longer questions, and its average."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from evalharness.benchmark import Prompt
from evalharness.building_blocks.multiple_choice import classified, labelled, lettered
from evalharness.data.fields import place, take
from evalharness.data.files import each
from evalharness.data.rows import PULLED, Files, Row, Source, Want
from evalharness.records import Estimate, Request, Response, Sample, Score
from evalharness.scoring.answers import against, best, choice, label, read_as
from evalharness.scoring.classification import all_right, f1, matthews, mean_of, parity
from evalharness.scoring.metrics import Metric, mean

FOLDERS = {
    "boolq": "BoolQ", "cb": "CB", "copa": "COPA", "multirc": "MultiRC", "record": "ReCoRD", "rte": "RTE",
    "wic": "WiC", "wsc": "WSC", "axb": "AX-b", "axg": "AX-g",
}  # fmt: skip
ENTAILED = {"entailment": 0, "not_entailment": 1}
NUMBERS: Mapping[str, Mapping[str, int]] = {
    "cb": {"entailment": 0, "contradiction": 1, "neutral": 2}, "rte": ENTAILED, "axb": ENTAILED, "axg": ENTAILED,
}  # fmt: skip


def split_of(task: str) -> str:
    """The hub's name of the split that is scored: the diagnostics are all test."""
    return "test" if task in ("axb", "axg") else "validation"


def file_names(task: str, split: str) -> tuple[str, ...]:
    """The published names of a split's file."""
    if split == "test":
        return (f"{FOLDERS[task]}.jsonl",)
    return ("train.jsonl",) if split == "train" else ("val.jsonl", "dev.jsonl")


def files_of(task: str) -> Files:
    """Reads the task's JSONL file: in SuperGLUE's folder, in the task's own folder, or named itself."""

    def read(path: Path, want: Want) -> Iterator[Row] | None:
        file = _find(path, task, want.split)
        return None if file is None else each(file, lambda line: rows_of(task, line))

    return Files(f"{FOLDERS[task]}/{file_names(task, split_of(task))[0]} of SuperGLUE", read)


def source_of(task: str, hub: str) -> Source:
    """The task's rows: the hub's config and splits, and its own file."""
    split, config = split_of(task), "wsc.fixed" if task == "wsc" else task
    shots = None if split == "test" else "train"
    return Source(hub, config=config, split=split, shot_split=shots, files=files_of(task))


def tasks_in(path: Path) -> tuple[str, ...]:
    """The tasks whose scored files, or pulled rows, are in a folder; all of them when there are none."""
    present = [t for t in FOLDERS if _find(path, t, split_of(t)) is not None or (path / t / PULLED).is_file()]
    return tuple(present or FOLDERS)


def _find(path: Path, task: str, split: str) -> Path | None:
    if path.is_file():
        return path if path.suffix == ".jsonl" else None
    whole = any((path / folder).is_dir() for folder in FOLDERS.values())
    folders = [path / FOLDERS[task]] + ([] if whole else [path])
    return next((f / name for f in folders for name in file_names(task, split) if (f / name).is_file()), None)


def rows_of(task: str, line: Row) -> Iterator[Row]:
    """The hub's rows of one line of a file: an answer of MultiRC, a query of ReCoRD, or the line itself."""
    if task == "multirc":
        passage, number = take(line, "passage", dict), take(line, "idx", int)
        for question in take(passage, "questions", list):
            for answer in take(question, "answers", list):
                identity = {
                    "paragraph": number,
                    "question": take(question, "idx", int),
                    "answer": take(answer, "idx", int),
                }
                yield {
                    "paragraph": take(passage, "text", str), "question": take(question, "question", str),
                    "answer": take(answer, "text", str), "label": answer["label"], "idx": identity,
                }  # fmt: skip
    elif task == "record":
        passage = take(line, "passage", dict)
        text = take(passage, "text", str)
        spans = [(take(e, "start", int), take(e, "end", int)) for e in take(passage, "entities", list)]
        entities = sorted({text[start : end + 1] for start, end in spans})
        for query in take(line, "qas", list):
            identity = {"passage": take(line, "idx", int), "query": take(query, "idx", int)}
            answers = sorted({take(a, "text", str) for a in take(query, "answers", list)})
            asked = take(query, "query", str)
            yield {"passage": text, "query": asked, "entities": entities, "answers": answers, "idx": identity}
    else:
        row = {**line, "label": _number(task, line["label"])}
        yield {**row, **_fixed(take(line, "text", str), take(line, "target", dict))} if task == "wsc" else row


def _number(task: str, label: Any) -> Any:
    """The hub's number of a label that the files spell out."""
    numbers = NUMBERS.get(task, {})
    if isinstance(label, str) and numbers and label not in numbers:
        raise ValueError(f"its label is {label!r}, wanted one of {', '.join(numbers)}")
    return numbers.get(label, label) if isinstance(label, str) else label


def _fixed(text: str, target: Mapping[str, Any]) -> dict[str, Any]:
    """WSC's two spans; a span that is not in the text word for word becomes the words that stand at its place."""
    fields = dict(target)
    words = text.split()
    for span in ("span1", "span2"):
        said, start = take(target, f"{span}_text", str), take(target, f"{span}_index", int)
        if said not in text:
            fields[f"{span}_text"] = " ".join(words[start : start + len(said.split())]).rstrip(".,;")
    return fields


def wic(row: Row) -> str:
    one, two = take(row, "sentence1", str), take(row, "sentence2", str)
    word = one[take(row, "start1", int) : take(row, "end1", int)]
    if not word:
        raise ValueError(f"its start1 and end1 mark no word of {one!r:.60}")
    asked = f"Question: Is the word '{word}' used in the same way in the two sentences above?"
    return f"Sentence 1: {one}\nSentence 2: {two}\n{asked}"


def wsc(row: Row) -> str:
    pronoun = row["span2_text"]
    before = " ".join(row["text"].split()[: row["span2_index"]])
    passage = f"{before} *{pronoun}*{row['text'][len(before) + len(pronoun) + 1 :]}"
    for spaced, joined in ((" n't", "n't"), (" )", ")"), ("( ", "("), ('" ', '"'), (' "', '"')):
        passage = passage.replace(spaced, joined)
    passage = re.sub(r" ([.',])", r"\1", passage)
    asked = f'Question: In the passage above, does the pronoun "*{pronoun}*" refer to "*{row["span1_text"]}*"?'
    return f"Passage: {passage}\n{asked}"


def axg(row: Row) -> Sample:
    """Two rows in a row are a pair: they differ in the gender of one pronoun."""
    plain = classified("{premise}\nQuestion: {hypothesis} True or False?", ("True", "False"))(row)
    return replace(plain, extra={"pair": str(take(row, "idx", int) // 2)})


def copa(row: Row) -> Sample:
    link = {"cause": "because", "effect": "therefore"}.get(take(row, "question", str))
    if link is None:
        raise ValueError(f"its question is {row['question']!r}, wanted cause or effect")
    choices = tuple(text[:1].lower() + text[1:] for text in (take(row, name, str) for name in ("choice1", "choice2")))
    premise = take(row, "premise", str).strip()[:-1]
    return Sample(question=f"{premise} {link}", choices=choices, gold_indices=(place(row, "label", 2),))


def multirc(row: Row) -> Sample:
    idx = row["idx"]
    return Sample(
        id=f"{idx['paragraph']}/{idx['question']}/{idx['answer']}",
        question=f"{row['paragraph']}\nQuestion: {row['question']}\nAnswer:",
        choices=("yes", "no"),
        gold_indices=(1 - place(row, "label", 2),),
        extra={"answer": row["answer"], "set": f"{idx['paragraph']}/{idx['question']}"},
    )


def record(row: Row) -> Sample:
    """One of a passage's entities for the query's gap; the choices are the entities."""
    idx, entities, answers = row["idx"], tuple(sorted(set(row["entities"]))), tuple(sorted(set(row["answers"])))
    gold = tuple(i for i, entity in enumerate(entities) if entity in answers)
    if not gold:
        raise ValueError(f"its answers {list(answers)!r:.60} are none of its entities {list(entities)!r:.60}")
    text, *highlights = row["passage"].strip().split("\n@highlight\n")
    return Sample(
        id=f"{idx['passage']}/{idx['query']}",
        question=text + "\n\n" + "".join(f"  - {highlight}.\n" for highlight in highlights),
        choices=entities,
        gold_indices=gold,
        answers=answers,
        extra={"query": row["query"]},
    )


def filled(sample: Sample, entity: str) -> str:
    return f"  - {sample.extra['query']}".replace("@placeholder", entity)


# lm-evaluation-harness puts a space before every choice, on top of the spaces that these choices begin with.
COPA = Prompt(
    question=lambda s: s.question,
    answer=lambda s: "  " + s.choices[s.gold_indices[0]],
    choices=lambda s: tuple("  " + text for text in s.choices),
    written=lettered(),
)
MULTIRC = Prompt(
    question=lambda s: s.question,
    answer=lambda s: f" {s.extra['answer']}\nIs the answer correct? {s.choices[s.gold_indices[0]]}",
    choices=lambda s: tuple(f" {s.extra['answer']}\nIs the answer correct? {said}" for said in s.choices),
    written=Prompt(
        question=lambda s: f"{s.question} {s.extra['answer']}\nIs the answer correct?",
        answer=lambda s: " " + s.choices[s.gold_indices[0]],
    ),
)
RECORD = Prompt(
    question=lambda s: s.question,
    answer=lambda s: " " + filled(s, s.answers[0]),
    choices=lambda s: tuple(" " + filled(s, entity) for entity in s.choices),
    written=Prompt(
        question=lambda s: (
            f"{s.question}\nQuery: {s.extra['query']}\nQuestion: What does @placeholder stand for?\nAnswer:"
        ),
        answer=lambda s: " " + s.answers[0],
    ),
)


def entity(sample: Sample, request: Request, response: Response) -> Score:
    """ReCoRD: exact match and F1 of the entity ranked first, or written, with the best of the right ones."""
    said = sample.choices[best(response.logprobs)] if request.choices else response.text
    return read_as(against(said, sample.answers, both_empty=0.0), said)


NO_YES, TRUE_FALSE, CB, ACCURACY = ("no", "yes"), ("True", "False"), ("True", "False", "Neither"), (mean(),)
FOLLOWS = "{premise}\nQuestion: {hypothesis} True or False?"
CERTAIN = "{premise}\nQuestion: {hypothesis}. True, False, or Neither?"
DIAGNOSED = "{sentence1}\nQuestion: {sentence2} True or False?"
IN_SETS = (f1("yes", name="f1a", cluster=lambda s: s.extra["set"]), all_right("exact_match", lambda s: s.extra["set"]))
PAIRS = (mean(), parity("gender_parity", lambda s: s.extra["pair"]))


def _task(
    rows: Callable[[Row], Sample], figures: tuple[Metric, ...], items: int, chance: float | None, **special: Any
) -> dict[str, Any]:
    """A task's own fields of its benchmark."""
    return {
        "sample": rows, "metrics": figures, "items": items, "chance": chance,
        "prompt": labelled(), "score": label, **special,
    }  # fmt: skip


TASKS: dict[str, dict[str, Any]] = {
    "boolq": _task(classified("{passage}\nQuestion: {question}?", NO_YES), ACCURACY, 3270, 1 / 2),
    "cb": _task(classified(CERTAIN, CB), (mean(), f1(*CB)), 56, 1 / 3),
    "copa": _task(copa, ACCURACY, 100, 1 / 2, prompt=COPA, score=choice),
    "multirc": _task(multirc, IN_SETS, 4848, None, prompt=MULTIRC),
    "record": _task(record, (mean("f1"), mean("exact_match")), 10000, None, prompt=RECORD, score=entity, max_tokens=32),
    "rte": _task(classified(FOLLOWS, TRUE_FALSE), ACCURACY, 277, 1 / 2),
    "wic": _task(classified(wic, NO_YES), ACCURACY, 638, 1 / 2),
    "wsc": _task(classified(wsc, NO_YES), ACCURACY, 104, 1 / 2),
    "axb": _task(classified(DIAGNOSED, TRUE_FALSE), (matthews(),), 1104, 0.0),
    "axg": _task(axg, PAIRS, 356, 1 / 2),
}
OFFICIAL = {
    "boolq": ("accuracy",), "cb": ("accuracy", "f1"), "copa": ("accuracy",), "multirc": ("f1a", "exact_match"),
    "record": ("f1", "exact_match"), "rte": ("accuracy",), "wic": ("accuracy",), "wsc": ("accuracy",),
}  # fmt: skip


def average(tasks: Mapping[str, Mapping[str, Estimate]]) -> Mapping[str, Estimate]:
    """SuperGLUE's score: the mean over eight tasks of the mean of their figures; the diagnostics count nothing."""
    found = {task: [tasks.get(task, {}).get(name) for name in names] for task, names in OFFICIAL.items()}
    return mean_of(found, "superglue_score")
