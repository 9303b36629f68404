"""`evalh view`: runs in a browser: their results, two of them side by side, all of them in a table."""

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

EXAMPLES = """
evalh view
evalh view runs/a runs/b
evalh view export runs/a runs/b site
evalh view --host 0.0.0.0 --allow-host eval.example.org
"""


def view(
    runs_: Annotated[
        list[str] | None,
        Argument(metavar="[RUN...] | export [RUN...] DIR", help="Runs, or folders of them; those of --runs otherwise."),
    ] = None,
    host: Annotated[str, Option(help="Address to listen on; beyond this machine a token is asked for.")] = "127.0.0.1",
    port: Annotated[int, Option(min=0, max=65535, help="Port to listen on; 0 takes any that is free.")] = 8124,
    token: Annotated[
        str | None, Option(help="The token that readers must have; one is made beyond this machine.")
    ] = None,
    allow_host: Annotated[list[str] | None, Option(help="A name that this server goes by. Repeatable.")] = None,
    root_path: Annotated[str, Option(help="The path under which a proxy shows the pages, such as /evalh.")] = "",
    trust_proxy: Annotated[
        list[str] | None, Option(help="A proxy's address: its X-Forwarded-Proto and -For are believed. Repeatable.")
    ] = None,
    results: Annotated[int, Option(min=1, help="With export: at most so many results of a run and status.")] = 200,
    runs: Annotated[Path, Option(help="Folder that holds the runs.")] = Path("runs"),
) -> None:
    """Show runs in a browser until Ctrl-C ends it, or write the same pages as files (export)."""
    from evalharness.errors import UserError, option_name
    from evalharness.report.serving import show_address, show_exported, show_indexing
    from evalharness.web.application import view_application
    from evalharness.web.guard import is_loopback
    from evalharness.web.run_library import RunLibrary
    from evalharness.web.serving import listen, proxy_terms, serve_pages
    from evalharness.web.static_site import export_site

    if token == "" and not is_loopback(host):
        raise UserError(f"{option_name('token')}: runs are shown beyond this machine to those with a token only")
    words = runs_ or []
    if words[:1] == ["export"]:
        if len(words) < 2:
            raise UserError("evalh view export [RUN...] DIR: name the folder that the pages go to")
        site = Path(words[-1])
        show_exported(site, export_site(RunLibrary(words[1:-1], runs), site, results))
        return
    library = RunLibrary(words, runs)
    proxy = proxy_terms(root_path, trust_proxy or [])
    place = listen(host, port, allow_host or [], token=token, proxy=proxy)
    show_indexing(library.named_runs(), library.index)
    serve_pages(view_application(library, place.terms), place, show_address)
