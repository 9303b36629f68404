"""`evalh cache`: what is kept of paid answers, why an answer was asked again, what is damaged."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Kept answers of models that cost money.", no_args_is_help=True, rich_markup_mode=None)

Runs = Annotated[Path, typer.Option(help="Folder that holds the runs; the cache is in it.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]


def _place(runs: Path) -> Path:
    from evalharness.runs.cache import BESIDE_RUNS

    return runs / BESIDE_RUNS


@app.command()
def stats(runs: Runs = Path("runs"), as_json: AsJson = False) -> None:
    """Say how many answers are kept, of which models."""
    import json

    from evalharness.runs.cache_care import cache_stats
    from evalharness.text.visible import line

    found = cache_stats(_place(runs))
    if as_json:
        print(json.dumps(found.as_json()))
        return
    print(f"{found.path}: {sum(s.answers for s in found.models.values()):,} answers, {found.size:,} bytes")
    for name, share in found.models.items():
        damaged = f", {share.damaged:,} damaged" if share.damaged else ""
        print(f"  {line(name, 200)}: {share.answers:,} answers, {share.tokens:,} tokens{damaged}")


@app.command()
def why(
    run: Annotated[str, typer.Argument(help="A run: its folder or name.")],
    item: Annotated[str | None, typer.Option(help="One item's id.")] = None,
    runs: Runs = Path("runs"),
    as_json: AsJson = False,
) -> None:
    """Say why answers of a run were asked for although others are kept."""
    import json

    from evalharness.runs.cache_care import cache_reasons
    from evalharness.runs.store import find_run
    from evalharness.text.visible import line

    found_run = find_run(run, runs)
    found = cache_reasons(_place(found_run.path.parent), found_run, item)
    if as_json:
        print(json.dumps(found.as_json()))
        return
    asked = sum(found.reasons.values())
    print(line(f"{found_run.path}: {found.from_cache:,} answers came from the cache, {asked:,} were asked for", 2000))
    for reason, count in found.reasons.items():
        print(f"  {count:,}: {line(reason, 500)}")


@app.command()
def verify(
    runs: Runs = Path("runs"),
    repair: Annotated[bool, typer.Option("--repair", help="Keep what is whole, set the damaged file aside.")] = False,
    as_json: AsJson = False,
) -> int:
    """Check that every kept answer is as it was written; exit code 2 where one is not."""
    import json

    from evalharness.runs.cache_care import verify_cache
    from evalharness.text.visible import line

    found = verify_cache(_place(runs), repair=repair)
    if as_json:
        print(json.dumps(found.as_json()))
        return found.exit_code
    older = f", {found.unchecked:,} of an earlier version without a checksum" if found.unchecked else ""
    print(f"{found.path}: {found.good:,} answers are as they were written{older}, {found.damaged:,} are damaged")
    for problem in found.problems:
        print(f"  {line(problem, 500)}")
    if found.repaired:
        print("what is whole was kept; the damaged file is set aside as replies.damaged.sqlite")
    elif found.exit_code:
        print("damaged answers are asked again; --repair keeps the others in a new file")
    return found.exit_code


@app.command()
def clear(runs: Runs = Path("runs")) -> None:
    """Delete all kept answers; runs keep theirs."""
    from evalharness.runs.cache_care import clear_cache

    place = _place(runs)
    print(f"{place}: {clear_cache(place):,} bytes deleted")
