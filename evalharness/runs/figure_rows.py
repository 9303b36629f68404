"""The figures of a run as rows of a table, for whoever draws one."""

from __future__ import annotations

from dataclasses import dataclass

from evalharness.runs.figures import KeptEstimate, Summary

_UNKNOWN = "—"


@dataclass(frozen=True, slots=True, kw_only=True)
class FigureRow:
    """One figure of a benchmark; `mode` and `benchmark` are said in every row."""

    benchmark: str
    mode: str
    metric: str
    figure: KeptEstimate

    @property
    def cells(self) -> tuple[str, str, str, str, str, str]:
        """Benchmark, mode, metric, n, value and 95 % interval as texts; a dash where something is not known."""
        known = self.figure
        value = _UNKNOWN if known.value is None else f"{known.value:.4f}"
        interval = _UNKNOWN if known.low is None or known.high is None else f"{known.low:.4f} – {known.high:.4f}"
        return self.benchmark, self.mode, self.metric, f"{known.n:,}", value, interval


HEADER = ("benchmark", "mode", "metric", "n", "value", "95 % interval")


def figure_rows(summary: Summary) -> list[FigureRow]:
    """Every figure of every benchmark, and the averages of families last."""
    rows = [
        FigureRow(benchmark=name, mode=entry.mode or "", metric=metric, figure=figure)
        for name, entry in summary.benchmarks.items()
        for metric, figure in entry.metrics.items()
    ]
    rows += [
        FigureRow(benchmark=f"{name} (average)", mode="", metric=metric, figure=figure)
        for name, metrics in summary.averages.items()
        for metric, figure in metrics.items()
    ]
    return rows
