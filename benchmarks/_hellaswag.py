"""HellaSwag's rows, cleaned as lm-evaluation-harness does (https://github.com/rowanz/hellaswag), and its files."""

import re

from evalharness.data.rows import Row, files_named
from evalharness.records import Sample

FILES = files_named({"validation": "hellaswag_val.jsonl", "train": "hellaswag_train.jsonl"})


def clean(text: str) -> str:
    """Without the [marks] that WikiHow's headings left behind."""
    titled = text.strip().replace(" [title]", ". ")
    # As `\[.*?\]`; what no bracket closes on its line is taken whole and kept, or it is tried from each opening.
    return re.sub(r"\[[^\]\n]*+(\]?)", lambda found: "" if found[1] else found[0], titled).replace("  ", " ")


def sample(row: Row) -> Sample:
    asked = clean(f"{row['activity_label']}: {row['ctx_a']} {row['ctx_b'].capitalize()}")
    return Sample(
        question=asked, choices=tuple(clean(text) for text in row["endings"]), gold_indices=(int(row["label"]),)
    )
