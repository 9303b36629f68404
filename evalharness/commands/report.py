"""`evalh report`: a run or a kept comparison as a page, Markdown, JUnit, JSON, or the comment of a pull request."""

from pathlib import Path
from typing import Annotated

from typer import Argument, Option


def report(
    what: Annotated[str, Argument(help="A run (folder or name), or the report.json of a comparison.")],
    form: Annotated[
        str, Option("--format", "-f", help="terminal, figures, markdown, html, junit, sarif or json.")
    ] = "terminal",
    output: Annotated[Path | None, Option("--output", "-o", help="Write here instead of standard output.")] = None,
    comment: Annotated[
        bool, Option("--comment", help="Write the comparison as the one comment of this pull or merge request.")
    ] = False,
    plain: Annotated[bool, Option("--plain", help="Markdown for readers that know no HTML.")] = False,
    key: Annotated[str, Option(help="Which of several sticky comments this is.")] = "default",
    runs: Annotated[Path, Option(help="Folder that holds the runs.")] = Path("runs"),
) -> None:
    """Report one run, or a comparison kept by `evalh compare --report DIR`."""
    from evalharness.comparison.document import read_document
    from evalharness.errors import UserError
    from evalharness.report import deliver, formats, markdown, pull_request

    kept = Path(what).suffix == ".json" and not Path(what).is_dir()
    if plain and form != "markdown":
        raise UserError("--plain is a way to write Markdown; add --format markdown")
    if comment and not kept:
        raise UserError("--comment wants the report.json of a comparison; `evalh compare --report DIR` writes one")
    if comment:
        pull_request.publish(markdown.comment_markdown(read_document(Path(what)), key=key, link=deliver.link()))
        return
    made = formats.comparison_as(read_document(Path(what)), form, key) if kept else formats.run_as(what, form, runs)
    deliver.hand_over(markdown.plain_markdown(made) if plain and isinstance(made, str) else made, output)
