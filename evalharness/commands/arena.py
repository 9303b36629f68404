"""`evalh arena rate`: ratings from recorded battles."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Battles of models and their ratings.", no_args_is_help=True, rich_markup_mode=None)


@app.command()
def rate(
    battles: Annotated[Path, typer.Argument(help="JSONL with model_a, model_b and winner, as Chatbot Arena records.")],
    style: Annotated[bool, typer.Option("--style", help="Hold length, headers, lists and bold equal.")] = False,
    anchor: Annotated[str | None, typer.Option(help="The model that is worth 1000; else the mean is.")] = None,
    draws: Annotated[int, typer.Option(min=2, help="Bootstrap draws of items.")] = 300,
    seed: Annotated[int, typer.Option(help="Decides the draws.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> None:
    """Bradley-Terry ratings of recorded battles, ties counted half, with sandwich and bootstrap intervals."""
    from evalharness.arena import ratings
    from evalharness.arena import votes as records
    from evalharness.report import leaderboard

    found = records.read_battles(battles, with_style=style)
    leaderboard.show_leaderboard(
        ratings.rate_models(found, draws=draws, seed=seed, control_style=style, anchor=anchor), as_json=as_json
    )


@app.callback()
def _group() -> None: ...
