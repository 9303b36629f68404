"""`evalh report`: a run or a kept comparison as a page, Markdown, JUnit, JSON, or the comment of a pull request."""

from pathlib import Path
from typing import Annotated

from typer import Argument, Option


def report(
    what: Annotated[str, Argument(help="A run (folder or name), or the report.json of a comparison.")],
    form: Annotated[str, Option("--format", "-f", help="terminal, markdown, html, junit or json.")] = "terminal",
    output: Annotated[Path | None, Option("--output", "-o", help="Write here instead of standard output.")] = None,
    comment: Annotated[
        bool, Option("--comment", help="Write the comparison as the one comment of this pull or merge request.")
    ] = False,
    key: Annotated[str, Option(help="Which of several sticky comments this is.")] = "default",
    runs: Annotated[Path, Option(help="Folder that holds the runs.")] = Path("runs"),
) -> None:
    """Report one run, or a comparison kept by `evalh compare --report DIR`."""
    from evalharness.report import forms

    forms.write_report(what, form, output=output, comment=comment, key=key, runs=runs)
