"""`evalh diff-config`: every setting in which two runs differ."""

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

EXAMPLES = """
evalh diff-config ours theirs
evalh diff-config main my-run --json
evalh diff-config ours theirs --explain --sample 200
"""


def diff_config(
    base: Annotated[str, Argument(help="A finished run (also an imported one) or a baseline.")],
    new: Annotated[str, Argument(help="The other.")],
    runs: Annotated[Path, Option(help="Folder that holds the runs.")] = Path("runs"),
    baselines: Annotated[Path, Option(help="Folder that holds the baselines.")] = Path("baselines"),
    explain: Annotated[
        bool, Option("--explain", help="Ask a sample again, one option changed at a time, until nothing is left.")
    ] = False,
    sample: Annotated[int, Option(help="Items that are asked again at each step.", min=2)] = 100,
    yes_run_its_command: Annotated[
        bool, Option("--yes-run-its-command", help="Also where the command in run.json names programs or addresses.")
    ] = False,
    as_json: Annotated[bool, Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> int:
    """List every setting in which two runs differ, those first that are known to move scores most."""
    from evalharness.comparison.inputs import open_side
    from evalharness.comparison.settings import setting_differences
    from evalharness.errors import Exit
    from evalharness.report.settings import show_settings

    sides = [open_side(name, runs, baselines) for name in (base, new)]
    found = setting_differences(*sides)
    if not explain:
        show_settings(found, as_json=as_json)
        return Exit.FINE
    from evalharness.evidence.explain import explain_difference

    told = explain_difference(base, new, runs=runs, baselines=baselines, sample=sample, consent=yes_run_its_command)
    show_settings(found, as_json=as_json, explanation=told)
    return Exit.FINE if told.explained else Exit.INCONCLUSIVE
