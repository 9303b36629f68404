"""AlpacaEval's figures, and its files: the reference outputs and, where they are there, the published difficulties."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from evalharness.data.files import csv_rows, json_rows
from evalharness.data.rows import Files, Row, Want
from evalharness.errors import DataError
from evalharness.records import Estimate, Result, Sample
from evalharness.scoring.final_answer import final_answer
from evalharness.scoring.judgments import judged_mean, scores_of
from evalharness.scoring.metrics import Metric, average
from evalharness.stats.intervals import skewed_mean

if TYPE_CHECKING:
    from evalharness.stats import length_control

OUTPUTS = (
    "alpaca_eval_gpt4_baseline.json",
    "model_outputs.json",
    "gpt4_1106_preview/model_outputs.json",
    "results/gpt4_1106_preview/model_outputs.json",
)
REGULARISER_ROWS = 1610


def sample(row: Row) -> Sample:
    """All 805 instructions are distinct, and published files are joined by them: so their digests are the ids."""
    instruction = row["instruction"]
    return Sample(
        id=hashlib.sha256(instruction.encode("utf-8", "surrogatepass")).hexdigest()[:12],
        question=instruction,
        answers=(row["output"],),
        group=row.get("dataset", ""),
        extra={k: row[k] for k in ("difficulty", "regulariser") if k in row},
    )


def _rows(path: Path, want: Want) -> Iterator[Row] | None:
    """The reference outputs in canonical order, each with its difficulty and its share of the regulariser rows."""
    outputs = path if path.is_file() else next((path / n for n in OUTPUTS if (path / n).is_file()), None)
    if outputs is None or outputs.suffix != ".json":
        return None
    gamed = (path if path.is_dir() else path.parent) / "df_gamed.csv"
    return _with_difficulty(list(json_rows(outputs)), gamed)


FILES = Files(f"{OUTPUTS[0]} or {OUTPUTS[-1]}, and df_gamed.csv beside it", _rows)


def _with_difficulty(found: list[Row], gamed: Path) -> Iterator[Row]:
    if not gamed.is_file():
        yield from found
        return
    by_index: dict[int, list[list[float]]] = {}
    for held in regulariser(gamed):
        by_index.setdefault(int(held[0]), []).append(held)
    if by_index.keys() != set(range(len(found))):
        raise DataError(f"{gamed}: has difficulties of {len(by_index)} instructions, the outputs have {len(found)}")
    for index, row in enumerate(found):
        yield {**row, "difficulty": by_index[index][0][3], "regulariser": by_index[index]}


def regulariser(path: Path) -> list[list[float]]:
    """Rows of index, preference, length difference (standard deviations), difficulty. DataError for another file."""
    fields = ("index", "preference", "std_delta_len", "instruction_difficulty")
    try:
        found = [[float(row[f]) for f in fields] for row in csv_rows(path)]
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path}: wanted the columns {', '.join(fields)} with numbers ({error})") from error
    if len(found) != REGULARISER_ROWS:
        raise DataError(f"{path}: wanted {REGULARISER_ROWS} rows, there are {len(found)}")
    return found


def _discrete(results: Sequence[Result]) -> Estimate | None:
    values = scores_of(results, "win_rate")
    return average([0.5 + 0.5 * ((v > 0.5) - (v < 0.5)) for v in values])


def _length(results: Sequence[Result]) -> Estimate | None:
    lengths = [len(final_answer(r.response.text).text) for r in results]
    if not lengths:
        return None
    found = skewed_mean([float(length) for length in lengths])
    # Published cut off to a whole number, which may lie below the low end.
    return replace(found, value=int(found.value), low=min(found.low, int(found.value)))


def _gaps(results: Sequence[Result]) -> list[tuple[Result, float]]:
    """Judged results with the length of the other answer minus that of theirs."""
    found = []
    for result in results:
        chars = next((v.extra["chars"] for v in result.verdicts if len(v.extra.get("chars", ())) == 2), None)
        if chars is not None:
            found.append((result, float(chars[1] - chars[0])))
    return found


def _published(results: Sequence[Result]) -> tuple[length_control.Pairs, length_control.Regulariser] | None:
    """The rows of the published fit; None without the published difficulties or with a part of the regulariser only."""
    import numpy as np

    from evalharness.stats import length_control

    gaps = _gaps(results)
    held = [row for r in results for row in r.sample.extra.get("regulariser", ())]
    if len(held) != REGULARISER_ROWS or len(gaps) < 3 or any("difficulty" not in r.sample.extra for r, _ in gaps):
        return None
    pairs = length_control.Pairs(
        preference=np.array([r.scores.get("win_rate", math.nan) for r, _ in gaps]),
        longer_baseline=np.array([gap for _, gap in gaps]),
        difficulty=np.array([r.sample.extra["difficulty"] for r, _ in gaps]),
    )
    columns = np.array(sorted(held), dtype=float).T
    return pairs, length_control.Regulariser(columns[1], columns[2], columns[3])


def length_controlled(results: Sequence[Result]) -> Estimate | None:
    """The published estimator: it needs the published difficulties and every regulariser row."""
    from evalharness.stats import length_control

    rows = _published(results)
    return None if rows is None else length_control.length_controlled(*rows)


def length_adjusted(results: Sequence[Result]) -> Estimate | None:
    """Where the published difficulties are not at hand: another estimator, under another name."""
    from evalharness.stats import length_control

    if _published(results) is not None:
        return None
    known = [(r, gap) for r, gap in _gaps(results) if "win_rate" in r.scores]
    return length_control.length_adjusted([r.scores["win_rate"] for r, _ in known], [gap for _, gap in known])


def cautions(results: Sequence[Result]) -> tuple[str, ...]:
    """When the length-controlled rate is not to be believed."""
    from evalharness.stats import length_control

    raw, rows = average(scores_of(results, "win_rate")), _published(results)
    if raw is None:
        return ()
    if rows is not None:
        controlled = length_control.length_controlled(*rows, draws=2)
        rate = None if controlled is None else controlled.value
    else:
        adjusted = length_adjusted(results)
        rate = None if adjusted is None else adjusted.value
    return length_control.cautions([gap for r, gap in _gaps(results) if "win_rate" in r.scores], raw.value, rate)


def _metric(name: str, of: Callable[[Sequence[Result]], Estimate | None]) -> Metric:
    return Metric(name=name, of=of)


METRICS = (
    judged_mean("win_rate"),
    _metric("length_controlled_win_rate", length_controlled),
    _metric("length_adjusted_win_rate", length_adjusted),
    _metric("discrete_win_rate", _discrete),
    _metric("avg_length", _length),
)
