"""A board of ratings on a terminal, or as JSON."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import TextIO

from evalharness.arena.ratings import USABLE, Leaderboard, Rating
from evalharness.comparison.win_rates import WinRates
from evalharness.data.kept import to_json
from evalharness.report.cautions import WIDE_WIN_RATES, decided_rates, few_battle_items, without_interval
from evalharness.report.escape import line
from evalharness.runs.figures import kept_estimate


def show_leaderboard(board: Leaderboard, *, as_json: bool, stream: TextIO | None = None) -> None:
    """Ratings best first, then what they rest on."""
    stream = stream or sys.stdout
    if as_json:
        print(json.dumps(_to_json(board)), file=stream)
        return
    from rich.console import Console
    from rich.text import Text

    from evalharness.report.fitted import FittedTable

    table = FittedTable()
    table.add_column("model", named=True)
    for heading in ("rating", "± se", "95 % interval", "bootstrap", "won/lost/tied"):
        table.add_column(heading, "right")
    for rating in board.ratings:
        table.add_row(*(Text(cell) for cell in _cells(rating)))
    console = Console(file=stream)
    console.print(table)
    for said in _remarks(board):
        console.print(said, markup=False, highlight=False, soft_wrap=True)


def _to_json(board: Leaderboard) -> dict[str, object]:
    """The board as JSON: `ratings` best first, `style` weights, `separability`."""
    return {
        "ratings": [asdict(rating) for rating in board.ratings],
        "style": dict(board.style),
        "battles": board.battles,
        "items": board.items,
        "repeated": board.repeated,
        "separability": board.separability,
        "draws": board.draws,
        "draws_used": board.draws_used,
    }


def _cells(rating: Rating) -> list[str]:
    won = f"{rating.wins}/{rating.losses}/{rating.ties}"
    return [
        line(rating.model),
        "–" if rating.rating is None else f"{rating.rating:.1f}",
        "–" if rating.stderr is None else f"{rating.stderr:.1f}",
        _interval(rating.low, rating.high),
        _interval(rating.boot_low, rating.boot_high),
        won,
    ]


def _interval(low: float | None, high: float | None) -> str:
    return "–" if low is None or high is None else f"{low:.0f} … {high:.0f}"


def _remarks(board: Leaderboard) -> list[str]:
    said = [f"{line(r.model)} is not rated: {r.note}" for r in board.ratings if r.rating is None]
    unknown = [line(r.model) for r in board.ratings if r.rating is not None and r.stderr is None]
    if unknown:
        said.append(f"no interval for {', '.join(unknown)}: their battles leave nothing to estimate it from")
    if board.repeated:
        said.append(
            f"{board.repeated:,} battles repeat another and name no item (item, question_id or id): each counts as an "
            "item of its own, and if they are copies the intervals are too narrow"
        )
    if few := few_battle_items(board.items):
        said.append(few)
    if board.style:
        weights = ", ".join(f"{name} {weight:+.3f}" for name, weight in board.style.items())
        said.append(f"style held equal; log odds per standard deviation of the difference: {weights}")
    if board.draws_used < board.draws:
        said.append(
            f"bootstrap: {board.draws_used} of {board.draws} draws, in the others some model won or lost everything"
            + ("; too few for an interval" if board.draws_used < USABLE * board.draws else "")
        )
    apart = "" if board.separability is None else f"; {board.separability:.0%} of the pairs are apart at 95 %"
    said.append(f"{board.battles:,} battles on {board.items:,} items{apart}; 400 points are odds of ten to one")
    return said


def show_win_rates(found: WinRates, *, as_json: bool, stream: TextIO | None = None) -> None:
    """Mean win rates best first, with the scores they come from."""
    stream = stream or sys.stdout
    if as_json:
        scores = {model: {b: to_json(kept_estimate(e)) for b, e in of.items()} for model, of in found.scores.items()}
        rates = {model: to_json(kept_estimate(e)) for model, e in found.rates.items()}
        print(json.dumps({"figure": found.figure, "mean_win_rate": rates, "scores": scores}), file=stream)
        return
    from rich.console import Console
    from rich.text import Text

    from evalharness.report.fitted import FittedTable

    table = FittedTable()
    table.add_column("model", named=True)
    for heading in ("mean win rate", "95 % interval", "benchmarks"):
        table.add_column(heading, "right")
    for model, rate in found.rates.items():
        interval = "–" if without_interval(rate) else f"{rate.low:.3f} … {rate.high:.3f}"
        table.add_row(*(Text(cell) for cell in (line(model), f"{rate.value:.3f}", interval, str(rate.n))))
    console = Console(file=stream)
    console.print(table)
    said = [f"by {line(found.figure)}; a tie is half a win; {WIDE_WIN_RATES}", decided_rates(found.rates)]
    for text in filter(None, said):
        console.print(line(text, 400), markup=False, highlight=False, soft_wrap=True)
