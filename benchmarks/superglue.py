"""SuperGLUE: eight harder tasks and two sets of diagnostics (Wang et al. 2019, https://arxiv.org/abs/1905.00537)."""

from pathlib import Path
from typing import Any

from evalharness.benchmark import Benchmark, Family
from evalharness.classification import all_right, f1, matthews, parity
from evalharness.errors import known
from evalharness.metrics import mean
from evalharness.multiple_choice import classified, labelled, lettered
from evalharness.scoring import choice, label
from evalharness.sources import Source

from . import _superglue as parts

NO_YES, TRUE_FALSE, CB, ACCURACY = ("no", "yes"), ("True", "False"), ("True", "False", "Neither"), (mean(),)
ENTAILED = "{premise}\nQuestion: {hypothesis} True or False?"
CERTAIN = "{premise}\nQuestion: {hypothesis}. True, False, or Neither?"
IN_SETS = (f1("yes", name="f1a", cluster=lambda s: s.extra["set"]), all_right("exact_match", lambda s: s.extra["set"]))
COPA = {"prompt": parts.COPA, "written": lettered(), "score": choice}
MULTIRC = {"prompt": parts.MULTIRC, "written": parts.MULTIRC_WRITTEN}
RECORD = {"prompt": parts.RECORD, "written": parts.RECORD_WRITTEN, "score": parts.entity, "max_tokens": 32}
TASKS: dict[str, tuple[Any, ...]] = {  # rows to samples, figures, scored items, chance, and what is not as usual
    "boolq": (classified("{passage}\nQuestion: {question}?", NO_YES), ACCURACY, 3270, 1 / 2, {}),
    "cb": (classified(CERTAIN, CB), (mean(), f1(*CB)), 56, 1 / 3, {}),
    "copa": (parts.copa, ACCURACY, 100, 1 / 2, COPA),
    "multirc": (parts.multirc, IN_SETS, 4848, None, MULTIRC),
    "record": (parts.record, (mean("f1"), mean("exact_match")), 10000, None, RECORD),
    "rte": (classified(ENTAILED, TRUE_FALSE), ACCURACY, 277, 1 / 2, {}),
    "wic": (classified(parts.wic, NO_YES), ACCURACY, 638, 1 / 2, {}),
    "wsc": (classified(parts.wsc, NO_YES), ACCURACY, 104, 1 / 2, {}),
    "axb": (classified("{sentence1}\nQuestion: {sentence2} True or False?", TRUE_FALSE), (matthews(),), 1104, 0.0, {}),
    "axg": (parts.axg, (mean(), parity("gender_parity", lambda s: s.extra["pair"])), 356, 1 / 2, {}),
}


def open_task(task: str, data: Path | None) -> Benchmark:
    sample, figures, items, chance, special = TASKS[known("task of superglue", task, TASKS)]
    split = "test" if task in ("axb", "axg") else "validation"
    usual = {"prompt": labelled(), "score": label}
    return Benchmark(
        name=f"superglue/{task}",
        title=f"SuperGLUE: {task}",
        paper="https://arxiv.org/abs/1905.00537",
        licence="per task, see super.gluebenchmark.com",
        items=items,
        chance=chance,
        source=Source(
            hub="aps/super_glue",
            revision="3de24cf8022e94f4ee4b9d55a6f539891524d646",
            config="wsc.fixed" if task == "wsc" else task,
            split=split,
            shot_split=None if split == "test" else "train",
            files=parts.files_of(task),
            files_say=f"{parts.FOLDERS[task]}/{parts.file_names(task, split)[0]} of SuperGLUE",
            sample=Path(__file__).with_suffix(".jsonl"),
        ),
        sample=sample,
        metrics=figures,
        **(usual | special),
    )


family = Family(tasks=tuple(TASKS), open=open_task, discover=parts.tasks_in, average=parts.average)
