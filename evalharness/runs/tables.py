"""Results as tables: a row per answer, a column per score."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from evalharness.errors import UserError
from evalharness.records import Result

if TYPE_CHECKING:  # both are slow to load, and pandas need not be there
    import pandas
    import pyarrow


def to_arrow(results: Sequence[Result]) -> pyarrow.Table:
    """The results as an Arrow table, in their order.

    The columns `benchmark`, `id`, `group`, `repeat`, `status`, `question`, `references`, `written`, `answer` (as it was
    read), `error`, `tokens_in`, `tokens_out`, `seconds`, `cost` (US dollars), and `score.NAME` for every score that any
    of them has; null where one has none.
    """
    import pyarrow as pa

    scores = sorted({name for result in results for name in result.scores})
    text, whole, real = pa.string(), pa.int64(), pa.float64()
    kinds: dict[str, Any] = {
        "benchmark": text, "id": text, "group": text, "repeat": whole, "status": text, "question": text,
        "references": pa.list_(text), "written": text, "answer": text, "error": text, "tokens_in": whole,
        "tokens_out": whole, "seconds": real, "cost": real, **{f"score.{name}": real for name in scores},
    }  # fmt: skip
    rows = [_row(result, scores) for result in results]
    return pa.table({name: pa.array([row[name] for row in rows], kind) for name, kind in kinds.items()})


def to_pandas(results: Sequence[Result]) -> pandas.DataFrame:
    """The table of `to_arrow` for pandas. UserError where it is not installed."""
    if find_spec("pandas") is None:
        raise UserError("this table needs the package pandas: pip install pandas; `to_arrow` does without")
    return to_arrow(results).to_pandas()


def _row(result: Result, scores: Sequence[str]) -> dict[str, Any]:
    sample, response = result.sample, result.response
    references = sample.answers or tuple(sample.choices[i] for i in sample.gold_indices if i < len(sample.choices))
    return {
        "benchmark": result.benchmark, "id": sample.id, "group": sample.group, "repeat": result.repeat,
        "status": result.status, "question": _whole(sample.question), "references": [_whole(r) for r in references],
        "written": _whole(response.text), "answer": None if result.answer is None else _whole(result.answer),
        "error": _whole(result.error) or None, "tokens_in": response.tokens_in, "tokens_out": response.tokens_out,
        "seconds": response.seconds, "cost": response.cost,
        **{f"score.{name}": result.scores.get(name) for name in scores},
    }  # fmt: skip


def _whole(text: str) -> str:
    """The text without halves of surrogate pairs, which Arrow's UTF-8 cannot hold."""
    return text.encode("utf-8", "replace").decode() if not text.isascii() else text
