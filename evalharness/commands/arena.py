"""`evalh arena`: ratings from recorded battles, an arena where people vote, and its votes as battles."""

from pathlib import Path
from typing import Annotated

import typer

_VOTES = Path("arena.sqlite")

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


@app.command()
def serve(
    models: Annotated[str, typer.Option(help="Runs, or with --live models, separated by commas.")] = "",
    prompts: Annotated[Path | None, typer.Option(help="JSONL with prompt, and answers by model unless --live.")] = None,
    live: Annotated[bool, typer.Option("--live", help="Ask the models while people wait; they may write too.")] = False,
    database: Annotated[Path, typer.Option(help="SQLite file of the votes; EVALH_DATABASE_URL comes first.")] = _VOTES,
    judged: Annotated[Path | None, typer.Option(help="Battles that judges decided, to show beside people's.")] = None,
    reveal: Annotated[bool, typer.Option(help="Name the models after a vote.")] = True,
    votes_per_minute: Annotated[float, typer.Option(min=1, help="How fast one person may vote.")] = 30,
    joins_per_minute: Annotated[float, typer.Option(min=1, help="How many may join from one address.")] = 30,
    host: Annotated[str, typer.Option(help="Address to listen on; beyond this machine with a token.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes any that is free.")] = 8125,
    token: Annotated[str | None, typer.Option(help="The token that voters must have; '' lets everybody in.")] = None,
    allow_host: Annotated[list[str] | None, typer.Option(help="A name that this server goes by. Repeatable.")] = None,
    root_path: Annotated[str, typer.Option(help="The path under which a proxy shows the pages, such as /evalh.")] = "",
    trust_proxy: Annotated[
        list[str] | None,
        typer.Option(help="A proxy's address: its X-Forwarded-Proto and -For are believed. Repeatable."),
    ] = None,
    runs: Annotated[Path, typer.Option(help="Folder that holds the runs.")] = Path("runs"),
) -> None:
    """People vote blind which of two answers is better. Ctrl-C ends it; votes are safe at any time."""
    from evalharness.arena.votes import read_battles
    from evalharness.report.serving import show_address, show_pairs
    from evalharness.web.arena_application import arena_application, arena_prompts
    from evalharness.web.arena_pages import ArenaTerms
    from evalharness.web.arena_prompts import votable_pairs
    from evalharness.web.arena_store import ArenaStore, store_url
    from evalharness.web.serving import listen, proxy_terms, serve_pages

    named = [name.strip() for name in models.split(",") if name.strip()]
    asked = arena_prompts(named, prompts, live=live, runs=runs)
    votable = votable_pairs(asked)
    terms = ArenaTerms(
        reveal=reveal, votes_per_minute=votes_per_minute, joins_per_minute=joins_per_minute,
        judged=() if judged is None else read_battles(judged), pairs=() if votable is None else votable.meeting,
    )  # fmt: skip
    store = ArenaStore(store_url(database))
    if votable is not None:
        show_pairs(votable.by_models, votable.same, votable.looked, votable.prompts)
    proxy = proxy_terms(root_path, trust_proxy or [])
    place = listen(host, port, allow_host or [], token=token, proxy=proxy)
    serve_pages(arena_application(store, asked, terms, place.terms), place, show_address)


@app.command()
def export(
    database: Annotated[Path, typer.Option(help="SQLite file of the votes; EVALH_DATABASE_URL comes first.")] = _VOTES,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write here and not on standard output.")
    ] = None,
) -> None:
    """The votes that count as battles, which `evalh arena rate` reads."""
    from evalharness.errors import UserError
    from evalharness.report.deliver import hand_over
    from evalharness.runs.journal import dumps
    from evalharness.web.arena_store import ArenaStore, store_url

    url = store_url(database)
    if url.startswith("sqlite:") and not database.is_file():
        raise UserError(f"{database}: there are no votes; `evalh arena serve` keeps them there")
    hand_over(b"".join(dumps(battle) + b"\n" for battle in ArenaStore(url).export()), output)


@app.callback()
def _group() -> None: ...
