"""`evalh init`: the files with which a project begins."""

import sys
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

EXAMPLES = """
evalh init
evalh init evals --model openai:gpt-4o-mini --ci github
"""


def init(
    folder: Annotated[Path, Argument(help="Where suite, benchmark and judge go.")] = Path("evals"),
    model: Annotated[str | None, Option("--model", "-m", help="PLUGIN[:ARGUMENT]; `tiny` runs at once.")] = None,
    ci: Annotated[str | None, Option(help="Write the gate for github, gitlab or none.")] = None,
) -> None:
    """Write a suite, a benchmark and a judge of your own, and the gate in CI. Asks nothing when not on a terminal."""
    from evalharness import plugins
    from evalharness.suites.starter_files import ci_service, from_a_folder, required, write_starter
    from evalharness.text.visible import line, shell_word, warning_line

    service = ci_service(ci or _asked("Gate pull requests on github, gitlab or none?", "none"))
    spec = model or _asked("Which model? PLUGIN[:ARGUMENT]", "tiny")
    plugins.load_plugin("models", spec.partition(":")[0])
    for path in write_starter(folder, spec, service):
        print(line(str(path), 400))
    bench, suite = shell_word((folder / "my_bench.yaml").as_posix()), shell_word((folder / "suite.yaml").as_posix())
    print("\nnext:")
    print(line(f"evalh preview {bench} --model {shell_word(spec)}", 400))
    print(line(f"evalh run {bench} --model {shell_word(spec)}", 400))
    print(line(f"evalh ci {suite} --no-baseline create", 400))
    if service != "none":
        print("\nthen commit these files and baselines/, and keep runs/ and evalh-report/ out of git")
        if from_a_folder():
            said = f"CI installs {required(spec)} from PyPI; this one came from a folder: say where CI finds it"
            print(warning_line(said), file=sys.stderr)


def _asked(question: str, usual: str) -> str:
    """What a person answers on a terminal; elsewhere what is usual."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return usual
    return input(f"{question} [{usual}] ").strip() or usual
