"""AlpacaEval's annotations (https://github.com/tatsu-lab/alpaca_eval)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from shutil import copy
from statistics import fmean
from tempfile import TemporaryDirectory
from typing import Any

from evalharness import plugins
from evalharness.benchmark import Benchmark
from evalharness.data.files import json_rows
from evalharness.data.rows import Row
from evalharness.data.typed import number
from evalharness.errors import DataError
from evalharness.judging.imported import (
    ImportedJudgment,
    ImportedJudgments,
    ImportOptions,
    field_of,
    import_notes,
    imported_verdict,
    known_samples,
    number_of,
    one_of,
    seeded,
    text_of,
)
from evalharness.records import Sample
from evalharness.stats.intervals import mean_interval

REGULARISER = "regulariser"


def read_judgments(path: Path, options: ImportOptions) -> ImportedJudgments:
    """`annotations.json` of https://github.com/tatsu-lab/alpaca_eval: output_1 is the baseline, output_2 the model."""
    rows = [(f"{path}: row {n}", row) for n, row in enumerate(json_rows(path), 1)]
    if not rows:
        raise DataError(f"{path}: it holds no judgments")
    names = sorted({text_of(row, "generator_2", where) for where, row in rows})
    model = one_of(names, options.model, "model", path)
    chosen = [(where, row) for where, row in rows if str(row["generator_2"]) == model]
    benchmark = plugins.load_benchmark("alpaca_eval")
    known = _published(benchmark, options.data, [row for _, row in chosen]) if options.data is not None else {}
    seen: dict[str, str] = {}
    items = []
    for where, row in chosen:
        instruction = text_of(row, "instruction", where)
        if instruction in seen:
            raise DataError(f"{where}: the same instruction as {seen[instruction]}")
        seen[instruction] = where
        if known and instruction not in known:
            raise DataError(f"{where}: its instruction is not among the {len(known)} of {options.data}")
        items.append(_alpaca_item(row, where, known.get(instruction)))
    items = _with_regulariser(items, known)
    judge = text_of(chosen[0][1], "annotator", chosen[0][0], "alpaca_eval")
    return ImportedJudgments(
        benchmark="alpaca_eval",
        model=model,
        judge=judge,
        score="win_rate",
        items=tuple(items),
        expected=benchmark.items,
        figures=_alpaca_figures(items),
        notes=import_notes(len(items), benchmark.items, known),
    )


def _published(benchmark: Benchmark, data: Path, rows: Sequence[Row]) -> dict[str, Sample]:
    """The benchmark's samples by instruction. A folder with df_gamed.csv alone gives difficulties by position: then the
    file must be whole, and its own baseline outputs stand for the canonical order, in which published files are."""
    gamed = data / "df_gamed.csv"
    if not (data.is_dir() and [f.name for f in data.iterdir()] == [gamed.name]):
        return known_samples(benchmark, data)
    if len(rows) != benchmark.items:
        raise DataError(
            f"{data}: without the baseline's outputs difficulties are known by position only, and the file has "
            f"{len(rows)} rows of {benchmark.items}; put model_outputs.json of gpt4_1106_preview beside {gamed.name}"
        )
    outputs = [{"instruction": r.get("instruction", ""), "output": r.get("output_1", "")} for r in rows]
    with TemporaryDirectory() as folder:
        copy(gamed, folder)
        (Path(folder) / "model_outputs.json").write_text(json.dumps(outputs), encoding="utf-8")
        return known_samples(benchmark, Path(folder))


def _alpaca_item(row: Row, where: str, sample: Sample | None) -> ImportedJudgment:
    for name in ("output_1", "output_2", "preference"):
        field_of(row, name, where)
    baseline, output = (text_of(row, name, where, "") for name in ("output_1", "output_2"))  # null: nothing was said
    instruction = text_of(row, "instruction", where)
    preference = number_of(row["preference"], where, "preference")
    if preference == 0:
        preference = 1.5  # how old files write a draw
    value = preference - 1 if preference is not None and 1 <= preference <= 2 else None
    own = Sample(
        id=hashlib.sha256(instruction.encode("utf-8", "surrogatepass")).hexdigest()[:12],
        question=instruction,
        answers=(baseline,),
        group=text_of(row, "dataset", where, ""),
    )
    judge = text_of(row, "annotator", where, "alpaca_eval")
    tops, raw = _alpaca_raw(row)
    return ImportedJudgment(
        sample=replace(sample, answers=(baseline,)) if sample is not None else own,
        text=output,
        verdicts=(
            imported_verdict(
                judge, "pairwise", value,
                order=seeded("pairwise_logprob", own.id, instruction),
                label="same" if baseline == output else raw,
                raw=raw,
                logprobs=tops,
                cost=number_of(row.get("price_per_example"), where, "price_per_example"),
                extra={"chars": [len(output), len(baseline)], "model": judge},
            ),
        ),
    )  # fmt: skip


def _alpaca_raw(row: Row) -> tuple[tuple[tuple[str, float], ...], str]:
    """The judge's token and its likeliest alternatives, where the file has them."""
    completion = row.get("raw_completion")
    try:
        first = completion["logprobs"]["content"][0]  # type: ignore[index]  # whatever is not of this shape is left out
        tops = tuple((str(t["token"]), float(number(t["logprob"]))) for t in first["top_logprobs"])
        return tops, str(first["token"])
    except (KeyError, IndexError, TypeError, ValueError):
        return (), completion if isinstance(completion, str) else ""


def _with_regulariser(items: list[ImportedJudgment], known: Mapping[str, Sample]) -> list[ImportedJudgment]:
    """All published regulariser rows, also those of instructions that the file lacks: the fit needs every one."""
    present = {item.sample.id for item in items}
    orphans = [row for s in known.values() if s.id not in present for row in s.extra.get(REGULARISER, ())]
    if not orphans or not items:
        return items
    first = items[0].sample
    extra = {**first.extra, REGULARISER: [*first.extra.get(REGULARISER, ()), *orphans]}
    return [replace(items[0], sample=replace(first, extra=extra)), *items[1:]]


def _alpaca_figures(items: Sequence[ImportedJudgment]) -> dict[str, Any]:
    """The row of the public leaderboard, under its own names; the length-controlled rate is among the metrics."""
    values = [item.verdicts[0].value for item in items]
    known = [v for v in values if v is not None]
    if not known:
        return {"n_total": 0}
    wins, losses = sum(v > 0.5 for v in known), sum(v < 0.5 for v in known)
    draws = len(known) - wins - losses
    mean = mean_interval(known)
    return {
        "win_rate": 100 * mean.value,
        "standard_error": 100 * mean.stderr if len(known) > 1 else None,
        "n_wins": wins,
        "n_wins_base": losses,
        "n_draws": draws,
        "n_total": len(known),
        "discrete_win_rate": 100 * (wins + draws / 2) / len(known),
        "avg_length": int(fmean(len(item.text) for item in items)),
    }
