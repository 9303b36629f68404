"""`evalh diff-config`: every setting in which two runs differ."""

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

EXAMPLES = """
evalh diff-config ours theirs
evalh diff-config main my-run --json
"""


def diff_config(
    base: Annotated[str, Argument(help="A finished run (also an imported one) or a baseline.")],
    new: Annotated[str, Argument(help="The other.")],
    runs: Annotated[Path, Option(help="Folder that holds the runs.")] = Path("runs"),
    baselines: Annotated[Path, Option(help="Folder that holds the baselines.")] = Path("baselines"),
    as_json: Annotated[bool, Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> None:
    """List every setting in which two runs differ, those first that are known to move scores most."""
    from evalharness.comparison.inputs import open_side
    from evalharness.comparison.settings import setting_differences
    from evalharness.report.settings import show_settings

    sides = [open_side(name, runs, baselines) for name in (base, new)]
    show_settings(setting_differences(*sides), as_json=as_json)
