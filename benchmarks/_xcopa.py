"""XCOPA's rows, and lm-evaluation-harness's words for `because` and `therefore` in each language."""

from evalharness.benchmark import Prompt
from evalharness.building_blocks.multiple_choice import written_out
from evalharness.data.fields import place
from evalharness.data.rows import Row
from evalharness.records import Sample

CONNECTORS = {
    "it": ("perché", "quindi"), "sw": ("kwa sababu", "kwa hiyo"), "et": ("sest", "seetõttu"),
    "ht": ("poukisa", "donk sa"), "id": ("karena", "maka"), "qu": ("imataq", "chaymi"), "ta": ("காரணமாக", "எனவே"),
    "th": ("เพราะ", "ดังนั้น"), "tr": ("çünkü", "bu yüzden"), "vi": ("bởi vì", "vì vậy"), "zh": ("因为", "所以"),
}  # fmt: skip


def sample(row: Row) -> Sample:
    """The choices begin with a small letter, as they follow the premise."""
    if row["question"] not in ("cause", "effect"):
        raise ValueError(f"question is {row['question']!r}, wanted cause or effect")
    choices = tuple(text[:1].lower() + text[1:] for text in (str(row["choice1"]), str(row["choice2"])))
    return Sample(
        question=row["premise"], choices=choices, gold_indices=(place(row, "label", 2),),
        extra={"asks": row["question"]},
    )  # fmt: skip


def prompt(language: str) -> Prompt:
    """The premise without its full stop, and the connector of what is asked."""
    cause, effect = CONNECTORS[language]

    def question(asked: Sample) -> str:
        return f"{asked.question.strip()[:-1]} {cause if asked.extra['asks'] == 'cause' else effect}"

    return written_out(question)
