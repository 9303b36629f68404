"""Puts the commands together. Imports nothing heavy: `evalh --help` must answer at once."""

from __future__ import annotations

import gc
import sys
from importlib import import_module
from typing import TYPE_CHECKING

import evalharness
from evalharness.errors import Exit, UserError, flags_in_messages
from evalharness.events import Event, Warned, observed_by

if TYPE_CHECKING:
    import typer

INTERRUPTED = "interrupted; what was answered is safe, the same command goes on"


# A command's name -> its module in commands/ and what that calls it; `app` is a group of commands.
COMMANDS = {
    "run": "run.run",
    "ci": "ci.ci",
    "show": "show.show",
    "verify": "verify.verify",
    "compare": "compare.compare",
    "flaky": "flaky.flaky",
    "report": "report.report",
    "baseline": "baseline.app",
    "finetune": "finetune.finetune",
    "forget": "forget.forget",
    "push": "push.push",
    "chat": "chat.chat",
    "rescore": "rescore.rescore",
    "preview": "preview.preview",
    "import": "import_.import_",
    "list": "listing.list_",
    "demo": "demo.demo",
    "sandbox": "sandbox.sandbox",
    "data": "data.app",
    "cache": "cache.app",
    "doctor": "doctor.doctor",
    "arena": "arena.app",
    "winrate": "winrate.winrate",
    "judge": "judge.app",
}


def application(only: str | None = None) -> typer.Typer:
    """The typer application with every command; with one alone where `only` names it: the others need not be made."""
    import typer

    from evalharness.commands._flags import HelpInGroups

    app = typer.Typer(
        name="evalh",
        help=evalharness.__doc__,
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,  # rich help alone would cost half of the start-up time
        pretty_exceptions_enable=False,
    )
    for name in (only,) if only in COMMANDS else COMMANDS:
        file, _, wanted = COMMANDS[str(name)].partition(".")
        module = import_module(f"evalharness.commands.{file}")
        found = getattr(module, wanted)
        if isinstance(found, typer.Typer):
            app.add_typer(found, name=name)
        else:
            app.command(name, cls=HelpInGroups, epilog=getattr(module, "EXAMPLES", None))(found)

    @app.callback()
    def _version() -> None: ...

    return app


def main() -> None:
    """The `evalh` program: exit codes as errors.Exit, a user's mistake is one line on standard error."""
    if sys.argv[1:] == ["--version"]:
        print(f"evalharness {evalharness.__version__}")
        return
    code = guarded(sys.argv[1:])
    gc.freeze()  # on its way out the interpreter would look through all of torch for garbage, for a third of a second
    sys.exit(code)


def guarded(arguments: list[str]) -> int:
    """Run one command line and return its exit code; a user's mistake is printed as one line."""
    import typer

    try:
        with flags_in_messages(True), observed_by(_warned):
            words = with_batch_api(arguments)
            outcome = application(next(iter(words), None))(args=words, prog_name="evalh", standalone_mode=False)
        code = int(outcome or 0)
        return _complain(INTERRUPTED, code) if code == Exit.INTERRUPTED else code  # what typer makes of Ctrl-C
    except UserError as error:
        return _complain(str(error), error.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        return _complain(INTERRUPTED, Exit.INTERRUPTED)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] == "evalharness":
            raise
        from evalharness.plugins import install_hint

        return _complain(f"this needs the package {error.name}: {install_hint(error.name)}", Exit.USAGE)
    except BrokenPipeError:
        sys.stderr.close()
        return Exit.FINE
    except Exception as error:
        message = getattr(error, "format_message", None)  # a click usage error: unknown option, missing argument
        if message is None:
            raise
        return _complain(f"{message()}; `evalh --help` shows what there is", Exit.USAGE)


def with_batch_api(arguments: list[str]) -> list[str]:
    """`evalh run ... --batch` without a number means `--batch-api`; with one it is the batch size of a local model."""
    if arguments[:1] != ["run"]:
        return arguments
    following = [*arguments[1:], ""]
    pairs = zip(arguments, following, strict=True)
    return ["--batch-api" if word == "--batch" and not after.lstrip("-").isdigit() else word for word, after in pairs]


def _warned(event: Event) -> None:
    """Warnings on standard error, for commands that show no progress."""
    if isinstance(event, Warned):
        from evalharness.text.visible import line

        print(f"evalh: warning: {line(event.text, 2000)}", file=sys.stderr)


def _complain(message: str, code: int) -> int:
    from evalharness.text.visible import line

    print(f"evalh: {line(message, 2000)}", file=sys.stderr)
    return int(code)
