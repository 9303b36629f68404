"""`evalh init`: the files with which a project begins."""

import sys
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

EXAMPLES = """
evalh init
evalh init evals --model openai:gpt-4o-mini --ci github
evalh init evals --from promptfooconfig.yaml
"""


def init(
    folder: Annotated[Path, Argument(help="Where suite, benchmark and judge go.")] = Path("evals"),
    model: Annotated[str | None, Option("--model", "-m", help="PLUGIN[:ARGUMENT]; `tiny` runs at once.")] = None,
    ci: Annotated[str | None, Option(help="Write the gate for github, gitlab or none.")] = None,
    source: Annotated[
        Path | None, Option("--from", help="Make the suite of promptfoo's configuration, or of an eval of OpenAI's.")
    ] = None,
    allow_outside: Annotated[
        bool, Option("--allow-outside", help="That file may name others outside its folder.")
    ] = False,
) -> None:
    """Write a suite, a benchmark and a judge of your own, and the gate in CI. Asks nothing when not on a terminal."""
    from evalharness import plugins
    from evalharness.data import files
    from evalharness.errors import UserError, option_name
    from evalharness.suites.starter_files import ci_service, from_a_folder, installed_at, required, write_starter
    from evalharness.text.visible import line, shell_word, warning_line

    if source is not None:
        if model is not None or ci is not None:
            raise UserError(f"{option_name('model' if model else 'ci')} does not go with --from: the file says it")
        files.allow_outside(allow_outside)
        _carry(source, folder)
        return
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
        print("\nthen commit these files and baselines/; .gitignore keeps runs/ and evalh-report/ out")
        if from_a_folder():
            said = f"CI installs {required(spec)} from PyPI; this one came from a folder: say there where CI finds it"
            print(warning_line(f"{installed_at(service)}: {said}"), file=sys.stderr)


def _carry(source: Path, folder: Path) -> None:
    """Make a suite of another program's file; print what was written, and on standard error what was left out."""
    from evalharness.suites.carried import write_carried
    from evalharness.suites.carry import carried_from
    from evalharness.text.visible import line, shell_word

    carried = carried_from(source.expanduser())
    for path in write_carried(folder, carried, source):
        print(line(str(path), 400))
    for said in carried.left_out:
        print(line(said, 400), file=sys.stderr)
    suite = shell_word((folder / "suite.yaml").as_posix())
    print(f"\nnext:\nevalh run {line(suite, 400)}")


def _asked(question: str, usual: str) -> str:
    """What a person answers on a terminal; elsewhere what is usual."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return usual
    return input(f"{question} [{usual}] ").strip() or usual
