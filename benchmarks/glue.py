"""GLUE: ten tasks of classification and similarity, and the diagnostics (Wang et al., https://arxiv.org/abs/1804.07461)."""

from pathlib import Path
from typing import Any

from evalharness.benchmark import Benchmark, Family
from evalharness.classification import f1, matthews, pearson, spearman
from evalharness.errors import known
from evalharness.metrics import mean
from evalharness.multiple_choice import classified, labelled
from evalharness.scoring import label
from evalharness.sources import Source

from ._glue import SIMILAR, average, file_name, files_of, nli, similar, similarity, split_of, tasks_in

NO_YES, YES_NO, THREE = ("no", "yes"), ("yes", "no"), ("True", "Neither", "False")
ACCURACY, PAIRS = (mean(),), (mean(), f1("yes"))
ENTAILED = "{sentence1}\nQuestion: {sentence2} True or False?"
PARAPHRASE = "Sentence 1: {sentence1}\nSentence 2: {sentence2}\nQuestion: Do both sentences mean the same thing?"
DUPLICATE = "Question 1: {question1}\nQuestion 2: {question2}\nQuestion: Do both questions ask the same thing?"
TASKS: dict[str, tuple[Any, ...]] = {  # question, labels in the order of the hub's numbers, figures, scored items
    "cola": ("{sentence}\nQuestion: Does this sentence make sense?", NO_YES, (matthews(),), 1043),
    "sst2": ("{sentence}\nQuestion: Is this sentence positive or negative?", ("negative", "positive"), ACCURACY, 872),
    "mrpc": (PARAPHRASE, NO_YES, PAIRS, 408),
    "qqp": (DUPLICATE, NO_YES, PAIRS, 40430),
    "stsb": (similar, tuple("012345"), (pearson(), spearman()), 1500),
    "mnli": (nli, THREE, ACCURACY, 9815),
    "mnli_mismatched": (nli, THREE, ACCURACY, 9832),
    "qnli": ("{question}\n{sentence}\nQuestion: Does this response answer the question?", YES_NO, ACCURACY, 5463),
    "rte": (ENTAILED, ("True", "False"), ACCURACY, 277),
    "wnli": (ENTAILED, ("False", "True"), ACCURACY, 71),
    "ax": (nli, THREE, (matthews(),), 1104),
}


def open_task(task: str, data: Path | None) -> Benchmark:
    text, labels, figures, items = TASKS[known("task of glue", task, TASKS)]
    return Benchmark(
        name=f"glue/{task}",
        title=f"GLUE: {task}",
        paper="https://arxiv.org/abs/1804.07461",
        licence="per task, see gluebenchmark.com",
        items=items,
        chance=1 / len(labels) if figures[0].name == "accuracy" else 0.0,
        source=Source(
            hub="nyu-mll/glue",
            revision="bcdcba79d07bc864c1c254ccfcedcce55bcc9a8c",
            config=task.removesuffix("_mismatched"),
            split=split_of(task),
            shot_split=None if task == "ax" else "train",
            files=files_of(task),
            files_say=f"GLUE's file of {task} ({file_name(task)})",
            sample=Path(__file__).with_suffix(".jsonl"),
        ),
        sample=similar if task == "stsb" else classified(text, labels),
        prompt=SIMILAR if task == "stsb" else labelled(),
        score=similarity if task == "stsb" else label,
        metrics=figures,
    )


family = Family(tasks=tuple(TASKS)[:-1], open=open_task, discover=tasks_in, average=average)
