"""PandaLM's test set: three people's choices for each pair (https://github.com/WeOpenML/PandaLM)."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from evalharness.data.files import json_rows
from evalharness.errors import DataError
from evalharness.judging.imported import (
    ImportedJudgment,
    ImportedJudgments,
    ImportOptions,
    field_of,
    imported_verdict,
    text_of,
)
from evalharness.records import Sample
from evalharness.stats.agreement import cohen


def read_judgments(path: Path, options: ImportOptions) -> ImportedJudgments:
    """`testset-v1.json` of https://github.com/WeOpenML/PandaLM: three people's choices (0 tie, 1, 2) for each pair."""
    items, votes = [], []
    worth = {"0": 0.5, "1": 1.0, "2": 0.0}
    for n, row in enumerate(json_rows(path), 1):
        where = f"{path}: row {n}"
        said = [str(field_of(row, f"annotator{k}", where)) for k in (1, 2, 3)]
        first, second = text_of(row, "response1", where), text_of(row, "response2", where)
        if any(s not in worth for s in said):
            raise DataError(f"{where}: wanted 0, 1 or 2 from each annotator, there is {', '.join(said)}")
        more = text_of(row, "input", where, "")
        question = text_of(row, "instruction", where) + (f"\n\n{more}" if more else "")
        given = tuple(
            imported_verdict(f"annotator{k}", "pairwise", worth[s], label=s, extra={"seat": f"annotator{k}"})
            for k, s in enumerate(said, 1)
        )
        sample = Sample(
            id=str(row.get("idx", n - 1)),
            question=question,
            answers=(second,),
            group=text_of(row, "cmp_key", where, ""),
        )
        items.append(ImportedJudgment(sample=sample, text=first, verdicts=given))
        votes.append(said)
    most = Counter(Counter(v).most_common(1)[0][0] if len(set(v)) < 3 else "split" for v in votes)
    kappas = {
        f"kappa_{a + 1}_{b + 1}": cohen([v[a] for v in votes], [v[b] for v in votes])
        for a, b in ((0, 1), (0, 2), (1, 2))
    }
    return ImportedJudgments(
        benchmark="instructions",
        model="response1",
        judge="annotators",
        score="win_rate",
        items=tuple(items),
        expected=len(items),
        against="response2",
        figures={
            **kappas,
            "majority": {name: most[s] for name, s in (("tie", "0"), ("first", "1"), ("second", "2"))},
            "split": most["split"], "n": len(votes),
        },
    )  # fmt: skip
