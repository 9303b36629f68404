"""Puts the commands together. Imports nothing heavy: `evalh --help` must answer at once."""

from __future__ import annotations

import gc
import os
import sys
from contextlib import AbstractContextManager, nullcontext
from importlib import import_module
from typing import TYPE_CHECKING

import evalharness
from evalharness.errors import Exit, UserError, flags_in_messages, install_hint, nearest

if TYPE_CHECKING:
    import typer

    from evalharness.events import Event

INTERRUPTED = "interrupted; what was done is kept, the same command goes on"


class Command:
    """A command: its module in commands/ with what that calls it (`app` is a group of commands), and a line of help."""

    __slots__ = ("line", "where")  # no named tuple or dataclass: those are compiled at every start

    def __init__(self, where: str, line: str) -> None:
        self.where = where
        self.line = line


COMMANDS = {
    "init": Command("init.init", "Write a suite, a benchmark and a judge to begin with."),
    "run": Command("run.run", "Ask a model the questions of benchmarks, with intervals."),
    "ci": Command("ci.ci", "All of CI: run a suite, compare, gate, report."),
    "show": Command("show.show", "Show a run: figures, one question whole, the wrong ones."),
    "view": Command("view.view", "Look at runs in a browser: results, comparisons."),
    "verify": Command("verify.verify", "Check whether a run's folder agrees with itself."),
    "plan": Command("plan.plan", "Say how many items, samples and dollars decide a margin."),
    "merge": Command("merge.merge", "Put the shards of a run together."),
    "compare": Command("compare.compare", "Compare two runs item by item: better, worse, same?"),
    "diff-config": Command("diff_config.diff_config", "List every setting in which two runs differ."),
    "ab": Command("ab.ab", "Compare two prompts over a suite."),
    "flaky": Command("flaky.flaky", "Compare a run with itself asked again."),
    "uncertainty": Command("uncertainty.uncertainty", "Items, reruns, wordings, judge: all in one interval."),
    "reproduce": Command("reproduce.reproduce", "Make a run again: same bytes, within noise, or why not."),
    "history": Command("history.history", "Show a benchmark's figures over time."),
    "report": Command("report.report", "Report a run, or a comparison that was kept."),
    "baseline": Command("baseline.app", "Keep a run as the baseline of later ones."),
    "finetune": Command("finetune.finetune", "Fine-tune a model, stopped at overfitting."),
    "forget": Command("forget.forget", "What a fine-tuned model lost and gained, in a given time."),
    "push": Command("push.push", "Upload a model with its card."),
    "chat": Command("chat.chat", "Talk to a model."),
    "rescore": Command("rescore.rescore", "Score recorded answers again as rules are now."),
    "preview": Command("preview.preview", "Show prompts exactly as they are sent, ask nobody."),
    "import": Command("import_.import_", "Make a run of answers or judgments made elsewhere."),
    "export": Command("export.export", "Write a run in another program's format, or as a table."),
    "list": Command("listing.list_", "List benchmarks, judges, models or runs."),
    "demo": Command("demo.demo", "See the whole road in a minute or two, offline."),
    "doctor": Command("doctor.doctor", "Examine a model or a benchmark before a run."),
    "contamination": Command("contamination.contamination", "Whether a model knows the order of a benchmark's file."),
    "sandbox": Command("sandbox.sandbox", "Attack the sandbox, say which fence holds here."),
    "data": Command("data.app", "Fetch and pin the data of benchmarks."),
    "cache": Command("cache.app", "The cache of paid answers: its size, faults, why a miss."),
    "arena": Command("arena.app", "Let people vote blind; rate models by battles."),
    "leaderboard": Command("leaderboard.leaderboard", "Many runs in one table, with ranks and their ranges."),
    "scaling": Command("scaling.scaling", "A ladder of models: does a benchmark rank them?"),
    "twins": Command("twins.twins", "Name runs that can hardly be two models."),
    "winrate": Command("winrate.winrate", "The share of other models that each model beats."),
    "judge": Command("judge.app", "Judge the answers of a finished run; examine judges."),
    "completion": Command("completion.completion", "Print what bash, zsh or fish needs to complete evalh."),
}


