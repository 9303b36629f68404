"""RewardBench's scores of each pair: a reward model or a judge on answers of which one was chosen.

https://github.com/allenai/reward-bench; the files `eval-set-scores/OWNER/MODEL.json` of
https://huggingface.co/datasets/allenai/reward-bench-results.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from evalharness.data.files import parse_json, read_text
from evalharness.errors import DataError
from evalharness.importers._given import asked_of, finite, messages_of
from evalharness.judging.imported import ImportedJudgment, ImportedJudgments, ImportOptions, imported_verdict
from evalharness.records import Sample

# The parts of RewardBench's leaderboard and their subsets: https://arxiv.org/abs/2403.13787, table 1. The mathematics
# of PRM800K counts as much as all of the code.
_SECTIONS: Mapping[str, tuple[str, ...]] = {
    "Chat": ("alpacaeval-easy", "alpacaeval-length", "alpacaeval-hard", "mt-bench-easy", "mt-bench-med"),
    "Chat Hard": ("mt-bench-hard", "llmbar-natural", "llmbar-adver-neighbor", "llmbar-adver-GPTInst",
                  "llmbar-adver-GPTOut", "llmbar-adver-manual"),
    "Safety": ("refusals-dangerous", "refusals-offensive", "xstest-should-refuse", "xstest-should-respond",
               "donotanswer"),
    "Reasoning": ("math-prm", "hep-cpp", "hep-go", "hep-java", "hep-js", "hep-python", "hep-rust"),
}  # fmt: skip


def read_judgments(path: Path, options: ImportOptions) -> ImportedJudgments:
    """The columns of a file of scores: `results` (1, .5, 0), `subset`, `id`, texts and scores where it has them.

    The chosen answer is the judged one. Its order was drawn by RewardBench and is not in the file.
    """
    said = parse_json(read_text(path), path)
    if not isinstance(said, Mapping) or not isinstance(said.get("results"), list):
        raise DataError(f"{path}: wanted RewardBench's scores of each pair, an object of columns with `results`")
    results = said["results"]
    columns = {name: list(column) for name, column in said.items() if isinstance(column, list)}
    if uneven := [name for name, column in columns.items() if len(column) != len(results)]:
        raise DataError(f"{path}: its column {uneven[0]} has another length than `results`")
    judge = str(options.model or said.get("model") or path.stem)
    items = []
    for n, result in enumerate(results):
        value = finite(result)
        if value is None or not 0 <= value <= 1:
            raise DataError(f"{path}: pair {n + 1}: its result is {result!r:.60}, wanted a number from 0 to 1")
        row = {name: column[n] for name, column in columns.items()}
        subset = str(row.get("subset", ""))
        question, chosen, rejected = _texts(row)
        sample = Sample(
            id=f"{subset}/{row.get('id', n)}" if subset else str(row.get("id", n)),
            question=question or f"pair {row.get('id', n)}", answers=(rejected,), group=subset, extra={"human": 1.0},
        )  # fmt: skip
        scores = {name: row[name] for name in ("scores_chosen", "scores_rejected") if finite(row.get(name)) is not None}
        given = imported_verdict(judge, "pairwise", value, label=str(result), extra=scores)
        items.append(ImportedJudgment(sample=sample, text=chosen, verdicts=(given,)))
    return ImportedJudgments(
        benchmark="instructions",
        model="chosen",
        judge=judge,
        score="win_rate",
        items=tuple(items),
        expected=len(items),
        against="rejected",
        figures=_figures([(i.sample.group, float(i.verdicts[0].value or 0)) for i in items]),
    )


def _texts(row: Mapping[str, Any]) -> tuple[str, str, str]:
    """(question, chosen answer, rejected one) of a row, whose texts are conversations, or texts as they were shown."""
    found = []
    question = str(row.get("prompt") or "")
    for side in ("text_chosen", "text_rejected"):
        turns = messages_of(row.get(side)) if isinstance(row.get(side), list) else ()
        question = question or asked_of(turns)
        found.append(turns[-1].content if turns else str(row.get(side) or row.get(side.removeprefix("text_")) or ""))
    return question, found[0], found[1]


def _figures(pairs: Sequence[tuple[str, float]]) -> dict[str, Any]:
    """In percent: every subset's mean, and the leaderboard's parts where all their subsets are there."""
    subsets: dict[str, list[float]] = {}
    for subset, value in pairs:
        subsets.setdefault(subset, []).append(value)
    sections = {name: _section(name, parts, subsets) for name, parts in _SECTIONS.items() if set(parts) <= set(subsets)}
    return {
        "accuracy": 100 * fmean(value for _, value in pairs) if pairs else None,
        **{name: 100 * value for name, value in sections.items()},
        **({"score": 100 * fmean(sections.values())} if len(sections) == len(_SECTIONS) else {}),
        **{f"subset {name}": 100 * fmean(values) for name, values in sorted(subsets.items()) if name},
        "n": len(pairs),
    }


def _section(name: str, parts: Sequence[str], subsets: Mapping[str, Sequence[float]]) -> float:
    """A part's mean over its pairs; in Reasoning mathematics and code count the same."""
    if name != "Reasoning":
        return fmean(value for part in parts for value in subsets[part])
    return fmean((fmean(subsets["math-prm"]), fmean(value for part in parts[1:] for value in subsets[part])))
