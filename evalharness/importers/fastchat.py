"""MT-bench judgments of FastChat (https://github.com/lm-sys/FastChat)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from evalharness.data.files import numbered_rows
from evalharness.data.rows import Row
from evalharness.errors import DataError
from evalharness.judging.imported import (
    ImportedJudgment,
    ImportedJudgments,
    ImportOptions,
    field_of,
    import_notes,
    imported_verdict,
    number_of,
    one_of,
    text_of,
)
from evalharness.records import Sample, Verdict

SINGLE, PAIR = "score", "g1_winner"


def read_judgments(path: Path, options: ImportOptions) -> ImportedJudgments:
    """Judgments of https://github.com/lm-sys/FastChat, `llm_judge`: single grades 1-10, or pairs in both orders."""
    rows = [(f"{path}:{n}", row) for n, row in numbered_rows(path)]
    if not rows:
        raise DataError(f"{path}: it holds no judgments")
    paired = PAIR in rows[0][1]
    wanted = ("question_id", "turn", *(("model_1", "model_2", PAIR, "g2_winner") if paired else ("model", SINGLE)))
    for where, row in rows:
        for name in wanted:
            field_of(row, name, where)
    sides = ("model_1", "model_2") if paired else ("model",)
    names = sorted({text_of(row, side, where) for where, row in rows for side in sides})
    model = one_of(names, options.model, "model", path)
    against = ""
    if paired:
        mine = [(w, r) for w, r in rows if model in (str(r["model_1"]), str(r["model_2"]))]
        others = sorted({str(r["model_1"] if str(r["model_2"]) == model else r["model_2"]) for _, r in mine})
        against = one_of(others, options.against, "against", path)
        rows = [(w, r) for w, r in mine if against in (str(r["model_1"]), str(r["model_2"]))]
    else:
        rows = [(w, r) for w, r in rows if str(r["model"]) == model]
    by_question: dict[str, list[tuple[str, Row]]] = {}
    for where, row in rows:
        if type(row["question_id"]) not in (int, str):
            raise DataError(f"{where}: its question_id is {row['question_id']!r:.60}, wanted a number or a text")
        by_question.setdefault(str(row["question_id"]), []).append((where, row))
    items = tuple(_fastchat_item(q, own, model, paired) for q, own in sorted(by_question.items()))
    judge = "/".join(_judge(rows[0][1], rows[0][0]))
    figures = {} if paired else _grades(items)
    return ImportedJudgments(
        benchmark="mt_bench",
        model=model,
        judge=judge,
        score="win_rate" if paired else "judge_score",
        items=items,
        expected=80,
        against=against,
        figures=figures,
        notes=import_notes(len(items), 80, {"": Sample(question="", extra={"difficulty": 0})}),
    )


def _fastchat_item(question: str, rows: Sequence[tuple[str, Row]], model: str, paired: bool) -> ImportedJudgment:
    verdicts: list[Verdict] = []
    seen: set[int] = set()
    for where, row in rows:
        turn = row["turn"]
        if type(turn) is not int or turn < 1:
            raise DataError(f"{where}: its turn is {turn!r:.60}, wanted a whole number from 1 on")
        if turn in seen:
            raise DataError(f"{where}: question {question} has turn {turn} twice")
        seen.add(turn)
        notes = {"part": f"turn{turn}"}
        judge = _judge(row, where)[0]
        if not paired:
            score = number_of(row["score"], where, "score")
            value = (score - 1) / 9 if score is not None and 1 <= score <= 10 else None  # -1 is how it writes null
            verdicts.append(
                imported_verdict(
                    judge, "score", value, label=str(row["score"]), raw=text_of(row, "judgment", where, ""), extra=notes
                )
            )
            continue
        first = str(row["model_1"]) == model
        for game, order in (("g1", "AB" if first else "BA"), ("g2", "BA" if first else "AB")):
            said = str(row[f"{game}_winner"])
            won = {"tie": 0.5, "model_1": float(first), "model_2": float(not first)}.get(said)
            raw = text_of(row, f"{game}_judgment", where, "")
            verdicts.append(imported_verdict(judge, "pairwise", won, order=order, label=said, raw=raw, extra=notes))
    return ImportedJudgment(
        sample=Sample(id=question, question=f"question {question}"), text="", verdicts=tuple(verdicts)
    )


def _grades(items: Sequence[ImportedJudgment]) -> dict[str, Any]:
    """Mean grades as FastChat's `show_result.py` prints them: over all turns that have one."""
    by_turn: dict[str, list[float]] = {}
    for item in items:
        for v in item.verdicts:
            if v.value is not None:
                by_turn.setdefault(str(v.extra["part"]), []).append(1 + 9 * v.value)
    values = [v for of in by_turn.values() for v in of]
    return {"score": fmean(values) if values else None, **{t: fmean(of) for t, of in sorted(by_turn.items())}}


def _judge(row: Row, where: str) -> list[str]:
    """The judge's name, and that of its prompt behind it where the file has both."""
    said = row.get("judge")
    found = ["fastchat"] if said is None else [said] if isinstance(said, str) else said
    if not isinstance(found, list) or not found or not all(isinstance(one, str) for one in found):
        raise DataError(f"{where}: its judge is {said!r:.60}, wanted a text or a list of texts")
    return found