def application(only: str | None = None) -> typer.Typer:
    """The typer application. The command that `only` names is made whole and alone; of no such command, every one is
    listed and none made: `evalh --help` loads no options."""
    import typer

    app = typer.Typer(
        name="evalh",
        help=evalharness.__doc__,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": _help_width()},
        add_completion=False,
        rich_markup_mode=None,  # rich help alone would cost half of the start-up time
        pretty_exceptions_enable=False,
    )
    if only in COMMANDS:
        _add(app, str(only))
    else:
        for name, command in COMMANDS.items():
            app.command(name, help=command.line)(_listed)

    @app.callback()
    def _version() -> None: ...

    return app


def _help_width() -> int:
    """As wide as the terminal, and no wider than lines are read."""
    import shutil  # which brings the archives' modules: for help alone

    return min(shutil.get_terminal_size().columns, 120)


def _add(app: typer.Typer, name: str) -> None:
    """Make one command or group of commands."""
    import typer

    from evalharness.commands._flags import HelpInGroups

    file, _, wanted = COMMANDS[name].where.partition(".")
    module = import_module(f"evalharness.commands.{file}")
    found = getattr(module, wanted)
    if isinstance(found, typer.Typer):
        app.add_typer(found, name=name)
    else:
        app.command(name, cls=HelpInGroups, epilog=getattr(module, "EXAMPLES", None))(found)


def _listed() -> None:
    """Stands for a command in the list of all."""


def main() -> None:
    """The `evalh` program: exit codes as errors.Exit, a user's mistake is one line on standard error."""
    if sys.argv[1:] == ["--version"]:
        print(f"evalharness {evalharness.__version__}")
        return
    from evalharness.text.plain_characters import write_what_can_be_shown

    write_what_can_be_shown()
    if "_EVALH_COMPLETE" in os.environ:
        _complete()
    code = guarded(sys.argv[1:] or ["--help"])
    gc.freeze()  # on its way out the interpreter would look through all of torch for garbage, for a third of a second
    sys.exit(code)


def _complete() -> None:
    """Tell a shell what could follow; never comes back."""
    from typer.completion import completion_init  # type: ignore[attr-defined]  # typer does not list it

    completion_init()
    typed = (os.environ.get("COMP_WORDS") or os.environ.get("_TYPER_COMPLETE_ARGS") or "").split()
    application(next(iter(typed[1:]), None))(args=[], prog_name="evalh", complete_var="_EVALH_COMPLETE")


def guarded(arguments: list[str]) -> int:
    """Run one command line and return its exit code; a user's mistake is printed as one line."""
    import typer

    from evalharness.events import observed_by

    words = with_batch_api(arguments)
    try:
        with flags_in_messages(True), observed_by(_warned), _with_stores(words) as words:
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
        return _complain(f"this needs the package {error.name}: {install_hint(error.name)}", Exit.USAGE)
    except BrokenPipeError:
        sys.stderr.close()
        return Exit.FINE
    except Exception as error:
        message = getattr(error, "format_message", None)  # a click usage error: unknown option, missing argument
        if message is None:
            raise
        if type(error).__name__ == "NoArgsIsHelpError":  # a group without a command has its help, as `evalh` has
            print(message())
            return Exit.FINE
        named = next(iter(words), None)
        guessed = "Did you mean" in message()
        near = (
            "" if guessed or named is None or named in COMMANDS or named.startswith("-") else nearest(named, COMMANDS)
        )
        more = f"evalh {named} --help" if named in COMMANDS else "evalh --help"
        return _complain(f"{message().rstrip('.')}{near}; `{more}` shows what there is", Exit.USAGE)


def _with_stores(words: list[str]) -> AbstractContextManager[list[str]]:
    """The words with folders of this machine in place of addresses in object stores."""
    if not any("://" in word for word in words):
        return nullcontext(words)
    from evalharness.runs.object_stores import with_mirrors

    return with_mirrors(words)


def with_batch_api(arguments: list[str]) -> list[str]:
    """`evalh run ... --batch` without a number means `--batch-api`; with one it is the batch size of a local model."""
    if arguments[:1] != ["run"]:
        return arguments
    following = [*arguments[1:], ""]
    pairs = zip(arguments, following, strict=True)
    return ["--batch-api" if word == "--batch" and not after.lstrip("-").isdigit() else word for word, after in pairs]


def _warned(event: Event) -> None:
    """Warnings on standard error, for commands that show no progress."""
    from evalharness.events import Warned

    if isinstance(event, Warned):
        from evalharness.text.visible import warning_line

        print(warning_line(event.text), file=sys.stderr)


def _complain(message: str, code: int) -> int:
    from evalharness.text.visible import line

    print(f"evalh: {line(message, 2000)}", file=sys.stderr)
    return int(code)
