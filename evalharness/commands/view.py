"""`evalh view`: runs in a browser: their results, two of them side by side, all of them in a table."""

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

EXAMPLES = """
evalh view
evalh view runs/a runs/b
evalh view --host 0.0.0.0 --allow-host eval.example.org
"""


def view(
    runs_: Annotated[
        list[str] | None, Argument(metavar="[RUN...]", help="Runs, or folders of runs; those of --runs otherwise.")
    ] = None,
    host: Annotated[str, Option(help="Address to listen on; beyond this machine a token is asked for.")] = "127.0.0.1",
    port: Annotated[int, Option(min=0, max=65535, help="Port to listen on; 0 takes any that is free.")] = 8124,
    token: Annotated[
        str | None, Option(help="The token that readers must have; one is made beyond this machine.")
    ] = None,
    allow_host: Annotated[list[str] | None, Option(help="A name that this server goes by. Repeatable.")] = None,
    runs: Annotated[Path, Option(help="Folder that holds the runs.")] = Path("runs"),
) -> None:
    """Show runs in a browser. Ctrl-C ends it."""
    from evalharness.errors import UserError, option_name
    from evalharness.report.serving import show_address, show_indexing
    from evalharness.web.application import view_application
    from evalharness.web.guard import is_loopback
    from evalharness.web.run_library import RunLibrary
    from evalharness.web.serving import listen, serve_pages

    if token == "" and not is_loopback(host):
        raise UserError(f"{option_name('token')}: runs are shown beyond this machine to those with a token only")
    library = RunLibrary(runs_ or [], runs)
    place = listen(host, port, allow_host or [], token=token)
    show_indexing(library.named_runs(), library.index)
    serve_pages(view_application(library, place.terms), place, show_address)
