"""A run made again by the command in its manifest: what a file may have done, and from where its own paths lead."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from evalharness.errors import Exit, UserError, option_name
from evalharness.runs.imported import is_imported
from evalharness.runs.manifest import Manifest
from evalharness.runs.store import Run

# What a manifest's command names may run programs, or say secrets to strangers: nobody consents to that by a file.
_NEEDS_CONSENT = (
    "--yes-run", "--allow-outside", "--trust-task-code", "--engine-python", "--vllm-python", "--engine-args",
    "--model-option", "--base-url", "--judge-base-url", "--header", "--sandbox-packages", "function:",
)  # fmt: skip


def made_again(run: Run, runs: Path, *, consent: bool, limit: int | None = None, name: str | None = None) -> Run:
    """The run again, by the command in its manifest, without the cache, in a new folder; of a part of it with `limit`,
    and in the folder `name`, where one is given, which goes on where it was stopped. UserError where the manifest does
    not say how it was made, or names what it takes `consent` to do, or where it cannot be made."""
    words = command_of(run, consent=consent)
    if limit:
        words = [*_without(words, "--limit"), "--limit", str(limit)]
    folder = _new_name(runs, f"{run.name}-again") if name is None else runs / name
    return given_again([*words[1:], "--no-cache"], run.manifest, folder)


def command_of(run: Run, *, consent: bool) -> list[str]:
    """The command that made a run, from its word `run` on, without what belongs to that run alone. UserError where it
    is none that can be given again, or names what it takes `consent` to do."""
    words = list(run.manifest.command or ())
    _may_be_given(run, words, consent=consent)
    for option in ("--shard", "--against", "--margin", "--log-to"):
        words = _without(words, option)
    return [word for word in words[1:] if word != "--json"]


def given_again(words: Sequence[str], manifest: Manifest, folder: Path) -> Run:
    """The run in `folder` that `evalh run` makes with these words, from where those of the manifest were given.
    UserError where it fails."""
    options = ["--name", folder.name, "--runs", str(folder.parent.absolute())]
    made = subprocess.run(
        [sys.executable, "-m", "evalharness", "run", *words, *options], stdout=sys.stderr, check=False,
        cwd=_where_given(words, manifest),
    )  # fmt: skip
    if made.returncode not in (Exit.FINE, Exit.NOT_WHOLE):
        raise UserError(
            f"it could not be made again (exit {made.returncode}, see above): evalh run {' '.join(words)}",
            Exit.NOT_WHOLE,
        )
    return Run(folder)


def _new_name(runs: Path, name: str) -> Path:
    """A folder for a run that is made again: one that was stopped goes on, a finished one is left as it is."""
    folder, number = runs / name, 2
    while Run(folder).finished:
        folder, number = runs / f"{name}-{number}", number + 1
    return folder


def _is_suite(word: str, run: Run) -> bool:
    """Whether what a command runs is a suite's file, and not the file that describes a benchmark of the run."""
    files = [Path(facts.data.described_by) for facts in run.manifest.benchmarks.values() if facts.data.described_by]
    return word.endswith((".yaml", ".yml")) and not any(file.match(word) for file in files)


def _may_be_given(run: Run, words: Sequence[str], *, consent: bool) -> None:
    """UserError where the manifest's command is none that makes this run, or one that a file cannot consent to."""
    own = f"make it again yourself with another {option_name('name')} and give both runs"
    if any(is_imported(facts) for facts in run.manifest.benchmarks.values()):
        raise UserError(f"{run.path} was imported: the program that made it has to make it again")
    if len(words) < 3 or words[1] != "run" or "***" in words or any("=***" in word for word in words):
        raise UserError(f"{run.path}: its manifest has no whole command of `evalh run`; {own}")
    if run.manifest.sequential is not None:
        raise UserError(f"{run.path} was ended early by a comparison, which is not made again; {own}")
    if _is_suite(words[2], run):
        raise UserError(f"{run.path} is of the suite {words[2]}; {own}")
    risky = [word for word in words[2:] if word.startswith(_NEEDS_CONSENT) or word.endswith(".py")]
    risky += [f"--sandbox {word}" for before, word in pairwise(words) if before == "--sandbox"]
    risky += [word for word in words if word.startswith(("--sandbox=", "--model=function:", "-mfunction:"))]
    if risky and not consent:
        raise UserError(
            f"{run.path}: its command has {risky[0]!r:.80}, to which a file cannot consent; look at the command in "
            f"run.json and give {option_name('yes_run_its_command')}"
        )


def _without(words: Sequence[str], option: str) -> list[str]:
    """A command without an option and its value, as often as it is there."""
    kept, skip = [], False
    for word in words:
        if not skip and word != option and not word.startswith(f"{option}="):
            kept.append(word)
        skip = word == option
    return kept


def _where_given(words: Sequence[str], manifest: Manifest) -> Path:
    """The folder from which the command's own files are where the manifest says that they were; this one where it names
    none, or they are here too."""
    places = {
        place for one in manifest.benchmarks.values() for place in (one.data.path, one.data.described_by) if place
    }
    named = [Path(word) for word in words if not word.startswith("-") and not Path(word).is_absolute()]
    # The longest first: of `run mmlu --data data/mmlu` the first `mmlu` is no folder.
    for relative in sorted(filter(lambda word: word.parts, named), key=lambda word: -len(word.parts)):
        for place in map(Path, places):
            if place.exists() and place.match(str(relative)):
                return Path() if relative.exists() else Path(*place.parts[: -len(relative.parts)])
    return Path()
