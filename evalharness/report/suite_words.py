"""What all reports of a suite say: its gate in a line, each model in a line, and the joint table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from evalharness.comparison.decide import SYMBOLS
from evalharness.errors import Exit
from evalharness.judging.run import JudgeRun
from evalharness.report import numbers, words
from evalharness.runs.figures import KeptEstimate
from evalharness.runs.summary import lower_is_better
from evalharness.suites.ci import GatedModel, GatedSuite

_WHY: Mapping[int, str] = {
    Exit.FINE: "PASS",
    Exit.GATE_FAILED: "FAIL",
    Exit.USAGE: "NO VERDICT: something is wrong with the suite, a model or the baseline",
    Exit.NOT_WHOLE: "NOT WHOLE: questions without an answer, or too few to say",
    Exit.NOT_COMPARABLE: "NOT COMPARABLE with the baseline",
    Exit.INCONCLUSIVE: "INCONCLUSIVE, and it blocks",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreCell:
    """A headline in the joint table: its value, its 95 % interval, and whether none in the column is better."""

    value: str
    interval: str
    best: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class JointTable:
    """Models by benchmarks; a cell is None where a model has no figure."""

    columns: tuple[str, ...]
    rows: tuple[tuple[GatedModel, tuple[ScoreCell | None, ...]], ...]


def symbol(found: GatedModel | GatedSuite) -> str:
    """The mark of the verdict."""
    return next((mark for word, mark in SYMBOLS.items() if word == found.verdict), "!")


def suite_sentence(found: GatedSuite) -> str:
    """What the pipeline is told, in a line."""
    said = found.problem or "; ".join(
        f"{model.name}: {model_sentence(model)}" for model in found.models if model.exit_code == found.exit_code
    )
    return f"{outcome_word(found.exit_code)} (exit {int(found.exit_code)}): {said}"


def outcome_word(code: int) -> str:
    """An exit code in words."""
    return _WHY.get(code, "INTERRUPTED")


def model_sentence(model: GatedModel) -> str:
    """Why a model's gate is as it is, in a line."""
    said = [model.problem] if model.problem else []
    if model.compared is not None:
        refusal = model.compared.refusal
        if not (refusal and model.compared.document.gate == "inconclusive"):  # the refusal says it better
            said.append(words.gate_sentence(model.compared.document))
        said += [refusal] if refusal else []
    said += [f"{name}: {'; '.join(ruling.reasons)}" for name, ruling in model.rulings.items() if ruling.gate != "pass"]
    failed = 0 if model.outcome is None else len(model.outcome.unanswered)
    if failed and model.outcome is not None:
        said.append(f"{failed:,} of {model.outcome.answers:,} questions have no answer")
    for judged in () if model.outcome is None else model.outcome.stages:
        if isinstance(judged, JudgeRun) and judged.exit_code:
            said.append(f"{judged.nulls:,} of {judged.asked:,} verdicts of its judge are none")
    return "; ".join([*said, *model.notes]) or "nothing to report"


def joint_table(found: GatedSuite) -> JointTable:
    """The headline of every model and benchmark, the best of each column marked where there is more than one model."""
    figures = {
        model.name: {
            name: figure
            for name, entry in (model.outcome.benchmarks if model.outcome is not None else {}).items()
            if (figure := entry.headline_figure) is not None and figure.value is not None
        }
        for model in found.models
    }
    columns = tuple(dict.fromkeys(name for of in figures.values() for name in of))
    best = {name: _best(name, [of[name] for of in figures.values() if name in of]) for name in columns}
    rows = []
    for model in found.models:
        mine = figures[model.name]
        cells = tuple(_cell(mine[name], best[name]) if name in mine else None for name in columns)
        rows.append((model, cells))
    return JointTable(columns=columns, rows=tuple(rows))


def _best(benchmark: str, figures: list[KeptEstimate]) -> float | None:
    known = [figure.value for figure in figures if figure.value is not None]
    if len(figures) < 2:
        return None
    return min(known) if lower_is_better(benchmark) else max(known)


def _cell(figure: KeptEstimate, best: float | None) -> ScoreCell:
    return ScoreCell(
        value=numbers.format_number(figure.value),
        interval=f"{numbers.format_number(figure.low)} … {numbers.format_number(figure.high)}",
        best=best is not None and figure.value == best,
    )
